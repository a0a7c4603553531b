"""Any parser of tool calls held against the kit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from safegym.conformance.kit import Completion, completions, tools
from safegym.dialects import read

Parser = Callable[..., Any]
"""Called as `parse(text, dialect, tools, finish)` with a whole completion, its reasoning included.

It gives an object with `calls` (each with `tool` or `name`, and `arguments`) and, if it tells them, `status`, `text`
and `reasoning`; or simply a list of `(name, arguments)`.
"""


@dataclass(frozen=True, slots=True)
class Problem:
    """A completion that was read wrongly: what was expected and what came."""

    completion: Completion
    what: str
    expected: JsonValue
    got: JsonValue

    def __str__(self) -> str:
        where = f"{self.completion.dialect}, {self.completion.name}"
        return f"{where}: expected {self.what} {self.expected!r}, got {self.got!r}"


def check_parser(parse: Parser = read, chosen: Iterable[Completion] | None = None) -> list[Problem]:
    """What a parser reads wrongly.

    Args:
        parse: The parser, see `Parser`; what it does not tell is not compared.
        chosen: The completions, all of them by default.
    """
    return [problem for each in (completions() if chosen is None else chosen) for problem in _check(parse, each)]


def _check(parse: Parser, each: Completion) -> list[Problem]:
    try:
        found = parse(each.text, each.dialect, tools(), each.finish)
    except Exception as error:  # a parser that raises on a reply has failed at it
        return [Problem(each, "no exception, status", each.status, f"{type(error).__name__}: {error}")]
    calls = _calls(found)
    compared: list[tuple[str, JsonValue, JsonValue]] = [("calls", _listed(each), calls)]
    compared.append(("status", each.status, getattr(found, "status", each.status)))
    if each.prose is not None:
        compared.append(("prose", each.prose, getattr(found, "text", each.prose)))
    if each.reasoning is not None:
        compared.append(("reasoning", each.reasoning, getattr(found, "reasoning", each.reasoning)))
    return [Problem(each, what, expected, got) for what, expected, got in compared if expected != got]


def _listed(each: Completion) -> JsonValue:
    return [[call.tool, call.arguments] for call in each.calls]


def _calls(found: Any) -> JsonValue:  # noqa: ANN401 - what somebody's parser gives
    given = getattr(found, "calls", found) or ()
    return [list(_pair(call)) for call in given]


def _pair(call: Any) -> tuple[Any, Any]:  # noqa: ANN401 - likewise
    if isinstance(call, tuple | list):
        return call[0], call[1]
    return getattr(call, "tool", None) or call.name, call.arguments
