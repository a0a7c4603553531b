"""Calls behind `[TOOL_CALLS]`: Mistral 7B v0.3 to Small 3.1 as a list, Small 3.2, Devstral and Magistral by name.

Format: mistral-common's tokenizers, v3 to v7 (`[TOOL_CALLS][{"name": ..., "arguments": ...}]`), v11 to v13
(`[TOOL_CALLS]name[CALL_ID]id[ARGS]{...}`, the id being optional). Magistral reasons between `[THINK]` and `[/THINK]`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from safegym.dialects.base import Block, Dialect, Form, Found, Tools, read_blocks
from safegym.dialects.marked import json_block, named_json
from safegym.dialects.values import dumps
from safegym.records import ToolCall

_MARK = re.compile(r"\[TOOL_CALLS\]")
_NAMED = re.compile(r"\s*([\w.-]+)\s*(?:\[CALL_ID\]\s*[\w-]*\s*)?(?:\[ARGS\]\s*|(?=\{))")
_BEGUN = re.compile(r"\s*[\w.-]+\s*(?:\[CALL_ID\]\s*[\w-]*\s*)?(?:\[[A-Z_]*)?\Z")
_JSON = json_block(stop="[TOOL_CALLS]")


def read(text: str, tools: Tools) -> Found:
    """Both forms, also mixed."""
    return read_blocks(text, _MARK, _block, tools)


def write(calls: Sequence[ToolCall]) -> str:
    """The newer form."""
    return "".join(f"[TOOL_CALLS]{call.tool}[ARGS]{dumps(call.arguments)}" for call in calls)


def _block(mark: re.Match[str], tools: Tools) -> Block | None:
    text, at = mark.string, mark.end()
    named = _NAMED.match(text, at)
    if named:
        return named_json(named[1], text, named.end(), stop="[TOOL_CALLS]")
    if _BEGUN.match(text, at):
        return Block(len(text), open=True)
    return _JSON(mark, tools)


MISTRAL = Dialect(
    name="mistral",
    signs=("[TOOL_CALLS]",),
    marks=("[TOOL_CALLS]",),
    read=read,
    write=write,
    forms=(
        Form("[TOOL_CALLS]{name}[ARGS]"),
        Form('[TOOL_CALLS][{"name": "{name}", "arguments": ', "}]"),
    ),
    thought=("[THINK]", "[/THINK]"),
)
