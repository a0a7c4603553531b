"""The kit: raw completions of our own in every dialect, with what a parser has to make of them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast

from safegym.records import ParseStatus, Record, ToolCall, ToolSpec

_DATA = files("safegym.conformance") / "data"


class Completion(Record):
    """A raw completion and what is in it."""

    dialect: str
    name: str
    kind: str
    """What it tests: `no arguments`, `several calls`, `cut` and so on."""
    text: str
    finish: Literal["stop", "length"] = "stop"
    calls: tuple[ToolCall, ...] = ()
    status: ParseStatus = "valid"
    prose: str | None = None
    """The prose around the calls, where it matters."""
    reasoning: str | None = None
    """What was thought before, where it matters."""


@cache
def tools() -> tuple[ToolSpec, ...]:
    """The tools of the kit: one without arguments, one each with numbers, choices, lists and objects."""
    given = json.loads((_DATA / "tools.json").read_text("utf-8"))
    return tuple(ToolSpec.model_validate(each) for each in given)


@cache
def completions(dialect: str | None = None) -> tuple[Completion, ...]:
    """Every completion of the kit, or those of one dialect."""
    names = sorted(each.name for each in _DATA.iterdir() if each.name.endswith(".toml"))
    found = [each for name in names for each in _read(name)]
    return tuple(each for each in found if dialect in (None, each.dialect))


def _read(name: str) -> list[Completion]:
    entries: Sequence[dict[str, Any]] = tomllib.loads((_DATA / name).read_text("utf-8"))["completion"]
    return [_completion(name.removesuffix(".toml"), entry) for entry in entries]


def _completion(dialect: str, entry: dict[str, Any]) -> Completion:
    given = cast(list[list[Any]], json.loads(entry.get("calls", "[]")))
    calls = [{"tool": tool, "arguments": arguments} for tool, arguments in given]
    return Completion.model_validate({**entry, "dialect": dialect, "calls": calls})
