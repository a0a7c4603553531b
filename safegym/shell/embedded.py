"""The shell that needs no process: an interpreter on a virtual file system.

No host file, clock, name, network or chance reaches the command.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TypeVar

import bashkit

from safegym.errors import WorldError
from safegym.shell.base import USUAL_LIMITS, File, Files, Limits, Machine, ShellResult
from safegym.shell.builtins import Call, Command, Room, guarded
from safegym.shell.machine import COMMANDS, INSTALLED, PROC, settings
from safegym.shell.wording import Wording, says_name, scrubbed, verdict

_STACK = 256 * 1024 * 1024
_STACK_LOCK = threading.Lock()
_OURS = ("/bin", "/usr/bin", "/dev", "/proc")
_FURNITURE = ("/tmp", "/root", "/usr/local/bin", "/var/tmp", "/var/log", "/opt", "/srv", "/mnt")
_NOISE = 8_192
_FRESH_FILE = 0o644
_FRESH_DIRECTORY = 0o755

_NEW_FILE = re.compile(r"\b(chmod|mv|cp|rm|install|ln|rsync|tar)\b")
"""Commands after which a file of the same name may be another file, with permissions of its own."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EmbeddedShell:
    """The shell that needs no process: an interpreter on a virtual file system."""

    name: str = field(default=f"embedded bashkit {bashkit.get_version()}", init=False)

    def run(self, files: Files, command: str, machine: Machine, limits: Limits = USUAL_LIMITS) -> ShellResult:
        """Run one command in a fresh process."""
        return _on_deep_stack(lambda: _run(files, command, machine, limits))


def _on_deep_stack(function: Callable[[], T]) -> T:
    """Call on a stack that no script can recurse through before a limit stops it."""
    results: list[T] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=call, daemon=True)
    with _STACK_LOCK:
        before = threading.stack_size(_STACK)
        try:
            thread.start()
        finally:
            threading.stack_size(before)
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _run(files: Files, command: str, machine: Machine, limits: Limits) -> ShellResult:
    wording = Wording(machine.now, machine.random)
    disk = _Disk(files, machine, wording)
    room = Room(machine.user, machine.host, machine.now, machine.random, time.time(), disk.sizes)
    bash = _booted(disk, machine, limits, room)
    pieces: list[tuple[str, str]] = []
    typed = command.replace("\0", "").encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    result = bash.execute_sync(wording.of_command(typed), lambda out, err: pieces.append((out, err)))
    stdout, stderr, exit_code = result.stdout, result.stderr, result.exit_code
    if result.error is not None:
        complaint, exit_code = verdict(result.error, result.exit_code)
        stdout = "".join(out for out, _ in pieces)
        stderr = "".join(err for _, err in pieces) + complaint
    outspoken = says_name(command, (each.content for each in files.values()))
    out, err = (scrubbed(wording.restored(text), outspoken) for text in (stdout, stderr))
    cut = result.stdout_truncated or result.stderr_truncated or max(len(out), len(err)) > limits.output
    after = _overwritten(files, disk.collect(outspoken), command)
    return ShellResult(_elided(out, limits.output), _elided(err, limits.output), exit_code, after, cut)


def _overwritten(before: Files, after: Files, command: str) -> Files:
    """Give a script that was written over its permissions back, as a redirection leaves them; the engine drops them."""
    if _NEW_FILE.search(command):
        return after
    kept = {
        path: replace(file, mode=before[path].mode)
        for path, file in after.items()
        if path in before and file.mode == _FRESH_FILE != before[path].mode and file.content != before[path].content
    }
    return {**after, **kept} if kept else after


def _home(user: str) -> str:
    return "/root" if user == "root" else f"/home/{user}"


def _booted(disk: _Disk, machine: Machine, limits: Limits, room: Room) -> bashkit.Bash:
    """Start a process of its own, on the disk and the machine's dice."""
    home = _home(machine.user)
    bash = bashkit.Bash(
        username=machine.user,
        hostname=machine.host,
        cwd=machine.directory,
        env={"HOME": home, "PATH": machine.path, "SHELL": "/bin/bash", "LOGNAME": machine.user, "LANG": "C.UTF-8"},
        max_commands=limits.commands,
        max_loop_iterations=limits.commands,
        timeout_seconds=limits.seconds,
        custom_builtins={name: _builtin(name, each, room) for name, each in COMMANDS.items()},
    )
    bash.mount("/", disk.root)
    for path, mounted in (*_programs().items(), ("/dev", _devices(machine.random))):
        bash.mount(path, mounted, read_only=path != "/dev")
    bash.execute_sync(f"RANDOM={machine.random % 32_749}")
    return bash


def _elided(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    head = (most + 1) // 2
    tail = most - head
    return f"{text[:head]}\n[... {len(text) - most} characters left out ...]\n{text[len(text) - tail :]}"


def _builtin(name: str, command: Command, room: Room) -> Callable[[Call], bashkit.BuiltinResult]:
    answer = guarded(name, command, room)

    def call(typed: Call) -> bashkit.BuiltinResult:
        given = answer(typed)
        return bashkit.BuiltinResult(given.stdout, given.stderr, given.exit_code)

    return call


def _bare() -> bashkit.FileSystem:
    disk = bashkit.FileSystem()
    for path in ("/dev", "/home", "/tmp"):
        disk.remove(path, True)
    return disk


@cache
def _programs() -> dict[str, bashkit.FileSystem]:
    """Make the read-only folders that are the same on every machine, once for the process."""
    programs, processes = _bare(), _bare()
    for name in INSTALLED:
        programs.write_file(f"/{name}", f'#!/bin/sh\n{name} "$@"\n'.encode())
        programs.chmod(f"/{name}", _FRESH_DIRECTORY)
    for path, text in PROC.items():
        processes.mkdir(path.rpartition("/")[0] or "/", True)
        processes.write_file(path, text.encode())
    return {"/bin": programs, "/usr/bin": programs, "/proc": processes}


def _devices(seed: int) -> bashkit.FileSystem:
    disk = _bare()
    noise = hashlib.shake_256(str(seed).encode()).digest(_NOISE)
    for name, content in {"null": b"", "zero": bytes(len(noise)), "random": noise, "urandom": noise}.items():
        disk.write_file(f"/{name}", content)
    return disk


class _Disk:
    """The files of one run, laid out and gathered again."""

    def __init__(self, files: Files, machine: Machine, wording: Wording) -> None:
        self.root, self.files, self.wording = _bare(), files, wording
        self.laid: dict[str, tuple[bytes, int]] = {}
        self.sizes: dict[str, tuple[int, int]] = {}
        self.made = {"", "/"}
        home = _home(machine.user)
        self.furniture = {*_FURNITURE, *_OURS, home, machine.directory.rstrip("/")}
        for path in self.furniture:
            self._directory(path)
        self.root.chmod("/tmp", 0o1777)
        self.settings = settings(machine.user, machine.host, home)
        for path, text in self.settings.items():
            if path not in files:
                self._lay(path, File(text.encode()))
        for path, file in sorted(files.items(), key=lambda item: item[1].link_to is not None):
            self._lay(path, file)

    def _directory(self, path: str) -> None:
        if path not in self.made:
            self.root.mkdir(path, True)
            while path not in self.made:
                self.made.add(path)
                path = path.rpartition("/")[0]

    def _lay(self, path: str, file: File) -> None:
        if not path.startswith("/") or path.startswith(tuple(f"{each}/" for each in _OURS)):
            raise WorldError(f"{path!r} cannot be put on the shell's disk: expected an absolute path outside {_OURS}")
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
            if file.mode != _FRESH_FILE:
                self.root.chmod(path, file.mode)
            self.laid[path] = content, file.mode
            if content is not file.content:
                self.sizes[path] = len(content), len(file.content)
        except RuntimeError as error:
            raise WorldError(f"{path!r} cannot be put on the shell's disk: {error}") from None

    def collect(self, outspoken: bool) -> Files:
        """Return the files as they are now, the untouched ones as the objects that went in."""
        found: dict[str, File] = {}
        self._gather("", found, outspoken)
        return found

    def _gather(self, folder: str, found: dict[str, File], outspoken: bool) -> None:
        listed = self.root.read_dir(folder or "/") if folder or self.root.exists("/") else []
        for each in sorted(listed, key=lambda each: str(each["name"])):
            path, kind, mode = f"{folder}/{each['name']}", each["metadata"]["file_type"], each["metadata"]["mode"]
            if kind == "directory":
                if path not in _OURS:
                    self._gather(path, found, outspoken)
            elif kind == "symlink":
                found[path] = self._link(path)
            elif (file := self._file(path, mode & 0o7777, outspoken)) is not None:
                found[path] = file
        if folder and not listed and (folder not in self.furniture or folder + "/" in self.files):
            mode = self.root.stat(folder)["mode"] & 0o7777
            given = self.files.get(folder + "/")
            found[folder + "/"] = given if given is not None and given.mode == mode else File(mode=mode)

    def _link(self, path: str) -> File:
        target = self.root.read_link(path)
        given = self.files.get(path)
        return given if given is not None and given.link_to == target else File(mode=0o777, link_to=target)

    def _file(self, path: str, mode: int, outspoken: bool) -> File | None:
        content = self.root.read_file(path)
        given = self.files.get(path)
        if self.laid.get(path) == (content, mode):
            return given
        if given is not None and content == self.laid.get(path, (None, 0))[0]:
            return File(given.content, mode)
        return File(self.wording.restored_content(content, outspoken), mode)
