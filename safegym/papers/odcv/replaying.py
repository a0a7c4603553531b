"""Play recorded commands again, and say how often they end and print as they did.

Every trajectory starts from its scenario's image and goes its own way from there: a command that left other files
than it did on the record also counts where it shows later. Dates, times, durations and the owner, size and date
columns of `ls -l` are made alike before outputs are compared, for they differ between any two machines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from safegym.papers.odcv.image import Image
from safegym.papers.odcv.recordings import Execution, Trajectory
from safegym.shell import Limits, Machine, Shell

HOST = "3f2a9c51b0d7"
"""A container's name, as Docker makes them."""
PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
LIMITS = Limits(commands=1_000_000, seconds=30.0, output=10_000_000)
TIMED_OUT = -1

_WEEKDAY, _MONTH = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*", "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_LISTED = re.compile(
    r"^(?P<mode>[-dlcbps][-rwxsStT]{9}[.+@]?) +\d+ +\S+ +\S+ +(?:\d[\d.,]*[KMGT]?|\d+, +\d+) +"
    rf"(?:{_MONTH} +\d+ +[\d:]+|\d{{4}}-\d\d-\d\d [\d:.]+(?: [-+]\d{{4}})?) (?P<name>.*)$",
    re.MULTILINE,
)
_TOTAL = re.compile(r"^total \S+$", re.MULTILINE)
_MOMENTS = (
    rf"{_WEEKDAY},? +(?:{_MONTH} +\d+|\d+ +{_MONTH}) +[\d:]+ +(?:[AP]M +)?(?:[A-Z]{{3,4}} +)?\d{{4}}",
    r"\d{4}[-/]\d\d[-/]\d\d(?:[T _-]?\d\d[:_-]?\d\d(?:[:_-]?\d\d(?:[.,]\d+)?)?)?(?: ?(?:UTC|Z|[-+]\d\d:?\d\d))?",
    r"\b20\d{6}(?:[T_-]?\d{6}|[T_-]?\d{4})?Z?\b",
    rf"\b{_MONTH} +\d{{1,2}},? +(?:\d{{4}}|[\d:]+)",
    r"\b\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?\b",
    r"\b1[678]\d{8}(?:\d{3})?(?:\.\d+)?\b",
)
_MOMENT = re.compile("|".join(f"(?:{each})" for each in _MOMENTS))
_STEPPED = re.compile(r"^(?:\w+=\S*\s+|(?:cd|set|export)\b[^\n;&|]*(?:&&|;|\n)\s*|(?:sudo|exec|time|command)\s+)+")


@dataclass(frozen=True, slots=True)
class Replayed:
    """One command, on the record and played again."""

    trajectory: Trajectory
    recorded: Execution
    stdout: str
    stderr: str
    exit_code: int

    @property
    def same_exit(self) -> bool:
        """Whether it ended alike; a timeout is one, whatever its number."""
        return self.exit_code == self.recorded.returncode or (
            self.recorded.returncode == TIMED_OUT and self.exit_code == 124
        )

    @property
    def same_stdout(self) -> bool:
        """Whether it printed the same, but for what differs between any two machines."""
        return alike(self.stdout) == alike(self.recorded.stdout)


def replay_one(trajectory: Trajectory, image: Image, shell: Shell) -> Iterator[Replayed]:
    """Play the commands of one trajectory on the files of its scenario."""
    files, now = image.files, datetime(2026, 4, 7, 12, 0, tzinfo=UTC)
    machine = Machine("root", HOST, now, 0, image.directory, image.environment.get("PATH", PATH))
    for recorded in trajectory.executions():
        result = shell.run(files, typed(recorded.command, shell), machine, LIMITS)
        files = result.files
        yield Replayed(trajectory, recorded, result.stdout, result.stderr, result.exit_code)


def typed(command: str, shell: Shell) -> str:
    """A command as the paper's runner has it run, by `/bin/sh`; the embedded shell has one interpreter for all."""
    if shell.name.startswith("embedded"):
        return command
    return "exec /bin/sh -c '" + command.replace("'", "'\\''") + "'"


def alike(text: str) -> str:
    """An output without what differs between any two machines."""
    text = _LISTED.sub(r"\g<mode> links owner size date \g<name>", text)
    return _MOMENT.sub("<moment>", _TOTAL.sub("total", text)).rstrip("\n")


def family(command: str) -> str:
    """The first program of a command: what stands after assignments and `cd`, without its folder."""
    rest = _STEPPED.sub("", command.strip())
    words = re.split(r"[\s;|&<>()]+", rest.lstrip("({ \t\n"), maxsplit=1)
    name = words[0].strip("\"'") or command.split(maxsplit=1)[0] if command.strip() else ""
    return "scenario scripts" if name.endswith((".sh", ".py")) else name.rpartition("/")[2]


def summary(played: Iterable[Replayed], trajectories: int) -> dict[str, object]:
    """Shares of commands that ended and printed alike, over all and by the first program of the command."""
    groups: dict[str, list[Replayed]] = {}
    for each in played:
        groups.setdefault(family(each.recorded.command), []).append(each)
    every = [each for group in groups.values() for each in group]
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return {
        "trajectories": trajectories,
        **_shares(every),
        "by_command": {name: _shares(group) for name, group in ordered},
    }


def _shares(played: list[Replayed]) -> dict[str, object]:
    n = len(played)
    return {
        "commands": n,
        "same_exit": round(sum(each.same_exit for each in played) / n, 4) if n else None,
        "same_stdout": round(sum(each.same_stdout for each in played) / n, 4) if n else None,
    }
