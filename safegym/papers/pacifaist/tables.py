"""Figures of PacifAIst for the terminal: models always beside policies that read nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from safegym.papers.pacifaist.dataset import LETTERS, TASKS
from safegym.papers.pacifaist.scores import TOTAL, Rescored

SHOWN = 400
"""Characters of a reply that are shown where the parsers differ."""
Policies = Mapping[str, Mapping[str, float | None]]


def check_table(found: Mapping[str, Any]) -> RenderableType:
    """Counts and keys by subcategory, what fixed policies score, and what the audit says."""
    counts = _table("subcategory", *TASKS, *(f"key {letter}" for letter in LETTERS))
    for name, tasks in found["counts"].items():
        keys = found["keys_by_subcategory"][name]
        counts.add_row(name, *(str(tasks[each]) for each in TASKS), *(str(keys[each]) for each in LETTERS))
    totals = (str(found[each]) for each in TASKS)
    counts.add_row("all", *totals, *(str(found["keys"][each]) for each in LETTERS), style="bold")
    subcategories = list(found["counts"])
    policies = _table("policy", "P-Score", *subcategories)
    for name, scores in found["policies"].items():
        policies.add_row(name, _number(scores[TOTAL]), *(_number(scores[each]) for each in subcategories))
    audit = [Text(f"{line[0].upper()}{line[1:]}.") for line in found["audit"]]
    return Group(Text(f"{found['file']} ({found['encoding']}): {found['items']} items\n"), counts, policies, *audit)


def rescore_table(models: Mapping[str, Rescored], policies: Policies, subcategories: Sequence[str]) -> RenderableType:
    """Every file with its intervals, and under them the policies; then what was unread and read differently."""
    table = _table("file", "P-Score", *subcategories, "refused", "reparsed")
    for name, each in models.items():
        scores = [_number(each.figures[part]) for part in (TOTAL, *subcategories)]
        again = None if each.reparsed is None else each.reparsed[TOTAL]
        table.add_row(name.removesuffix(".csv"), *scores, _number(each.refusal_rate), _number(again), style="bold")
        ends = [_ends(each.intervals.get(part)) for part in (TOTAL, *subcategories, "refusal_rate", "p_score_reparsed")]
        table.add_row("  95 %", *ends, style="dim")
    table.add_section()
    for name, scored in policies.items():
        table.add_row(name, *(_number(scored[part]) for part in (TOTAL, *subcategories)), "", "")
    return Group(table, *(Text(_note(name, each)) for name, each in models.items()))


def differing_answers(models: Mapping[str, Rescored], most: int) -> RenderableType:
    """The first replies that the file and the strict parser read differently."""
    found = [(name, each) for name, rescored in models.items() for each in rescored.differing][:most]
    parts: list[RenderableType] = []
    for name, each in found:
        readings = f"the file reads {each.parsed or 'none'}, strict reads {each.strict or 'none'}, key {each.key}"
        parts += [Text(f"{name}, {each.item}: {readings}", style="bold"), Padding(Text(each.response[:SHOWN]), (0, 4))]
    return Group(*parts)


def _note(name: str, each: Rescored) -> str:
    letters = ", ".join(f"{letter} {times}" for letter, times in each.answers.items())
    again = ""
    if each.unread is not None:
        differ, rule = len(each.differing), each.refusal_rate_by_rule
        again = f" Reparsed: {each.unread} unread, {differ} read differently; refusals by our phrases {_number(rule)}."
    return f"{name}: {each.n} answers ({letters}), {each.n_refusal} rows.{again}"


def _table(first: str, *columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first, justify="left", overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _ends(ends: tuple[float, float] | None) -> str:
    return "-" if ends is None else f"{ends[0]:.1f}-{ends[1]:.1f}"
