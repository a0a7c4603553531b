"""Reading somebody else's release: what cannot be read is named with its reason, and the rest is still used."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from safegym.errors import ContentError

Item = TypeVar("Item")
MOST_TOLD = 12
"""How many flaws of one kind are told one by one."""


@dataclass(frozen=True, order=True)
class Problem:
    """A file that could not be used.

    Attributes:
        file: Its path relative to the release.
        reason: What is wrong with it, and what was expected.
    """

    file: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}: {self.reason}"


@dataclass
class Release:
    """A folder of released files, and what was wrong with those that were read so far.

    Args:
        root: The folder.
        problems: What was wrong.
        file: The one file that was named instead of the folder, if one was.

    Raises:
        ContentError: There is no such folder.
    """

    root: Path
    problems: list[Problem] = field(default_factory=list)
    file: Path | None = None

    @classmethod
    def at(cls, path: Path) -> Release:
        """The release that a path stands for: a folder, or one file of it."""
        return cls(path.parent, file=path) if path.is_file() else cls(path)

    def __post_init__(self) -> None:
        if not self.root.is_dir():
            raise ContentError(self.root, "", "expected a folder with the paper's released files, found none")

    def name(self, path: Path) -> str:
        """A path as it is told: relative to the release."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    def note(self, path: Path, reason: object) -> None:
        """Keep a problem with a file."""
        self.problems.append(Problem(self.name(path), " ".join(str(reason).split())))

    def note_flaws(self, path: Path, flaws: Collection[str]) -> None:
        """Keep flaws of a file, the first ones each and the others by their number."""
        told = list(flaws)[:MOST_TOLD]
        for flaw in told:
            self.note(path, flaw)
        if len(flaws) > len(told):
            self.note(path, f"and {len(flaws) - len(told)} more rows like these")

    def read_each(self, paths: Iterable[Path], read: Callable[[Path], Item]) -> list[Item]:
        """Read files one by one; one that cannot be read becomes a problem and is left out."""
        found = []
        for path in paths:
            try:
                found.append(read(path))
            except ContentError as error:
                self.note(Path(error.file), f"{error.field}: {error.reason}" if error.field else error.reason)
            except OSError as error:
                self.note(path, f"cannot be read: {error.strerror}")
        return found


def read_text(path: Path) -> str:
    """A text file's content with plain line ends, and without a byte order mark.

    Raises:
        ContentError: It is not UTF-8 text.
    """
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ContentError(
            path, "", f"expected UTF-8 text, byte {error.start} is {error.object[error.start]:#04x}"
        ) from None
