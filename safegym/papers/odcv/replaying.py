"""Play recorded commands again, and say how often they end and print as they did.

Every trajectory starts from its scenario's image and goes its own way from there: a command that left other files
than it did on the record also counts where it shows later. Dates, times, durations and the owner, size and date
columns of `ls -l` are made alike before outputs are compared, for they differ between any two machines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from safegym.errors import ContentError
from safegym.papers.odcv.image import HARNESS, PERMISSIONS, TEMPLATES, Image, build
from safegym.papers.odcv.recordings import FILE, Execution, Trajectory, find_recordings, read_recording
from safegym.papers.odcv.scenarios import scenario_folders
from safegym.papers.odcv.world import EXPIRED, NOW, machine, typed, with_folders
from safegym.papers.source import Release
from safegym.shell import Limits, Shell

LIMITS = Limits(commands=1_000_000, seconds=30.0, output=10_000_000)
TIMED_OUT = -1

_WEEKDAY, _MONTH = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*", "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_LISTED = re.compile(
    r"^(?P<mode>[-dlcbps][-rwxsStT]{9}[.+@]?) +\d+ +\S+ +\S+ +(?:\d[\d.,]*[KMGT]?|\d+, +\d+) +"
    rf"(?:{_MONTH} +\d+ +[\d:]+|\d{{4}}-\d\d-\d\d [\d:.]+(?: [-+]\d{{4}})?) (?P<name>.*)$",
    re.MULTILINE,
)
_MODE = re.compile(r"^[-dl][-rwxsStT]{9}[.+@]? ", re.MULTILINE)
_HOST = re.compile(r"\b[0-9a-f]{12}\b")
_CHANCE = re.compile(rb"\bRANDOM\b|urandom|\bshuf\b|\brand\(|import random|uuidgen|mktemp")
_NUMBER = re.compile(r"\d+")
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_SHOWN = re.compile(rf"\b({'|'.join(_MONTHS)}) +(\d{{1,2}}) (\d\d):(\d\d)\b")
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
_VALUE = r"""(?:"[^"]*"|'[^']*'|\$\([^()]*(?:\([^()]*\)[^()]*)*\)|[^\s;&|"'])*+"""
_PREAMBLE = re.compile(
    rf"""\s*(?:\#[^\n]*(?:\n|$)  # a comment
    | \w+={_VALUE}[ \t]*+(?:&&|;|\n|(?=[^\s;&|]))  # a setting
    | (?:cd|set|export)\b[^\n;&|]*(?:&&|;|\|\||\n)  # what only prepares
    | (?:sudo|exec|time|command)[ \t]+ | [({{] )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Replayed:
    """One command, on the record and played again."""

    trajectory: Trajectory
    recorded: Execution
    stdout: str
    stderr: str
    exit_code: int
    drawn: bool = False
    """Whether the scenario's scripts, or the command itself, draw random numbers."""
    after_another: bool = False
    """Whether an earlier command of the trajectory ended or printed otherwise than on the record."""

    @property
    def same_exit(self) -> bool:
        """Whether it ended alike; a timeout is one, whatever its number."""
        return self.exit_code == self.recorded.returncode or (
            self.recorded.returncode == TIMED_OUT and self.exit_code == EXPIRED
        )

    @property
    def same_stdout(self) -> bool:
        """Whether it printed the same, but for what differs between any two machines."""
        return alike(self.stdout) == alike(self.recorded.stdout)


def replay_one(trajectory: Trajectory, image: Image, shell: Shell) -> Iterator[Replayed]:
    """Play the commands of one trajectory on the files of its scenario."""
    by_chance = any(_CHANCE.search(each.content) for each in image.files.values())
    differs = False
    files, where = image.files, replace(machine(image.directory, image.environment, 0), now=clock(trajectory))
    for recorded in trajectory.executions():
        result = shell.run(files, typed(recorded.command, shell, image.base), where, LIMITS)
        files = with_folders(result.files, image.files)
        drawn = by_chance or _CHANCE.search(recorded.command.encode()) is not None
        played = Replayed(trajectory, recorded, result.stdout, result.stderr, result.exit_code, drawn, differs)
        yield played
        differs = differs or not (played.same_exit and played.same_stdout)


@dataclass(frozen=True, slots=True)
class Played:
    """Everything that was played again."""

    commands: tuple[Replayed, ...]
    trajectories: int


def replay_all(release: Release, shell: Shell, tell: Callable[[int, int], None]) -> Played:
    """Play every recorded trajectory of a release whose scenario folder is there.

    Args:
        release: The paper's files; what cannot be read is noted on it.
        shell: Where to play.
        tell: Called with the number of trajectories that are done and with their total.

    Raises:
        ContentError: There is not one recording.
    """
    paths = find_recordings(release.root)
    if not paths:
        raise ContentError(release.root, "", f"expected recordings named {FILE} below it, found none")
    folders, images = scenario_folders(release.root), dict[tuple[Path, int], Image]()
    played: list[Replayed] = []
    count = 0
    for done, path in enumerate(paths):
        tell(done, len(paths))
        for trajectory in release.read_each([path], read_recording):
            folder = folders.get((trajectory.variant, trajectory.scenario))
            if folder is None:
                name = f"{trajectory.variant}_scenarios/{trajectory.scenario}"
                release.note(path, f"expected its scenario's folder, such as {name}, found none")
                continue
            key = folder, checkout_permissions(trajectory)
            if key not in images:
                images.update((key, each) for each in release.read_each([folder], partial(build, permissions=key[1])))
            if key in images:
                played += replay_one(trajectory, images[key], shell)
                count += 1
    tell(len(paths), len(paths))
    return Played(tuple(played), count)


def checkout_permissions(trajectory: Trajectory) -> int:
    """The permissions of copied files where a trajectory was recorded.

    They are those of the checkout, which the release does not tell. Some were made where everybody may do everything
    (`-rwxrwxrwx`, as Windows folders show in Linux), which their first listings of files tell.
    """
    for each in trajectory.executions():
        for listed in _LISTED.finditer(each.stdout):
            known = listed["mode"] in {"-rwxrwxrwx", "-rw-rw-r--"} and "chmod" not in each.command
            if known and not listed["name"].endswith((*HARNESS, *TEMPLATES)):
                return 0o777 if listed["mode"] == "-rwxrwxrwx" else PERMISSIONS
    return PERMISSIONS


def clock(trajectory: Trajectory) -> datetime:
    """When a trajectory was recorded, by the newest time that it shows; agents name files by the day."""
    shown = (found for each in trajectory.executions() for found in _SHOWN.finditer(each.stdout))
    moments = []
    for month, *rest in (found.groups() for found in shown):
        day, hour, minute = map(int, rest)
        with suppress(ValueError):  # no such day
            moments.append(NOW.replace(month=_MONTHS.index(month) + 1, day=day, hour=hour, minute=minute))
    return max(moments, default=NOW)


def cause(missed: Replayed) -> str:
    """Why a command most likely differs from the record, by what can be seen of it."""
    recorded, here = missed.recorded, missed
    command, theirs, ours = recorded.command, alike(recorded.stdout), alike(here.stdout)
    if recorded.returncode == TIMED_OUT or here.exit_code == EXPIRED:
        return "time limit"
    missing = re.search(r"(\w[\w.+-]*): (?:command not found|not found|No such file or directory$)", here.stderr)
    if (here.exit_code == 127 and recorded.returncode != 127) or "/usr/bin/python3: No such" in here.stderr:
        return f"not installed here: {missing[1]}" if missing else "not installed here"
    if sorted(theirs.splitlines()) == sorted(ours.splitlines()):
        return "lines in another order" if missed.same_exit else "exit code only"
    if any(name in command or name in theirs for name in ("flask", *HARNESS)):
        return "the runner's own files"
    if _HOST.sub("host", theirs) == _HOST.sub("host", ours):
        return "host name"
    if _MODE.sub("mode ", theirs) == _MODE.sub("mode ", ours):
        return "permissions of the authors' checkout"
    if re.search(r"\bls\b[^|;&]* /(?:\s|$)|\bfind /(?:\s|$)|/(?:proc|sys|etc|var|usr(?!/local/bin))\b", command):
        return "files of the base image"
    if re.search(r"\{\w+\.\.\w+\}", theirs + command):
        return "/bin/sh and bash differ"
    if missed.drawn:
        return "chance, or what follows from it"
    if _NUMBER.sub("0", theirs) == _NUMBER.sub("0", ours):
        return "other numbers"
    return "other, after an earlier difference" if missed.after_another else "other"


def alike(text: str) -> str:
    """An output without what differs between any two machines."""
    text = _LISTED.sub(r"\g<mode> links owner size date \g<name>", text)
    return _MOMENT.sub("<moment>", _TOTAL.sub("total", text)).rstrip("\n")


def family(command: str) -> str:
    """The first program of a command, without its folder: what stands after comments, assignments and `cd`."""
    rest = command
    while (found := _PREAMBLE.match(rest)) and found.end() and rest[found.end() :].strip():
        rest = rest[found.end() :]
    words = re.split(r"[\s;|&<>()]+", rest.strip(), maxsplit=1)
    name = words[0].strip("\"'") or "(nothing)"
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
