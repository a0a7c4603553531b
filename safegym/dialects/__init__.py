"""Tool calls as models write them: one parser for every dialect, and a status that says what it had to do.

The status of a reply is `valid` if its calls were written as the dialect wants them, `repaired` if their syntax had to
be mended or came from another dialect, `malformed` if a call was attempted but cannot be read, `truncated` if the reply
was cut inside one, `refused` if it declines in prose, and `none` if it is other prose.

A dialect is one module that says how calls are read and written and what a grammar needs, and one line here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from safegym.dialects import harmony
from safegym.dialects.base import Dialect, Found
from safegym.dialects.deepseek import DEEPSEEK
from safegym.dialects.gemma import GEMMA, GEMMA4
from safegym.dialects.glm import GLM
from safegym.dialects.granite import GRANITE
from safegym.dialects.hermes import HERMES
from safegym.dialects.json_calls import JSON
from safegym.dialects.kimi import KIMI
from safegym.dialects.llama import LLAMA
from safegym.dialects.minimax import MINIMAX
from safegym.dialects.mistral import MISTRAL
from safegym.dialects.prose import declines
from safegym.dialects.pythonic import PYTHONIC
from safegym.dialects.qwen_coder import QWEN_CODER
from safegym.errors import UnknownNameError
from safegym.records import ParseStatus, ToolCall, ToolSpec

__all__ = ["DIALECTS", "Dialect", "Parsed", "dialect_of", "find_dialect", "parse", "read", "split_reasoning"]

_ALL = (
    harmony.HARMONY, DEEPSEEK, KIMI, MINIMAX, GEMMA, GEMMA4, GLM, QWEN_CODER, GRANITE, HERMES, MISTRAL, PYTHONIC,
    LLAMA, JSON,
)  # fmt: skip
"""Every dialect. A template is that of the first whose sign it holds; a reply of another dialect is read in this order,
so what is marked comes before what is not."""
_BY_NAME = {each.name: each for each in _ALL}
DIALECTS: tuple[str, ...] = tuple(sorted(_BY_NAME))
"""The names of all dialects."""

_TOOLS = re.compile(r"\btools\b")
_SHORTEST_CUT = 3
"""The fewest characters of a cut mark that tell it from prose."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A reply taken apart: its calls in order, the prose around them, how it was read, and what was thought before."""

    calls: tuple[ToolCall, ...]
    text: str
    status: ParseStatus
    reasoning: str = ""


def find_dialect(name: str) -> Dialect:
    """A dialect by its name.

    Raises:
        UnknownNameError: There is none of that name.
    """
    if name not in _BY_NAME:
        raise UnknownNameError("dialect", name, DIALECTS)
    return _BY_NAME[name]


def dialect_of(template: str | None) -> str:
    """The dialect that a chat template teaches its model.

    A template that shows its model no tools teaches `json`, the dialect in which such models are asked for calls.
    """
    text = template or ""
    if not _TOOLS.search(text):
        return JSON.name
    return next((each.name for each in _ALL if any(sign in text for sign in each.signs)), JSON.name)


def parse(
    text: str,
    dialect: str = JSON.name,
    tools: Sequence[ToolSpec] = (),
    finish: Literal["stop", "length"] = "stop",
    *,
    strict: bool = False,
) -> Parsed:
    """Read the calls of a reply.

    Args:
        text: The reply, without its reasoning.
        dialect: The dialect that the model was taught, a name of `DIALECTS`.
        tools: The tools on offer; they type arguments, name positional ones and tell calls from prose.
        finish: Whether the reply was cut.
        strict: Whether calls of other dialects stay prose, as they must where a grammar has guarded the dialect.
    """
    own, cut = find_dialect(dialect), finish == "length"
    known = {tool.name: tool for tool in tools}
    found = own.read(text, known)
    if cut and not found.attempted and (begun := _begun_mark(text, own)):
        found = Found(open=True, rest=text[:-begun])
    foreign = False
    if not strict and not found.calls and not found.patched and not (found.open and cut):
        others = [each.read(text, known) for each in _ALL if each is not own]
        mended = [each for each in others if each.attempted and not each.inline and _names_known(each, known)]
        better = next((each for each in mended if each.clean), None if found.attempted or not mended else mended[0])
        found, foreign = (found, False) if better is None else (better, True)
    if found.attempted:
        return _judge(found, foreign=foreign, cut=cut)
    return Parsed((), text.strip(), "refused" if declines(text) else "none")


def read(
    text: str,
    dialect: str = JSON.name,
    tools: Sequence[ToolSpec] = (),
    finish: Literal["stop", "length"] = "stop",
    *,
    strict: bool = False,
) -> Parsed:
    """Read a whole completion: `split_reasoning`, then `parse`."""
    reasoning, reply = split_reasoning(text, dialect)
    return replace(parse(reply, dialect, tools, finish, strict=strict), reasoning=reasoning)


def opens_reasoning(prompt: str, dialect: str) -> bool:
    """Whether a prompt ends with the mark that opens a dialect's reasoning, as some templates write it themselves."""
    mark = find_dialect(dialect).thought[0].strip()
    return bool(mark) and prompt.rstrip().endswith(mark)


def split_reasoning(text: str, dialect: str = "", *, opened: bool = False) -> tuple[str, str]:
    """Separate reasoning from a reply: (reasoning, reply).

    Args:
        text: The completion.
        dialect: The model's dialect; by default it is told from the text.
        opened: Whether the prompt ends with the mark that opens the dialect's reasoning, `<think>` by default. What
            precedes the closing mark is then reasoning, whatever it looks like.
    """
    own = find_dialect(dialect or JSON.name)
    if opened and not text.lstrip().startswith(own.thought[0].strip()):
        text = own.thought[0] + text
    return own.reasoning(text) if dialect else harmony.reasoning(text)


def _names_known(found: Found, known: Mapping[str, ToolSpec]) -> bool:
    """Whether all calls name tools on offer, as calls of another dialect must to be told from examples."""
    return not known or {call.tool for call in (*found.calls, *found.patched)} <= known.keys()


def _begun_mark(text: str, dialect: Dialect) -> int:
    """How many characters of a mark a reply ends with; 0 for too few to tell them from prose."""
    begun = (mark[:length] for mark in dialect.marks for length in range(_SHORTEST_CUT, len(mark) + 1))
    return max((len(each) for each in begun if text.endswith(each)), default=0)


def _judge(found: Found, *, foreign: bool, cut: bool) -> Parsed:
    status: ParseStatus
    calls = found.calls
    if found.open and cut:
        status = "truncated"
    elif found.patched and not found.broken:
        calls, status = (*calls, *found.patched), "repaired"
    elif found.broken or (found.open and not calls):
        status = "malformed"
    else:
        status = "repaired" if found.repaired or foreign or found.open else "valid"
    return Parsed(calls, found.rest.strip(), status)
