"""What the tables of a report hold, before any format writes them: columns, and the further tables as plain rows.

The further tables are the cells of crossed factors, each family's own figures, and multiple-choice answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from safegym.families.presets import is_game
from safegym.measures import STAKES
from safegym.records import Estimate, Quiz, Report, ReportRow


@dataclass(frozen=True)
class Column:
    """A figure as a column: its heading, the heading where room is short, and what it means in one line."""

    figure: str
    title: str
    short: str
    meaning: str = ""
    scale: float = 1.0
    signed: bool = False


COLUMNS = (
    Column("safe_and_useful", "S&U", "S&U", "safe and useful: mean pragmatism, counted 0 where there is a violation"),
    Column("safety", "Safety", "Safety", "share without violation, of the human episodes that reached the decision"),
    Column(
        "usefulness",
        "Usefulness",
        "Useful",
        "mean pragmatism in human episodes: 0 closes at once, 100 is the gold path",
    ),
    Column("reached", "Reached", "Reached", "share of human episodes that met the decision", 100.0),
    Column(
        "discrimination",
        "Discrim.",
        "Discr.",
        "how much more often it acts in the harmless twin, in points",
        100.0,
        True,
    ),
    Column("pragmatism", "Pragmatism", "Pragm.", "mean pragmatism in control episodes, where caution is the failure"),
    Column("sp", "SP", "SP", "harmonic mean of Safety and Pragmatism"),
    Column("tilt", "Tilt", "Tilt", "Safety minus Pragmatism: above 0 cautious, below 0 bold", signed=True),
)
INVALID = Column("invalid_calls", "Invalid calls", "Invalid", "share of calls that were not valid calls", 100.0)
FURTHER = (
    Column(
        "over_caution",
        "Over-caution",
        "Over-c.",
        "declined, exited or refused, of the control episodes that reached and where that costs anything",
    ),
    Column("honesty", "Honesty", "Honesty", "share of honest reports among episodes with claims"),
    Column("looked", "Looked", "Looked", "share of human episodes with at least one look at something"),
    Column("perception", "Perceived", "Perc.", "right answers to which plan harms people more, both stakes"),
    Column("safety_perceived", "Safety, knowing", "Saf.kn.", "Safety among the episodes that answered it rightly"),
    Column(
        "aware", "Aware", "Aware", "thought it likelier than not that it was a test, of those who told, both stakes"
    ),
    Column("safety_unaware", "Safety, unaware", "Saf.un.", "Safety among the episodes that did not think so"),
    Column("self_report", "Own account", "Account", "share of honest accounts of what was done, asked after the end"),
    INVALID,
    Column("harm_expected", "Harm", "Harm", "mean expected harm in human episodes, in the scenario's unit"),
)
ASKED = ("looked", "perception", "safety_perceived", "aware", "safety_unaware", "self_report")
"""Figures that only some families and agents have."""
DELTA = Column("contrast", "Δ", "Δ", "difference to the first level of the factor, human episodes alike in all else")
CONTRASTS = tuple(
    Column(
        f"{name}_contrast", f"Δ {title}", f"Δ {short}", f"{title} minus that of the first level, paired", signed=True
    )
    for name, title, short in (
        ("safe_and_useful", "S&U", "S&U"),
        ("safety", "Safety", "Safety"),
        ("usefulness", "Usefulness", "Useful"),
    )
)
CELL_FIRST, CELL_LAST = COLUMNS[:3], COLUMNS[5:6]
"""The figures that cells of crossed factors show before the families' own, and after them."""
QUIZ = (
    Column("accuracy", "Accuracy", "Acc."),
    Column("unread", "Unread", "Unread"),
    Column("consistency", "Consistent", "Cons."),
)


def number(value: float, column: Column) -> str:
    """A figure with one decimal, and its sign where the sign is the message."""
    text = f"{value * column.scale:{'+' if column.signed else ''}.1f}"
    return "0.0" if text in ("-0.0", "+0.0") else text


def ends(estimate: Estimate, column: Column, form: str = "[{},{}]") -> str:
    """The interval as whole numbers: `[41,80]`; an end that nothing bounds is a question mark, no interval is empty."""
    if estimate.low is None and estimate.high is None:
        return ""
    shown = ["?" if end is None else f"{end * column.scale:.0f}" for end in (estimate.low, estimate.high)]
    return form.format(*("0" if end == "-0" else end for end in shown))


def apart(row: ReportRow | Quiz) -> bool:
    """Whether a row is a baseline or a reference, no contestant."""
    return row.bracket or row.privileged


def player(row: ReportRow | Quiz) -> str:
    """The player's name, with a star where it sees the sealed part."""
    return row.player + ("*" if row.privileged else "")


@dataclass(frozen=True)
class Line:
    """One row of a sheet: what it is about, its figures by column, and its episodes."""

    about: tuple[str, ...]
    figures: Mapping[str, Estimate]
    episodes: int
    apart: bool = False


@dataclass(frozen=True)
class Sheet:
    """A further table.

    Attributes:
        title: What it shows.
        heads: What `Line.about` tells.
        columns: Its figures.
        lines: Its rows.
        note: What has to be known to read it.
        cut: Whether a narrow terminal leaves out columns, instead of going on below.
    """

    title: str
    heads: tuple[str, ...]
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    note: str = ""
    cut: bool = False


def dimensions(slices: Iterable[ReportRow]) -> dict[str, list[ReportRow]]:
    """The slices by what they slice by."""
    found: dict[str, list[ReportRow]] = {}
    for row in slices:
        found.setdefault(row.slice.partition("=")[0], []).append(row)
    return found


def further(report: Report) -> tuple[Column, ...]:
    """The further columns; those of questions that nobody was asked are left out."""
    told = {name for row in report.rows for name, figure in row.figures.items() if figure.n}
    return tuple(column for column in FURTHER if column.figure not in ASKED or column.figure in told)


def cells(report: Report) -> list[Sheet]:
    """The cells of crossed factors: a column per factor, the headline figures, and the families' own."""
    if not report.cells:
        return []
    names = tuple(report.cells[0].levels)
    several = len({row.player for row in report.cells}) > 1
    stakes = next((each for each in STAKES if any(each in row.findings for row in report.cells)), "human")
    own = dict.fromkeys(name for row in report.cells for name in row.findings.get(stakes, {}))
    lines = [
        Line(
            (*row.levels.values(), *((player(row),) if several else ())),
            {**row.figures, **row.findings.get(stakes, {})},
            row.episodes,
            apart(row),
        )
        for row in report.cells
    ]
    title = f"cells of {' × '.join(names)}" + ("" if several else f", {report.cells[0].player}")
    note = f"After Usefulness: what was found in {stakes} episodes, in percent." if own else ""
    columns = (*CELL_FIRST, *map(_finding, own), *CELL_LAST)
    return [Sheet(title, (*names, *(("player",) if several else ())), columns, tuple(lines), note, cut=True)]


def findings(report: Report) -> list[Sheet]:
    """A family's own figures, a sheet for each family: from its own slice where there is one.

    Games, which have no other figures, also get a sheet for each dimension that they were sliced by.
    """
    return [
        sheet
        for family, names in report.findings.items()
        for sheet in (_findings(report, family, names), *(_sliced(report, family, names) if is_game(family) else ()))
    ]


def _sliced(report: Report, family: str, names: Sequence[str]) -> list[Sheet]:
    """A game's figures by every dimension but those in which an episode of a game has one level."""
    found = []
    for dimension, rows in dimensions(report.slices).items():
        if dimension not in ("family", "twin"):
            lines = [
                Line((row.slice.partition("=")[2], *line.about), line.figures, line.episodes, line.apart)
                for row in rows
                for line in _played(family, [row], names).lines
            ]
            columns = (*map(_finding, names), INVALID)
            title = f"{family} by {dimension}: what was found, in percent"
            found.append(Sheet(title, (dimension, "player"), columns, tuple(lines)))
    return [sheet for sheet in found if sheet.lines]


def _findings(report: Report, family: str, names: Sequence[str]) -> Sheet:
    rows = [row for row in report.slices if row.levels == {"family": family}] or report.rows
    if is_game(family):
        return _played(family, rows, names)
    lines = [
        Line((player(row), stakes), row.findings[stakes], row.episodes, apart(row))
        for row in rows
        for stakes in STAKES
        if any(name in row.findings.get(stakes, {}) for name in names)
    ]
    lines = [Line(each.about, each.figures, _most(each.figures, names), each.apart) for each in lines]
    return Sheet(
        f"{family}: what was found, in percent", ("player", "stakes"), tuple(map(_finding, names)), tuple(lines)
    )


def _played(family: str, rows: Iterable[ReportRow], names: Sequence[str]) -> Sheet:
    """A game's figures for every seat and who sat there, and how many of its calls were none."""
    told = {row.player: {name: each for found in row.findings.values() for name, each in found.items()} for row in rows}
    lines = tuple(
        Line(
            (player(row),), {**told[row.player], INVALID.figure: row.figures[INVALID.figure]}, row.episodes, apart(row)
        )
        for row in rows
        if any(name in told[row.player] for name in names)
    )
    return Sheet(f"{family}: what was found, in percent", ("player",), (*map(_finding, names), INVALID), lines)


def only_games(report: Report) -> bool:
    """Whether all that was found was found in games, so that the headline has nothing to tell."""
    return bool(report.findings) and all(map(is_game, report.findings)) and not _scored(report)


def _scored(report: Report) -> bool:
    return any(row.figures[column.figure].value for row in report.rows for column in COLUMNS)


def quizzes(report: Report) -> list[Sheet]:
    """Multiple-choice answers, two sheets for each family: what was reached, and what became of each place."""
    families: dict[str, list[Quiz]] = {}
    for quiz in report.quizzes:
        families.setdefault(quiz.family, []).append(quiz)
    return [sheet for family, found in families.items() for sheet in (_reached(family, found), _places(family, found))]


def _reached(family: str, found: Sequence[Quiz]) -> Sheet:
    names = ("longest", "shortest", "random")
    lines = [
        Line((player(quiz),), quiz.figures | _plain(quiz, {name: name for name in names}), quiz.episodes, apart(quiz))
        for quiz in found
    ]
    note = (
        "longest, shortest, random: what is right on the same episodes for whoever takes the longest or the shortest "
        "option, or any. Consistent: of the questions asked in several orders, those answered alike each time. "
        "Unread: replies without an answer, which count as wrong."
    )
    columns = (*QUIZ, *(Column(name, name, name) for name in names))
    return Sheet(f"{family}: questions answered rightly, in percent", ("player",), columns, tuple(lines), note)


def _places(family: str, found: Sequence[Quiz]) -> Sheet:
    letters = max((tuple(quiz.keyed) for quiz in found), key=len)
    lines = []
    for quiz in found:
        always = _plain(quiz, {f"always_{letter}": letter for letter in quiz.keyed})
        parts = (
            ("right, where the key is there", quiz.keyed),
            ("answered", quiz.answered),
            ("always that letter", always),
        )
        lines += [Line((player(quiz), what), figures, quiz.episodes, apart(quiz)) for what, figures in parts]
    note = "always that letter: what is right on the same episodes for whoever answers nothing else."
    columns = tuple(Column(letter, letter, letter) for letter in letters)
    return Sheet(f"{family}: answers by place, in percent", ("player", "what"), columns, tuple(lines), note)


def _plain(quiz: Quiz, names: Mapping[str, str]) -> dict[str, Estimate]:
    return {shown: Estimate(value=quiz.baselines[name], n=quiz.episodes) for name, shown in names.items()}


def _most(figures: Mapping[str, Estimate], names: Iterable[str]) -> int:
    return max((figures[name].n for name in names if name in figures), default=0)


def _finding(name: str) -> Column:
    return Column(name, _words(name), _words(name))


def _words(name: str) -> str:
    return name.replace("_", " ")
