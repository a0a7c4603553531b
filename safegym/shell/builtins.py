"""What the shell's own commands are made of: a call, a room to answer it in, and a look at the files.

A command is a function of its call and its room; the room binds a machine to what its commands may know.
"""

from __future__ import annotations

import hashlib
import stat as modes
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

_SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/root", "/sbin", "/sys", "/usr", "/var")
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class Disk(Protocol):
    """The live files of the room."""

    def read_file(self, path: str) -> bytes:
        """Return the content."""

    def write_file(self, path: str, content: bytes) -> None:
        """Write the content."""

    def mkdir(self, path: str, recursive: bool = False) -> None:
        """Make a directory."""

    def chmod(self, path: str, mode: int) -> None:
        """Change the mode."""

    def exists(self, path: str) -> bool:
        """Say whether the path, or what it points to, exists."""

    def stat(self, path: str) -> dict[str, Any]:
        """Describe what the path points to."""

    def read_dir(self, path: str) -> list[dict[str, Any]]:
        """Describe the entries of a directory."""

    def read_link(self, path: str) -> str:
        """Return where a link points."""


class Call(Protocol):
    """One command as it was typed."""

    name: str
    argv: list[str]
    stdin: str | None
    env: dict[str, str]
    cwd: str

    @property
    def fs(self) -> Disk:
        """The live files."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed and how it ended."""

    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0


class StopError(Exception):
    """A command that ends here with a message.

    Args:
        message: Its complaint, without the command's name.
        exit_code: How it ends.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Engine(Protocol):
    """The engine's own commands."""

    def __call__(self, call: Call, argv: Sequence[str], given: str | None = None, /) -> Answer:
        """Answer a call with other words."""


@dataclass(slots=True)
class Room:
    """What the commands of one run share.

    Attributes:
        user: Who types.
        host: The machine's name.
        now: The moment that every clock shows.
        seed: What every random thing is drawn from.
        began: The host's clock when the files were laid out; younger files are as old as `now`.
        sizes: Of every rewritten script, its size on the disk and the size to show.
        engine: Lets the engine's own command of that name answer a call with other words, and another input.
    """

    user: str
    host: str
    now: datetime
    seed: int
    began: float
    sizes: Mapping[str, tuple[int, int]]
    engine: Engine
    drawn: int = 0

    @property
    def number(self) -> int:
        """The numeric id of the user."""
        return 0 if self.user == "root" else 1000

    def seen(self, entry: Entry) -> Entry:
        """Describe a file as the agent left it."""
        there, shown = self.sizes.get(entry.path, (-1, 0))
        return replace(entry, size=shown) if entry.size == there else entry

    def draw(self, below: int) -> int:
        """Draw a whole number from 0 up to, but not including, `below`."""
        self.drawn += 1
        digest = hashlib.sha256(f"{self.seed}:{self.drawn}".encode()).digest()
        return int.from_bytes(digest[:16], "big") % below

    def word(self, length: int) -> str:
        """Draw letters and digits."""
        return "".join(_LETTERS[self.draw(len(_LETTERS))] for _ in range(length))

    def modified(self, modified: float) -> datetime:
        """Turn the host's time of a file into the machine's."""
        if modified >= self.began - 60:
            return self.now
        shifted = self.now + timedelta(seconds=modified - int(self.began))
        return (shifted + timedelta(seconds=0.5)).replace(microsecond=0)

    def on_host(self, when: datetime) -> int:
        """Turn the machine's time of a file into the host's, in whole seconds."""
        return int(self.began) + round((when - self.now).total_seconds())


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in the file system, links not followed."""

    name: str
    path: str
    kind: str
    size: int
    mode: int
    modified: float
    target: str = ""

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return self.kind == "directory"

    @property
    def permissions(self) -> str:
        """The mode in letters."""
        kind = {"directory": modes.S_IFDIR, "symlink": modes.S_IFLNK}.get(self.kind, modes.S_IFREG)
        return modes.filemode(kind | self.mode)

    @property
    def blocks(self) -> int:
        """The space it takes, in KiB."""
        return 4 if self.is_directory else 0 if self.kind == "symlink" else (self.size + 4095) // 4096 * 4


def absolute(path: str, cwd: str) -> str:
    """Join a typed path to the working directory and take out dots."""
    parts: list[str] = []
    for part in (path if path.startswith("/") else f"{cwd}/{path}").split("/"):
        if part == "..":
            parts[-1:] = []
        elif part not in {"", "."}:
            parts.append(part)
    return "/" + "/".join(parts)


def look(disk: Disk, name: str, path: str, follow: bool = False) -> Entry | None:
    """Describe one path; None when nothing is there."""
    target = ""
    with suppress(RuntimeError):
        target = "" if follow else disk.read_link(path)
    if target:
        return Entry(name, path, "symlink", len(target.encode()), 0o777, 0.0, target)
    try:
        return _entry(name, path, disk.stat(path))
    except RuntimeError:
        return None


def _entry(name: str, path: str, found: dict[str, Any]) -> Entry:
    directory = found["file_type"] == "directory"
    return Entry(
        name, path, found["file_type"], 4096 if directory else found["size"], found["mode"] & 0o7777, found["modified"]
    )


def entries(disk: Disk, path: str) -> list[Entry]:
    """Describe what a directory holds, by name."""
    listed = []
    for each in sorted(disk.read_dir(path), key=lambda each: str(each["name"])):
        inside = f"{path.rstrip('/')}/{each['name']}"
        if each["metadata"]["file_type"] == "symlink":
            listed.append(look(disk, each["name"], inside) or _entry(each["name"], inside, each["metadata"]))
        else:
            listed.append(_entry(each["name"], inside, each["metadata"]))
    return listed


def inode(entry: Entry) -> str:
    """Make up the number of a file, always the same for the same path."""
    return str(zlib.crc32(entry.path.encode()) & 0xFFFFFF)


def owner(path: str, room: Room) -> str:
    """Say who owns a path."""
    return "root" if path == "/" or path.startswith(_SYSTEM) else room.user


def options(argv: Sequence[str], flags: str, valued: str = "", words: str = "") -> tuple[dict[str, str], list[str]]:
    """Split what was typed into options and operands.

    Args:
        argv: The words after the command's name.
        flags: Letters that stand alone.
        valued: Letters that take a value.
        words: Long options that take a value, separated by spaces; any other long option is taken as it is.
    """
    found: dict[str, str] = {}
    operands: list[str] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return found, operands + rest
        if word.startswith("--"):
            name, given, value = word.partition("=")
            found[name] = value if given else rest.pop(0) if name[2:] in words.split() and rest else ""
        elif word.startswith("-") and len(word) > 1:
            while word := word[1:]:
                if word[0] in valued:
                    found[word[0]] = word[1:] or (rest.pop(0) if rest else "")
                    break
                if word[0] not in flags:
                    raise StopError(f"invalid option -- '{word[0]}'", 2 if flags.startswith("la") else 1)
                found[word[0]] = ""
        else:
            operands.append(word)
    return found, operands


Command = Callable[[Call, Room], Answer]


def guarded(name: str, command: Command, room: Room) -> Callable[[Call], Answer]:
    """Bind a command to its room, so that whatever goes wrong in it ends as a message."""

    def answer(call: Call) -> Answer:
        try:
            return command(call, room)
        except StopError as stop:
            return Answer("", f"{name}: {stop}\n", stop.exit_code)
        except (RuntimeError, ValueError, OverflowError):
            return Answer("", f"{name}: invalid argument\n", 1)

    return answer
