"""Calls between `tool calls begin` and `tool calls end` tokens: DeepSeek V3, R1 and V3.1.

Format: the chat templates of deepseek-ai/DeepSeek-V3 and R1 (type, separator, name, fenced JSON) and of DeepSeek-V3.1
(name, separator, JSON). Their marks are written with U+FF5C and U+2581.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from safegym.dialects.base import Block, Dialect, Form, Found, Tools, read_blocks
from safegym.dialects.marked import named_json
from safegym.dialects.values import dumps
from safegym.records import ToolCall

_ALL, _DONE = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
_OPENING, _SEPARATOR, _CLOSING = "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"
_MARK = re.compile(_OPENING)
_TYPED = re.compile(rf"\s*function{_SEPARATOR}\s*([\w.-]+)\s*(?:```(?:json)?\s*|(?=\{{))")
_NAMED = re.compile(rf"\s*([\w.-]+){_SEPARATOR}\s*(?:```(?:json)?\s*)?(?=\{{|\Z|<|null|\"\")")
_BEGUN = re.compile(rf"\s*[\w.-]*(?:<[^>]*|{_SEPARATOR}\s*[\w.-]*\s*(?:`{{0,3}}\w*\s*)?)?\Z")


def read(text: str, tools: Tools) -> Found:
    """Every call, in either form."""
    found = read_blocks(text, _MARK, _block, tools, frame=(_ALL, _DONE))
    if not found.attempted and _ALL in text and not text.partition(_ALL)[2].strip():
        return Found(open=True, rest=text.partition(_ALL)[0])
    return found


def write(calls: Sequence[ToolCall]) -> str:
    """The form of V3.1."""
    written = (f"{_OPENING}{call.tool}{_SEPARATOR}{dumps(call.arguments)}{_CLOSING}" for call in calls)
    return _ALL + "".join(written) + _DONE


def _block(mark: re.Match[str], tools: Tools) -> Block | None:
    text, at = mark.string, mark.end()
    named = _TYPED.match(text, at) or _NAMED.match(text, at)
    if named:
        return named_json(named[1], text, named.end(), _CLOSING)
    if _BEGUN.match(text, at):
        return Block(len(text), open=True)
    found = text.find(_CLOSING, at)
    return Block(found + len(_CLOSING), broken=True) if found >= 0 else Block(len(text), broken=True)


DEEPSEEK = Dialect(
    name="deepseek",
    signs=(_ALL, _OPENING),
    marks=(_ALL + _OPENING, _OPENING),
    read=read,
    write=write,
    forms=(
        Form(f"{_ALL}{_OPENING}{{name}}{_SEPARATOR}", f"{_CLOSING}{_DONE}"),
        Form(f"{_ALL}{_OPENING}function{_SEPARATOR}{{name}}\n```json\n", f"\n```{_CLOSING}{_DONE}"),
    ),
)
