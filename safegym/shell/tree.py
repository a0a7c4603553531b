"""A directory tree that holds files and says what became of them, reached by descriptor only.

The tree belongs to somebody who wishes us ill, so no path is ever resolved by the kernel: every step is one name below
an open folder, and symbolic links are never followed. A tree is laid, read and laid again while nothing runs in it, by
the user to whom everything in it belongs.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from safegym.errors import SafegymError
from safegym.shell.base import File

FOLDER_MODE = 0o755
_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ASIDE = ".moving"
_COARSE = 20_000_000
"""Nanoseconds within which two changes of a file may carry one time, as the kernel's clock ticks."""


class FullTreeError(SafegymError):
    """A tree that holds more than the host is willing to read."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of a tree is read: `entries` names, `size` bytes in all, `depth` folders inside one another."""

    entries: int = 10_000
    size: int = 64 * 1024 * 1024
    depth: int = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """What a tree is to hold.

    Attributes:
        files: Path to file, links included.
        folders: Path, without a `/` at its end, to permission bits. The parents of everything are there too.
        time: The moment that every file is to carry, in nanoseconds.
    """

    files: Mapping[str, File]
    folders: Mapping[str, int]
    time: int


@dataclass(slots=True)
class _Seen:
    """A regular file as it was when its content was last known: its signature, and when that was."""

    signature: tuple[int, ...]
    at: int

    def still(self, status: os.stat_result) -> bool:
        return _signature(status) == self.signature and status.st_ctime_ns < self.at - _COARSE


@dataclass(slots=True)
class Tree:
    """A tree below an open folder.

    Args:
        root: The descriptor of its topmost folder; it stays the caller's.
        foreign: Paths that are left alone: mounts.
        bounds: How much is read.

    Attributes:
        files: The files it holds, as last laid or read.
        folders: The folders it holds, with their permission bits.
        time: The moment that everything carries, in nanoseconds.
        spoiled: What makes it differ from a tree into which `files` were laid, if anything does.
    """

    root: int
    foreign: frozenset[str]
    bounds: Bounds = field(default_factory=Bounds)
    files: dict[str, File] = field(default_factory=dict)
    folders: dict[str, int] = field(default_factory=dict)
    time: int = 0
    spoiled: str = ""
    _seen: dict[str, _Seen] = field(default_factory=dict)
    _order: dict[str, list[str]] = field(default_factory=dict)
    _device: int = field(init=False)

    def __post_init__(self) -> None:
        self._device = os.fstat(self.root).st_dev

    def lay(self, plan: Plan) -> None:
        """Change what differs from a plan.

        Raises:
            OSError: The tree has no room for it, or a name cannot be.
        """
        gone = [path for path, file in self.files.items() if _differ(plan.files.get(path), file)]
        lost = [path for path in self.folders if path not in plan.folders]
        fresh = [path for path, file in plan.files.items() if _differ(self.files.get(path), file)]
        made = [path for path in plan.folders if path not in self.folders]
        turned = [path for path, mode in plan.folders.items() if self.folders.get(path, mode) != mode]
        if plan.time != self.time:
            self._date(plan.time)
        if not (gone or lost or fresh or made or turned):
            self.files = dict(plan.files)
            return
        changed = {_split(path)[0] for path in (*gone, *lost, *fresh, *made)} & self.folders.keys()
        barred = [path for path in changed if self.folders[path] & 0o700 != 0o700]
        for path in sorted({*lost, *turned, *barred} & self.folders.keys()):
            self._turn(path, 0o700)
        with self._opened() as enter:
            for path in gone:
                folder, name = _split(path)
                os.unlink(name, dir_fd=enter(folder))
                self._seen.pop(path, None)
            for path in sorted(lost, reverse=True):
                folder, name = _split(path)
                os.rmdir(name, dir_fd=enter(folder))
                self._order.pop(path, None)
            for path in sorted({*fresh, *made}):
                if path in plan.folders:
                    self._make(path, enter)
                else:
                    self._write(path, plan.files[path], plan.time, enter)
            self.files, self.folders = dict(plan.files), dict(plan.folders)
            touched = {_split(path)[0] for path in (*gone, *lost, *fresh, *made)} & {"", *plan.folders}
            for path in touched:
                self._sort(path, enter(path))
            for path in {*touched, *made}:
                os.utime(enter(path), ns=(plan.time, plan.time))
        for path in sorted({*made, *turned, *barred} & plan.folders.keys(), reverse=True):
            self._turn(path, plan.folders[path])

    def read(self) -> None:
        """Bring `files` and `folders` up to date; an untouched file stays the very object it was.

        Raises:
            FullTreeError: There is more than the bounds allow.
        """
        reading = _Reading(self)
        reading.folder("", self.root, 0)
        self.files, self.folders, self._seen = reading.files, reading.folders, reading.seen
        for path in self._order.keys() - self.folders.keys() - {""}:
            del self._order[path]

    def remember(self, path: str, status: os.stat_result) -> None:
        """Note what a file looks like whose content is known."""
        self._seen[path] = _Seen(_signature(status), time.time_ns())

    def _date(self, moment: int) -> None:
        """Give everything another moment; what was known of the files has to be read again."""
        with self._opened() as enter:
            for path in (*self.files, *sorted(self.folders, reverse=True)):
                folder, name = _split(path)
                os.utime(name, ns=(moment, moment), dir_fd=enter(folder), follow_symlinks=False)
        self.time = moment
        self._seen.clear()

    @contextmanager
    def _opened(self) -> Iterator[_Opened]:
        opened = _Opened(self.root)
        try:
            yield opened
        finally:
            opened.close()

    def _make(self, path: str, enter: _Opened) -> None:
        folder, name = _split(path)
        with suppress(FileExistsError):  # the machine brings some along
            os.mkdir(name, 0o700, dir_fd=enter(folder))

    def _write(self, path: str, file: File, moment: int, enter: _Opened) -> None:
        folder, name = _split(path)
        at = enter(folder)
        if file.link_to is not None:
            os.symlink(file.link_to, name, dir_fd=at)
            os.utime(name, ns=(moment, moment), dir_fd=at, follow_symlinks=False)
            return
        opened = os.open(name, _WRITE, 0o600, dir_fd=at)
        try:
            rest = memoryview(file.content)
            while rest:
                rest = rest[os.write(opened, rest) :]
            os.fchmod(opened, file.mode)
            os.utime(opened, ns=(moment, moment))
            self.remember(path, os.fstat(opened))
        finally:
            os.close(opened)

    def _turn(self, path: str, mode: int) -> None:
        with self._opened() as enter:
            os.fchmod(enter(path), mode)

    def _sort(self, path: str, opened: int) -> None:
        """Put a folder's names into the order that laying them would give; it shows in `find` and in `ls -U`."""
        names = sorted(name for name in os.listdir(opened) if _below(path, name) not in self.foreign)
        if len(names) > 1:
            for name in names:
                os.rename(name, _ASIDE, src_dir_fd=opened, dst_dir_fd=opened)
                os.rename(_ASIDE, name, src_dir_fd=opened, dst_dir_fd=opened)
        self._order[path] = os.listdir(opened)


class _Opened:
    """Folders that are open, by path; each is entered from the one above."""

    def __init__(self, root: int) -> None:
        self._open = {"": root}

    def __call__(self, path: str) -> int:
        if path not in self._open:
            folder, name = _split(path)
            self._open[path] = _enter(name, self(folder))
        return self._open[path]

    def close(self) -> None:
        """Close all but the root."""
        for path, opened in self._open.items():
            if path:
                os.close(opened)


class _Reading:
    """One walk through a tree."""

    def __init__(self, tree: Tree) -> None:
        self.tree, self.now = tree, tree.time
        self.files: dict[str, File] = {}
        self.folders: dict[str, int] = {}
        self.seen: dict[str, _Seen] = {}
        self.entries = self.size = 0

    def folder(self, path: str, opened: int, depth: int) -> None:
        tree = self.tree
        if depth > tree.bounds.depth:
            raise FullTreeError(f"more than {tree.bounds.depth} folders inside one another")
        with os.scandir(opened) as entries:
            found = self._bounded(entries)
        for entry in found:
            self._entry(_below(path, entry.name), entry, opened, depth)
        try:
            if [entry.name for entry in found] != tree._order.get(path):
                tree._sort(path, opened)
            if os.fstat(opened).st_mtime_ns != self.now:
                os.utime(opened, ns=(self.now, self.now))
        except OSError as error:
            tree.spoiled = f"{path}: {error}"

    def _bounded(self, entries: Iterator[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
        found = []
        for entry in entries:
            self.entries += 1
            if self.entries > self.tree.bounds.entries:
                raise FullTreeError(f"more than {self.tree.bounds.entries} files")
            found.append(entry)
        return found

    def _entry(self, path: str, entry: os.DirEntry[str], folder: int, depth: int) -> None:
        tree = self.tree
        if path in tree.foreign:
            return
        if not path.isprintable() and _shown(path) != path:
            tree.spoiled = f"{_shown(path)!r} is not UTF-8"
            path = _shown(path)
        if entry.stat(follow_symlinks=False).st_dev != tree._device:
            tree.spoiled = f"{path} is a mount that was moved"
        elif entry.is_symlink():
            self.files[path] = self._link(path, entry, folder)
        elif entry.is_dir(follow_symlinks=False):
            self._inner(path, entry, folder, depth)
        elif entry.is_file(follow_symlinks=False):
            self._file(path, entry, folder)
        else:
            tree.spoiled = f"{path} is neither a file nor a folder nor a link"

    def _link(self, path: str, entry: os.DirEntry[str], folder: int) -> File:
        target = os.readlink(entry.name, dir_fd=folder)
        held = self.tree.files.get(path)
        if entry.stat(follow_symlinks=False).st_mtime_ns != self.now:
            os.utime(entry.name, ns=(self.now, self.now), dir_fd=folder, follow_symlinks=False)
        if _shown(target) != target:
            self.tree.spoiled = f"{path} points to what is not UTF-8"
        return held if held is not None and held.link_to == target else File(mode=0o777, link_to=_shown(target))

    def _inner(self, path: str, entry: os.DirEntry[str], folder: int, depth: int) -> None:
        mode = stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode)
        opened = _enter(entry.name, folder)
        try:
            if mode & 0o700 != 0o700:
                os.fchmod(opened, 0o700)
            self.folders[path] = mode
            self.folder(path, opened, depth + 1)
            if mode & 0o700 != 0o700:
                os.fchmod(opened, mode)
        finally:
            os.close(opened)

    def _file(self, path: str, entry: os.DirEntry[str], folder: int) -> None:
        tree, status = self.tree, entry.stat(follow_symlinks=False)
        self.size += status.st_size
        if self.size > tree.bounds.size:
            raise FullTreeError(f"more than {tree.bounds.size // 1024**2} MiB")
        if status.st_nlink > 1:
            tree.spoiled = f"{path} has a second name"
        held, seen = tree.files.get(path), tree._seen.get(path)
        if held is not None and seen is not None and seen.still(status):
            self.files[path], self.seen[path] = held, seen
            return
        mode = stat.S_IMODE(status.st_mode)
        at = time.time_ns()
        opened = _open(entry.name, _READ, folder)
        try:
            content = _content(opened, status.st_size)
            if held is None or held.content != content or held.link_to is not None:
                held = File(content, mode)
            elif held.mode != mode:
                held = File(held.content, mode)
            self.files[path] = held
            if status.st_mtime_ns != self.now:
                os.utime(opened, ns=(self.now, self.now))
                status = os.fstat(opened)
        finally:
            os.close(opened)
        self.seen[path] = _Seen(_signature(status), at)


def _differ(one: File | None, other: File) -> bool:
    return one is not other and one != other


def _signature(status: os.stat_result) -> tuple[int, ...]:
    return status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name


def _below(folder: str, name: str) -> str:
    return f"{folder}/{name}"


def _shown(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "replace")


def _enter(name: str, folder: int) -> int:
    return _open(name, _ENTER, folder)


def _open(name: str, flags: int, folder: int) -> int:
    """Open what is ours even when its permission bits forbid it to us."""
    try:
        return os.open(name, flags, dir_fd=folder)
    except PermissionError:
        handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISLNK(mode):
            raise PermissionError(name)
        itself = Path(f"/proc/self/fd/{handle}")
        itself.chmod(0o700)
        try:
            return os.open(itself, flags & ~os.O_NOFOLLOW)
        finally:
            itself.chmod(stat.S_IMODE(mode))
    finally:
        os.close(handle)


def _content(opened: int, size: int) -> bytes:
    pieces = []
    while size > 0 and (piece := os.read(opened, size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
