"""Published benchmarks: read what their authors released, recompute what they printed, play their items with any agent.

One package per paper. What they share is here and in `source`: problems with files, which are told and do not stop the
rest, and the way from a paper's name to its scenarios.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from safegym.errors import ContentError, UnknownNameError
from safegym.families.base import Choice
from safegym.families.multiple_choice import Asked
from safegym.papers.source import Problem, Release
from safegym.records import Scenario

PREFIX = "paper:"
"""How work that comes from a paper is named: `paper:odcv`, or `paper:odcv/<scenario>`."""
_READERS = {
    "managerbench": "safegym.papers.managerbench.scenarios:read_scenarios",
    "odcv": "safegym.papers.odcv.scenarios:read_scenarios",
    "pacifaist": "safegym.papers.pacifaist.scenarios:read_scenarios",
}
_WRITTEN = {"tinmen": "safegym.papers.tinmen.scenarios:write_scenarios"}
"""Papers whose questions come with safegym, in words of our own: they need no files."""
_CROSSED = {"tinmen": "safegym.papers.tinmen.scenarios:CROSSED"}
"""Papers whose design crosses factors."""
_CHOICES = {"managerbench": "safegym.papers.managerbench.scenarios:read_choices"}
_QUESTIONS = {"pacifaist": "safegym.papers.pacifaist.scenarios:read_questions"}
TWO_PROTOCOLS = ("pacifaist",)
"""Papers whose items can be played by the paper's own protocol or by a corrected one, by the option `protocol`."""


def names() -> tuple[str, ...]:
    """The names of all papers."""
    return tuple(sorted({*_READERS, *_WRITTEN}))


def needs_files(name: str) -> bool:
    """Whether a paper's scenarios are read from the files that its authors released."""
    return name not in _WRITTEN


@dataclass(frozen=True)
class Items:
    """The scenarios of a paper, what could not be read of its release, and the factors that its design crosses."""

    scenarios: tuple[Scenario, ...]
    problems: tuple[Problem, ...] = ()
    crossed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Choices:
    """The choices of a release, and what could not be read of it."""

    choices: tuple[Choice, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Questions:
    """The questions of a release, and what could not be read of it."""

    questions: tuple[Asked, ...]
    problems: tuple[Problem, ...]


def read_items(work: str, data: str | Path | None) -> Items:
    """Read the scenarios of a paper.

    Args:
        work: `paper:<name>`, or `paper:<name>/<scenario>` for one of its scenarios.
        data: The folder of the files that its authors released, or the one file that is needed; None for a paper
            whose questions come with safegym.

    Raises:
        UnknownNameError: No such paper is known, or it has no such scenario.
        ContentError: There is no folder, or nothing in it can be read; or there is one that nothing reads.
    """
    name, _, wanted = work.removeprefix(PREFIX).partition("/")
    found = _load({**_READERS, **_WRITTEN}, "paper", name)
    problems: list[Problem] = []
    if name in _WRITTEN:
        if data is not None:
            raise ContentError("--data", "", f"expected none for {PREFIX}{name}, which needs no files, got {data}")
        scenarios: list[Scenario] = found()
    else:
        release = _release(name, data)
        scenarios = found(release)
        problems = release.problems
        if not scenarios:
            raise ContentError(release.root, "", "no scenario could be read: " + "; ".join(map(str, problems)))
    chosen = [each for each in scenarios if not wanted or wanted in (each.name, each.id)]
    if not chosen:
        raise UnknownNameError(f"scenario of {name}", wanted, [each.name for each in scenarios])
    crossed = _load(_CROSSED, "paper that crosses factors", name) if name in _CROSSED else {}
    return Items(tuple(chosen), tuple(sorted(problems)), crossed)


def read_choices(work: str, data: str | Path | None) -> Choices:
    """Read the items of a paper whose items are choices between two options.

    Args:
        work: `paper:<name>`.
        data: The folder of the files that its authors released, or the one file that is needed.

    Raises:
        UnknownNameError: No such paper is known.
        ContentError: There is no folder, or something that is needed cannot be read.
    """
    name = work.removeprefix(PREFIX)
    read = _load(_CHOICES, "paper whose items are choices", name)
    release = _release(name, data)
    return Choices(tuple(read(release)), tuple(sorted(release.problems)))


def read_questions(work: str, data: str | Path | None) -> Questions:
    """Read the items of a paper whose items are questions with several options.

    Args:
        work: `paper:<name>`.
        data: The folder of the files that its authors released, or the one file that is needed.

    Raises:
        UnknownNameError: No such paper is known.
        ContentError: There is no folder, or something that is needed cannot be read.
    """
    name = work.removeprefix(PREFIX)
    read = _load(_QUESTIONS, "paper whose items are questions", name)
    release = _release(name, data)
    return Questions(tuple(read(release)), tuple(sorted(release.problems)))


def asks_questions(work: str) -> bool:
    """Whether the items of a paper are questions with several options, not choices between two.

    Raises:
        UnknownNameError: They are neither, or no such paper is known.
    """
    name = work.removeprefix(PREFIX)
    if name not in _QUESTIONS and name not in _CHOICES:
        raise UnknownNameError("paper whose items are choices or questions", name, {*_CHOICES, *_QUESTIONS})
    return name in _QUESTIONS


def _load(known: Mapping[str, str], kind: str, name: str) -> Any:  # noqa: ANN401 - a reader, or the factors of a design
    if name not in known:
        raise UnknownNameError(kind, name, known)
    module, _, attribute = known[name].partition(":")
    return getattr(import_module(module), attribute)


def _release(name: str, data: str | Path | None) -> Release:
    if data is None:
        raise ContentError("--data", "", f"expected the folder with the files that {name}'s authors released, got none")
    return Release.at(Path(data))
