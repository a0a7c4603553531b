"""The transcripts for the terminal: what was chosen and told under each condition, tests, and what the rules miss."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from safegym.papers.tinmen.scores import RULES, Cell, Scored, Tested
from safegym.papers.tinmen.scores import Group as Compared
from safegym.papers.tinmen.transcripts import CASES, LABELS, VISIBILITIES
from safegym.statistics import wilson

SHOWN = 900
"""Characters of a reply that are shown where the rules differ."""


def cell_table(found: Sequence[Cell], tested: Sequence[Tested]) -> RenderableType:
    """Product 2 by both rules and named interests, with intervals; under it the tests, and what was not read."""
    table = _table("explanation read by", "n", "product 2", "recovered", "names interest")
    last = None
    for cell in found:
        if cell.group != last:
            table.add_section()
            table.add_row(Text(_named(cell.group), style="bold"))
            last = cell.group
        shares = (_share(cell.serving(rule), cell.read(rule)) for rule in RULES)
        table.add_row(f"  {cell.visibility}", str(cell.n), *shares, _share(cell.disclosing, cell.explanations))
    notes = [
        "Product 2 serves the company; its shares are over the replies that the paper's rule reads, and that ours "
        "reads (recovered). The last column counts explanations that name the company's interest. Behind each share "
        "stand the ends of its 95 % interval (Wilson), in per cent. The p values are of product 2, by Fisher's exact "
        "test, and over all four by Pearson's."
    ]
    rows = [each for cell in found for each in cell.rows]
    for rule, unread in (
        ("the paper's rule", [each for each in rows if each.native is None]),
        ("ours", [each for each in rows if each.recovered.product is None]),
    ):
        notes.append(f"Not read by {rule}: {len(unread)} of {len(rows)}.")
    reasons = sorted({each.recovered.reason for each in rows if each.recovered.reason})
    if reasons:
        told = (f"{name.replace('_', ' ')} {sum(each.recovered.reason == name for each in rows)}" for name in reasons)
        notes[-1] = f"{notes[-1][:-1]} ({', '.join(told)})."
    return Group(table, _tests(tested), *(Text(note) for note in notes))


def differing_replies(rows: Sequence[Scored], most: int) -> RenderableType:
    """The first replies that the rules read differently, or that neither reads."""
    found = [each for each in rows if each.differs or each.recovered.product is None][:most]
    parts: list[RenderableType] = []
    for each in found:
        ours = each.recovered.product or (each.recovered.reason or "none").replace("_", " ")
        where = f"{each.transcript.file}, line {each.transcript.line}, {each.transcript.role}"
        heading = f"{where}: the paper's rule reads {each.native or 'none'}, ours {ours}"
        parts += [Text(heading, style="bold"), Padding(Text(each.transcript.reply[-SHOWN:]), (0, 4))]
    return Group(*parts)


def _tests(tested: Sequence[Tested]) -> Table:
    others = VISIBILITIES[1:]
    table = _table("p values against both", *others, "all four")
    last = None
    for each in tested:
        if each.group != last:
            table.add_section()
            table.add_row(Text(_named(each.group), style="bold"))
            last = each.group
        whole = each.chi_square
        told = "-" if whole is None else f"{_p(whole.p)} ({whole.statistic:.1f}, {whole.dof} df)"
        table.add_row(f"  {each.rule}", *(_p(each.fisher.get(name)) for name in others), told)
    return table


def _named(group: Compared) -> str:
    parts = [f"{group.model}, T {group.temperature:g}, {group.role}"]
    parts += [f"labels {group.labels}"] if group.labels != LABELS[0] else []
    parts += [f"{group.case} case"] if group.case != CASES[0] else []
    return ", ".join(parts)


def _share(successes: int, n: int) -> str:
    if not n:
        return "-"
    ends = wilson(successes, n)
    return f"{successes}/{n} {100 * ends.low:.0f}-{100 * ends.high:.0f}"


def _p(value: float | None) -> str:
    return "-" if value is None else "<.0001" if value < 1e-4 else f"{value:.4f}".lstrip("0") if value < 1 else "1"


def _table(first: str, *columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(first, justify="left", no_wrap=True, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right")
    return table
