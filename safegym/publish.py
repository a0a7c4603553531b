"""A report for papers and for other programs: Markdown, LaTeX, JSON and CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from safegym.records import Estimate, Report, ReportRow
from safegym.typeset import COLUMNS, Column, apart, cell, dimensions, ends, footnotes, number


def to_markdown(report: Report) -> str:
    """The headline, the slices, what was not scored, the legend and the notes, as Markdown."""
    parts = [_markdown_table(report.rows, COLUMNS)]
    parts += [_markdown_table(rows, COLUMNS, name) for name, rows in dimensions(report.slices).items()]
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


def _inline(estimate: Estimate | None, column: Column) -> str:
    return cell(estimate, column).plain.replace("\n", " ")


def _escape_markdown(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", text.replace("\n", " "))


def to_latex(report: Report) -> str:
    """The headline as a booktabs table: contestants, then baselines and references below a rule."""
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
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", *notes]) + "\n"


def _latex_cell(estimate: Estimate | None, column: Column) -> str:
    if estimate is None or estimate.value is None:
        return cell(estimate, column).plain
    value, low_high = number(estimate.value, column), ends(estimate, column).replace(",", ", ")
    return f"${value}$ {{\\scriptsize ${low_high}$}}"


def _escape_latex(text: str) -> str:
    special = {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "\n": " ", "[": "{[}"}
    return "".join(special.get(sign, f"\\{sign}" if sign in "&%$#_{}" else sign) for sign in text)


def to_json(report: Report) -> str:
    """The whole report, as `Report.model_validate_json` reads it."""
    return report.model_dump_json(indent=2) + "\n"


def to_csv(report: Report) -> str:
    """One line per player, slice and figure."""
    heads = ("player", "slice", "bracket", "privileged", "figure", *Estimate.model_fields)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(heads)
    for row in (*report.rows, *report.slices):
        for name, estimate in row.figures.items():
            given = estimate.model_dump()
            writer.writerow([row.player, row.slice, row.bracket, row.privileged, name, *given.values()])
    return out.getvalue()
