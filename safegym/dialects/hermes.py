"""Calls as JSON in `<tool_call>` tags: Hermes 2 and 3, Qwen 2.5 and 3, Granite 4, SmolLM3.

Format: the chat templates of Qwen/Qwen3-8B and NousResearch/Hermes-3-Llama-3.1-8B.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from safegym.dialects.base import Dialect, Form, Found, Tools, read_blocks
from safegym.dialects.marked import json_block
from safegym.dialects.values import dumps
from safegym.records import ToolCall

_OPENING, _CLOSING = "<tool_call>", "</tool_call>"
_MARK = re.compile(rf"{_OPENING}(?:\s*```\w*)?")
_BLOCK = json_block(_CLOSING, required=True)


def read(text: str, tools: Tools) -> Found:
    """Every block; a block may hold several calls, or a list."""
    return read_blocks(text, _MARK, _BLOCK, tools, stray=(_CLOSING,))


def write(calls: Sequence[ToolCall]) -> str:
    """One block per call."""
    written = (dumps({"name": call.tool, "arguments": call.arguments}) for call in calls)
    return "\n".join(f"{_OPENING}\n{each}\n{_CLOSING}" for each in written)


HERMES = Dialect(
    name="hermes",
    signs=(_OPENING,),
    marks=(_OPENING,),
    read=read,
    write=write,
    forms=(Form('<tool_call>\n{"name": "{name}", "arguments": ', "}\n</tool_call>"),),
)
