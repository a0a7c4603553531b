"""Arguments that are written one by one between tags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from safegym.dialects.base import Block, Tags, Tools
from safegym.dialects.values import dumps, make_call, tool_name, typed


@dataclass(frozen=True, slots=True)
class Tagged:
    """How a call between tags is read.

    Attributes:
        opening: What stands before a value; its first group is the name, and a group `text` says whether it is text.
        closing: What ends a value, if something that may follow it follows.
        end: What ends the call.
        further: What begins the next call, so that this one has lost its end.
        stripped: Whether values stand on lines of their own.
    """

    opening: re.Pattern[str]
    closing: str
    end: str
    further: re.Pattern[str]
    stripped: bool = False

    def block(self, name: str, text: str, at: int, tools: Tools) -> Block:
        """The call whose arguments begin at a place, each read to its own end: text may hold what looks like tags."""
        tool = tools.get(tool_name(name))
        known: Any = tool.parameters if tool else {}
        properties: Mapping[str, Any] = known.get("properties", {})
        arguments: dict[str, JsonValue] = {}
        repaired = False
        while opened := self.opening.match(text, at):
            content, end, whole = self._value(text, opened.end())
            if end is None:
                return Block(len(text), open=True)
            key = opened[1].strip()
            is_text = opened.groupdict().get("text") == "true"
            arguments[key] = content if is_text else typed(content, properties.get(key, {}))
            at, repaired = end, repaired or not whole
        return self._ended(name, arguments, text, at, repaired)

    def _value(self, text: str, at: int) -> tuple[str, int | None, bool]:
        """A value, where it ends, and whether its closing tag is there."""
        for match in re.finditer(re.escape(self.closing), text[at:]):
            if self._follows(text, at + match.end()):
                return self._content(text[at : at + match.start()]), at + match.end(), True
        ends = [found for found in (text.find(self.end, at), self._next(text, at)) if found >= 0]
        return (self._content(text[at : min(ends)]), min(ends), False) if ends else ("", None, False)

    def _content(self, text: str) -> str:
        return text.removeprefix("\n").removesuffix("\n") if self.stripped else text

    def _follows(self, text: str, at: int) -> bool:
        rest = text[at:].lstrip()
        return not rest or rest.startswith(self.end) or self._begins(rest) or _opens(rest)

    def _begins(self, rest: str) -> bool:
        return bool(self.opening.match(rest) or self.further.match(rest))

    def _next(self, text: str, at: int) -> int:
        found = self.opening.search(text, at)
        return found.start() if found else -1

    def _ended(self, name: str, arguments: dict[str, JsonValue], text: str, at: int, repaired: bool) -> Block:
        call = make_call(name, arguments)
        rest = text[at:].lstrip()
        start = len(text) - len(rest)
        if call is None:
            return Block(at, broken=True)
        if rest.startswith(self.end):
            return Block(start + len(self.end), (call,), repaired)
        if self.further.match(rest):
            return Block(at, (call,), repaired=True)
        if not rest or (rest.startswith("<") and self.end not in rest and self.closing not in rest):
            return Block(len(text), open=True, patched=(call,) if not rest else ())
        end = text.find(self.end, at)
        return Block(end + len(self.end) if end >= 0 else at, broken=True)


def write_arguments(arguments: Mapping[str, JsonValue], tags: Tags) -> str:
    """The arguments between tags: text as it is, everything else as JSON."""
    return "".join(
        tags.before.replace("{key}", key) + (value if isinstance(value, str) else dumps(value)) + tags.after
        for key, value in arguments.items()
    )


def _opens(rest: str) -> bool:
    """Whether a text is nothing but the beginning of a tag."""
    return bool(re.fullmatch(r"</?[\w:=｜ \"'-]*", rest))
