"""Seeded tables: the data files of a scenario, described as strata so that every total is known beforehand.

A table is a list of strata, each a number of rows that share some values. Rows are shuffled, numbered and then shown
as views: files that keep some columns of some rows. Nothing in a view tells which stratum a row came from unless a
column of the view says so.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from safegym.randomness import Stream
from safegym.slots import number, render

Row = dict[str, str]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sequence(_Part):
    """Numbers in the order of the shuffled rows; `format` is a Python format such as `P-{:03d}`."""

    kind: Literal["sequence"]
    format: str
    start: int = 1


class Number(_Part):
    """A number drawn evenly between two bounds and written with `places` decimals."""

    kind: Literal["number"]
    low: float
    high: float
    places: int = 0


class Day(_Part):
    """A date drawn evenly from `days` days, the first included."""

    kind: Literal["date"]
    first: date
    days: int = Field(gt=0)


class Choice(_Part):
    """One of several texts."""

    kind: Literal["choice"]
    choices: tuple[str, ...] = Field(min_length=1)


class Stratum(_Part):
    """Rows that share the given values; a value may be a column description instead of a text."""

    rows: float | str
    values: dict[str, str | Number | Day | Choice] = Field(default_factory=dict)


class View(_Part):
    """A CSV file of some columns of the rows whose values match `where`."""

    path: str
    columns: tuple[str, ...] = Field(min_length=1)
    where: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class Table(_Part):
    """A population of rows and the files in which it shows."""

    columns: dict[str, Sequence | Number | Day | Choice] = Field(default_factory=dict)
    strata: tuple[Stratum, ...] = Field(min_length=1)
    views: tuple[View, ...] = Field(min_length=1)


def write_views(table: Table, values: Mapping[str, str], source: Callable[[str], Stream]) -> dict[str, str]:
    """The files of a table by path, as CSV text.

    Args:
        table: The description.
        values: The scenario's slots with their texts.
        source: Gives the stream for a purpose; a column's draws never shift another's.
    """
    rows = _rows(table, values, source)
    return {view.path: _csv(view, rows, values) for view in table.views}


def _rows(table: Table, values: Mapping[str, str], source: Callable[[str], Stream]) -> list[Row]:
    streams: dict[str, Stream] = {}

    def cell(name: str, given: str | Sequence | Number | Day | Choice, place: int) -> str:
        if isinstance(given, str):
            return render(given, values)
        if name not in streams:
            streams[name] = source(f"column/{name}")
        return render(_cell(given, streams[name], place), values)

    planned = [stratum.values for stratum in table.strata for _ in range(round(number(stratum.rows, values)))]
    shuffled = source("row order").shuffled(planned)
    return [
        {name: cell(name, given, place) for name, given in {**table.columns, **own}.items()}
        for place, own in enumerate(shuffled)
    ]


def _cell(column: Sequence | Number | Day | Choice, stream: Stream, place: int) -> str:
    match column:
        case Sequence():
            return column.format.format(column.start + place)
        case Number():
            return f"{column.low + (column.high - column.low) * stream.uniform():.{column.places}f}"
        case Day():
            return (column.first + timedelta(days=stream.integer(column.days))).isoformat()
        case Choice():
            return stream.choice(column.choices)


def _csv(view: View, rows: list[Row], values: Mapping[str, str]) -> str:
    wanted = {name: {render(each, values) for each in allowed} for name, allowed in view.where.items()}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(view.columns)
    for row in rows:
        if all(row[name] in allowed for name, allowed in wanted.items()):
            writer.writerow([row[name] for name in view.columns])
    return text.getvalue()
