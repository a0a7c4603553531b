"""One bubblewrap sandbox: processes that see a machine of their own, and a server that starts commands among them.

Three processes make a sandbox. `bwrap` builds the namespaces and dies with us. `sleep` is process 1 within, and nothing
else of ours can be seen there. The server, a loop in bash, has entered every namespace but that of the processes: what
it forks lives in the sandbox, while it cannot itself be signalled, traced or have its descriptors opened from there. So
a command has nothing to talk to; and when process 1 is killed, the kernel ends whatever a command left running.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import which

from safegym.errors import SafegymError

DISK = 64 * 1024 * 1024
"""Bytes that all files of a sandbox may hold together."""
ADDRESS_SPACE = 1024 * 1024 * 1024
"""Bytes of memory that one process may map."""
PROCESSES = 128
OPEN_FILES = 256
BORROWED = ("/etc/alternatives", "/etc/ld.so.cache")
"""What is shown of the host's settings: which program a name stands for, and where libraries are."""
SHORTCUTS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
PACKAGES = "apt-get install bubblewrap libfaketime util-linux bash jq bc"

_PATIENCE = 10.0
"""Seconds that starting and ending may take before something is wrong."""
_GRACE = (0.001, 0.004, 0.015)
"""Seconds between looks whether everything that a command started has ended too."""
_NOBODY = 65534
_OWNER = 0xB701
"""NS_GET_USERNS of linux/nsfs.h: the user namespace that owns a namespace."""
_SPACES = {"mount": "mnt", "uts": "uts", "ipc": "ipc", "net": "net", "cgroup": "cgroup", "pid": "pid"}
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_NODES = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
_ROOTS_POWERS = "-all,+chown,+dac_override,+fowner,+fsetid,+kill"
LIBRARIES = ("lib/*", "lib", "lib64")
_FIRST = "echo; exec env --ignore-signal=CHLD sleep infinity >/dev/null 2>&1"
_SERVER = f"""
ulimit -c 0 -f {DISK // 1024} -v {ADDRESS_SPACE // 1024} -u {PROCESSES} -n {OPEN_FILES} -q 0
umask 022
set -m
trap : HUP INT QUIT TERM
exec {{told}}>&2 2>/dev/null
answers=$ANSWERS
exec {{OUTER}}<&-
unset OLDPWD ANSWERS OUTER
export -n PWD SHLVL _
while LC_ALL=C IFS= read -r size && LC_ALL=C IFS= read -r -N "$size" asked; do
    ( exec 2>&"$told" {{told}}>&- {{answers}}>&-; unset told answers size; eval "$asked" ) </dev/null &
    wait $!
    echo $? >&"$answers"
done
"""
"""Reads `<bytes>\\n<script>`, answers `<exit code>\\n`. Job control gives every command a process group of its own."""
_CHECK = "read -r self _ </proc/self/stat && [ $self = $BASHPID ]"


class SandboxError(SafegymError):
    """A sandbox that cannot be had here, or that broke."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"no bubblewrap shell: {reason}. It needs Linux with user namespaces and, on Debian, `{PACKAGES}`. "
            "`--shell embedded` needs none of it: an interpreter of bash on virtual files, with rare constructions "
            "read otherwise and without python3"
        )

    def __reduce__(self) -> tuple[type[SandboxError], tuple[str]]:
        return type(self), (self.reason,)


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs that a sandbox is made with, each by its path."""

    bwrap: str
    nsenter: str
    setpriv: str
    faketime: str


@cache
def installed() -> Programs:
    """Find the programs.

    Raises:
        SandboxError: One of them is not there.
    """
    found = {name: which(name, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin") for name in ("bwrap", "nsenter")}
    for name, path in found.items():
        if path is None:
            raise SandboxError(f"{name} is not installed")
    for path in ("/usr/bin/bash", "/usr/bin/setpriv", "/usr/bin/nsenter"):
        if not Path(path).exists():
            raise SandboxError(f"{path} is not installed")
    version = subprocess.run([str(found["bwrap"]), "--version"], capture_output=True, text=True, check=False).stdout
    if [int(part) for part in re.findall(r"\d+", version)[:2]] < [0, 8]:
        raise SandboxError(f"{version.strip() or 'bwrap'} is too old: expected bubblewrap 0.8 or newer")
    clocks = [path for folder in LIBRARIES for path in Path("/usr").glob(f"{folder}/faketime/libfaketime.so.1")]
    if not clocks:
        raise SandboxError("libfaketime is not installed, so the host's time would show")
    return Programs(str(found["bwrap"]), str(found["nsenter"]), "/usr/bin/setpriv", str(clocks[0]))


def owner() -> int | None:
    """Return the user under whom sandboxes run when that is not ourselves: limits on processes do not bind root."""
    return _NOBODY if os.geteuid() == 0 else None


@contextmanager
def acting_as_owner() -> Iterator[None]:
    """Let this thread reach files as the user under whom sandboxes run; even root may not do it as another."""
    number = owner()
    if number is None:
        yield
        return
    library = _library()
    library.setfsgid(number)
    library.setfsuid(number)
    try:
        yield
    finally:
        library.setfsuid(os.geteuid())
        library.setfsgid(os.getegid())


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class Kind:
    """What cannot change in an open sandbox: the host's name, and whether the user is root."""

    host: str
    root: bool


@dataclass(frozen=True, slots=True)
class Said:
    """One stream of a command: its two ends put together, and how many characters between them were let go."""

    text: str
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended.

    Attributes:
        stdout: What it printed.
        stderr: What it complained of.
        exit_code: How it ended, as bash has it; 124 when its time was up.
        alive: Whether the sandbox can be used again: everything in it has ended by itself.
        late: Whether its time was up.
    """

    stdout: Said
    stderr: Said
    exit_code: int
    alive: bool
    late: bool


class Sandbox:
    """An open sandbox.

    Attributes:
        kind: What it was made for.
        root: The descriptor of its topmost folder, which outlives its processes.

    Raises:
        SandboxError: It did not start.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._open: set[int] = set()
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            first = self._begin()
            self._first = self._kept(os.pidfd_open(first))
            self.root = self._kept(os.open(f"/proc/{first}/root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            self._listed = self._kept(os.open("proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.root))
            self._serve(first)
            check = self.run(_CHECK, {}, _PATIENCE, 2_000)
            if check.exit_code != 0 or not check.alive:
                raise SandboxError(f"its server does not answer: {check.stderr.text.strip() or check.exit_code}")
        except OSError as error:
            self.close()
            raise SandboxError(f"it did not start: {error}") from None
        except BaseException:
            self.close()
            raise

    def run(self, script: str, environment: Mapping[str, str], seconds: float, most: int) -> Outcome:
        """Run a script in bash.

        Args:
            script: What the server evaluates in a process of its own, with nothing open but output.
            environment: What that process exports.
            seconds: After so much wall-clock time everything is ended.
            most: Characters of each end of each stream that are wanted; hardly more is kept.

        Raises:
            BrokenPipeError: The sandbox is no longer there.
        """
        exported = "".join(f"export {name}={quoted(value)}\n" for name, value in environment.items())
        asked = f"{exported}{script}".replace("\0", "").encode("utf-8", "replace")
        out, err = _Stream(4 * most), _Stream(4 * most)
        if select.select([self._first], [], [], 0)[0]:
            raise BrokenPipeError("process 1 has ended")
        deadline = time.monotonic() + seconds
        os.write(self._ask, b"%d\n" % len(asked) + asked)
        answer = self._follow(out, err, deadline)
        alive = bool(answer) and self._is_quiet()
        if not alive:
            self._kill()
        if answer is None:
            self._follow(out, err, time.monotonic() + _PATIENCE)
        self._drain(out, err)
        code = 124 if answer is None else int(answer or b"137")
        return Outcome(out.said(), err.said(), code, alive, answer is None)

    def close(self) -> None:
        """End every process, and forget every descriptor."""
        if hasattr(self, "_first"):
            self._kill()
        self.forget()
        for process in self._processes:
            process.kill()
            process.wait()
        self._processes.clear()

    def forget(self) -> None:
        """Close the descriptors and nothing else: after a fork the processes are somebody else's."""
        while self._open:
            os.close(self._open.pop())

    def _begin(self) -> int:
        """Start bwrap and return the number of process 1, once the sandbox stands."""
        programs = installed()
        told, tell = os.pipe()
        with os.fdopen(told, "rb") as information:
            try:
                bwrap = _spawn([programs.bwrap, *_arguments(self.kind, tell)], pass_fds=(tell,))
            finally:
                os.close(tell)
            self._processes.append(bwrap)
            first = re.search(rb'"child-pid": (\d+)', information.read())
        assert bwrap.stdout is not None
        assert bwrap.stderr is not None
        with bwrap.stdout, bwrap.stderr:
            if first is None or bwrap.stdout.read(1) != b"\n":
                raise SandboxError(bwrap.stderr.read().decode("utf-8", "replace").strip() or "bwrap said nothing")
        return int(first[1])

    def _serve(self, first: int) -> None:
        """Start the server inside every namespace of process 1 but that of the processes."""
        asked, self._ask = os.pipe()
        self._answer, answers = os.pipe()
        self._out, out = os.pipe()
        self._err, err = os.pipe()
        for descriptor in (self._ask, self._answer, self._out, self._err, out, err):
            self._kept(descriptor)
        self._ends = out, err
        space = os.open(f"/proc/{first}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        outer = fcntl.ioctl(space, _OWNER)
        try:
            if owner() is not None:
                for output in (out, err):
                    os.fchown(output, _NOBODY, _NOBODY)  # else /dev/stdout, which opens it anew, is denied
            server = _spawn(
                [*_entry(first, outer, self.kind), "/usr/bin/bash", "-c", _SERVER],
                stdin=asked,
                stdout=out,
                stderr=err,
                pass_fds=(answers, outer),
                env={"ANSWERS": str(answers), "OUTER": str(outer)},
            )
            self._processes.append(server)
        finally:
            for descriptor in (space, outer, asked, answers):
                os.close(descriptor)
        for descriptor in (self._answer, self._out, self._err):
            os.set_blocking(descriptor, False)

    def _kept(self, descriptor: int) -> int:
        self._open.add(descriptor)
        return descriptor

    def _follow(self, out: _Stream, err: _Stream, deadline: float) -> bytes | None:
        """Read what is said until the server answers: the answer, nothing if the server is gone, None if it is late."""
        streams = {self._out: out, self._err: err}
        poll = select.poll()
        for descriptor in (*streams, self._answer):
            poll.register(descriptor, select.POLLIN)
        while (left := deadline - time.monotonic()) > 0:
            for descriptor, _ in poll.poll(1000 * left):
                piece = _read(descriptor)
                if descriptor == self._answer:
                    return (piece or b"").strip()
                streams[descriptor].take(piece or b"")
        return None

    def _drain(self, out: _Stream, err: _Stream) -> None:
        for descriptor, end, stream in zip((self._out, self._err), self._ends, (out, err), strict=True):
            while piece := _read(descriptor):
                stream.take(piece)
            os.set_blocking(end, True)  # a program may have changed it for all that come after

    def _is_quiet(self) -> bool:
        for seconds in (*_GRACE, None):
            if not any(name.isdigit() and name != "1" for name in os.listdir(self._listed)):  # noqa: PTH208 - by descriptor
                return True
            if seconds is not None:
                time.sleep(seconds)
        return False

    def _kill(self) -> None:
        """Kill process 1, and with it all others; return when they are gone."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._first, signal.SIGKILL)
        select.select([self._first], [], [], _PATIENCE)


class _Stream:
    """The two ends of an output, in bounded memory."""

    def __init__(self, most: int) -> None:
        self.most, self.head, self.tail, self.missing = most, bytearray(), bytearray(), 0

    def take(self, piece: bytes) -> None:
        room = self.most - len(self.head)
        self.head += piece[:room]
        self.tail += piece[room:]
        if len(self.tail) > 2 * self.most + 65_536:
            gone = bytes(self.tail[: -self.most])
            self.missing += len(gone.translate(None, bytes(range(0x80, 0xC0))))
            del self.tail[: -self.most]

    def said(self) -> Said:
        return Said(bytes(self.head + self.tail).decode("utf-8", "replace"), self.missing)


def _arguments(kind: Kind, tell: int) -> list[str]:
    """Return the options of bwrap that build the machine."""
    number = "0" if kind.root else "1000"
    built = [
        *("--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session", "--as-pid-1"),
        *("--clearenv", "--uid", number, "--gid", number, "--hostname", kind.host, "--info-fd", str(tell)),
        *("--size", str(DISK), "--tmpfs", "/", "--proc", "/proc", "--dir", "/usr"),
    ]
    for path in sorted(Path("/usr").iterdir()):
        if path.is_symlink():
            built += ["--symlink", str(path.readlink()), str(path)]
        elif path.name != "local":
            built += ["--ro-bind", str(path), str(path)]
    for name in shortcuts():
        built += ["--symlink", f"usr/{name}", f"/{name}"]
    for borrowed in BORROWED:
        built += ["--ro-bind-try", borrowed, borrowed]
    built += ["--tmpfs", "/dev"]
    for name in _DEVICES:
        built += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    for name, target in _NODES.items():
        built += ["--symlink", target, f"/dev/{name}"]
    return [*built, "--remount-ro", "/dev", "--", "/bin/sh", "-c", _FIRST]


@cache
def shortcuts() -> tuple[str, ...]:
    """Return the names that lie in / and stand for a folder of /usr."""
    return tuple(name for name in SHORTCUTS if Path("/usr", name).is_dir())


def _entry(first: int, outer: int, kind: Kind) -> list[str]:
    """Return the chain of programs that enters the sandbox: first as its maker, then as its user."""
    programs = installed()
    spaces = [f"--{name}=/proc/{first}/ns/{file}" for name, file in _SPACES.items()]
    powers = [f"--bounding-set={_ROOTS_POWERS}"] if kind.root else []
    return [
        *(programs.nsenter, f"--user=/proc/self/fd/{outer}", *spaces, "--preserve-credentials", "--no-fork", "--"),
        *("/usr/bin/nsenter", "--user=/proc/1/ns/user", "--preserve-credentials", "--"),
        *(programs.setpriv, "--no-new-privs", *powers, "--"),
    ]


def _spawn(
    command: list[str],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    pass_fds: tuple[int, ...] = (),
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program from a thread that lives as long as we do: bwrap dies with the thread that started it."""
    user = owner()

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=pass_fds,
            env=dict(env or {}),
            cwd="/",
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )

    return _starter(os.getpid()).submit(start).result()


@cache
def _starter(process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, f"sandboxes of {process}")


def _read(descriptor: int) -> bytes | None:
    try:
        return os.read(descriptor, 65_536)
    except BlockingIOError:
        return None


def quoted(text: str) -> str:
    """Quote a word for bash."""
    return "'" + text.replace("'", "'\\''") + "'"
