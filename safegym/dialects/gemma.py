"""Calls as `call:name{key:value}` between tokens, text between `<escape>` tokens: FunctionGemma.

Format: "FunctionGemma formatting and best practices" (ai.google.dev) and the chat template of
google/functiongemma-270m-it. The templates of Gemma 2 and 3 know no tools.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import JsonValue

from safegym.dialects.base import Block, Dialect, Form, Found, Literals, Tools, read_blocks
from safegym.dialects.marked import unreadable
from safegym.dialects.values import dumps, make_call
from safegym.records import ToolCall

_OPENING, _CLOSING, _QUOTE = "<start_function_call>", "<end_function_call>", "<escape>"
_MARK = re.compile(_OPENING)
_CALL = re.compile(r"\s*call:\s*([\w.-]+)\s*(?=\{)")
_BEGUN = re.compile(r"\s*(?:c|ca|cal|call|call:\s*[\w.-]*)?\s*\Z")
_KEY = re.compile(r"\s*(?:<escape>)?([\w.-]+)(?:<escape>)?\s*:\s*")
_WORD = re.compile(r"\s*(true|false|null|None|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?=\s*[,\]}])")
_WORDS: dict[str, JsonValue] = {"true": True, "false": False, "null": None, "None": None}
LITERALS = Literals("{key}:", "{key}:", ",", _QUOTE, False, ("true", "false", "null"))


class _OpenError(ValueError):
    """The text ends inside a value."""


def read(text: str, tools: Tools) -> Found:
    """Every block."""
    return read_blocks(text, _MARK, _block, tools, frame=("<start_function_response>",), stray=(_CLOSING,))


def write(calls: Sequence[ToolCall]) -> str:
    """One block per call."""
    return "".join(f"{_OPENING}call:{call.tool}{_written(call.arguments)}{_CLOSING}" for call in calls)


def _block(mark: re.Match[str], tools: Tools) -> Block | None:
    text, at = mark.string, mark.end()
    named = _CALL.match(text, at)
    if named is None:
        return Block(len(text), open=True) if _BEGUN.match(text, at) else unreadable(text, at, _CLOSING)
    closing = text.find(_CLOSING, at)
    try:
        arguments, end = _value(text, named.end())
    except _OpenError:
        return Block(len(text), open=True)
    except (ValueError, RecursionError):
        return Block(closing + len(_CLOSING) if closing >= 0 else len(text), broken=True)
    call = make_call(named[1], arguments)
    if call is None:
        return Block(end, broken=True)
    closed = text[end:].lstrip().startswith(_CLOSING)
    return Block(text.index(_CLOSING, end) + len(_CLOSING) if closed else end, (call,), repaired=not closed)


def _value(text: str, at: int) -> tuple[JsonValue, int]:
    at += len(text[at:]) - len(text[at:].lstrip())
    if at >= len(text):
        raise _OpenError
    if text.startswith(_QUOTE, at):
        end = text.find(_QUOTE, at + len(_QUOTE))
        if end < 0:
            raise _OpenError
        return text[at + len(_QUOTE) : end], end + len(_QUOTE)
    if text[at] in "{[":
        return _bracketed(text, at)
    word = _WORD.match(text, at)
    if word is None:
        raise _OpenError if re.fullmatch(r"[\w.<+-]*", text[at:]) else ValueError(text[at : at + 20])
    value = _WORDS[word[1]] if word[1] in _WORDS else (float if set(word[1]) & set(".eE") else int)(word[1])
    return value, word.end()


def _bracketed(text: str, at: int) -> tuple[JsonValue, int]:
    fields: dict[str, JsonValue] = {}
    items: list[JsonValue] = []
    named, closing = text[at] == "{", "}" if text[at] == "{" else "]"
    at += 1
    while True:
        at += len(text[at:]) - len(text[at:].lstrip(" \t\r\n,"))
        if at >= len(text):
            raise _OpenError
        if text[at] == closing:
            return (fields if named else items), at + 1
        key = _KEY.match(text, at) if named else None
        if named and key is None:
            raise _OpenError if re.fullmatch(r"[\w.<>-]*\s*", text[at:]) else ValueError(text[at : at + 20])
        value, at = _value(text, key.end() if key else at)
        if key:
            fields[key[1]] = value
        else:
            items.append(value)


def _written(value: JsonValue) -> str:
    match value:
        case str():
            return f"{_QUOTE}{value}{_QUOTE}"
        case list():
            return "[" + ",".join(map(_written, value)) + "]"
        case dict():
            return "{" + ",".join(f"{key}:{_written(each)}" for key, each in value.items()) + "}"
    return dumps(value)


GEMMA = Dialect(
    name="gemma",
    signs=(_OPENING,),
    marks=(_OPENING,),
    read=read,
    write=write,
    forms=(Form(f"{_OPENING}call:{{name}}{{", f"}}{_CLOSING}", LITERALS),),
)
