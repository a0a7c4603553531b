"""Calls between `tool calls begin` and `tool calls end` tokens or as `<｜DSML｜invoke>`: DeepSeek V3, R1, V3.1, V3.2.

Format: the chat templates of deepseek-ai/DeepSeek-V3 and R1 (type, separator, name, fenced JSON) and of DeepSeek-V3.1
(name, separator, JSON); the encoding that comes with DeepSeek-V3.2 (`encoding_dsv32.py`: one tag per argument, which
says whether its value is text). Their marks are written with U+FF5C and U+2581.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from safegym.dialects.base import Block, Dialect, Form, Found, Tools, read_blocks
from safegym.dialects.marked import named_json
from safegym.dialects.tagged import Tagged
from safegym.dialects.values import dumps
from safegym.records import ToolCall

_ALL, _DONE = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
_OPENING, _SEPARATOR, _CLOSING = "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"
_DSML = ("<｜DSML｜function_calls>", "<｜DSML｜tool_calls>", "</｜DSML｜function_calls>", "</｜DSML｜tool_calls>")
_MARK = re.compile(
    rf"<｜DSML｜invoke\s+name=\"([^\"]+)\"\s*>|{_OPENING}|(?<![\w.-])(?=[\w.-]+{_SEPARATOR})"
)  # the last: a call that has lost its opening
_TAGGED = Tagged(
    opening=re.compile(r"\s*<｜DSML｜parameter\s+name=\"([^\"]+)\"(?:\s+string=\"(?P<text>true|false)\")?\s*>"),
    closing="</｜DSML｜parameter>",
    end="</｜DSML｜invoke>",
    further=re.compile("<｜DSML｜invoke|</｜DSML｜(?:function|tool)_calls>"),
)
_TYPED = re.compile(rf"\s*function{_SEPARATOR}\s*([\w.-]+)\s*(?:```(?:json)?\s*|(?=\{{))")
_NAMED = re.compile(rf"\s*([\w.-]+){_SEPARATOR}\s*(?:```(?:json)?\s*)?(?=\{{|\Z|<|null|\"\")")
_BEGUN = re.compile(rf"\s*[\w.-]*(?:<[^>]*|{_SEPARATOR}\s*[\w.-]*\s*(?:`{{0,3}}\w*\s*)?)?\Z")
_FRAMED = re.compile(rf"(?:{_ALL}|{'|'.join(_DSML[:2])})\s*(?:<[^>]*)?\Z")


def read(text: str, tools: Tools) -> Found:
    """Every call, in any form."""
    found = read_blocks(text, _MARK, _block, tools, frame=(_ALL, _DONE, *_DSML), stray=(_CLOSING,))
    if not found.attempted and (begun := _FRAMED.search(text)):
        return Found(open=True, rest=text[: begun.start()])
    return found


def write(calls: Sequence[ToolCall]) -> str:
    """The form of V3.1."""
    written = (f"{_OPENING}{call.tool}{_SEPARATOR}{dumps(call.arguments)}{_CLOSING}" for call in calls)
    return _ALL + "".join(written) + _DONE


def _block(mark: re.Match[str], tools: Tools) -> Block | None:
    text, at = mark.string, mark.end()
    if mark[1]:
        arguments = text[at:].lstrip().startswith("{")
        return named_json(mark[1], text, at, _TAGGED.end) if arguments else _TAGGED.block(mark[1], text, at, tools)
    named = _TYPED.match(text, at) or _NAMED.match(text, at)
    if named:
        read = named_json(named[1], text, named.end(), _CLOSING)
        return read if mark[0] else replace(read, repaired=True)
    if _BEGUN.match(text, at):
        return Block(len(text), open=True)
    found = text.find(_CLOSING, at)
    return Block(found + len(_CLOSING), broken=True) if found >= 0 else Block(len(text), broken=True)


DEEPSEEK = Dialect(
    name="deepseek",
    signs=(_ALL, _OPENING, "<｜DSML｜"),
    marks=(_ALL + _OPENING, _OPENING, _DSML[0]),
    read=read,
    write=write,
    forms=(
        Form(f"{_ALL}{_OPENING}{{name}}{_SEPARATOR}", f"{_CLOSING}{_DONE}"),
        Form(f"{_ALL}{_OPENING}function{_SEPARATOR}{{name}}\n```json\n", f"\n```{_CLOSING}{_DONE}"),
    ),
)
