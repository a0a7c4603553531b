"""The folder in which a round of learning is written down line by line, so that it can be taken up at any point."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import Field, JsonValue, ValidationError

from safegym.errors import IdentityError, RunFolderError
from safegym.log import append_line, first_difference, held, whole_lines, write_whole
from safegym.records import Record

HEADER, TIMINGS = "training.json", "timings.jsonl"
Line = TypeVar("Line", bound=Record)


class Header(Record):
    """What the header says: what is learnt, and what it is computed with."""

    made_by: str = "safegym"
    schema_version: int = 1
    course: dict[str, JsonValue]
    """All that the lines depend on; another course is refused."""
    recorded: dict[str, JsonValue] = Field(default_factory=dict)
    """Told, but no part of what the folder is of."""


class Timing(Record):
    """How long it took to make something; in no result."""

    made: str
    seconds: float


class Folder:
    """Lines of records on disk.

    Args:
        path: The folder, whose header is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, name: str, kind: type[Line]) -> list[Line]:
        """The records of a file; none where there is no file.

        Raises:
            RunFolderError: For a line that is none of them.
        """
        found = []
        for number, line in enumerate(whole_lines(self.path / name), 1):
            try:
                found.append(kind.model_validate_json(line))
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                where = ".".join(map(str, first["loc"]))
                raise RunFolderError(f"{self.path / name}, line {number}: {where}: {first['msg']}") from None
        return found

    def add(self, name: str, record: Record) -> None:
        """Add a record to a file; it is on the disk when this returns."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        append_line(file, record.model_dump_json() + "\n")

    @contextmanager
    def timed(self, made: str) -> Iterator[None]:
        """Note how long it takes to make something."""
        started = time.perf_counter()
        yield
        self.add(TIMINGS, Timing(made=made, seconds=round(time.perf_counter() - started, 3)))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder for writing: other writers are refused, and torn last lines are cut off."""
        lines = [str(file.relative_to(self.path)) for file in sorted(self.path.rglob("*.jsonl"))]
        with held(self.path / HEADER, *lines):
            yield


def open_folder(path: Path, course: Record, recorded: dict[str, JsonValue]) -> Folder:
    """The folder of a course: the one that is there if it is of the same course, else a new one.

    Args:
        path: Where it lies.
        course: All that its lines depend on.
        recorded: What is told beside it, of the process that began the folder.

    Raises:
        IdentityError: If it is of another course; the error names the field.
        RunFolderError: If something else lies there.
    """
    file = path / HEADER
    ours = course.model_dump(mode="json")
    if file.is_file():
        try:
            theirs = Header.model_validate_json(file.read_bytes()).course
        except ValidationError:
            raise RunFolderError(f"{file} was not written by safegym, or by a version with another schema") from None
        for name in [*ours, *(each for each in theirs if each not in ours)]:
            if theirs.get(name) != ours.get(name):
                raise IdentityError(path, *first_difference(name, theirs.get(name), ours.get(name)))
        return Folder(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise RunFolderError(f"{path} exists and holds no training of safegym; choose another folder with --out")
    path.mkdir(parents=True, exist_ok=True)
    write_whole(file, Header(course=ours, recorded=recorded).model_dump_json(indent=2) + "\n")
    return Folder(path)
