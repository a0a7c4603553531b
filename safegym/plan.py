"""What a run plays: the scenarios, arms and seeds that its words stand for, every name checked before it starts."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, SupportsIndex

from pydantic import JsonValue

from safegym import content, families, papers
from safegym.content import Suite
from safegym.errors import ContentError, UnknownNameError
from safegym.families import games, presets
from safegym.families.base import complete_arm, lacking
from safegym.families.presets import is_game
from safegym.records import FACTORS, Arm, Scenario
from safegym.shell import open_shell

MOST_TOLD = 3
"""How many flaws of a paper's files an error tells, and how many of several scenarios a run's name tells."""
SAME_WORD = 0.8
"""How near a name is to that of a family for the family alone to be suggested."""
TWINS: dict[str, tuple[str, ...]] = {"stakes": ("human", "control")}
"""The arms of a run that names a whole family."""


@dataclass(frozen=True)
class Job:
    """One episode to play."""

    scenario: Scenario
    arm: Arm
    seed: int
    repeat: int = 0


@dataclass(frozen=True)
class Plan:
    """The work of a run: its jobs, and the options and limit that belong to its identity."""

    name: str
    jobs: tuple[Job, ...]
    options: dict[str, JsonValue] = field(default_factory=dict)
    limit: int | None = None
    problems: tuple[str, ...] = ()
    """What could not be read of a paper's files, and is not played."""
    seats: tuple[str, ...] = ()
    """The players of a game, for work that is one."""


def make_plan(
    work: str | Path | Scenario | Sequence[str],
    *,
    arms: Mapping[str, str | Sequence[str]] | None = None,
    options: Mapping[str, JsonValue] | None = None,
    seeds: Iterable[int] | None = None,
    repeats: int = 1,
    limit: int | None = None,
    data: str | Path | None = None,
) -> Plan:
    """The jobs of a run, every name checked and every scenario read, before anything is written or played."""
    asked = {name: (levels,) if isinstance(levels, str) else tuple(levels) for name, levels in (arms or {}).items()}
    own_seeds = None if seeds is None else _checked_seeds(seeds)
    suite, scenarios, problems = _found(work, data)
    if any(is_game(scenario.family) for scenario in scenarios):
        _check_games(scenarios, {"--arm": asked, "--limit": limit, "--data": data})
        return _plan_games(suite, scenarios, options or {}, own_seeds, repeats)
    crossed: dict[str, tuple[str, ...]] = {**suite.arms, **asked}
    settings: dict[str, JsonValue] = {**suite.options, **(options or {})}
    settings = _checked_options(settings, set(options or {}) - set(suite.options), scenarios)
    scenarios = _played(scenarios, settings, problems)
    _check_levels(asked, [_staged(each, settings) for each in scenarios])
    _check_levels(suite.arms, scenarios)
    chosen = suite.seeds if own_seeds is None else own_seeds
    crossing = (
        Job(scenario, arm, seed, repeat)
        for repeat in range(repeats)
        for seed in chosen
        for scenario in scenarios
        for arm in _arms(_staged(scenario, settings), crossed)
    )
    jobs = tuple({(each.scenario.hash, str(each.arm), each.seed, each.repeat): each for each in crossing}.values())
    bound = limit if limit is not None else suite.limits.amount if suite.limits else None
    return Plan(suite.name, jobs, settings, bound, problems)


def _plan_games(
    suite: Suite,
    scenarios: Sequence[Scenario],
    options: Mapping[str, JsonValue],
    seeds: tuple[int, ...] | None,
    repeats: int,
) -> Plan:
    """A run of a game: presets and seeds crossed; a setting that every preset has already is left out."""
    settings: dict[str, JsonValue] = {}
    for scenario in scenarios:
        settings |= presets.checked_options(scenario, {**suite.options, **options})
    settings = {name: value for name, value in settings.items() if any(each.world[name] != value for each in scenarios)}
    chosen = suite.seeds if seeds is None else seeds
    jobs = dict.fromkeys(
        Job(scenario, Arm(), seed, repeat) for repeat in range(repeats) for seed in chosen for scenario in scenarios
    )
    seats = {presets.begin(scenario, settings, 0).players: scenario.id for scenario in scenarios}
    if len(seats) > 1:
        told = ", ".join(f"{name} has {len(players)}" for players, name in seats.items())
        raise ContentError("safegym run", "", f"expected presets with the same players, got others: {told}")
    return Plan(suite.name, tuple(jobs), settings, seats=next(iter(seats)))


def _check_games(scenarios: Sequence[Scenario], given: Mapping[str, object]) -> None:
    """Refuse games beside other work, and what only worlds have."""
    names = {scenario.family for scenario in scenarios}
    if len(names) > 1:
        raise ContentError("safegym run", "", f"expected one game by itself, got {', '.join(sorted(names))}")
    for flag, value in given.items():
        if value:
            raise ContentError(flag, "", f"expected it with scenarios, got it with the game {names.pop()}; use --set")


def shell_of(options: Mapping[str, JsonValue]) -> str:
    """Name and version of the shell that worlds have here under these options."""
    return open_shell(str(options.get("shell", "embedded"))).name


def _found(
    work: str | Path | Scenario | Sequence[str], data: str | Path | None
) -> tuple[Suite, list[Scenario], tuple[str, ...]]:
    if isinstance(work, Scenario):
        return Suite(name=work.name, title=work.title, scenarios=(work.id,)), [work], ()
    names = [str(work)] if isinstance(work, str | Path) else [str(each) for each in work]
    if not names:
        raise UnknownNameError("scenario", "", content.scenario_files())
    if any(name.startswith(papers.PREFIX) for name in names):
        return _of_paper(names, data)
    if data is not None:
        raise ContentError("--data", "", f"expected work such as {papers.PREFIX}odcv, which reads it, got {names[0]!r}")
    if len(names) == 1 and (found := presets.find_games(names[0])):
        first, whole = found[0], names[0].partition("/")[2] in ("", "*") and is_game(names[0].partition("/")[0])
        name = first.family if whole else f"{first.family}-{first.name}"
        return Suite(name=name, title=first.title, scenarios=tuple(each.id for each in found)), found, ()
    if len(names) == 1 and (names[0] in content.suite_files() or f"{content.SUITES}/" in names[0]):
        suite = content.find_suite(names[0])
        return suite, [scenario for name in suite.scenarios for scenario in find_work(name)], ()
    scenarios = [scenario for name in names for scenario in find_work(name)]
    if len(names) == 1 and names[0] in families.names():
        title = families.load(names[0]).title
        return Suite(name=names[0], title=title, scenarios=(f"{names[0]}/*",), arms=TWINS), scenarios, ()
    joined = "+".join(scenario.name for scenario in scenarios[:3]) + ("+more" if len(scenarios) > 3 else "")
    return Suite(name=joined, title=joined, scenarios=tuple(names)), scenarios, ()


def _of_paper(names: Sequence[str], data: str | Path | None) -> tuple[Suite, list[Scenario], tuple[str, ...]]:
    """The scenarios of a paper, under the options that its family has by default."""
    if len({name.partition("/")[0] for name in names}) > 1:
        raise ContentError("safegym run", "", f"expected one paper by itself, got {', '.join(names)}")
    found = [papers.read_items(name, data) for name in names]
    scenarios = list({each.id: each for items in found for each in items.scenarios}.values())
    options: Any = families.load(scenarios[0].family).checked({})
    told = [names[0], *(name.partition("/")[2] or "all" for name in names[1:MOST_TOLD])]
    title = "+".join(told).replace(":", "-").replace("/", "-") + ("+more" if len(names) > MOST_TOLD else "")
    ids = tuple(each.id for each in scenarios)
    suite = Suite(name=title, title=title, scenarios=ids, options=options, arms=dict(found[0].crossed))
    return suite, scenarios, tuple(map(str, found[0].problems))


def find_work(name: str) -> list[Scenario]:
    """The scenarios that a name stands for: a family or a game, `family/*`, a folder of scenarios, or a scenario."""
    if found := presets.find_games(name):
        return found
    family, _, rest = name.partition("/")
    if rest == "*" and family not in families.names():
        raise UnknownNameError("family", family, families.names())
    if rest in {"", "*"} and family in families.names():
        return content.find_scenarios(family)
    try:
        return content.read_folder(name) or [content.find_scenario(name)]
    except UnknownNameError as error:
        valid = [*error.valid, *families.names(), *content.suite_files(), *games.names(), *content.preset_files()]
        meant = get_close_matches(name.replace("-", "_"), families.names(), n=1, cutoff=SAME_WORD)
        raise UnknownNameError("suite, family, scenario or game", name, meant or valid) from None


def read_seeds(text: str, option: str = "--seeds") -> list[int]:
    """The seeds in a text such as `0-4` or `0,3,7`; an error names the option."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or int(last or first) < int(first):
            raise ContentError(option, "", f"expected seeds such as 0-4 or 0,3,7, got {text!r}")
        seeds += range(int(first), int(last or first) + 1)
    return seeds


def _checked_seeds(seeds: object) -> tuple[int, ...]:
    """Seeds as whole numbers; a `ContentError` for anything but a list of them."""
    found = () if isinstance(seeds, str) or not isinstance(seeds, Iterable) else tuple(seeds)
    if not found or any(isinstance(each, bool) or not isinstance(each, SupportsIndex) for each in found):
        raise ContentError(
            "seeds", "", f"expected a list of whole numbers such as [0, 1, 2] or range(3), got {seeds!r}"
        )
    whole = tuple(map(operator.index, found))
    if min(whole) < 0:
        raise ContentError("seeds", "", f"expected seeds from 0 on, got {min(whole)}; the nearest is 0")
    return whole


def _check_levels(crossed: Mapping[str, Sequence[str]], scenarios: Sequence[Scenario]) -> None:
    for factor, levels in crossed.items():
        if factor not in FACTORS:
            raise UnknownNameError("factor", factor, FACTORS)
        having = list(dict.fromkeys(name for scenario in scenarios for name in scenario.arms))
        if scenarios and factor not in having:
            which = scenarios[0].id if len(scenarios) == 1 else f"any of these {len(scenarios)} scenarios"
            raise ContentError("arms", factor, lacking(which, having))
        for level in levels:
            if level not in FACTORS[factor]:
                raise UnknownNameError(f"level of {factor}", level, FACTORS[factor])
            known = {each for scenario in scenarios for each in scenario.arms.get(factor, ())}
            if level not in known:
                raise UnknownNameError(f"level of {factor} in these scenarios", level, known)


def _checked_options(
    settings: Mapping[str, JsonValue], told: Collection[str], scenarios: Sequence[Scenario]
) -> dict[str, JsonValue]:
    """The options as their families have them: `horizon=1` and `horizon="1"` are one identity.

    One that was only `told` on the command line and is the default is left out, so that it is no other identity.
    """
    checked: dict[str, JsonValue] = {}
    loaded = {scenario.family: families.load(scenario.family) for scenario in scenarios}
    valid = {name for family in loaded.values() for name in family.options.model_fields}
    for name, value in settings.items():
        if name not in valid:
            raise UnknownNameError("option", name, valid)
        having = [family for family in loaded.values() if name in family.options.model_fields]
        checked[name] = [family.checked({name: value})[name] for family in having][-1]
        if name in told and all(family.checked({})[name] == checked[name] for family in having):
            del checked[name]
    return checked


def _played(
    scenarios: Sequence[Scenario], settings: Mapping[str, JsonValue], problems: Sequence[str] = ()
) -> list[Scenario]:
    """The scenarios that the options have a run play; a `ContentError` where there is none."""
    found = [each for each in scenarios if families.load(each.family).plays(each, _own(each, settings))]
    if scenarios and not found:
        told = ", ".join(f"{name}={value}" for name, value in _own(scenarios[0], settings).items())
        others = f" or one of {len(scenarios) - 1} more that were read" if len(scenarios) > 1 else ""
        reasons = [f"expected options under which it{others} is played, got {told}"]
        reasons += [each for each in [families.load(scenarios[0].family).unplayed] if each]
        reasons += [f"could not be read: {each}" for each in problems[:MOST_TOLD]]
        raise ContentError(scenarios[0].id, "", "; ".join(reasons))
    return found


def _staged(scenario: Scenario, settings: Mapping[str, JsonValue]) -> Scenario:
    """The exam paper as the options have it."""
    return families.load(scenario.family).stage(scenario, _own(scenario, settings))


def _own(scenario: Scenario, settings: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """All options of the scenario's family, those among the settings as they are there."""
    family = families.load(scenario.family)
    known = family.options.model_fields
    return family.checked({name: value for name, value in settings.items() if name in known})


def _arms(scenario: Scenario, crossed: Mapping[str, Sequence[str]]) -> list[Arm]:
    """The scenario's arms of the cross: levels that it does not have are left out, and so are factors."""
    chosen: list[dict[str, str | None]] = [{}]
    for factor, levels in crossed.items():
        own = [level for level in levels if level in scenario.arms.get(factor, ())]
        if own:
            chosen = [{**each, factor: level} for each in chosen for level in own]
    return [complete_arm(scenario, each) for each in chosen]
