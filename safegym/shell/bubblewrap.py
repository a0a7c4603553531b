"""The shell that is the real thing: bash and the host's programs in a sandbox that is kept open between commands."""

from __future__ import annotations

import atexit
import os
import re
import subprocess
import threading
from calendar import timegm
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path

from safegym.errors import WorldError
from safegym.shell.base import USUAL_LIMITS, File, Files, Limits, Machine, ShellResult, elided
from safegym.shell.disk import home
from safegym.shell.machine import settings
from safegym.shell.sandbox import BORROWED, Kind, Outcome, Sandbox, acting_as_owner, installed, quoted, shortcuts
from safegym.shell.tree import FOLDER_MODE, FullTreeError, Plan, Tree

KEPT = 8
"""Sandboxes that stay open when nobody uses them."""
_NEAR = 8
"""Files that are sooner changed in an open sandbox than laid into one of their own."""
_FURNITURE = ("/tmp", "/root", "/usr/local/bin", "/var/tmp", "/var/log", "/opt", "/srv", "/mnt")
_SHARED_FOLDERS = ("/tmp", "/var/tmp")
_OURS = ("/proc", "/dev", *BORROWED)
_NAMES = b"passwd: files\ngroup: files\nhosts: files dns\n"


@dataclass(frozen=True, slots=True)
class BubblewrapShell:
    """The shell that is the real thing. Linux only.

    Raises:
        SandboxError: Sandboxes cannot be had on this machine.
    """

    name: str = field(default_factory=lambda: _name(), init=False)

    def run(self, files: Files, command: str, machine: Machine, limits: Limits = USUAL_LIMITS) -> ShellResult:
        """Run one command in a fresh process; `limits.commands` has no meaning here.

        Raises:
            SandboxError: Sandboxes cannot be had on this machine.
            WorldError: The files cannot be laid out.
        """
        layout = Layout.of(files, machine)
        try:
            return self._run(layout, command, limits)
        except BrokenPipeError:  # somebody has ended a sandbox that was free
            return self._run(layout, command, limits)

    def _run(self, layout: Layout, command: str, limits: Limits) -> ShellResult:
        holder = _POOL.take(layout)
        try:
            script, environment = _script(command, layout.machine), _environment(layout.machine)
            outcome = holder.sandbox.run(script, environment, limits.seconds, limits.output)
            holder.spoiled = not outcome.alive
            after, note = holder.collect(layout)
        except BaseException:
            holder.spoiled = True
            raise
        finally:
            _POOL.give(holder)
        return _result(outcome, after, note, limits)


@dataclass(frozen=True, slots=True)
class Layout:
    """What a sandbox is to hold for one command.

    Attributes:
        files: What the caller gave.
        machine: What they are laid out for.
        own: What every machine brings along, path to file; it is shown to the caller once it has been changed.
        hidden: What makes the sandbox work; it is never shown.
        furniture: Folders that every machine has.
    """

    files: dict[str, File]
    machine: Machine
    own: dict[str, File]
    hidden: dict[str, File]
    furniture: dict[str, int]

    @classmethod
    def of(cls, files: Files, machine: Machine) -> Layout:
        """Add to files what a machine brings along."""
        place = home(machine.user)
        folders = {**dict.fromkeys(_FURNITURE, FOLDER_MODE), **dict.fromkeys(_SHARED_FOLDERS, 0o1777)}
        folders |= dict.fromkeys((place, machine.directory.rstrip("/") or place), FOLDER_MODE)
        return cls(dict(files), machine, _own(machine.user, machine.host), _hidden(machine.now), folders)

    @property
    def kind(self) -> Kind:
        """What sandbox it needs."""
        return Kind(self.machine.host, self.machine.user == "root")

    @property
    def time(self) -> int:
        """The machine's moment in nanoseconds since 1970."""
        return timegm(self.machine.now.utctimetuple()) * 10**9 + self.machine.now.microsecond * 1000

    def plan(self) -> Plan:
        """Return what is to lie where.

        Raises:
            WorldError: A path that cannot be.
        """
        given = {_checked(path): file for path, file in self.files.items() if not path.endswith("/")}
        folders = {_checked(path)[:-1]: file.mode for path, file in self.files.items() if path.endswith("/")}
        brought = {path for path in (*self.own, *self.furniture) if given.keys().isdisjoint(_above(path))}
        folders = {path: mode for path, mode in self.furniture.items() if path in brought} | folders
        files = {path: file for path, file in self.own.items() if path in brought} | given | self.hidden
        for path in [*files, *folders]:
            for above in _above(path)[1:]:
                folders.setdefault(above, FOLDER_MODE)
        if clash := files.keys() & folders.keys():
            raise WorldError(f"{min(clash)!r} cannot be put on the shell's disk: it is both a file and a folder")
        return Plan(files, folders, self.time)

    def collected(self, tree: Tree) -> Files:
        """Return the caller's part of what a tree holds now."""
        found = {
            path: file
            for path, file in tree.files.items()
            if path not in self.hidden
            and path not in _skeleton()
            and (path not in self.own or file is not self.own[path] or path in self.files)
        }
        full = {path.rpartition("/")[0] for path in (*tree.files, *tree.folders, *_foreign())}
        for path, mode in tree.folders.items():
            entry = path + "/"
            if path not in full and (path not in self.furniture or entry in self.files):
                given = self.files.get(entry)
                found[entry] = given if given is not None and given.mode == mode else File(mode=mode)
        return dict(sorted(found.items()))


class Holder:
    """A sandbox, and the files in it."""

    def __init__(self, kind: Kind) -> None:
        self.sandbox = Sandbox(kind)
        self.tree = Tree(self.sandbox.root, _foreign())
        with acting_as_owner():
            self.tree.read()
        self.held: Files = {}
        self.plan: Plan | None = None
        self.spoiled = False

    def distance(self, layout: Layout) -> int:
        """Return how many files would have to be changed."""
        if self.held == layout.files:
            return 0
        changed = sum(self.held.get(path) is not file for path, file in layout.files.items())
        return changed + len(self.held.keys() - layout.files.keys())

    def lay(self, layout: Layout) -> None:
        """Lay files out, as far as they are not there.

        Raises:
            WorldError: They cannot be laid out.
        """
        plan = layout.plan()
        try:
            with acting_as_owner():
                self.tree.lay(plan)
        except (OSError, ValueError) as error:
            raise WorldError(f"the files cannot be put on the shell's disk: {error}") from None
        self.plan = plan

    def collect(self, layout: Layout) -> tuple[Files, str]:
        """Return the files as they are now, and what is to be said of them."""
        try:
            with acting_as_owner():
                self.tree.read()
        except FullTreeError as error:
            self.spoiled = True
            return layout.files, f"[the disk holds {error}: what this command did to files is lost]\n"
        self.held = layout.collected(self.tree)
        return self.held, ""


class Pool:
    """The sandboxes of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: list[Holder] = []
        self._busy: list[Holder] = []

    def take(self, layout: Layout) -> Holder:
        """Return a sandbox that holds the files: the free one that came nearest to it, or a new one.

        Raises:
            SandboxError: None can be started.
            WorldError: The files cannot be laid out.
        """
        if (holder := self._nearest(layout)) is not None:
            try:
                holder.lay(layout)
                return holder
            except WorldError:  # what is left in it may be in the way
                holder.spoiled = True
                self.give(holder)
        holder = Holder(layout.kind)
        with self._lock:
            self._busy.append(holder)
        try:
            holder.lay(layout)
        except BaseException:
            holder.spoiled = True
            self.give(holder)
            raise
        return holder

    def give(self, holder: Holder) -> None:
        """Take a sandbox back; one that cannot be used again is closed, and so is the one unused for longest."""
        with self._lock:
            self._busy.remove(holder)
            closing = [holder] if holder.spoiled or holder.tree.spoiled else []
            if not closing:
                self._free.append(holder)
                closing = self._free[:-KEPT]
                del self._free[:-KEPT]
        for each in closing:
            each.sandbox.close()

    def close(self) -> None:
        """Close all that are free."""
        with self._lock:
            closing, self._free = self._free, []
        for each in closing:
            each.sandbox.close()

    def forget(self) -> None:
        """Begin anew after a fork: the sandboxes are the parent's."""
        for each in (*self._free, *self._busy):
            each.sandbox.forget()
        self._lock, self._free, self._busy = threading.Lock(), [], []

    def _nearest(self, layout: Layout) -> Holder | None:
        with self._lock:
            fitting = [
                (each.distance(layout), place)
                for place, each in enumerate(self._free)
                if each.sandbox.kind == layout.kind
            ]
            if not fitting or (min(fitting)[0] > _NEAR and len(self._free) < KEPT):
                return None
            holder = self._free.pop(min(fitting)[1])
            self._busy.append(holder)
            return holder


def close_all() -> None:
    """End the sandboxes that are open and not in use; the next call starts its own."""
    _POOL.close()


_POOL = Pool()
atexit.register(close_all)
os.register_at_fork(after_in_child=_POOL.forget)


def _script(command: str, machine: Machine) -> str:
    """Return what the server evaluates: the chance of the command is set by a file that its bash reads and forgets."""
    seeded = f"RANDOM={machine.random % 32_749}; unset BASH_ENV; exec 9<&-"
    return (
        f"cd -- {quoted(machine.directory)} && unset OLDPWD\n"
        f"exec 9<<<'{seeded}'\n"
        f"BASH_ENV=/dev/fd/9 exec -a bash /usr/bin/bash -c {quoted(command)}"
    )


def _environment(machine: Machine) -> dict[str, str]:
    return {
        "HOME": home(machine.user),
        "PATH": machine.path,
        "SHELL": "/bin/bash",
        "USER": machine.user,
        "LOGNAME": machine.user,
        "LANG": "C.UTF-8",
    }


def _result(outcome: Outcome, after: Files, note: str, limits: Limits) -> ShellResult:
    out, err = (elided(each.text, limits.output, each.missing) for each in (outcome.stdout, outcome.stderr))
    cut = any(len(each.text) + each.missing > limits.output for each in (outcome.stdout, outcome.stderr))
    late = "Terminated: time limit\n" if outcome.late else ""
    return ShellResult(out, err + late + note, outcome.exit_code, after, cut)


@lru_cache(65_536)
def _above(path: str) -> tuple[str, ...]:
    """Return a path and all folders above it but the topmost."""
    places = [path]
    while path := path.rpartition("/")[0]:
        places.append(path)
    return tuple(places)


@cache
def _skeleton() -> frozenset[str]:
    """Return the folders that cannot be anything else, because something of the machine's own lies in them."""
    return frozenset({above for path in ("/etc/passwd", *_foreign()) for above in _above(path)[1:]})


@lru_cache(65_536)
def _checked(path: str) -> str:
    """Refuse a path that does not name a place of its own on the sandbox's disk."""
    first, *parts = path.rstrip("/").split("/")
    odd = first or not parts or any(part in ("", ".", "..") or len(os.fsencode(part)) > 255 for part in parts)
    if odd or "\0" in path or f"{path}/".startswith(tuple(f"{each}/" for each in _foreign())):
        raise WorldError(
            f"{path[:100]!r} cannot be put on the shell's disk: expected an absolute path that is not the machine's own"
        )
    return path


@cache
def _foreign() -> frozenset[str]:
    """Return what a sandbox has that is no file of anybody's: mounts."""
    programs = {str(path) for path in Path("/usr").iterdir() if path.name != "local"}
    return frozenset({*_OURS, *programs})


@lru_cache(64)
def _own(user: str, host: str) -> dict[str, File]:
    return {path: File(content) for path, content in settings(user, host, home(user)).items()}


@lru_cache(64)
def _hidden(now: datetime) -> dict[str, File]:
    moment = now.astimezone(UTC)
    return {
        "/etc/ld.so.preload": File(f"{installed().faketime}\n".encode()),
        "/etc/faketimerc": File(f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond:06}\n".encode()),
        "/etc/nsswitch.conf": File(_NAMES),
        **{f"/{name}": File(mode=0o777, link_to=f"usr/{name}") for name in shortcuts()},
    }


def _name() -> str:
    return f"bubblewrap {_version(installed().bwrap)}, bash {_version('/usr/bin/bash')}"


@cache
def _version(program: str) -> str:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+(?:\.\d+)+", said)
    return found[0] if found else "unknown"
