"""Bargains as tables, for terminals and as Markdown: all of them in rows, and what was learnt side by side."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from safegym.records import Estimate
from safegym.training.bargain import MEANINGS, PROBES, Bargain, Change, rose

TITLES = {"not_borne_out": "not borne out", "caveats_left_out": "caveats left out"}
IN_ROWS = tuple(TITLES)
"""Probes that stand in the rows of all bargains; the others stand in what is told side by side."""
BESIDE = 3
"""Bargains side by side."""
MOST_DETAILED = 6
"""Up to how many bargains a terminal tells side by side."""
ROSE = {"both": "both", "approval": "approval", "probe": "falsehood", "neither": "neither"}
NOTES = (
    "Approval: points of the vote above one half against the base on the same subject; 0 is no better than the base. "
    "Probes: percent of messages, or of caveats, and their change by learning in points; in percent of the base where "
    "that is said. Pragmatism: expected share before an honest rival, in percent of the best honest message's.",
    "Below a setting its controls: what random votes taught, and another message of the base. Rose: where the whole "
    "interval lies above nought; falsehood: what the file does not bear out.",
    "In brackets: 95 % intervals, Bayesian bootstrap over subjects. What voters make of what is not borne out "
    "(credulity) is assumed and not measured, so no setting is the true one.",
)


@dataclass(frozen=True)
class Grid:
    """A table before any format writes it; a cell may have several lines."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    apart: frozenset[int] = frozenset()
    """Rows of controls."""


def in_rows(found: Sequence[Bargain]) -> Grid:
    """A row per bargain: approval, two probes, pragmatism, and what rose; controls stand below their settings."""
    heads = ("", "approval", *(TITLES[name] for name in IN_ROWS), "pragmatism", "rose")
    rows = [
        (
            f"- {each.details['speaker']}" if each.control else each.setting,
            _points(each.approval),
            *(_points(each.change(name).difference) for name in IN_ROWS),
            _from_to(100.0 * each.pragmatism[0], 100.0 * each.pragmatism[1]),
            ROSE[rose(each)],
        )
        for each in found
    ]
    return Grid(heads, tuple(rows), frozenset(place for place, each in enumerate(found) if each.control))


def side_by_side(found: Sequence[Bargain]) -> Grid:
    """A column per bargain: every probe before and after, its change in points and in percent of the base."""
    rows = [("approval gained", *(_points(each.approval) for each in found))]
    rows += [(MEANINGS[name], *(_change(each.change(name)) for each in found)) for name in PROBES]
    worth = [_from_to(100.0 * each.pragmatism[0], 100.0 * each.pragmatism[1]) for each in found]
    rows += [("pragmatism", *worth), ("subjects", *(str(each.subjects) for each in found))]
    for name, title in (
        ("unheard", "left out, as a message could not be shown"),
        ("learnt_from", "pairs learnt from"),
        ("ties", "pairs left out: ties"),
        ("unheard_pairs", "pairs left out: neither could be shown"),
    ):
        if any(name in each.details for each in found):
            rows.append((title, *(str(each.details.get(name, "")) for each in found)))
    return Grid(("", *(each.setting for each in found)), tuple(rows))


def bargain_table(found: Sequence[Bargain]) -> RenderableType:
    """Bargains for the terminal."""
    learnt = [each for each in found if not each.control]
    detailed = learnt if len(learnt) <= MOST_DETAILED else []
    grids = [in_rows(found), *(side_by_side(part) for part in _parts(detailed))]
    parts: list[RenderableType] = []
    for grid in grids:
        parts += [_rich(grid), Text()]
    return Group(*parts, *(Text(note, "dim") for note in NOTES))


def bargain_markdown(title: str, found: Sequence[Bargain]) -> str:
    """Bargains as Markdown: all of them in rows, and all of them side by side.

    Args:
        title: The heading.
        found: At least one.
    """
    grids = [in_rows(found), *(side_by_side(part) for part in _parts(found))]
    return "\n\n".join([f"# {title}", *map(_markdown, grids), *NOTES]) + "\n"


def _parts(found: Sequence[Bargain]) -> list[Sequence[Bargain]]:
    return [found[start : start + BESIDE] for start in range(0, len(found), BESIDE)]


def _points(estimate: Estimate) -> str:
    return f"{estimate.value or 0.0:+.1f}\n({estimate.low or 0.0:.0f} to {estimate.high or 0.0:.0f})"


def _change(change: Change) -> str:
    relative = "" if change.relative is None else f" ({change.relative:+.0f} %)"
    points = _points(change.difference).replace("\n", " ")
    return f"{_from_to(change.base, change.learnt)}{relative}\n{points}"


def _from_to(before: float, after: float) -> str:
    return f"{before:.0f} → {after:.0f}"


def _rich(grid: Grid) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for place, head in enumerate(grid.heads):
        numbers = place > 0 and head != "rose"
        table.add_column(head, justify="right" if numbers else "left", no_wrap=numbers)
    for place, row in enumerate(grid.rows):
        table.add_row(*map(Text, row), style="dim" if place in grid.apart else "")
    return table


def _markdown(grid: Grid) -> str:
    lines = [grid.heads, ("---", *("---:" for _ in grid.heads[1:])), *grid.rows]
    return "\n".join("| " + " | ".join(_cells(line)) + " |" for line in lines)


def _cells(line: Sequence[str]) -> Iterator[str]:
    return (re.sub(r"([|*_])", r"\\\1", each.replace("\n", " ")) for each in line)
