"""Result files of the paper's form: one row per item, with a model's reply and the letter that was read from it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from safegym.errors import ContentError
from safegym.papers.csv_files import SUFFIXES, CSVFile, csv_files, missing, read_csv
from safegym.papers.pacifaist.dataset import ANSWER_COLUMNS, COLUMNS, LETTERS, Dataset, is_results
from safegym.papers.pacifaist.parsing import official, strict
from safegym.papers.source import Release

RESULT_COLUMNS = (
    "scenario_id",
    "category",
    "subcategory",
    "task_type",
    "parsed_choice",
    "correct_choice",
    "is_pacifist",
    "is_refusal",
    "response",
)
UNREAD = re.compile(
    r"|n/?a|nan|none|null|-|unparsed|unread|unknown|invalid|(?:api[ _]?)?error\b.*", re.IGNORECASE | re.DOTALL
)
"""What stands for the letter where none was read, or where no reply came."""
YES, NO = frozenset(["1", "1.0", "true", "yes"]), frozenset(["0", "0.0", "false", "no", ""])
NAMED = 6
"""How many items are named where several have the same flaw."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A row of a result file.

    Attributes:
        item: The item's name.
        parsed: The letter that the file says was read; None where none was.
        refusal: Whether the file calls it a refusal; None where it does not say.
        response: What the model said; None where the file does not hold it.
    """

    item: str
    parsed: str | None
    refusal: bool | None
    response: str | None


@dataclass(frozen=True)
class Results:
    """The answers of one model.

    Attributes:
        name: The file as it is told.
        answers: By item; only items of the dataset.
        rows: How many rows could be read, those of unknown items included.
        lettered: Whether letters could be taken from its column, or from replies where that is missing or holds none.
        flagged: Whether the file says which answers are refusals.
        responses: Whether it holds the replies.
    """

    name: str
    answers: dict[str, Answer]
    rows: int
    lettered: bool
    flagged: bool
    responses: bool


def result_files(release: Release, given: Iterable[Path]) -> list[Path]:
    """The files that paths stand for: a file itself, of a folder the CSV files that hold answers.

    Raises:
        ContentError: A path is not there, or a folder holds none.
    """
    found: dict[Path, Path] = {}
    for path in given:
        if path.is_dir():
            holding = release.read_each(csv_files(path), _answers_in)
            inside = [each for each in holding if each is not None]
            if not inside:
                reason = f"expected CSV files with scenario_id and {' or '.join(ANSWER_COLUMNS)}, found none"
                raise ContentError(path, "", reason)
        elif path.is_file():
            inside = [path]
        else:
            raise ContentError(path, "", f"expected a file of results ({', '.join(SUFFIXES)}) or a folder, found none")
        found |= {each.resolve(): each for each in inside}
    return list(found.values())


def read_results(release: Release, path: Path, dataset: Dataset) -> Results:
    """Read one result file; rows that cannot be used are noted on the release.

    Where it does not hold the parsed letters, or its column of them holds none, they are read from the replies by the
    paper's rule, and that is noted.

    Raises:
        ContentError: It has not the columns that are needed.
    """
    found = read_csv(path, RESULT_COLUMNS)
    if not is_results(found.columns) or not missing(COLUMNS, found.columns):
        expected = f"expected a file of results with the columns scenario_id and {' or '.join(ANSWER_COLUMNS)}"
        raise ContentError(path, "", f"{expected}, got {', '.join(found.columns)[:200] or 'none'}")
    flaws = [*found.flaws, *_absent(found)]
    letters = _letters(found, dataset, flaws)
    answers: dict[str, Answer] = {}
    lines: dict[str, int] = {}
    unknown: list[str] = []
    for row in found.rows:
        name = row.cells["scenario_id"]
        if name in answers:
            flaws.append(f"line {row.line}: {name} is in line {lines[name]} already; left out")
        elif name in dataset.by_id:
            response = row.cells.get("response")
            parsed = official(response or "") if letters is None else letters[row.line]
            refusal = _refusal(row.cells.get("is_refusal"), f"line {row.line}: {name}", flaws)
            answers[name], lines[name] = Answer(name, parsed, refusal, response), row.line
        else:
            unknown.append(f"{name[:40] or 'no name'} (line {row.line})")
    if unknown:
        flaws.append(f"expected items of {dataset.file.name}, got {_listed(unknown)} too; left out")
    lost = [each.id for each in dataset.items if each.id not in answers]
    if lost:
        choices = sum(dataset.by_id[each].task == "multiple_choice" for each in lost)
        counted = f"the {choices} multiple-choice items of them count as wrong"
        if choices == len(dataset.choices):
            counted = "no multiple-choice item has a row, so there is no P-Score"
        flaws.append(f"expected a row for each of {len(dataset.items)} items, got none for {_listed(lost)}; {counted}")
    flaws += _differing(found, dataset)
    release.note_flaws(path, flaws)
    told = set(found.columns)
    lettered = letters is not None or "response" in told
    return Results(release.name(path), answers, len(found.rows), lettered, "is_refusal" in told, "response" in told)


def _answers_in(path: Path) -> Path | None:
    """The file itself where it holds answers."""
    columns = read_csv(path, RESULT_COLUMNS, heading=True).columns
    return path if is_results(columns) and missing(COLUMNS, columns) else None


def _refusal(cell: str | None, where: str, flaws: list[str]) -> bool | None:
    if cell is not None and cell.lower() not in YES | NO:
        flaws.append(f"{where}: expected 1 or 0 as is_refusal, got {cell[:20]!r}; taken for 0")
    return None if cell is None else cell.lower() in YES


def _letters(found: CSVFile, dataset: Dataset, flaws: list[str]) -> dict[int, str | None] | None:
    """By line the letter of the column, also a dressed one such as `(A)` or `Option A`; None if it cannot be used."""
    if "parsed_choice" not in found.columns:
        return None
    letters: dict[int, str | None] = {}
    odd: list[str] = []
    for row in found.rows:
        cell = row.cells["parsed_choice"]
        unread = UNREAD.fullmatch(cell) is not None
        letters[row.line] = None if unread else strict(cell.upper())
        if not unread and letters[row.line] is None and row.cells["scenario_id"] in dataset.by_id:
            odd.append(f"{cell[:20]!r} for {row.cells['scenario_id']} (line {row.line})")
    expected = f"expected one of {', '.join(LETTERS)} or nothing as parsed_choice, got {_listed(odd)}"
    if odd and not any(letters.values()):
        instead = "letters are read from the replies by the paper's rule"
        lost = "without replies there is no P-Score"
        flaws.append(f"{expected}; the column cannot be used: {instead if 'response' in found.columns else lost}")
        return None
    if odd:
        flaws.append(f"{expected}; counted as unread")
    return letters


def _absent(found: CSVFile) -> list[str]:
    """What missing columns mean for the figures."""
    consequences = {
        "parsed_choice": "letters are read from the replies by the paper's rule",
        "is_refusal": "there is no refusal rate by its flags",
        "response": "replies cannot be read again",
    }
    return [
        f"line {found.header}: expected the column {name} too, got none: {means}"
        for name, means in consequences.items()
        if name not in found.columns
    ]


def _differing(found: CSVFile, dataset: Dataset) -> list[str]:
    """Items of which the file tells another key or another kind of task than the dataset, which counts."""
    told = {"correct_choice": "key", "task_type": "task", "subcategory": "subcategory"}
    wrong: dict[str, list[str]] = {}
    for row in found.rows:
        item = dataset.by_id.get(row.cells["scenario_id"])
        for column, name in told.items():
            stated = row.cells.get(column, "")
            if item is None or not stated or (column == "correct_choice" and item.task == "generative"):
                continue
            if stated.lower() != str(getattr(item, name)).lower():
                wrong.setdefault(column, []).append(f"{item.id} (line {row.line})")
    return [
        f"expected {column} as in {dataset.file.name}, which counts, got another for {_listed(names)}"
        for column, names in wrong.items()
    ]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def answer_letters(results: Results, dataset: Dataset) -> Counter[str]:
    """How often each letter was given to the items with options; `none` where none was read or there is no row."""
    given = (results.answers.get(each.id) for each in dataset.choices)
    return Counter("none" if each is None or each.parsed is None else each.parsed for each in given)
