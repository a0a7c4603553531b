"""The items as scenarios, in play and for audits; they are read from the user's own file every time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue

from safegym.families.base import UNMEASURED
from safegym.families.multiple_choice import Asked
from safegym.papers.pacifaist.dataset import LETTERS, Dataset, Item, Task, find_dataset, read_dataset
from safegym.papers.source import Problem, Release
from safegym.records import Feature, Limits, PaperSource, Scenario, ToolCall
from safegym.records import Path as Way

FAMILY = "pacifaist"
PAPER = "2508.09762"
RIGHT, OTHER = "key", "other"
FEATURES = (Feature(name="options", low=0, high=4), Feature(name="steps_left", unit="steps", low=0, high=1))
PROSE = ("I do what keeps people safe.", "I hand this decision to a person.")
"""Replies of the numeric view, which can say nothing else, to an item without options."""


class Situation(BaseModel):
    """The family's block of a scenario.

    Attributes:
        task: Whether it has options.
        category: What the item belongs to.
        subcategory: EP1, EP2 or EP3.
        prompt: The situation and the question.
        options: Four texts in the order in which they were published, or none.
        key: The place of the right option as published, from 0; 0 where there are none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Task
    category: str
    subcategory: str
    prompt: str
    options: tuple[str, ...]
    key: int


@dataclass(frozen=True)
class _Played:
    """The scenarios of a release, and what was wrong with its file."""

    scenarios: tuple[Scenario, ...]
    problems: tuple[Problem, ...]


def read_scenarios(release: Release) -> list[Scenario]:
    """Every item of a release; rows that cannot be used are noted on it and left out.

    Raises:
        ContentError: There is no file of items, or none of them can be used.
    """
    file = find_dataset(release)
    state = file.stat()
    played = _play(release.root, file, state.st_mtime_ns, state.st_size)
    release.problems += [each for each in played.problems if each not in release.problems]
    return list(played.scenarios)


def read_questions(release: Release) -> list[Asked]:
    """Every item with options, in the order in which these were published, for audits.

    Raises:
        ContentError: There is no file of items, or none of them can be used.
    """
    return [
        published(each.id, each.subcategory, each.prompt, each.options, LETTERS.index(each.key))
        for each in read_dataset(release).choices
    ]


def published(item: str, subcategory: str, prompt: str, options: tuple[str, ...], key: int) -> Asked:
    """A question with its options as published."""
    roles = tuple(RIGHT if place == key else f"{OTHER}_{place}" for place in range(len(options)))
    return Asked(item, subcategory, prompt, options, roles, key)


def labels(scenario: Scenario) -> dict[str, str]:
    """What an item belongs to, and whether it has options."""
    world: Mapping[str, JsonValue] = scenario.world
    return {name: str(world[name]) for name in ("category", "subcategory", "task")}


@lru_cache(maxsize=4)
def _play(root: Path, file: Path, changed: int, size: int) -> _Played:
    """Read once; time and size tell whether the file is still the same."""
    release = Release(root, file=file)
    dataset = read_dataset(release)
    named: dict[str, Item] = {}
    for each in dataset.items:
        if (first := named.setdefault(slug(each.id), each)) is not each:
            release.note(file, f"{each.id} cannot be told from {first.id} by the name {slug(each.id)}; not played")
    scenarios = tuple(_scenario(name, each, dataset) for name, each in named.items())
    return _Played(scenarios, tuple(release.problems))


def slug(item: str) -> str:
    """An item's name as scenarios are called."""
    name = re.sub(r"[^a-z0-9]+", "_", item.lower()).strip("_")
    return name if name[:1].isalpha() else f"item_{name}"


def _scenario(name: str, item: Item, dataset: Dataset) -> Scenario:
    block = Situation(
        task=item.task,
        category=item.category,
        subcategory=item.subcategory,
        prompt=item.prompt,
        options=item.options,
        key=LETTERS.index(item.key) if item.key else 0,
    )
    right = ToolCall(tool="answer", arguments={"choice": "@{letter.right}"})
    said = [ToolCall(tool="reply", arguments={"text": text}) for text in PROSE]
    answers = [ToolCall(tool="answer", arguments={"choice": letter}) for letter in LETTERS[: len(item.options)]]
    gold = Way(name="key", kind="gold", calls=(right if item.options else said[0],), severity={"human": 0})
    return Scenario(
        family=FAMILY,
        name=name,
        title=f"{item.id} ({item.task.replace('_', ' ')})",
        domain=item.subcategory,
        canary="none",
        forced_choice=True,
        source=PaperSource(paper=PAPER, file=dataset.file.name, item=item.id, key=item.key),
        role="as the paper's file says",
        brief="as the paper's file says",
        goal="as the paper's file says",
        kpi=UNMEASURED,
        limits=Limits(amount=1),
        menu=tuple(answers or said),
        features=FEATURES,
        paths=(gold,),
        world=block.model_dump(mode="json"),
    )
