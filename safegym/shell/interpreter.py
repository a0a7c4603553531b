"""The processes of a command: what the engine's interpreter is given, and what comes back."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import bashkit

from safegym.shell.base import Limits, Machine
from safegym.shell.builtins import Answer, Call, Command, Room, StopError, absolute, guarded
from safegym.shell.corrected import CORRECTED
from safegym.shell.disk import Disk, devices, home, programs
from safegym.shell.engine import Engine, Garage, OverdueError, Worker
from safegym.shell.machine import COMMANDS
from safegym.shell.wording import Wording, verdict

_GRACE = 1.0
"""Seconds that a command has to notice that its time is up."""
_MOST_NESTED = 8
_INPUT = "/dev/.input"


@dataclass(frozen=True, slots=True)
class Kind:
    """What an interpreter is built for.

    Attributes:
        user: Who types.
        host: The machine's name.
        directory: Where it starts.
        path: Where programs are looked for.
        limits: What one command may do.
        corrected: The commands that would show the host's clock or chance.
    """

    user: str
    host: str
    directory: str
    path: str
    limits: Limits
    corrected: frozenset[str]

    @property
    def environment(self) -> dict[str, str]:
        """The variables a login leaves."""
        return {
            "HOME": home(self.user),
            "PATH": self.path,
            "SHELL": "/bin/bash",
            "LOGNAME": self.user,
            "LANG": "C.UTF-8",
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a process printed and how it ended."""

    stdout: str
    stderr: str
    exit_code: int
    cut: bool


class _Desk:
    """Where an interpreter's own commands are answered.

    It does not hold the interpreter: the engine holds its commands, and no collector sees through it.
    """

    def __init__(self, clerk: Worker) -> None:
        self.clerk = clerk
        self.room: Room | None = None

    def builtin(self, name: str, command: Command) -> Callable[[Call], bashkit.BuiltinResult]:
        """Bind one of the shell's own commands."""

        def answer(call: Call) -> bashkit.BuiltinResult:
            assert self.room is not None
            guard = guarded(name, command, self.room)
            given = self.clerk.call(lambda: guard(call))
            return bashkit.BuiltinResult(given.stdout, given.stderr, given.exit_code)

        return answer


class _Interpreter:
    """The engine's interpreter, and the desk of its commands."""

    def __init__(self, kind: Kind, clerk: Worker) -> None:
        self.desk = _Desk(clerk)
        commands = COMMANDS | {name: CORRECTED[name] for name in kind.corrected}
        self.bash = bashkit.Bash(
            username=kind.user,
            hostname=kind.host,
            cwd=kind.directory,
            env=kind.environment,
            max_commands=kind.limits.commands,
            max_loop_iterations=kind.limits.commands,
            timeout_seconds=kind.limits.seconds,
            custom_builtins={name: self.desk.builtin(name, each) for name, each in commands.items()},
        )

    def execute(self, command: str) -> tuple[Outcome, bool]:
        """Run a command; say also whether the engine came through it unharmed."""
        pieces: list[tuple[str, str]] = []
        result = self.bash.execute_sync(command, lambda out, err: pieces.append((out, err)))
        cut = result.stdout_truncated or result.stderr_truncated
        if result.error is None:
            return Outcome(result.stdout, result.stderr, result.exit_code, cut), True
        complaint, exit_code = verdict(result.error, result.exit_code)
        stdout, stderr = "".join(out for out, _ in pieces), "".join(err for _, err in pieces)
        return Outcome(stdout, stderr + complaint, exit_code, cut), False


_GARAGE: Garage[Kind, _Interpreter] = Garage(_Interpreter)


class Process:
    """One command on its disk, and the processes that its own commands start.

    Args:
        disk: The files.
        wording: What was typed, and what is rewritten.
        machine: Whose clock and dice there are.
        limits: What it may do.
        corrected: Commands whose words are corrected though nothing hints at it.
    """

    def __init__(
        self, disk: Disk, wording: Wording, machine: Machine, limits: Limits, corrected: frozenset[str] = frozenset()
    ) -> None:
        traits = wording.traits
        self._command, self._seed, self._endless = wording.command, machine.random, "endless" in traits
        corrected |= traits.intersection(CORRECTED) - ({"printf"} if "printf -v" in traits else set())
        self._kind = Kind(machine.user, machine.host, machine.directory, machine.path, limits, corrected)
        self._root = disk.root
        self._nested = 0
        self._ends = time.monotonic() + limits.seconds + _GRACE
        began = time.time()
        self._preamble = f"RANDOM={machine.random % 32_749}"
        if "same age" in traits:
            self._preamble += f"; touch -d '{datetime.fromtimestamp(began, UTC):%F %T.%f}' {shlex.join(disk.paths)}"
        self._room: Room | None = Room(
            machine.user, machine.host, machine.now, machine.random, began, disk.sizes, self._start
        )

    def run(self, scripts: Iterable[str] = ()) -> Outcome | None:
        """Run the command, once; None when it did not end in time.

        Args:
            scripts: Words that are run as scripts though the engine forgot that they may be.
        """
        extra: dict[str, Command] = dict.fromkeys(scripts, self._script)
        try:
            return self._run(self._kind, self._command, "", extra, b"")
        finally:
            self._room = None  # it holds this process: the disk's open files would wait for the collector

    def _run(self, kind: Kind, command: str, before: str, extra: dict[str, Command], given: bytes) -> Outcome | None:
        with _GARAGE.engine() as engine:
            try:
                return engine.call(
                    lambda: self._executed(engine, kind, command, before, extra, given),
                    max(self._ends - time.monotonic(), 0.0),
                )
            except OverdueError:
                return None

    def _executed(
        self,
        engine: Engine[Kind, _Interpreter],
        kind: Kind,
        command: str,
        before: str,
        extra: dict[str, Command],
        given: bytes,
    ) -> Outcome:
        interpreter = engine.interpreter(kind)
        bash = interpreter.bash
        bash.reset()
        interpreter.desk.room = self._room
        devices_ = devices(self._seed, self._endless)
        if given:
            devices_.write_file(_INPUT.removeprefix("/dev"), given)
        mounts = {"/": self._root, **programs(), "/dev": devices_}
        for path, mounted in mounts.items():
            bash.mount(path, mounted, read_only=path in programs())
        for name, each in extra.items():
            bash.add_builtin(name, interpreter.desk.builtin(name, each))  # type: ignore[attr-defined]  # not in its stubs
        try:
            bash.execute_sync(self._preamble + before)
            outcome, engine.sound = interpreter.execute(command)
            return outcome
        finally:
            for name in extra:
                bash.remove_builtin(name)  # type: ignore[attr-defined]  # not in its stubs
            for path in mounts:
                bash.unmount(path)
            interpreter.desk.room = None

    def _start(self, call: Call, argv: Sequence[str], given: str | None = None) -> Answer:
        """Let the engine's own command of that name answer a call."""
        kind = replace(self._kind, corrected=self._kind.corrected - {call.name})
        return self._started(call, call.name, argv, kind, call.stdin if given is None else given)

    def _script(self, call: Call, room: Room) -> Answer:
        """Run a script that lost its permission to be run when it was written over."""
        if not call.fs.exists(absolute(call.name, call.cwd)):
            raise StopError("No such file or directory", 127)
        return self._started(call, "bash", [call.name, *call.argv], self._kind, call.stdin)

    def _started(self, call: Call, name: str, argv: Sequence[str], kind: Kind, given: str | None) -> Answer:
        if self._nested == _MOST_NESTED:
            return Answer("", "bash: fork: retry: Resource temporarily unavailable\n", 254)
        own = kind.environment
        exported = {key: value for key, value in call.env.items() if own.get(key) != value and key.isidentifier()}
        before = "".join(f"; export {key}={shlex.quote(value)}" for key, value in exported.items())
        typed = f"{name} {shlex.join(argv)} < {_INPUT if given else '/dev/null'}"
        self._nested += 1
        outcome = self._run(kind, typed, f"{before}; cd {shlex.quote(call.cwd)}", {}, (given or "").encode())
        self._nested -= 1
        if outcome is None:
            return Answer("", "Terminated: time limit\n", 124)
        return Answer(outcome.stdout, outcome.stderr, outcome.exit_code)
