"""Calls as JSON, fenced or bare: what models are asked for whose chat template knows no tools (`tool_prompt`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from safegym.dialects.base import Block, Dialect, Form, Found, Json, Tools, read_blocks
from safegym.dialects.prose import mentioned
from safegym.dialects.values import all_calls, dumps, read_values
from safegym.records import ToolCall

_KEYS = r"[\"'](?:tool|name|function|tool_name|tool_calls?)[\"']\s*:|(?:tool|name|function|tool_name)\s*:\s*[\"']"
_OPENING = re.compile(rf"(?=(?:\[\s*)?\{{\s*(?:{_KEYS}|[\"']type[\"']\s*:\s*[\"']function[\"']))")
_BARE = re.compile(r"\A\s*(?:```[ \t]*\w*\s*)?(?=\{|\[\s*\{)")
_FENCE = re.compile(r"```[ \t]*[\w-]*\s*(?:```|\Z)")
_UNFINISHED = re.compile(r"(?:\A|[\s:`])(?:\[\s*)?\{\s*(?:[\"']\w{0,10}[\"']?\s*:?\s*)?\Z")


def read(text: str, tools: Tools) -> Found:
    """Every object anywhere in the text that has the keys of a call; a reply that is an object was meant as one."""
    found = read_blocks(text, _OPENING, _block, tools, bare=True)
    if found.attempted:
        return _unfenced(found)
    if _BARE.match(text):
        at = text.index("{")
        read = read_values(text, at)
        return Found() if mentioned(text, at, read.end) else Found(broken=True, open=read.open, rest=text)
    if _UNFINISHED.search(text):
        return Found(open=True, rest=text)
    return Found()


def write(calls: Sequence[ToolCall]) -> str:
    """One object per line."""
    return "\n".join(dumps({"tool": call.tool, "arguments": call.arguments}, compact=True) for call in calls)


def _block(mark: re.Match[str], tools: Tools) -> Block | None:
    read = read_values(mark.string, mark.end(), "\n```")
    found, patched = all_calls(read.values), all_calls(read.patched).calls
    if patched and not read.open:
        return Block(read.end, found.calls + patched, repaired=True, broken=not found.whole)
    if tools and found.bare and found.calls and not any(call.tool in tools for call in found.calls):
        return None  # an object that merely has a name
    return Block(read.end, found.calls, read.repaired or found.flat, read.broken or not found.whole, read.open, patched)


def _unfenced(found: Found) -> Found:
    """The same without the fences that stood around the calls."""
    return replace(found, rest=_FENCE.sub("", found.rest))


JSON = Dialect(
    name="json",
    signs=(),
    marks=('{"tool":', '```json\n{"tool":'),
    read=read,
    write=write,
    forms=(Form('{"tool":"{name}","arguments":', "}", Json(",", ":")),),
)
