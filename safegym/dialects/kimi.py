"""Calls in a section of their own, with an id that holds the name: Kimi K2.

Format: the chat template of moonshotai/Kimi-K2-Thinking and the model card's `docs/tool_call_guidance.md`: the id is
`functions.{name}:{index}`, counted over the conversation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from safegym.dialects.base import Block, Dialect, Form, Found, Tools, read_blocks
from safegym.dialects.marked import named_json
from safegym.dialects.values import dumps
from safegym.records import ToolCall

_ALL, _DONE = "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"
_OPENING, _SEPARATOR, _CLOSING = "<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"
_MARK = re.compile(re.escape(_OPENING))
_ID = re.compile(rf"\s*(?:functions\.)?([\w.-]+?)(?::\d+)?\s*{re.escape(_SEPARATOR)}")
_BEGUN = re.compile(r"[\s\w.:-]*(?:<[^>]*)?\Z")


def read(text: str, tools: Tools) -> Found:
    """Every call."""
    found = read_blocks(text, _MARK, _block, tools, frame=(_ALL, _DONE))
    if not found.attempted and _ALL in text and not text.partition(_ALL)[2].strip():
        return Found(open=True, rest=text.partition(_ALL)[0])
    return found


def write(calls: Sequence[ToolCall]) -> str:
    """One section, its ids counted from 0."""
    written = (
        f"{_OPENING}functions.{call.tool}:{index}{_SEPARATOR}{dumps(call.arguments)}{_CLOSING}"
        for index, call in enumerate(calls)
    )
    return _ALL + "".join(written) + _DONE


def _block(mark: re.Match[str], tools: Tools) -> Block | None:
    text, at = mark.string, mark.end()
    named = _ID.match(text, at)
    if named:
        return named_json(named[1], text, named.end(), _CLOSING)
    if _BEGUN.match(text, at):
        return Block(len(text), open=True)
    found = text.find(_CLOSING, at)
    return Block(found + len(_CLOSING) if found >= 0 else len(text), broken=True)


KIMI = Dialect(
    name="kimi",
    signs=(_ALL, "tool_declare<|im_middle|>"),
    marks=(_ALL + _OPENING, _OPENING),
    read=read,
    write=write,
    forms=(Form(f"{_ALL}{_OPENING}functions.{{name}}:0{_SEPARATOR}", f"{_CLOSING}{_DONE}"),),
)
