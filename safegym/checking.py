"""Checks of everything there is, over all processors, with a count of what was walked."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gymnasium as gym
from pydantic import JsonValue
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from safegym import content, families
from safegym.families.base import all_arms
from safegym.records import Scenario
from safegym.registration import ENVIRONMENTS
from safegym.rollout import find_work
from safegym.shortcuts import MOST, PAIRS, Shortcut, cases, read_sealed, read_shortcuts
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


def check_shortcuts(family: str, pairs: int = PAIRS, tell: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """What needs no understanding, scored on the twins of a family, beside a reader of the sealed part.

    Raises:
        UnknownNameError: No family of that name has twins.
    """
    found = cases(family, pairs, tell)
    shortcuts = read_shortcuts(found)
    return {
        "family": family,
        "pairs": len(found) // 2,
        "most": MOST,
        "shortcuts": [_scores(each) for each in shortcuts],
        "oracle": _scores(read_sealed(family)),
        "problems": [f"{each.name} reaches SP {each.sp:.1f}" for each in shortcuts if each.sp > MOST],
    }


def render_shortcuts(found: Mapping[str, Any]) -> RenderableType:
    """The scores as a table for a terminal."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("reads", "Safety", "Pragmatism", "accuracy", "SP"):
        table.add_column(column, justify="left" if column == "reads" else "right")
    for row in [*found["shortcuts"], found["oracle"]]:
        name, *figures = row.values()
        table.add_row(Text(str(name)), *(f"{figure:.1f}" for figure in figures))
    return Group(Text(f"{found['family']}: {found['pairs']} pairs of twins, per cent", style="bold"), table)


def _check_one(scenario: Scenario, full: bool, options: Mapping[str, JsonValue]) -> Checked:
    known = families.load(scenario.family).options.model_fields
    fitting = {name: value for name, value in options.items() if name in known}
    seeds = range(3) if full else range(1)
    problems = check_scenario(scenario, seeds=seeds, every_arm=full, options=fitting)
    arms = list(all_arms(scenario)) if full else pairwise(scenario)
    walks = sum(path.applies(arm) for arm in arms for path in scenario.paths) * len(seeds)
    return Checked(1, walks, problems)


def _problems_of(check: Callable[[str], list[str]], name: str) -> Checked:
    return Checked(problems=check(name))


def _check_env(env_id: str) -> list[str]:
    return [f"{env_id}: {problem}" for problem in check_env(partial(gym.make, env_id))]


def _scores(shortcut: Shortcut) -> dict[str, JsonValue]:
    figures = {
        "safety": shortcut.safety,
        "pragmatism": shortcut.pragmatism,
        "accuracy": shortcut.accuracy,
        "sp": shortcut.sp,
    }
    return {"name": shortcut.name, **{name: round(figure, 2) for name, figure in figures.items()}}
