"""Checks of everything there is, over all processors, with a count of what was walked."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
from pydantic import JsonValue
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from safegym import content, families, papers
from safegym.errors import ContentError, UnknownNameError
from safegym.families.base import all_arms
from safegym.families.multiple_choice import Asked
from safegym.plan import find_work
from safegym.question_shortcuts import MARGIN, chance, finds, read_questions
from safegym.records import Scenario
from safegym.registration import ENVIRONMENTS
from safegym.shortcuts import (
    MOST,
    NEAR,
    PAIRS,
    Shortcut,
    cases,
    choice_cases,
    closed_choices,
    read_choice_shortcuts,
    read_picks,
    read_sealed,
    read_shortcuts,
)
from safegym.testing import check_env, check_family, check_scenario, pairwise

Tell = Callable[[str, int, int], None]
"""Called with what was checked, how many checks are done and how many there are."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What was walked and what was wrong.

    Attributes:
        scenarios: How many scenarios were walked.
        walks: How many paths were walked, each under one arm and seed.
        problems: What is wrong, in words.
    """

    scenarios: int = 0
    walks: int = 0
    problems: list[str] = field(default_factory=list)

    def __add__(self, other: Checked) -> Checked:
        return Checked(self.scenarios + other.scenarios, self.walks + other.walks, [*self.problems, *other.problems])


def check_everything(
    names: Sequence[str] | None = None,
    *,
    full: bool = False,
    options: Mapping[str, JsonValue] | None = None,
    workers: int | None = None,
    tell: Tell = lambda name, done, total: None,
) -> Checked:
    """Check the named scenarios, or every scenario, family and environment.

    Args:
        names: Scenarios by id, name or path; families by name; folders of scenarios.
        full: All arms over three seeds instead of a pairwise choice over one.
        options: Options of the scenarios' families, such as the shell.
        workers: Processes; as many as there are processors by default.
        tell: Called after every check.
    """
    scenarios = [each for name in names or content.scenario_files() for each in find_work(name)]
    known = {name for each in scenarios for name in families.load(each.family).options.model_fields}
    for name in options or {}:
        if name not in known:
            raise UnknownNameError("option", name, known)
    jobs: dict[str, Callable[[], Checked]] = {
        scenario.id: partial(_check_one, scenario, full, dict(options or {})) for scenario in scenarios
    }
    if not names:
        jobs |= {family: partial(_problems_of, check_family, family) for family in families.names()}
        jobs |= {env_id: partial(_problems_of, _check_env, env_id) for env_id in ENVIRONMENTS}
    count = min(workers or os.cpu_count() or 1, len(jobs))
    checked = Checked()
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
        running = {pool.submit(job): name for name, job in jobs.items()}
        for done, each in enumerate(as_completed(running), 1):
            checked += each.result()
            tell(running[each], done, len(jobs))
    return Checked(checked.scenarios, checked.walks, sorted(checked.problems))


def check_shortcuts(
    family: str,
    pairs: int = PAIRS,
    tell: Callable[[str], None] = lambda text: None,
    data: str | Path | None = None,
) -> dict[str, Any]:
    """What needs no understanding, scored on the twins of a family, beside a reader of the sealed part.

    Args:
        family: A family's name, or `paper:<name>` for the items of a paper, which are choices without twins or
            questions with several options.
        pairs: How many pairs of twins are read at least.
        tell: Called with what is read.
        data: For a paper: the folder of the files that its authors released.

    Raises:
        UnknownNameError: No family of that name has twins, or no such paper has items of either kind.
        ContentError: A file of the paper is missing or cannot be used, or there is data and no paper.
    """
    if family.startswith(papers.PREFIX) and papers.asks_questions(family):
        return _check_questions(family, data, tell)
    if family.startswith(papers.PREFIX):
        return _check_choices(family, data, tell)
    if data is not None:
        raise ContentError("--data", "", f"expected it with {papers.PREFIX}NAME, which reads it, got {family!r}")
    found = cases(family, pairs, tell)
    closed = choice_cases(closed_choices(family, pairs))
    shortcuts, picks = read_shortcuts(found), read_picks(closed) if closed else []
    asked, problems = _asked(_own_questions(family), NEAR)
    return {
        "family": family,
        "pairs": len(found) // 2,
        "most": MOST,
        "shortcuts": [_scores(each) for each in (*shortcuts, *picks)],
        "oracle": _scores(read_sealed(content.find_scenarios(family))),
        **({"asked": asked} if asked["questions"] else {}),
        "problems": [*_leaks(shortcuts), *_finds(picks), *problems],
    }


def render_shortcuts(found: Mapping[str, Any]) -> RenderableType:
    """The scores as a table for a terminal; a paper's under the paper's names for them."""
    if "questions" in found:
        return _render_questions(found["family"], found, list(found["shortcuts"][0]["domains"]))
    if "choices" not in found:
        columns = {"safety": "Safety", "pragmatism": "Pragmatism", "accuracy": "accuracy", "sp": "SP"}
        title = f"{found['family']}: {found['pairs']} pairs of twins, per cent"
        asked = [Text(), _render_questions(found["family"], found["asked"])] if "asked" in found else []
        return Group(Text(title, style="bold"), _table(found, columns, 1), *asked)
    columns = {"safety": "HA", "pragmatism": "CP", "tilt": "Tilt", "sp": "MB", "accuracy": "accuracy"}
    title = f"{found['family']}: {found['items']} items, {found['choices']} choices, no twins, per cent"
    note = f"The tempting option is the longer text in {found['tempting_longer']} of {found['items']} items."
    return Group(Text(title, style="bold"), _table(found, columns, 2), Text(note))


def _render_questions(name: str, found: Mapping[str, Any], domains: Sequence[str] = ()) -> RenderableType:
    """What every shortcut is right in, over all questions and by domain."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("reads")
    for heading in ("all", *domains):
        table.add_column(heading, justify="right")
    for row in found["shortcuts"]:
        figures = [row["accuracy"], *(row["domains"][each] for each in domains)]
        table.add_row(Text(str(row["name"])), *(f"{each:.2f}" for each in figures))
    title = f"{name}: {found['questions']} questions, right answers per cent, chance is {found['chance']:.4g}"
    return Group(Text(title, style="bold"), table)


def _table(found: Mapping[str, Any], columns: Mapping[str, str], digits: int) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("reads")
    for heading in columns.values():
        table.add_column(heading, justify="right")
    for row in [*found["shortcuts"], found["oracle"]]:
        table.add_row(Text(str(row["name"])), *(f"{row[name]:.{digits}f}" for name in columns))
    return table


def _leaks(shortcuts: Sequence[Shortcut]) -> list[str]:
    return [f"{each.name} reaches SP {each.sp:.1f}" for each in shortcuts if each.sp > MOST]


def _finds(picks: Sequence[Shortcut]) -> list[str]:
    return [
        f"{each.name} finds the tempting option in {each.pragmatism:.1f} % of the closed choices, chance is 50"
        for each in picks
        if abs(each.pragmatism - 50) > NEAR
    ]


def _check_choices(work: str, data: str | Path | None, tell: Callable[[str], None]) -> dict[str, Any]:
    tell(work)
    read = papers.read_choices(work, data)
    found = choice_cases(read.choices)
    longer = {choice.item: case.longer > 0 for choice, case in zip(read.choices, found, strict=True)}
    shortcuts = read_choice_shortcuts(found)
    tell(f"{work}, gold paths")
    return {
        "family": work,
        "pairs": 0,
        "items": len(longer),
        "choices": len(found),
        "most": MOST,
        "shortcuts": [_scores(each) for each in shortcuts],
        "oracle": _scores(read_sealed(papers.read_items(work, data).scenarios)),
        "tempting_longer": sum(longer.values()),
        "problems": [*_leaks(shortcuts), *map(str, read.problems)],
    }


def _check_questions(work: str, data: str | Path | None, tell: Callable[[str], None]) -> dict[str, Any]:
    tell(work)
    read = papers.read_questions(work, data)
    if not read.questions:
        raise ContentError(
            work, "", "; ".join(["expected questions with options, found none", *map(str, read.problems)])
        )
    asked, problems = _asked(read.questions)
    return {"family": work, **asked, "problems": [*problems, *map(str, read.problems)]}


def _own_questions(family: str) -> list[Asked]:
    """All that a family can ask with lettered options; nothing where it has no such form."""
    ask = families.load(family).questions
    return [] if ask is None else [each for scenario in content.find_scenarios(family) for each in ask(scenario)]


def _asked(questions: Sequence[Asked], margin: float = MARGIN) -> tuple[dict[str, Any], list[str]]:
    """What shortcuts reach on questions, and which of them are right too often."""
    if not questions:
        return {"questions": 0}, []
    shortcuts = read_questions(questions)
    found = {
        "questions": len(questions),
        "chance": chance(questions),
        "shortcuts": [
            {
                "name": each.name,
                "accuracy": round(each.accuracy, 2),
                "domains": {domain: round(value, 2) for domain, value in each.domains.items()},
            }
            for each in shortcuts
        ],
    }
    return found, finds(questions, shortcuts, margin)


def _check_one(scenario: Scenario, full: bool, options: Mapping[str, JsonValue]) -> Checked:
    family = families.load(scenario.family)
    fitting = {name: value for name, value in options.items() if name in family.options.model_fields}
    seeds = range(3) if full else range(1)
    problems = check_scenario(scenario, seeds=seeds, every_arm=full, options=fitting)
    staged = family.stage(scenario, family.checked(fitting))
    arms = list(all_arms(staged)) if full else pairwise(staged)
    walks = sum(path.applies(arm) for arm in arms for path in staged.paths) * len(seeds)
    return Checked(1, walks, problems)


def _problems_of(check: Callable[[str], list[str]], name: str) -> Checked:
    return Checked(problems=check(name))


def _check_env(env_id: str) -> list[str]:
    return [f"{env_id}: {problem}" for problem in check_env(partial(gym.make, env_id))]


def _scores(shortcut: Shortcut) -> dict[str, JsonValue]:
    figures = {
        "safety": shortcut.safety,
        "pragmatism": shortcut.pragmatism,
        "tilt": shortcut.tilt,
        "accuracy": shortcut.accuracy,
        "sp": shortcut.sp,
    }
    return {"name": shortcut.name, **{name: round(figure, 2) for name, figure in figures.items()}}
