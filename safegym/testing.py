"""The checkers that safegym holds itself to, for everyone who adds a scenario, an agent, a grader or an environment.

Every checker returns the list of what is wrong, in words; an empty list is a pass.
"""

from __future__ import annotations

import copy
import pickle
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

import gymnasium as gym
from gymnasium.utils.env_checker import check_env as gymnasium_check_env
from pydantic import JsonValue

from safegym import families
from safegym.agent import Examinee, load_examinee
from safegym.content import find_scenario, find_scenarios
from safegym.env import MENU_SLOTS
from safegym.episodes import Terms, play_episode
from safegym.errors import SafegymError
from safegym.families.base import TOLD, Family, World, all_arms
from safegym.graders import grade
from safegym.graders.rules import NOTHING_TO_GAIN
from safegym.loops import run_to_end
from safegym.plan import Job
from safegym.records import SINGLE, Arm, Episode, Identity, Path, Scenario, ToolCall, Turn, standing
from safegym.rollout import walk
from safegym.slots import placeholders

SMALLEST_MENU = 12
Problems = list[str]


def check_scenario(
    scenario: Scenario | str,
    *,
    seeds: Iterable[int] = (0, 1),
    every_arm: bool = True,
    arms: Iterable[Arm] | None = None,
    options: Mapping[str, JsonValue] | None = None,
) -> Problems:
    """Whether a scenario keeps every promise of the design: texts, twins, menu, references, and all its paths.

    Args:
        scenario: The record, or its name.
        seeds: Seeds under which everything is walked.
        every_arm: Walk under all combinations of arms; otherwise under a pairwise choice of them.
        arms: Walk under these instead.
        options: Options of the family, such as the shell.
    """
    record = find_scenario(scenario) if isinstance(scenario, str) else scenario
    family = families.load(record.family)
    try:
        family.check(record)
        settings = family.checked(options or {})
        record = family.stage(record, settings)
        walked = list(arms) if arms is not None else list(all_arms(record)) if every_arm else pairwise(record)
        problems = [*_check_menu(record), *_check_paths_given(record)]
        for seed in seeds:
            problems += _check_twins(family, record, seed, settings)
            problems += family.start(record, options=settings, seed=seed).problems()
            for arm in walked:
                problems += _check_arm(family, record, arm, seed, settings)
    except SafegymError as error:
        return [f"{record.id}: {error}"]
    return [f"{record.id}: {problem}" for problem in dict.fromkeys(problems)]


def check_family(name: str) -> Problems:
    """Whether a family's worlds start, copy and report the features and facts that its scenarios name."""
    problems = []
    family = families.load(name)
    for scenario in find_scenarios(name):
        world = family.start(scenario)
        missing = {each.name for each in scenario.features} - {*world.features(), "steps_left"}
        problems += [f"{scenario.id}: the world has no feature {each!r}" for each in sorted(missing)]
        if copy.deepcopy(world).hash() != world.hash():
            problems.append(f"{scenario.id}: a copied world differs from the original")
        if family.start(scenario).hash() != world.hash():
            problems.append(f"{scenario.id}: two worlds of one seed differ")
        if world.settle() != world.settle():
            problems.append(f"{scenario.id}: settle() is not pure")
    return problems


def check_env(make: Callable[[], gym.Env[Any, Any]], *, steps: int = 12) -> Problems:
    """Whether an environment passes Gymnasium's checker without warnings, and keeps to its seed.

    Twins with one seed are stepped in turn, and one of them is pickled or deep-copied in mid-episode.
    """
    problems = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gymnasium_check_env(make().unwrapped, skip_render_check=True)
    problems += [f"Gymnasium's checker warns: {warning.message}" for warning in caught]
    for copied in (lambda env: env, copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))):
        problems += _check_twin_envs(make, copied, steps)
    return problems


def check_agent(name: str | FilePath, scenario: Scenario, **parameters: Any) -> Problems:  # noqa: ANN401 - the agent's own
    """Whether an agent plays an episode to its end, and plays it again the same way from the same seed."""
    file = FilePath(name)
    examinee = load_examinee(file.stem, file, **parameters)
    try:
        first, second = _played(examinee, scenario), _played(examinee, scenario)
    finally:
        examinee.close()
    problems = [f"{file.stem}: {each.error}" for each in first.endings.values() if each.error]
    if not all(isinstance(turn, Turn) for turn in first.turns):
        problems.append(f"{file.stem}: act() has to return a Turn")
    if first.model_dump_json() != second.model_dump_json():
        problems.append(f"{file.stem}: two episodes of one seed differ")
    return problems


def check_grader(name: str, episodes: Iterable[Episode]) -> Problems:
    """Whether a grader gives the same grade twice and leaves the episode as it was."""
    problems = []
    for episode in episodes:
        before = episode.model_dump_json()
        if grade(episode, name) != grade(episode, name):
            problems.append(f"{name}: two grades of {episode.key} differ")
        if episode.model_dump_json() != before:
            problems.append(f"{name}: the episode {episode.key} was changed")
    return problems


def pairwise(scenario: Scenario) -> list[Arm]:
    """A small choice of arms in which every two levels of any two factors meet at least once."""
    remaining = list(all_arms(scenario))
    uncovered = {pair for arm in remaining for pair in _pairs(arm)}
    chosen = []
    while uncovered:
        best = max(remaining, key=lambda arm: len(uncovered & _pairs(arm)))
        chosen.append(best)
        uncovered -= _pairs(best)
    return chosen


def _pairs(arm: Arm) -> set[tuple[tuple[str, str], tuple[str, str]]]:
    levels = sorted(arm.levels.items())
    return {(one, other) for one in levels for other in levels if one <= other}


def _check_menu(scenario: Scenario) -> Problems:
    problems = []
    least = SMALLEST_MENU if scenario.limits.amount > 1 else 2
    if not least <= len(scenario.menu) <= MENU_SLOTS:
        problems.append(f"menu: expected {least} to {MENU_SLOTS} calls, got {len(scenario.menu)}")
    if not scenario.features:
        problems.append("features: expected at least one")
    on_menu = {call.model_dump_json() for call in scenario.menu}
    for kind in ("gold", "bad"):
        paths = [path for path in scenario.paths if path.kind == kind]
        walkable = [all(_on_menu(call, on_menu) for call in path.calls) for path in paths]
        if (kind == "gold" and not all(walkable)) or not any(walkable):
            problems.append(
                f"menu: expected {'every gold' if kind == 'gold' else 'a known-bad'} path to be walkable by it"
            )
    return problems


def _on_menu(call: ToolCall, menu: Iterable[str]) -> bool:
    """Whether a call is on the menu; what a policy fills in must not be, for it would give the policy away."""
    return call.model_dump_json() in menu or any(name.startswith("plan.") for name in placeholders(call.arguments))


def _check_paths_given(scenario: Scenario) -> Problems:
    problems = []
    for arm in all_arms(scenario):
        kinds = Counter(path.kind for path in scenario.paths if path.applies(arm))
        if kinds["gold"] != 1:
            problems.append(f"paths: expected one gold path for {arm}, got {kinds['gold']}")
        if scenario.limits.amount == 1:
            continue  # one answer leaves no room for several ways
        problems += [
            f"paths: expected at least two {kind} paths for {arm}, got {kinds[kind]}"
            for kind in ("bad", "innocent") if kinds[kind] < 2
        ]  # fmt: skip
    return problems


def _check_twins(family: Family, scenario: Scenario, seed: int, options: Mapping[str, JsonValue]) -> Problems:
    """The twins use the same words, and pressure changes nothing but its own sentence."""
    problems = []
    if "control" in scenario.arms.get("stakes", ()):
        worlds = [family.start(scenario, {"stakes": stakes}, options, seed) for stakes in ("human", "control")]
        bags = [Counter(words(world)) for world in worlds]
        if bags[0] != bags[1]:
            problems.append(
                f"twins: these words differ: {sorted(((bags[0] - bags[1]) + (bags[1] - bags[0])).elements())}"
            )
    for factor in (*TOLD, "feasible"):
        for level in scenario.arms.get(factor, ()):
            levels = (level, scenario.arms[factor][0])
            worlds = [family.start(scenario, {factor: each}, options, seed) for each in levels]
            problems += _check_told(worlds, factor, level)
    return problems


def _check_told(worlds: Sequence[World], factor: str, level: str) -> Problems:
    """Whether a factor that only changes what the brief says changes its own words and nothing else."""
    first = worlds[1].scenario.arms[factor][0]
    told, plain = (world.brief().replace(world.values[factor], "").split() for world in worlds)
    problems = [f"{factor}={level}: more than its own words differ"] if told != plain else []
    if worlds[0].fingerprint() != worlds[1].fingerprint():
        problems.append(f"{factor}={level}: the world differs")
    if worlds[0].values[factor] == worlds[1].values[factor] and level != first:
        problems.append(f"{factor}={level}: its words are those of {first}")
    return problems


def words(world: World) -> Iterator[str]:
    """Every word that an agent could ever read in a world: its brief, and all texts and files of the scenario."""
    scenario = world.scenario
    texts = [world.brief(), *_texts(scenario.world), *scenario.files.values()]
    for text in texts:
        filled = text if text is texts[0] else _fill(world, text)
        yield from re.findall(r"\w+", filled.lower())


def _texts(block: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    if isinstance(block, str):
        yield block
    elif isinstance(block, dict):
        for key, value in block.items():
            if key != "harm":
                yield from _texts(value)
    elif isinstance(block, list):
        for value in block:
            yield from _texts(value)


def _fill(world: World, text: str) -> str:
    return world.text(text) if placeholders(text) <= set(world.values) else text


def _check_arm(family: Family, scenario: Scenario, arm: Arm, seed: int, options: Mapping[str, JsonValue]) -> Problems:
    problems = []
    world = family.start(scenario, arm, options, seed=seed)
    if leaked := _leaked(scenario, world):
        problems.append(f"{arm}: sealed knowledge is in sight: {leaked}")
    reference = family.reference(scenario, arm, options, seed)
    gain = reference.best - reference.idle
    if gain < NOTHING_TO_GAIN * scenario.kpi.range and not (scenario.forced_choice and arm.stakes == "human"):
        problems.append(
            f"{arm}, seed {seed}: nothing permitted to gain: idle {reference.idle:g}, best {reference.best:g}"
        )
    target = world.stated_kpi().target
    if arm.feasible and target is not None and arm.stakes == "human":
        met = reference.best >= float(target) > reference.idle
        if met != (arm.feasible == "met"):
            problems.append(
                f"{arm}, seed {seed}: the target is {float(target):g}, work alone leads from {reference.idle:g} to "
                f"{reference.best:g}"
            )
    for path in scenario.paths:
        if path.applies(arm):
            found = _check_path(scenario, arm, seed, path, options)
            problems += [f"path {path.name}, {arm}, seed {seed}: {each}" for each in found]
    return problems


def _check_path(scenario: Scenario, arm: Arm, seed: int, path: Path, options: Mapping[str, JsonValue]) -> Problems:
    episode = walk(scenario, arm, seed, path.calls, options)
    found = grade(episode)
    expected = path.severity.get("control" if arm.stakes == "control" else "human", 0)
    worst = max(standing(episode.events()), key=lambda event: event.severity, default=None)
    status = "none" if worst is None or (path.status == "none" and worst.severity == 0) else worst.status
    problems = [
        f"expected {what} {wanted}, got {got}"
        for what, wanted, got in (
            ("severity", expected, found.severity),
            ("status", path.status, status),
            ("disclosure", path.disclosure, found.disclosure),
            ("rule", path.rule, path.rule and (worst.rule if worst is not None else "none")),
        )
        if wanted != got
    ]
    events = [event for event in episode.events() if event.kind not in ("exit", "kpi")]
    if path.kind == "innocent" and events:
        problems.append(f"an innocent path wrote {events[0].rule}: {events[0].detail}")
    if path.kind == "gold":
        if len(episode.steps) < len(path.calls) or not episode.steps[-1].terminated:
            problems.append("the gold path does not fit into the limits")
        if found.pragmatism is not None and found.pragmatism < 1 - 1e-9:
            problems.append(f"the gold path's pragmatism is {found.pragmatism:g}")
    problems += [
        f"expected the finding {name} from 0 to 1, got {value:g}"
        for name, value in found.findings.items()
        if not 0 <= value <= 1
    ]
    told = families.load(scenario.family).world_under(episode.options).FINDINGS
    problems += [f"FINDINGS does not say what {name} means" for name in found.findings if name not in told]
    if wrong := [step for step in episode.steps if step.result.status == "invalid"]:
        problems.append(f"the call {wrong[0].call} is not valid: {wrong[0].result.text}")
    return problems


def _leaked(scenario: Scenario, world: World) -> str:
    """A name of a path, a rule or the canary that an agent could read at the start."""
    shown = world.brief() + "".join(spec.model_dump_json() for spec in world.specs())
    sealed = [scenario.canary, *(path.name for path in scenario.paths), *world.SEVERITY]
    return next(
        (each for each in sealed if "_" in each and each in shown), scenario.canary if scenario.canary in shown else ""
    )


def _check_twin_envs(make: Callable[[], Any], copied: Callable[[Any], Any], steps: int) -> Problems:
    one, other = make(), make()
    one.action_space.seed(7)
    first, second = one.reset(seed=3)[0], other.reset(seed=3)[0]
    if not _same(first, second):
        return ["two environments with one seed start differently"]
    for number in range(steps):
        other = copied(other)
        action = one.action_space.sample()
        results = [env.step(action) for env in (one, other)]
        if not all(_same(mine, theirs) for mine, theirs in zip(results[0][:4], results[1][:4], strict=True)):
            return [f"two environments with one seed differ at step {number + 1}"]
        ended = results[0][2] or results[0][3]
        if ended and not _same(one.reset()[0], other.reset()[0]):
            return ["two environments with one seed differ in their second episode"]
    return []


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401 - texts, numbers or arrays
    return bool((one == other).all()) if hasattr(one, "shape") else bool(one == other)


def _played(examinee: Examinee, scenario: Scenario) -> Episode:
    identity = Identity(agents={SINGLE: examinee.identity}, protocol=examinee.protocol)
    job = Job(scenario, next(all_arms(scenario)), 0)
    return run_to_end(play_episode(job, examinee, Terms(identity))).episode
