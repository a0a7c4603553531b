"""The disk of one run: files are laid out on a virtual file system, and gathered again."""

from __future__ import annotations

import hashlib
from functools import cache, lru_cache

import bashkit

from safegym.errors import WorldError
from safegym.shell.base import File, Files, Machine
from safegym.shell.machine import INSTALLED, PROC, settings
from safegym.shell.wording import Wording

OURS = ("/bin", "/usr/bin", "/dev", "/proc")
"""Folders that are the machine's own; what a command leaves there is lost."""
FRESH_FILE = 0o644
FRESH_DIRECTORY = 0o755
_FURNITURE = ("/tmp", "/root", "/usr/local/bin", "/var/tmp", "/var/log", "/opt", "/srv", "/mnt")
_FORBIDDEN = tuple(f"{each}/" for each in OURS)
_ZEROS = 8 * 1024 * 1024
_NOISE = 8 * 1024
_MOST_DIRECTORIES = 400  # listing one takes the file system as long as there are files in all


def home(user: str) -> str:
    """Return a user's own folder."""
    return "/root" if user == "root" else f"/home/{user}"


def bare() -> bashkit.FileSystem:
    """Return a file system without anything in it."""
    disk = bashkit.FileSystem()
    for path in ("/dev", "/home", "/tmp"):
        disk.remove(path, True)
    return disk


@cache
def programs() -> dict[str, bashkit.FileSystem]:
    """Return the read-only folders that are the same on every machine, made once for the process."""
    installed, processes = bare(), bare()
    for name in INSTALLED:
        installed.write_file(f"/{name}", f'#!/bin/sh\n{name} "$@"\n'.encode())
        installed.chmod(f"/{name}", FRESH_DIRECTORY)
    for path, text in PROC.items():
        processes.mkdir(path.rpartition("/")[0] or "/", True)
        processes.write_file(path, text.encode())
    return {"/bin": installed, "/usr/bin": installed, "/proc": processes}


def devices(seed: int, endless: bool) -> bashkit.FileSystem:
    """Return /dev, whose endless files end after a while.

    Args:
        seed: What the random ones are drawn from.
        endless: Whether the zeros will be read.
    """
    disk = bare()
    noise = _noise(seed)
    zeros = _zeros() if endless else b""
    for name, content in {"null": b"", "zero": zeros, "random": noise, "urandom": noise}.items():
        disk.write_file(f"/{name}", content)
    return disk


@cache
def _zeros() -> bytes:
    return bytes(_ZEROS)


@lru_cache(64)
def _noise(seed: int) -> bytes:
    return hashlib.shake_256(str(seed).encode()).digest(_NOISE)


class TooManyError(Exception):
    """A command that made too many folders."""


class Disk:
    """The files of one run.

    Args:
        files: What is laid out.
        machine: Whose folders and settings there are.
        wording: What scripts are rewritten by.

    Raises:
        WorldError: A path that cannot be laid out.
    """

    def __init__(self, files: Files, machine: Machine, wording: Wording) -> None:
        self.root, self.files, self.wording = bare(), files, wording
        self.sizes: dict[str, tuple[int, int]] = {}
        self._laid: dict[str, tuple[bytes, int, File | None]] = {}
        self._made = {"", "/"}
        self._most = 0
        own = home(machine.user)
        self._furniture = {*_FURNITURE, *OURS, own, machine.directory.rstrip("/")}
        for path in self._furniture:
            self._directory(path)
        self.root.chmod("/tmp", 0o1777)
        for path, content in settings(machine.user, machine.host, own).items():
            if path not in files:
                self._directory("/etc")
                self.root.write_file(path, content)
                self._laid[path] = content, FRESH_FILE, None
        links = []
        for path, file in files.items():
            if file.link_to is None:
                self._lay(path, file)
            else:
                links.append(path)
        for path in links:
            self._lay(path, files[path])

    @property
    def paths(self) -> list[str]:
        """Everything that was laid out, folders too."""
        return sorted({*self._laid, *self._made} - {"", "/"})

    def _directory(self, path: str) -> None:
        if path not in self._made:
            self.root.mkdir(path, True)
            while path not in self._made:
                self._made.add(path)
                path = path.rpartition("/")[0]

    def _lay(self, path: str, file: File) -> None:
        if not path.startswith("/") or path.startswith(_FORBIDDEN):
            raise WorldError(f"{path!r} cannot be put on the shell's disk: expected an absolute path outside {OURS}")
        try:
            if path.endswith("/"):
                self._directory(path[:-1])
                self.root.chmod(path[:-1], file.mode)
                return
            self._directory(path.rpartition("/")[0])
            if file.link_to is not None:
                self.root.symlink(file.link_to, path)
                return
            content = self.wording.of_script(file.content)
            self.root.write_file(path, content)
            if file.mode != FRESH_FILE:
                self.root.chmod(path, file.mode)
            self._laid[path] = content, file.mode, file
            if content is not file.content:
                self.sizes[path] = len(content), len(file.content)
        except RuntimeError as error:
            raise WorldError(f"{path!r} cannot be put on the shell's disk: {error}") from None

    def collect(self) -> Files:
        """Return the files as they are now, the untouched ones as the objects that went in.

        Raises:
            TooManyError: There are more folders than can be looked through in time.
        """
        found: dict[str, File] = {}
        self._most = _MOST_DIRECTORIES + len(self._made)
        if self.root.exists("/"):
            self._gather("", found)
        return found

    def _gather(self, folder: str, found: dict[str, File]) -> None:
        self._most -= 1
        if self._most < 0:
            raise TooManyError
        listed = self.root.read_dir(folder or "/")
        listed.sort(key=_name)
        for each in listed:
            path, about = f"{folder}/{each['name']}", each["metadata"]
            kind = about["file_type"]
            if kind == "directory":
                if path not in OURS:
                    self._gather(path, found)
            elif kind == "symlink":
                found[path] = self._link(path)
            elif (file := self._file(path, about["mode"] & 0o7777)) is not None:
                found[path] = file
        if folder and not listed and (folder not in self._furniture or folder + "/" in self.files):
            mode = self.root.stat(folder)["mode"] & 0o7777
            given = self.files.get(folder + "/")
            found[folder + "/"] = given if given is not None and given.mode == mode else File(mode=mode)

    def _link(self, path: str) -> File:
        target = self.root.read_link(path)
        given = self.files.get(path)
        return given if given is not None and given.link_to == target else File(mode=0o777, link_to=target)

    def _file(self, path: str, mode: int) -> File | None:
        content = self.root.read_file(path)
        laid, laid_mode, given = self._laid.get(path, (None, 0, None))
        if content == laid:
            if mode == laid_mode:
                return given
            if given is not None:
                return File(given.content, mode)
        return File(self.wording.restored_content(content), mode)


def _name(entry: dict[str, object]) -> str:
    return str(entry["name"])
