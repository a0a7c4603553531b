"""What a dialect is, and what its reader finds in a reply."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from safegym.dialects.prose import followed, mentioned, quoted
from safegym.dialects.thinking import split_thinking
from safegym.records import ToolCall, ToolSpec

Tools: TypeAlias = Mapping[str, ToolSpec]
"""The tools on offer by name."""
ENDS = (
    "</s>", "<|im_end|>", "<|end|>", "<|endoftext|>", "<|end_of_text|>", "<|eot|>", "<|eot_id|>", "<|eom_id|>",
    "<|observation|>", "<｜end▁of▁sentence｜>",
)  # fmt: skip
"""The tokens that end a reply, which a server may leave in it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a reader found in a reply.

    Attributes:
        calls: The calls that could be read, in order.
        repaired: Whether their syntax had to be mended.
        broken: Whether a call was attempted that cannot be read.
        open: Whether the reply ends inside a call.
        patched: A last call that only lacked its closing brackets: forgotten where the reply was cut.
        rest: The prose around the calls.
        inline: Whether words follow a call on its line.
    """

    calls: tuple[ToolCall, ...] = ()
    repaired: bool = False
    broken: bool = False
    open: bool = False
    patched: tuple[ToolCall, ...] = ()
    rest: str = ""
    inline: bool = False

    @property
    def attempted(self) -> bool:
        """Whether the reply holds a call, or something that was meant as one."""
        return bool(self.calls) or self.broken or self.open

    @property
    def clean(self) -> bool:
        """Whether every attempted call was read."""
        return bool(self.calls or self.patched) and not self.broken


@dataclass(frozen=True, slots=True)
class Block:
    """One marked stretch of a reply that holds calls; `end` is where it ends."""

    end: int
    calls: tuple[ToolCall, ...] = ()
    repaired: bool = False
    broken: bool = False
    open: bool = False
    patched: tuple[ToolCall, ...] = ()


BlockReader: TypeAlias = Callable[[re.Match[str], Tools], Block | None]
"""Reads the block behind a mark; None if the mark was only mentioned."""


@dataclass(frozen=True, slots=True)
class Json:
    """Arguments written as one JSON object; models were trained on one way of setting its spaces."""

    comma: str = ", "
    colon: str = ": "


@dataclass(frozen=True, slots=True)
class Tags:
    """Arguments written one by one between tags: text as it is, everything else as JSON.

    Attributes:
        before: What stands before a value, `{key}` for its name.
        closing: The tag that ends a value, and that text cannot hold.
        after: What stands behind a value, the closing tag included.
    """

    before: str
    closing: str
    after: str


@dataclass(frozen=True, slots=True)
class Literals:
    """Arguments written one by one as literals, `a=1, b="x"`.

    Attributes:
        key: How the name of an argument is written, `{key}` for the name.
        inner: How the name of a field of an object is written.
        comma: What stands between two of them.
        quote: What stands around text.
        escapes: Whether text holds the escapes of JSON; otherwise it cannot hold its quote.
        words: How true, false and null are written.
    """

    key: str
    inner: str
    comma: str
    quote: str
    escapes: bool
    words: tuple[str, str, str]


Arguments: TypeAlias = Json | Tags | Literals


@dataclass(frozen=True, slots=True)
class Form:
    """How one call is written, for a grammar: `before`, with `{name}` for the tool, the arguments, `after`."""

    before: str
    after: str = ""
    arguments: Arguments = Json()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a family of models writes calls.

    Attributes:
        name: Its name, as agent files and logs use it.
        signs: Marks of its chat templates; one of them is enough.
        marks: What opens a call, for a reply that was cut inside a mark.
        read: Finds the calls of a reply.
        write: Writes calls as these models would.
        forms: The ways of writing one call, for a grammar.
        reasoning: Tells reasoning and reply apart.
        thought: What stands around reasoning, for a grammar.
        thinks: Whether every template of the dialect lets the model reason; otherwise its template says so.
        prose: What opens a reply in prose.
    """

    name: str
    signs: tuple[str, ...]
    marks: tuple[str, ...]
    read: Callable[[str, Tools], Found]
    write: Callable[[Sequence[ToolCall]], str]
    forms: tuple[Form, ...]
    reasoning: Callable[[str], tuple[str, str]] = split_thinking
    thought: tuple[str, str] = ("<think>", "</think>")
    thinks: bool = False
    prose: str = ""


def read_blocks(
    text: str,
    mark: re.Pattern[str],
    read: BlockReader,
    tools: Tools,
    *,
    frame: Sequence[str] = (),
    stray: Sequence[str] = (),
    bare: bool = False,
) -> Found:
    """Read every marked block of a reply.

    Args:
        text: The reply.
        mark: What opens a block.
        read: Reads one block.
        tools: The tools on offer.
        frame: What may stand around all blocks, and is no prose.
        stray: What is no prose either, but does not belong outside of a block.
        bare: Whether the mark belongs to the call itself, so that its sentence may only mention it.
    """
    blocks: list[Block] = []
    gaps, at, past = [], 0, 0
    for match in mark.finditer(text):
        if match.start() < past or quoted(text, match.start(), match.end(), past):
            continue
        block = read(match, tools)
        past = block.end if block else past
        if block is None or (bare and mentioned(text, match.end(), block.end)):
            continue
        blocks.append(block)
        gaps.append(text[at : match.start()])
        at = block.end
    if not blocks:
        return Found()
    rest = without("".join((*gaps, text[at:])), (*frame, *ENDS))
    return Found(
        calls=tuple(call for each in blocks for call in each.calls),
        repaired=any(each.repaired for each in blocks) or any(each in rest for each in stray),
        broken=any(each.broken for each in blocks),
        open=blocks[-1].open,
        patched=blocks[-1].patched,
        rest=without(rest, stray),
        inline=any(followed(gap, 0) for gap in (*gaps[1:], text[at:])),
    )


def without(text: str, marks: Sequence[str]) -> str:
    """A text without some marks."""
    for each in marks:
        text = text.replace(each, "")
    return text
