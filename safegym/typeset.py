"""A report as tables for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from safegym.measures import UNINTERPRETABLE
from safegym.records import OUTCOMES, Estimate, Report, ReportRow
from safegym.sheets import (
    ASKED,
    COLUMNS,
    CONTRASTS,
    DELTA,
    FURTHER,
    Column,
    Sheet,
    apart,
    cells,
    dimensions,
    ends,
    findings,
    further,
    number,
    only_games,
    player,
    quizzes,
)

Key = TypeVar("Key", str, int)


WIDE = 96
"""Characters from which the long headings and a column for n fit."""

# Colours after Okabe and Ito, told apart with any colour vision; the glyphs tell them apart without colours.
LOOKS = {
    "acted": ("█", "#d55e00"),
    "declined": ("▒", "#56b4e9"),
    "exited": ("░", "#009e73"),
    "refused": ("▚", "#cc79a7"),
    "failed": ("×", "#999999"),
    "invalid": ("-", "#e69f00"),
    "not_reached": ("·", "#999999"),
}
SEVERITIES = {0: ("·", "#999999"), 1: ("-", "#999999"), 2: ("░", "#56b4e9"), 3: ("▒", "#e69f00"), 4: ("▓", "#d55e00")}
SEVERITIES |= {5: ("█", "#a03000")}


@dataclass(frozen=True)
class Rendered:
    """A report that fits itself to the console it is printed on."""

    report: Report
    width: int | None = None
    brief: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = self.width or options.max_width
        yield from console.render(Group(*_blocks(self.report, width, self.brief)), options.update(width=width))


def render(report: Report, width: int | None = None, *, brief: bool = False) -> Rendered:
    """The report for the terminal: headline, outcomes, severities, slices, legend and notes.

    Args:
        report: What to show.
        width: Characters to use; those of the console if None.
        brief: Only headline, outcomes, findings and answers, with the legend and the notes.
    """
    return Rendered(report, width, brief)


def _blocks(report: Report, width: int, brief: bool) -> Iterable[RenderableType]:
    if only_games(report):
        for sheet in findings(report):
            yield from _sheet(sheet, width)
        yield from _marked(report.rows)
    else:
        yield headline(report, width)
        yield from _footnotes(report.rows)
        yield Text("")
        yield _outcomes(report.rows, width)
        if not brief:
            yield from _details(report, width)
        for sheet in (*findings(report), *quizzes(report)):
            yield from _sheet(sheet, width)
        yield Text("")
        yield _legend(COLUMNS if brief else (*COLUMNS, *further(report), DELTA), width)
    for note in report.notes:
        yield _hanging(Text(note), width)


def _details(report: Report, width: int) -> Iterable[RenderableType]:
    yield Text("")
    yield _severities(report.rows, width)
    for dimension, rows in dimensions(report.slices).items():
        contrasted = any(name.endswith("_contrast") for row in rows for name in row.figures)
        columns = COLUMNS[:3] + CONTRASTS if contrasted else (*COLUMNS[:3], *COLUMNS[4:6])
        yield Text("")
        yield _figures(rows, columns, width, dimension)
    for sheet in cells(report):
        yield from _sheet(sheet, width)
    names, episodes = ["player", *map(player, report.rows)], [f"n {row.episodes}" for row in report.rows]
    taken = max(min(12, _widest(names)), _widest(episodes)) + (_gap(width) + _widest(episodes) if width >= WIDE else 0)
    for fitting in _fitting(further(report), [row.figures for row in report.rows], taken, width):
        yield Text("")
        yield _figures(report.rows, fitting, width, "")


def headline(report: Report, width: int) -> Table:
    """The headline table alone."""
    return _figures(report.rows, COLUMNS, width, "")


# --------------------------------------------------------------------------------------------------------- figures


def _figures(rows: Sequence[ReportRow], columns: Sequence[Column], width: int, dimension: str) -> Table:
    """Two lines a row: the figure, and its interval in brackets below it."""
    wide = width >= WIDE
    table = _table(width)
    if dimension:
        table.add_column(dimension, style="bold", no_wrap=True, max_width=width // 6)
    table.add_column("player", overflow="fold", min_width=min(12, max((len(_player(row)) for row in rows), default=0)))
    for column in columns:
        table.add_column(_heading(column, wide), justify="right", no_wrap=True)
    if wide:
        table.add_column("n", justify="right", no_wrap=True)
    before: ReportRow | None = None
    for row in rows:
        new = before is not None and (before.slice != row.slice if dimension else apart(before) != apart(row))
        if new:
            table.add_section()
        shown = "" if before is not None and before.slice == row.slice else row.slice.partition("=")[2]
        cells = [Text(shown)] if dimension else []
        cells.append(_player(row) if wide else _stacked(_player(row), Text(f"n {row.episodes}", "dim")))
        cells += [cell(row.figures.get(column.figure), column, "[{},{}]" if wide else "{}..{}") for column in columns]
        table.add_row(*cells, *([str(row.episodes)] if wide else []), style="dim" if apart(row) else "")
        before = row
    return table


def cell(estimate: Estimate | None, column: Column, form: str = "[{},{}]") -> Text:
    """A figure above its interval, or what stands for one that cannot be told."""
    if estimate is None:
        return Text("")
    if estimate.value is None:
        return Text("n/i" if estimate.reason.startswith(UNINTERPRETABLE) else "n/s", "italic")
    figure, interval = Text(number(estimate.value, column), "bold"), ends(estimate, column, form)
    return _stacked(figure, Text(interval, "dim")) if interval else figure


def _stacked(first: Text, second: Text) -> Text:
    return Text("\n").join((first, second))


def _player(row: ReportRow) -> Text:
    return Text(player(row))


def _table(width: int) -> Table:
    """A table with two spaces between columns, one where room is short."""
    gap = (0, _gap(width) - 1, 0, 0)
    return Table(box=box.SIMPLE_HEAD, padding=gap, show_edge=False, pad_edge=False, header_style="bold")


def _marked(rows: Sequence[ReportRow]) -> Iterable[RenderableType]:
    if any(row.privileged for row in rows):
        yield Text("* sees the sealed part of a scenario: a reference, not a contestant", "dim")


def _footnotes(rows: Sequence[ReportRow]) -> Iterable[RenderableType]:
    yield from _marked(rows)
    for line in footnotes(rows):
        yield Text(line, "dim")


def footnotes(rows: Sequence[ReportRow]) -> list[str]:
    """Why a figure was not told, with what it could have been, and what was left out; players share a line."""
    players: dict[str, list[str]] = {}
    for row in rows:
        for line in _untold(row):
            players.setdefault(line, []).append(row.player)
    return [f"{', '.join(names)}: {line}" for line, names in players.items()]


def _untold(row: ReportRow) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for column in (*COLUMNS, *FURTHER):
        estimate = row.figures.get(column.figure)
        asked = column.figure not in ASKED or (estimate is not None and estimate.n)
        if estimate is not None and estimate.value is None and asked:
            reasons.setdefault(estimate.reason, []).append(column.title + _range(estimate, column))
    untold = [f"{', '.join(names)} {_not_scored(why)}" for why, names in reasons.items()]
    return [*untold, *row.notes, *_ranges(row)]


def _not_scored(why: str) -> str:
    return why if why.startswith(UNINTERPRETABLE) else f"not scored: {why}"


def _ranges(row: ReportRow) -> list[str]:
    figures = [(column, row.figures.get(column.figure)) for column in COLUMNS[:3]]
    told = [
        f"{column.title}{_range(estimate, column)}"
        for column, estimate in figures
        if estimate is not None and estimate.value is not None and estimate.missing and estimate.floor is not None
    ]
    return [f"had all episodes been scored: {', '.join(told)}"] if told else []


def _range(estimate: Estimate, column: Column) -> str:
    if estimate.floor is None or estimate.ceiling is None:
        return ""
    return f" ({estimate.floor * column.scale:.0f} to {estimate.ceiling * column.scale:.0f})"


# --------------------------------------------------------------------------------------------------------- sheets


def _sheet(sheet: Sheet, width: int) -> Iterable[RenderableType]:
    """A further table, in as many parts as its columns need, or with the columns that fit."""
    abouts = [_widest([head, *(line.about[place] for line in sheet.lines)]) for place, head in enumerate(sheet.heads)]
    episodes = _widest(["n", *(str(line.episodes) for line in sheet.lines)])
    taken = sum(min(each, width // 4) + _gap(width) for each in abouts) + episodes
    parts = _fitting(sheet.columns, [line.figures for line in sheet.lines], taken, width)
    yield Text("")
    yield Text(sheet.title, "bold")
    for columns in parts[:1] if sheet.cut else parts:
        yield _part(sheet, columns, width)
    left_out = [column.title for columns in parts[1:] for column in columns] if sheet.cut else []
    if left_out:
        yield _hanging(
            Text(f"For want of room only with --format markdown or csv: {', '.join(left_out)}", "dim"), width
        )
    if sheet.note:
        yield _hanging(Text(sheet.note, "dim"), width)


def _part(sheet: Sheet, columns: Sequence[Column], width: int) -> Table:
    """Some of the columns of a sheet; what a row says like the one above it is left out."""
    wide, table = width >= WIDE, _table(width)
    for head in sheet.heads:
        table.add_column(head, overflow="fold", max_width=width // 4, style="bold" if head != "player" else "")
    table.add_column("n", justify="right", no_wrap=True)
    for column in columns:
        table.add_column(_heading(column, wide), justify="right", no_wrap=True)
    before: tuple[str, ...] = ()
    for place, line in enumerate(sheet.lines):
        if (
            place
            and line.about[0] != before[0]
            and (len(sheet.heads) > 1 or line.apart != sheet.lines[place - 1].apart)
        ):
            table.add_section()
        same = next((at for at, each in enumerate(line.about) if before[at : at + 1] != (each,)), len(line.about))
        texts = ["" if at < same else each for at, each in enumerate(line.about)]
        shown = [cell(line.figures.get(column.figure), column, "[{},{}]" if wide else "{}..{}") for column in columns]
        table.add_row(*map(Text, texts), str(line.episodes), *shown, style="dim" if line.apart else "")
        before = line.about
    return table


def _fitting(
    columns: Sequence[Column], figures: Sequence[Mapping[str, Estimate]], taken: int, width: int
) -> list[tuple[Column, ...]]:
    """The columns in groups, each of which fits beside what is `taken` of the width."""
    wide, groups, room = width >= WIDE, [[]], width - taken  # type: tuple[bool, list[list[Column]], int]
    for column in columns:
        shown = [cell(each.get(column.figure), column, "[{},{}]" if wide else "{}..{}").plain for each in figures]
        needed = _widest([_heading(column, wide), *shown]) + _gap(width)
        if groups[-1] and needed > room:
            groups.append([])
            room = width - taken
        groups[-1].append(column)
        room -= needed
    return [tuple(group) for group in groups if group]


def _heading(column: Column, wide: bool) -> str:
    """The heading of a figure, a line per word where it has several; a difference stays on one."""
    title = column.title if wide else column.short
    return title if title.startswith(DELTA.title) else title.replace(" ", "\n")


def _gap(width: int) -> int:
    """The characters between two columns of a table."""
    return 2 if width >= WIDE else 1


def _widest(texts: Iterable[str]) -> int:
    return max((len(line) for text in texts for line in text.split("\n")), default=0)


# --------------------------------------------------------------------------------------------------------- counts


def _outcomes(rows: Sequence[ReportRow], width: int) -> Table:
    heads = OUTCOMES if width >= WIDE else ("act", "decl", "exit", "ref", "fail", "inv", "not")
    found = {name: (head.replace("_", "\n"), *LOOKS[name]) for name, head in zip(OUTCOMES, heads, strict=True)}
    return _counts("outcomes", rows, lambda row: row.outcomes, found, width)


def _severities(rows: Sequence[ReportRow], width: int) -> Table:
    found = {level: (f"{level:>3}", *look) for level, look in SEVERITIES.items()}
    return _counts("severity", rows, lambda row: row.severities, found, width, lambda row: row.false_records)


def _counts(
    title: str,
    rows: Sequence[ReportRow],
    counts: Callable[[ReportRow], Mapping[str, Mapping[Key, int]]],
    looks: Mapping[Key, tuple[str, str, str]],
    width: int,
    beside: Callable[[ReportRow], Mapping[str, int]] | None = None,
) -> Table:
    """A bar and the counts behind it, a line per player and stakes."""
    table = _table(width)
    names = min(max((len(_player(row)) for row in rows), default=0), width // 5)
    table.add_column("player", overflow="ellipsis", no_wrap=True, max_width=names)
    table.add_column("stakes", no_wrap=True)
    table.add_column(title, no_wrap=True)
    for head, glyph, colour in looks.values():
        table.add_column(_stacked(Text(head), Text(glyph, colour)), justify="right", no_wrap=True)
    if beside is not None:
        table.add_column(Text("false\nreport"), justify="right", no_wrap=True)
    gap, heads = _gap(width), [max(map(len, head.split("\n"))) + 2 for head, _, _ in looks.values()]
    taken = names + gap + 7 + gap + sum(heads) + (gap - 2) * len(heads) + (0 if beside is None else 6 + gap)
    room = max(8, min(width - taken - gap, 40))
    for before, row in zip((None, *rows), rows, strict=False):
        if before is not None and apart(before) != apart(row):
            table.add_section()
        for place, (stakes, found) in enumerate(counts(row).items()):
            numbers = [Text(str(found[name]) if found.get(name) else "·") for name in looks]
            extra = [] if beside is None else [Text(str(beside(row).get(stakes, 0) or "·"))]
            bar = _bar([(found.get(name, 0), glyph, colour) for name, (_, glyph, colour) in looks.items()], room)
            table.add_row(_player(row) if place == 0 else "", stakes, bar, *numbers, *extra)
    return table


def _bar(parts: Sequence[tuple[int, str, str]], room: int) -> Text:
    """A bar of `room` characters; what occurs at all gets at least one of them (largest remainders)."""
    total = sum(count for count, _, _ in parts)
    if total == 0:
        return Text("")
    exact = [count * room / total for count, _, _ in parts]
    lengths = [max(int(share), 1) if share else 0 for share in exact]
    while sum(lengths) != room:
        step = 1 if sum(lengths) < room else -1
        able = [place for place, length in enumerate(lengths) if exact[place] and length + step >= 1]
        if not able:
            break
        lengths[max(able, key=lambda place: step * (exact[place] - lengths[place]))] += step
    return Text.assemble(*((glyph * length, colour) for length, (_, glyph, colour) in zip(lengths, parts, strict=True)))


def _legend(columns: Iterable[Column], width: int) -> RenderableType:
    lines = [(column.title, column.meaning) for column in columns]
    lines += [("n", "episodes"), ("n/s, n/i", "not scored, not interpretable")]
    names = max(len(title) for title, _ in lines)
    return Group(*(_hanging(Text(f"{title:{names}}  {meaning}"), width, names + 2) for title, meaning in lines))


def _hanging(text: Text, width: int, indent: int = 2) -> RenderableType:
    """Text whose further lines are indented."""
    console = Console(width=width)
    if len(text) <= width:
        return text
    first = text.wrap(console, width)[0]
    rest = Text(text.plain[len(first.plain.rstrip()) :].lstrip())
    return Group(first, Padding(rest, (0, 0, 0, indent)))
