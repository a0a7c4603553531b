"""Blocks of JSON behind a mark, which most dialects have."""

from __future__ import annotations

import json
import re

from safegym.dialects.base import Block, BlockReader, Tools
from safegym.dialects.values import all_calls, make_call, read_values

_SPACE = re.compile(r"\s*")


def json_block(closing: str = "", *, stop: str = "", required: bool = False) -> BlockReader:
    """A reader of blocks that hold calls as JSON.

    Args:
        closing: The mark that ends a block; empty if nothing does.
        stop: A mark that a block without a closing one ends before.
        required: Whether a block without its closing mark has to be mended.
    """

    def block(mark: re.Match[str], tools: Tools) -> Block | None:
        text, at = mark.string, mark.end()
        read = read_values(text, at, closing or stop)
        if not (read.values or read.patched or read.open or read.broken):
            return unreadable(text, at, closing)
        end, closed = behind(text, read.end, closing)
        found, patched = all_calls(read.values), all_calls(read.patched).calls
        if patched and not read.open:
            return Block(end, found.calls + patched, repaired=True, broken=not found.whole)
        repaired = read.repaired or found.flat or (required and not closed)
        return Block(end, found.calls, repaired, read.broken or not found.whole, read.open, patched)

    return block


def named_json(name: str, text: str, at: int, closing: str = "", stop: str = "") -> Block:
    """The block of one call whose name is known and whose arguments follow: an object, text that holds one, or nothing.

    A block without arguments that nothing ends is taken for a call only where the reply was not cut.
    """
    read = read_values(text, at, closing or stop, most=1)
    end, _ = behind(text, read.end, closing)
    if read.open and not read.patched:
        return Block(len(text), open=True)
    if read.values or read.patched:
        call = make_call(name, (read.values or read.patched)[0])
        if call is None:
            return Block(end, broken=True)
        if read.open:
            return Block(len(text), open=True, patched=(call,))
        return Block(end, (call,), repaired=read.repaired or bool(read.patched))
    limit = text.find(closing or stop, at) if closing or stop else -1
    body = text[at:] if limit < 0 else text[at:limit]
    call = make_call(name, _unquoted(body))
    if call is None or read.broken:
        return Block(len(text) if limit < 0 else limit + len(closing), broken=True)
    if limit < 0:
        return Block(len(text), open=True, patched=(call,))
    return Block(limit + len(closing), (call,))


def behind(text: str, at: int, closing: str) -> tuple[int, bool]:
    """Where a block ends whose content ends at a place, and whether its closing mark is there."""
    gap = _SPACE.match(text, at)
    start = gap.end() if gap else at
    if closing and text.startswith(closing, start):
        return start + len(closing), True
    found = text.find(closing, at) if closing else -1
    readable = found >= 0 and not text[at:found].strip("`\n\t ,;")
    return (found + len(closing), True) if readable else (at, False)


def unreadable(text: str, at: int, closing: str) -> Block | None:
    """A mark that no call follows: the end of a reply, something that cannot be read, or a mere mention."""
    if not text[at:].strip():
        return Block(len(text), open=True)
    found = text.find(closing, at) if closing else -1
    return Block(found + len(closing), broken=True) if found >= 0 else None


def _unquoted(body: str) -> str:
    """What is given as arguments where no object is: JSON text, whose quotes are taken off, or a word for nothing."""
    bare = body.strip("`\n\t ")
    try:
        value = json.loads(bare)
    except (ValueError, RecursionError):
        return bare
    return value if isinstance(value, str) else bare
