"""The released items: situations with four lettered options and a key, or with a free answer (paper, section 3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

from safegym.errors import ContentError, UnknownNameError
from safegym.papers.csv_files import CSVFile, Row, csv_files, missing, read_csv
from safegym.papers.source import Release

Task = Literal["multiple_choice", "generative"]
TASKS: tuple[Task, ...] = get_args(Task)
LETTERS = "ABCD"
OPTIONS = tuple(f"choice_{letter.lower()}" for letter in LETTERS)
COLUMNS = ("scenario_id", "subcategory", "task_type", "prompt", *OPTIONS, "correct_choice")
"""Columns that a dataset has to have; `category` and `ideal_response_profile` are not needed."""
ANSWER_COLUMNS = ("parsed_choice", "response")
"""Either of them makes a file one of results."""


@dataclass(frozen=True, slots=True)
class Item:
    """One released item.

    Attributes:
        id: Its name, such as `EP1-001`.
        category: What it belongs to; all released items are of one category.
        subcategory: EP1, EP2 or EP3.
        task: Whether it has options.
        prompt: The situation and the question.
        options: Four texts, or none.
        key: The letter of the right option as published; empty where there are none.
    """

    id: str
    category: str
    subcategory: str
    task: Task
    prompt: str
    options: tuple[str, ...]
    key: str

    def option(self, letter: str | None) -> str:
        """The text of an option, empty without one."""
        return self.options[LETTERS.index(letter)] if letter is not None and self.options else ""


@dataclass(frozen=True)
class Dataset:
    """The items that could be read of a file.

    Attributes:
        file: Where they stand.
        encoding: How the file is encoded.
        items: In the file's order.
    """

    file: Path
    encoding: str
    items: tuple[Item, ...]

    @cached_property
    def by_id(self) -> dict[str, Item]:
        """The items by name."""
        return {each.id: each for each in self.items}

    @cached_property
    def choices(self) -> tuple[Item, ...]:
        """The items with options, which alone are scored."""
        return tuple(each for each in self.items if each.task == "multiple_choice")

    @property
    def subcategories(self) -> tuple[str, ...]:
        """Their names in order."""
        return tuple(sorted({each.subcategory for each in self.items}))

    def counts(self) -> dict[str, dict[str, int]]:
        """How many items there are, by subcategory and kind of task."""
        found = Counter((each.subcategory, each.task) for each in self.items)
        return {name: {task: found[name, task] for task in TASKS} for name in self.subcategories}

    def keys(self, subcategory: str | None = None) -> dict[str, int]:
        """How often each letter is the right one."""
        found = Counter(each.key for each in self.choices if subcategory in (None, each.subcategory))
        return {letter: found[letter] for letter in LETTERS}


def read_dataset(release: Release) -> Dataset:
    """Read the items of a release; rows that cannot be used are noted on it and left out.

    Raises:
        ContentError: There is no file with the columns of a dataset, or none of its rows can be used.
    """
    file = find_dataset(release)
    found = read_csv(file, COLUMNS)
    release.note_flaws(file, found.flaws)
    items: dict[str, Item] = {}
    lines: dict[str, int] = {}
    flaws = []
    for row in found.rows:
        try:
            item = _item(row)
        except ValueError as error:
            flaws.append(f"line {row.line}: {error}; left out")
            continue
        if item.id in items:
            flaws.append(f"line {row.line}: {item.id} is in line {lines[item.id]} already; left out")
            continue
        items[item.id], lines[item.id] = item, row.line
    release.note_flaws(file, flaws)
    if not items:
        raise ContentError(file, "", "; ".join(["expected items, none could be read", *flaws[:3]]))
    return Dataset(file, found.encoding, tuple(items.values()))


def find_dataset(release: Release) -> Path:
    """The file of the items, told by its columns; of several the one that lies highest.

    Copies that differ from it are noted on the release.

    Raises:
        ContentError: There is none; where a file has some of the columns, the missing ones are named.
    """
    if release.file is not None:
        headed = read_csv(release.file, COLUMNS, heading=True)
        if lacking := missing(COLUMNS, headed.columns):
            raise ContentError(release.file, "", _lacks(headed, lacking))
        return release.file
    headings = release.read_each(csv_files(release.root), lambda path: read_csv(path, COLUMNS, heading=True))
    whole = [each.path for each in headings if not missing(COLUMNS, each.columns)]
    if not whole:
        near = [each for each in headings if set(each.columns) & {"prompt", *OPTIONS} and not is_results(each.columns)]
        reason = f"expected a CSV file with the columns {', '.join(COLUMNS)}, found none"
        told = "".join(f"; {release.name(each.path)}: {_lacks(each, missing(COLUMNS, each.columns))}" for each in near)
        raise ContentError(release.root, "", reason + told)
    first, *others = whole
    for other in others:
        if other.read_bytes() != first.read_bytes():
            release.note(other, f"differs from {release.name(first)}, which is used")
    return first


def is_results(columns: Collection[str]) -> bool:
    """Whether a file with these columns holds a model's answers."""
    return "scenario_id" in columns and any(each in columns for each in ANSWER_COLUMNS)


def _lacks(headed: CSVFile, lacking: list[str]) -> str:
    where = f"line {headed.header}: " if headed.header else ""
    got = ", ".join(each for each in headed.columns if each)[:200] or "none"
    return f"{where}expected the columns {', '.join(lacking)} too, got {got}"


def _item(row: Row) -> Item:
    """The item of a row; a `ValueError` says what was expected of it."""
    cells = row.cells
    name, task = cells["scenario_id"], cells["task_type"].lower().replace(" ", "_").replace("-", "_")
    for column in ("scenario_id", "subcategory", "prompt"):
        if not cells[column]:
            raise ValueError(f"{name or 'an item'}: expected a text as {column}, got none")
    if task not in TASKS:
        raise ValueError(f"{name}: {UnknownNameError('task type', cells['task_type'], TASKS)}")
    kind: Task = "multiple_choice" if task == "multiple_choice" else "generative"
    about = (name, cells.get("category", ""), cells["subcategory"].upper(), kind, cells["prompt"])
    if kind == "generative":
        return Item(*about, (), "")
    key = cells["correct_choice"].upper()
    if key not in tuple(LETTERS):
        raise ValueError(f"{name}: expected one of {', '.join(LETTERS)} as correct_choice, got {key[:20]!r}")
    empty = [column for column in OPTIONS if not cells[column]]
    if empty:
        raise ValueError(f"{name}: expected a text as {' and '.join(empty)}, got none")
    return Item(*about, tuple(cells[column] for column in OPTIONS), key)
