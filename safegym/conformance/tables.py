"""What the checks found, as tables for a terminal and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from safegym.conformance.kit import Completion
from safegym.conformance.models import ModelCheck
from safegym.conformance.parsers import Problem


def parser_table(chosen: Sequence[Completion], problems: Sequence[Problem]) -> RenderableType:
    """One row per dialect: how many completions were read rightly, of which kinds."""
    failed = {(each.completion.dialect, each.completion.name) for each in problems}
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("dialect")
    table.add_column("passed", justify="right", no_wrap=True)
    table.add_column("kinds")
    for dialect in dict.fromkeys(each.dialect for each in chosen):
        of_it = [each for each in chosen if each.dialect == dialect]
        passed = sum((dialect, each.name) not in failed for each in of_it)
        kinds = Counter(each.kind for each in of_it)
        told = ", ".join(kind if count == 1 else f"{kind} {count}" for kind, count in kinds.items())
        style = "" if passed == len(of_it) else "red"
        table.add_row(Text(dialect, style), Text(f"{passed} of {len(of_it)}", style), Text(told, "dim"))
    return table


def parser_json(chosen: Sequence[Completion], problems: Sequence[Problem]) -> dict[str, Any]:
    """The same for scripts."""
    failed = {(each.completion.dialect, each.completion.name) for each in problems}
    dialects = {
        dialect: {
            "completions": sum(each.dialect == dialect for each in chosen),
            "passed": sum(each.dialect == dialect and (dialect, each.name) not in failed for each in chosen),
        }
        for dialect in dict.fromkeys(each.dialect for each in chosen)
    }
    return {"dialects": dialects, "problems": [str(each) for each in problems]}


def model_table(found: ModelCheck) -> RenderableType:
    """What is known of the prompt, one row per request and mode, and the sums."""
    tools = "native tools" if found.native_tools else "fallback prompt"
    head = Text(f"{found.model}: {found.dialect}, {tools}", style="bold")
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("mode", "request", "reply", "named tool", "schema", "exact"):
        table.add_column(heading)
    table.add_column("called", overflow="ellipsis", no_wrap=True, max_width=40)
    for each in found.asked:
        marks = [_mark(flag) if each.calls else Text("-", "dim") for flag in (each.named, each.validates, each.exact)]
        called = Text("; ".join(map(str, each.calls)), "dim")
        table.add_row(each.mode, Text(each.request.text), Text(each.status), *marks, called)
    return Group(
        head, *(Text(note) for note in found.prompt), Text(), table, Text(), _sums(found), Text(), Text(found.verdict)
    )


def model_json(found: ModelCheck) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "model": found.model,
        "dialect": found.dialect,
        "native_tools": found.native_tools,
        "prompt": found.prompt,
        "verdict": found.verdict,
        "asked": [each.model_dump(mode="json") for each in found.asked],
        "problems": found.problems,
    }


def _sums(found: ModelCheck) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in ("mode", "asked", "replies", "called", "named tool", "schema", "exact"):
        table.add_column(heading, justify="left" if heading in ("mode", "replies") else "right")
    for mode in dict.fromkeys(each.mode for each in found.asked):
        rows = [each for each in found.asked if each.mode == mode]
        called = [each for each in rows if each.calls]
        statuses = ", ".join(f"{status} {count}" for status, count in Counter(each.status for each in rows).items())
        figures = (len(called), *(sum(flags) for flags in zip(*map(_flags, called), strict=True)))
        table.add_row(mode, str(len(rows)), Text(statuses), *map(str, figures if called else (0, 0, 0, 0)))
    return table


def _flags(asked: Any) -> tuple[bool, bool, bool]:  # noqa: ANN401 - an Asked
    return asked.named, asked.validates, asked.exact


def _mark(flag: bool) -> Text:
    return Text("yes", "green") if flag else Text("no", "red")
