"""Blocks of JSON behind a mark, which most dialects have."""

from __future__ import annotations

import re

from safegym.dialects.base import Block, BlockReader, Tools
from safegym.dialects.values import Values, all_calls, make_call, read_values

_SPACE = re.compile(r"\s*")


def json_block(closing: str = "", *, required: bool = False) -> BlockReader:
    """A reader of blocks that hold calls as JSON.

    Args:
        closing: The mark that ends a block; empty if nothing does.
        required: Whether a block without it has to be mended.
    """

    def block(text: str, at: int, tools: Tools) -> Block | None:
        read = read_values(text, at, closing)
        if not (read.values or read.patched or read.open or read.broken):
            return unreadable(text, at, closing)
        end, closed = behind(text, read.end, closing)
        calls, whole = all_calls(read.values)
        patched, _ = all_calls(read.patched)
        if closed and patched:
            calls, patched, read = calls + patched, (), _mended(read)
        repaired = read.repaired or (required and not closed)
        return Block(end, calls, repaired, read.broken or not whole, read.open, patched)

    return block


def named_json(name: str, text: str, at: int, closing: str) -> Block:
    """The block of one call whose name is known and whose arguments follow as a JSON object, or as nothing."""
    read = read_values(text, at, closing)
    end, closed = behind(text, read.end, closing)
    given = read.values or read.patched
    call = make_call(name, given[0] if given else None)
    if len(given) > 1 or call is None or (read.broken and not given):
        return Block(end, broken=True)
    if not given and not closed and closing:
        return Block(len(text), open=True) if read.open or not text[at:].strip() else Block(end, broken=True)
    if read.patched and not closed:
        return Block(end, open=True, patched=(call,))
    return Block(end, (call,), read.repaired or bool(read.patched))


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


def _mended(read: Values) -> Values:
    return Values(read.values, read.end, repaired=True)
