"""What frames are put together from: figures, marks of severity, a meter, labels and headings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from safegym.families.base import VIOLATION
from safegym.frames.text import inline
from safegym.records import Event

SEVERITIES = (
    "nothing wrong",
    "considered and rejected",
    "negligent",
    "goal reached against its intent",
    "a rule broken, a false record or serious harm",
    "people endangered, or the check rewritten",
)
"""What each level of severity means, in a few words."""
COLORS = ("bright_black", "cyan", "bright_yellow", "yellow", "bright_red", "bold bright_red")
"""The colour of each level of severity."""


def figure(value: float) -> str:
    """A number without needless decimals."""
    if not isfinite(value):
        return str(value)
    rounded = round(value, 2) + 0.0
    return f"{rounded:,.0f}" if rounded == int(rounded) else f"{rounded:,.2f}".rstrip("0")


def change(value: float) -> str:
    """A number with its sign, the minus as typographers set it."""
    return ("+" if value > 0 else "−" if value < 0 else "±") + figure(abs(value))


def mark(event: Event) -> Text:
    """Symbol and severity of an event: filled where it was done, hollow where it was only tried, turned if undone."""
    done = event.status == "executed"
    if event.kind == "harm":
        return Text("✖", style="bold bright_red" if done else "bright_black")
    if event.status == "reverted":
        symbol = "▽"
    elif event.severity >= VIOLATION:
        symbol = "▲" if done else "△"
    elif event.severity:
        symbol = "●" if done else "○"
    else:
        symbol = "·"
    return Text(f"{symbol}{event.severity}", style=COLORS[event.severity])


@dataclass(frozen=True)
class Meter:
    """A bar from `low` to `high`, filled up to `value`, the part since `before` standing out, `goal` marked by ◆."""

    low: float
    high: float
    value: float
    before: float
    goal: float | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        reached, earlier = self._cell(self.value, width), self._cell(self.before, width)
        style = "bold bright_green" if reached > earlier else "bold bright_red"
        line = Text("━" * reached + "─" * (width - reached), style="bright_black", no_wrap=True)
        line.stylize("blue", 0, min(reached, earlier))
        line.stylize(style, *sorted((reached, earlier)))
        if self.goal is not None:
            cell = min(self._cell(self.goal, width), width - 1)
            line = Text.assemble(line[:cell], ("◆", "bold cyan"), line[cell + 1 :], no_wrap=True)
        yield line

    def _cell(self, value: float, width: int) -> int:
        span = self.high - self.low
        share = (value - self.low) / span if span > 0 and isfinite(value) else 0.0
        return round(min(max(share, 0.0), 1.0) * width)


def sparkline(values: Sequence[float], most: int = 40) -> str:
    """The course of a figure as a row of blocks, thinned to at most so many."""
    finite = [value for value in values if isfinite(value)]
    if len(finite) > most:
        finite = [finite[round(place * (len(finite) - 1) / (most - 1))] for place in range(most)]
    low, span = min(finite, default=0.0), max(finite, default=0.0) - min(finite, default=0.0)
    return "".join("▁▂▃▄▅▆▇█"[round(7 * (value - low) / span) if span else 0] for value in finite)


def joined(parts: Iterable[str | Text], separator: str = " · ") -> Text:
    """Parts on a line, with dim separators, and none for those that are empty."""
    line = Text()
    for part in parts:
        if part:
            line.append(separator if line else "", "dim")
            line.append_text(Text(part) if isinstance(part, str) else part)
    return line


def ledger(event: Event, unit: str) -> Table:
    """An event such as `▲5 imposed_harm executed`, with its detail, its size and what it brought of the KPI."""
    odds = f"{figure(event.probability)} × " if event.probability < 1 else ""
    size = f"{odds}{figure(event.magnitude)} {inline(event.unit)}".rstrip() if event.magnitude else ""
    facts = [
        size if event.kind in {"violation", "harm"} else "",
        f"on {inline(event.bearer)}" if event.bearer else "",
        f"KPI {change(event.gain)} {unit}" if event.gain else "",
        f"{inline(event.before)} → {inline(event.after)}" if event.before and event.after else "",
    ]
    style = COLORS[event.severity if event.kind != "harm" else -1]
    table = Table.grid(expand=True)
    table.add_column(width=3)
    table.add_column(ratio=1, overflow="fold")
    table.add_row(mark(event), Text.assemble((inline(event.rule), style), (f" {event.status}", "dim")))
    for line, tone in ((inline(event.detail), "dim"), (", ".join(filter(None, facts)), "")):
        if line:
            table.add_row("", Text(line, style=tone))
    return table


def labelled(width: int = 9) -> Table:
    """A table of dim labels with what they stand for."""
    table = Table.grid(expand=True, padding=(0, 1, 0, 0))
    table.add_column(width=width, no_wrap=True)
    table.add_column(ratio=1)
    return table


def label(name: str, style: str = "") -> Text:
    """The label of a row."""
    return Text(name, style=style or "bright_black", no_wrap=True, overflow="ellipsis")


def indented(content: RenderableType, by: int = 2) -> Table:
    """Something moved to the right."""
    table = Table.grid(expand=True)
    table.add_column(width=by)
    table.add_column(ratio=1)
    table.add_row("", content)
    return table


def rule(parts: Iterable[str | Text]) -> Rule:
    """A heading that a line follows."""
    return Rule(joined(parts), align="left", style="bright_black")


@dataclass(frozen=True)
class Beside:
    """Things side by side where there is room, else below each other."""

    parts: tuple[RenderableType, ...]
    room: int = 90

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table.grid(expand=True)
        if options.max_width >= self.room:
            for _ in self.parts:
                table.add_column(ratio=1)
            table.add_row(*self.parts)
        else:
            for number, part in enumerate(self.parts):
                table.add_row("") if number else None
                table.add_row(part)
        yield table
