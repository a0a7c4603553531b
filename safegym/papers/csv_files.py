"""CSV files as people release them: any common encoding, comment lines, other separators, and broken rows.

What cannot be read is told by line, and every other row is still there.
"""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from safegym.errors import ContentError

SUFFIXES = (".csv", ".tsv")
LONGEST_CELL = 2**31 - 1
"""Characters in one cell: as many as the reader can be told everywhere, since a reply may be of any length."""
SEPARATORS = ",;\t|"
COMMENT = "#"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks; that of UTF-32 begins with that of UTF-16."""
_LOOKED_AT = 4096
"""Bytes from which UTF-16 without a mark is told."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record.

    Attributes:
        line: Where it begins, from 1.
        cells: Its cells without space around them, by column; what a short row lacks is empty.
    """

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class CSVFile:
    """What was read of a file.

    Attributes:
        path: Where it lies.
        encoding: How its text is encoded.
        header: The line of the column names, from 1; 0 where there is none.
        columns: Their names in lower case.
        rows: The records that could be read.
        flaws: What could not, with the line.
    """

    path: Path
    encoding: str
    header: int
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    flaws: tuple[str, ...]


def read_csv(path: Path, known: Collection[str], *, heading: bool = False) -> CSVFile:
    """Read a file whose first record that is no comment names its columns.

    Args:
        path: Where it lies.
        known: Columns that it may have; the separator is the one that finds most of them.
        heading: Whether only the names of the columns are wanted.

    Raises:
        ContentError: It cannot be read at all.
    """
    try:
        text, encoding, flaws = decoded(path.read_bytes())
    except OSError as error:
        raise ContentError(path, "", f"cannot be read: {error.strerror}") from None
    lines = [f"{line}\n" for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    top = next((place for place, line in enumerate(lines) if line.strip() and not _comments(line)), None)
    if top is None:
        return CSVFile(path, encoding, 0, (), (), (*flaws, "expected a line with the names of the columns, found none"))
    separator = max(SEPARATORS, key=lambda each: len({*known} & {*_names(lines[top], each)}))
    columns = _names(lines[top], separator)
    again = [name for name, times in Counter(columns).items() if times > 1]
    if again:
        flaws.append(f"line {top + 1}: expected every column once, got {', '.join(again)} again; the first one counts")
    rows = [] if heading else list(_rows(lines, top + 1, separator, columns, flaws))
    return CSVFile(path, encoding, top + 1, tuple(dict.fromkeys(columns)), tuple(rows), tuple(flaws))


def csv_files(folder: Path) -> list[Path]:
    """The CSV files in and under a folder, the highest ones first."""
    found = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()]
    return sorted(found, key=lambda path: (len(path.parts), path))


def missing(wanted: Iterable[str], columns: Collection[str]) -> list[str]:
    """The wanted columns that are not there."""
    return [name for name in wanted if name not in columns]


def decoded(raw: bytes) -> tuple[str, str, list[str]]:
    """Bytes as text: the text, its encoding, and what is wrong with it.

    UTF-8, UTF-16 and UTF-32 are told by their mark, UTF-16 without one by its zeros, Windows-1252 and then Latin-1 are
    taken for what is no UTF-8. Text that is UTF-8 but for some bytes keeps a mark in their place.
    """
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), "") or _utf_16(raw) or "utf-8"
    try:
        return raw.decode(encoding), encoding, []
    except UnicodeDecodeError as error:
        first = f"byte {error.start} is {error.object[error.start]:#04x}"
    if encoding != "utf-8" or any(ord(each) > 127 for each in raw.decode("utf-8", "ignore")):
        replaced = raw.decode(encoding, "replace")
        return replaced, encoding, [f"expected {encoding.upper()} text, {first}; a mark stands in its place"]
    try:
        return raw.decode("cp1252"), "cp1252", []
    except UnicodeDecodeError:
        return raw.decode("latin-1"), "latin-1", []


def _utf_16(raw: bytes) -> str:
    """UTF-16 without a mark, where every other byte of mostly Latin text is zero."""
    even, odd = raw[:_LOOKED_AT:2].count(0), raw[1:_LOOKED_AT:2].count(0)
    most = min(len(raw), _LOOKED_AT) // 4
    return "utf-16-le" if odd > most > even else "utf-16-be" if even > most > odd else ""


def _comments(line: str) -> bool:
    return line.lstrip(" \t\"'").startswith(COMMENT)


def _names(line: str, separator: str) -> list[str]:
    return [name.strip().strip("\"'\ufeff").strip().lower() for name in line.rstrip("\n").split(separator)]


def _rows(lines: list[str], at: int, separator: str, columns: list[str], flaws: list[str]) -> Iterator[Row]:
    for line, cells in _records(lines, at, separator, flaws):
        if not any(each.strip() for each in cells) or cells[0].lstrip().startswith(COMMENT):
            continue
        if len(cells) > len(columns) and any(each.strip() for each in cells[len(columns) :]):
            flaws.append(f"line {line}: expected {len(columns)} cells, got {len(cells)}; left out")
            continue
        padded = [each.strip() for each in cells] + [""] * (len(columns) - len(cells))
        yield Row(line, dict(reversed(list(zip(columns, padded, strict=False)))))


def _records(lines: list[str], at: int, separator: str, flaws: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Every record with its line; after one that cannot be read, the next line is taken to begin one."""
    csv.field_size_limit(max(LONGEST_CELL, csv.field_size_limit()))
    while at < len(lines):
        reader = csv.reader(lines[at:], delimiter=separator, strict=True)
        first = at
        try:
            for cells in reader:
                yield first + 1, cells
                first = at + reader.line_num
            return
        except csv.Error as error:
            flaws.append(f"line {first + 1}: expected a record with closed quotes, got {error}; left out")
            at = first + 1
