"""A report for papers and for other programs: Markdown, LaTeX, JSON and CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from safegym.records import Estimate, Quiz, Report, ReportRow
from safegym.sheets import COLUMNS, Column, Sheet, apart, cells, dimensions, ends, findings, number, quizzes
from safegym.typeset import cell, footnotes


def to_markdown(report: Report) -> str:
    """The headline, the slices, the further tables, what was not scored, the legend and the notes, as Markdown."""
    parts = [_markdown_table(report.rows, COLUMNS)]
    parts += [_markdown_table(rows, COLUMNS, name) for name, rows in dimensions(report.slices).items()]
    parts += [_markdown_sheet(sheet) for sheet in _sheets(report)]
    lines = [f"{_escape_markdown(line)}" for line in (*footnotes(report.rows), *report.notes)]
    legend = [f"**{_escape_markdown(column.title)}**: {_escape_markdown(column.meaning)}" for column in COLUMNS]
    return "\n\n".join([*parts, "\n".join(f"- {line}" for line in (*legend, *lines))]) + "\n"


def _markdown_table(rows: Sequence[ReportRow], columns: Sequence[Column], dimension: str = "") -> str:
    heads = [*([dimension] if dimension else []), "player", *(_escape_markdown(each.title) for each in columns), "n"]
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * (2 if dimension else 1)}{' ---: |' * (len(columns) + 1)}"]
    for row in rows:
        name = _escape_markdown(row.player + (" *" if row.privileged else ""))
        cells = [_escape_markdown(row.slice.partition("=")[2])] if dimension else []
        cells += [f"*{name}*" if apart(row) else name]
        cells += [_escape_markdown(_inline(row.figures.get(column.figure), column)) for column in columns]
        lines.append(f"| {' | '.join([*cells, str(row.episodes)])} |")
    return "\n".join(lines)


def _sheets(report: Report) -> list[Sheet]:
    return [*cells(report), *findings(report), *quizzes(report)]


def _markdown_sheet(sheet: Sheet) -> str:
    heads = [_escape_markdown(each) for each in (*sheet.heads, "n", *(column.title for column in sheet.columns))]
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(sheet.heads)}{' ---: |' * (len(sheet.columns) + 1)}"]
    for line in sheet.lines:
        texts = [*map(_escape_markdown, line.about), str(line.episodes)]
        texts += [_escape_markdown(_inline(line.figures.get(column.figure), column)) for column in sheet.columns]
        lines.append(f"| {' | '.join(texts)} |")
    note = f"\n\n{_escape_markdown(sheet.note)}" if sheet.note else ""
    return f"**{_escape_markdown(sheet.title)}**\n\n" + "\n".join(lines) + note


def _inline(estimate: Estimate | None, column: Column) -> str:
    return cell(estimate, column).plain.replace("\n", " ")


def _escape_markdown(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", text.replace("\n", " "))


def to_latex(report: Report) -> str:
    """The headline as a booktabs table, contestants above baselines and references; then the further tables."""
    names = " & ".join(_escape_latex(column.title) for column in COLUMNS)
    lines = [
        f"\\begin{{tabular}}{{l{'r' * (len(COLUMNS) + 1)}}}",
        "\\toprule",
        f"Player & {names} & $n$ \\\\",
        "\\midrule",
    ]
    for before, row in zip((None, *report.rows), report.rows, strict=False):
        if before is not None and apart(before) != apart(row):
            lines.append("\\midrule")
        name = _escape_latex(row.player) + ("$^{*}$" if row.privileged else "")
        cells = [_latex_cell(row.figures.get(column.figure), column) for column in COLUMNS]
        lines.append(f"{name} & {' & '.join(cells)} & {row.episodes} \\\\")
    notes = [f"% {_escape_latex(line)}" for line in (*footnotes(report.rows), *report.notes)]
    further = [line for sheet in _sheets(report) for line in ("", *_latex_sheet(sheet))]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", *notes, *further]) + "\n"


def _latex_sheet(sheet: Sheet) -> list[str]:
    names = [*map(_escape_latex, sheet.heads), "$n$", *(_escape_latex(column.title) for column in sheet.columns)]
    columns = "l" * len(sheet.heads) + "r" * (len(sheet.columns) + 1)
    lines = [f"% {_escape_latex(sheet.title)}", f"\\begin{{tabular}}{{{columns}}}", "\\toprule"]
    lines += [f"{' & '.join(names)} \\\\", "\\midrule"]
    for line in sheet.lines:
        texts = [*map(_escape_latex, line.about), str(line.episodes)]
        texts += [_latex_cell(line.figures.get(column.figure), column) for column in sheet.columns]
        lines.append(f"{' & '.join(texts)} \\\\")
    note = [f"% {_escape_latex(sheet.note)}"] if sheet.note else []
    return [*lines, "\\bottomrule", "\\end{tabular}", *note]


def _latex_cell(estimate: Estimate | None, column: Column) -> str:
    if estimate is None or estimate.value is None:
        return cell(estimate, column).plain
    value, low_high = number(estimate.value, column), ends(estimate, column).replace(",", ", ")
    return f"${value}$" + (f" {{\\scriptsize ${low_high}$}}" if low_high else "")


def _escape_latex(text: str) -> str:
    special = {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "\n": " ", "[": "{[}"}
    return "".join(special.get(sign, f"\\{sign}" if sign in "&%$#_{}" else sign) for sign in text)


def to_json(report: Report) -> str:
    """The whole report, as `Report.model_validate_json` reads it."""
    return report.model_dump_json(indent=2) + "\n"


def to_csv(report: Report) -> str:
    """One line per player, slice or cell, and figure.

    A family's own figure is called `finding.STAKES.NAME`, one of multiple-choice answers `quiz.NAME`, with the family
    as its slice.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("player", "slice", "bracket", "privileged", "figure", *Estimate.model_fields))
    for row in (*report.rows, *report.slices, *report.cells):
        own = {
            f"finding.{stakes}.{name}": each for stakes, found in row.findings.items() for name, each in found.items()
        }
        for name, estimate in (row.figures | own).items():
            given = estimate.model_dump()
            writer.writerow([row.player, row.slice, row.bracket, row.privileged, name, *given.values()])
    for quiz in report.quizzes:
        for name, estimate in _of_quiz(quiz).items():
            given = estimate.model_dump()
            row_of = [quiz.player, f"family={quiz.family}", quiz.bracket, quiz.privileged]
            writer.writerow([*row_of, f"quiz.{name}", *given.values()])
    return out.getvalue()


def _of_quiz(quiz: Quiz) -> dict[str, Estimate]:
    """All figures of multiple-choice answers by one name each."""
    return (
        quiz.figures
        | {f"key_{letter}": each for letter, each in quiz.keyed.items()}
        | {f"answer_{letter}": each for letter, each in quiz.answered.items()}
        | {name: Estimate(value=value, n=quiz.episodes) for name, value in quiz.baselines.items()}
    )
