"""Calls as `call:name{key:value}` between tokens, text between quoting tokens: FunctionGemma and Gemma 4.

Format: "FunctionGemma formatting and best practices" (ai.google.dev) and the chat template of
google/functiongemma-270m-it; the chat template of google/gemma-4-31B-it, which has other tokens and reasons on a
channel called thought. The templates of Gemma 2 and 3 know no tools.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from safegym.dialects.base import Block, Dialect, Form, Found, Literals, Tools, read_blocks
from safegym.dialects.marked import unreadable
from safegym.dialects.values import dumps, make_call
from safegym.records import ToolCall

_CALL = re.compile(r"\s*call:\s*([\w.-]+)\s*(?=\{)")
_BEGUN = re.compile(r"\s*(?:c|ca|cal|call|call:\s*[\w.-]*)?\s*\Z")
_KEY = re.compile(r"\s*([\w.-]+)\s*:\s*")
_WORD = re.compile(r"\s*(true|false|null|None|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?=\s*[,\]}])")
_WORDS: dict[str, JsonValue] = {"true": True, "false": False, "null": None, "None": None}


class _OpenError(ValueError):
    """The text ends inside a value."""


@dataclass(frozen=True, slots=True)
class _Marks:
    """The tokens of one generation."""

    opening: str
    closing: str
    quote: str
    answer: str

    def read(self, text: str, tools: Tools) -> Found:
        """Every block."""
        mark = re.compile(re.escape(self.opening))
        return read_blocks(text, mark, self._block, tools, frame=(self.answer,), stray=(self.closing,))

    def write(self, calls: Sequence[ToolCall]) -> str:
        """One block per call."""
        written = (f"call:{call.tool}{self._written(call.arguments)}" for call in calls)
        return "".join(f"{self.opening}{each}{self.closing}" for each in written)

    def dialect(self, name: str, thought: tuple[str, str]) -> Dialect:
        """The dialect of that generation."""
        literals = Literals("{key}:", "{key}:", ",", self.quote, False, ("true", "false", "null"))
        return Dialect(
            name=name,
            signs=(self.opening,),
            marks=(self.opening,),
            read=self.read,
            write=self.write,
            forms=(Form(f"{self.opening}call:{{name}}{{", f"}}{self.closing}", literals),),
            thought=thought,
        )

    def _block(self, mark: re.Match[str], tools: Tools) -> Block | None:
        text, at = mark.string, mark.end()
        named = _CALL.match(text, at)
        if named is None:
            return Block(len(text), open=True) if _BEGUN.match(text, at) else unreadable(text, at, self.closing)
        closing = text.find(self.closing, at)
        try:
            arguments, end = self._value(text, named.end())
        except _OpenError:
            return Block(len(text), open=True)
        except (ValueError, RecursionError):
            return Block(closing + len(self.closing) if closing >= 0 else len(text), broken=True)
        call = make_call(named[1], arguments)
        if call is None:
            return Block(end, broken=True)
        closed = text[end:].lstrip().startswith(self.closing)
        end = text.index(self.closing, end) + len(self.closing) if closed else end
        return Block(end, (call,), repaired=not closed)

    def _value(self, text: str, at: int) -> tuple[JsonValue, int]:
        at += len(text[at:]) - len(text[at:].lstrip())
        if at >= len(text):
            raise _OpenError
        if text.startswith(self.quote, at):
            end = text.find(self.quote, at + len(self.quote))
            if end < 0:
                raise _OpenError
            return text[at + len(self.quote) : end], end + len(self.quote)
        if text[at] in "{[":
            return self._bracketed(text, at)
        word = _WORD.match(text, at)
        if word is None:
            raise (
                _OpenError
                if self.quote.startswith(text[at:]) or re.fullmatch(r"[\w.+-]*", text[at:])
                else ValueError(text[at : at + 20])
            )
        value = _WORDS[word[1]] if word[1] in _WORDS else (float if set(word[1]) & set(".eE") else int)(word[1])
        return value, word.end()

    def _bracketed(self, text: str, at: int) -> tuple[JsonValue, int]:
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
            value, at = self._value(text, key.end() if key else at)
            if key:
                fields[key[1]] = value
            else:
                items.append(value)

    def _written(self, value: JsonValue) -> str:
        match value:
            case str():
                return f"{self.quote}{value}{self.quote}"
            case list():
                return "[" + ",".join(map(self._written, value)) + "]"
            case dict():
                return "{" + ",".join(f"{key}:{self._written(each)}" for key, each in value.items()) + "}"
        return dumps(value)


_FUNCTION_GEMMA = _Marks("<start_function_call>", "<end_function_call>", "<escape>", "<start_function_response>")
_GEMMA4 = _Marks("<|tool_call>", "<tool_call|>", '<|"|>', "<|tool_response>")
GEMMA = _FUNCTION_GEMMA.dialect("gemma", ("<think>", "</think>"))
GEMMA4 = _GEMMA4.dialect("gemma4", ("<|channel>thought\n", "<channel|>"))
