"""Calls as JSON with "parameters": Llama 3.1, 3.2, 3.3 and 4.

Format: the chat template of meta-llama/Llama-3.1-8B-Instruct, which writes one bare object per reply, behind
`<|python_tag|>` in its code environment; that of meta-llama/Llama-4-Scout-17B-16E-Instruct puts `<|python_start|>` and
`<|python_end|>` around what is no prose.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from safegym.dialects import pythonic
from safegym.dialects.base import Block, Dialect, Form, Found, Tools, read_blocks, without
from safegym.dialects.json_calls import read as read_json
from safegym.dialects.marked import json_block
from safegym.dialects.values import dumps
from safegym.records import ToolCall

_MARK = re.compile(r"<\|python_(?:tag|start)\|>")
_FRAME = ("<|python_end|>",)
_JSON = json_block()


def read(text: str, tools: Tools) -> Found:
    """What stands behind a mark, or a reply that is nothing but an object."""
    found = read_blocks(text, _MARK, _block, tools, frame=_FRAME)
    if found.attempted:
        return found
    if not text.lstrip().startswith(("{", "[{")):
        return Found()
    bare = read_json(text, tools)
    return replace(bare, rest=without(bare.rest, _FRAME))


def write(calls: Sequence[ToolCall]) -> str:
    """Bare objects, with semicolons between them."""
    return "; ".join(dumps({"name": call.tool, "parameters": call.arguments}) for call in calls)


def _block(mark: re.Match[str], tools: Tools) -> Block | None:
    text, at = mark.string, mark.end()
    if text[at:].lstrip().startswith(("{", "[{")) or not text[at:].strip():
        return _JSON(mark, tools)
    return pythonic.read_at(text, at, tools)


LLAMA = Dialect(
    name="llama",
    signs=("<|python_tag|>", "<|python_start|>", '"parameters":'),
    marks=("<|python_tag|>", '{"name":'),
    read=read,
    write=write,
    forms=(Form('{"name": "{name}", "parameters": ', "}"),),
)
