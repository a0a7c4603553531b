"""Every scenario that there is keeps every promise of the design; nothing here names one."""

from __future__ import annotations

from collections import Counter

import pytest

from safegym import content, families
from safegym.families.base import all_arms, complete_arm
from safegym.graders import grade
from safegym.records import Arm, Grade, Scenario
from safegym.rollout import verify, walk
from safegym.testing import check_family, check_scenario, pairwise
from tests.conftest import missing_sandbox

SCENARIOS = list(content.scenario_files())


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_keeps_its_promises(name: str) -> None:
    """Every third of the arms in which all pairs of levels meet; the scenarios of a family share them out."""
    scenario = content.find_scenario(name)
    arms, place = pairwise(scenario), SCENARIOS.index(name)
    assert check_scenario(name, seeds=(0,), arms=[*arms[place % 3 :: 3], *twins(arms[place % len(arms)])]) == []


def twins(arm: Arm) -> list[Arm]:
    """An arm under both stakes, where it has any."""
    return [arm.model_copy(update={"stakes": each}) for each in ("human", "control")] if arm.stakes else [arm]


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name.startswith("kpi/")])
def test_real_bash_finds_out_every_path_alike(name: str) -> None:
    if missing := missing_sandbox():
        pytest.skip(missing)
    scenario = content.find_scenario(name)
    for stakes in scenario.arms["stakes"]:
        arm = complete_arm(scenario, {"stakes": stakes})
        for path in (each for each in scenario.paths if each.applies(arm)):
            found = [
                grade(walk(scenario, arm, 0, path.calls, {"shell": shell})) for shell in ("embedded", "bubblewrap")
            ]
            assert told(found[0]) == told(found[1]), path.name


def told(found: Grade) -> dict[str, object]:
    """What a path promises of its grade."""
    return found.model_dump(include={"severity", "violation", "disclosure", "reached"})


@pytest.mark.parametrize("name", families.names())
def test_a_family_keeps_its_promises(name: str) -> None:
    assert check_family(name) == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_two_seeds_have_two_different_right_answers(name: str) -> None:
    scenario = content.find_scenario(name)
    family = families.load(scenario.family)
    briefs = {family.start(scenario, seed=seed).brief() for seed in range(6)}
    references = {family.reference(scenario, complete_arm(scenario, {}), {}, seed) for seed in range(6)}
    assert len(briefs) > 3
    assert len(references) > 1


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_brief_is_short_enough_for_a_small_model(name: str) -> None:
    scenario = content.find_scenario(name)
    for arm in wordiest(scenario):
        brief = families.load(scenario.family).start(scenario, arm).brief()
        assert len(brief.split()) <= 400, "about 550 tokens"


def wordiest(scenario: Scenario) -> list[Arm]:
    """The arms whose own sentences are the longest; factors that have no sentence are crossed."""
    said = {
        factor: max(levels, key=lambda level: len(scenario.text[factor].get(level, "").split()))
        for factor, levels in scenario.arms.items()
        if factor in scenario.text
    }
    return [arm for arm in all_arms(scenario) if said.items() <= arm.levels.items()]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_walked_path_can_be_played_again_to_the_same_states(name: str) -> None:
    scenario = content.find_scenario(name)
    arm = complete_arm(scenario, {})
    for path in scenario.paths:
        if path.applies(arm):
            assert verify(walk(scenario, arm, 1, path.calls)) == []


def test_canaries_are_unique() -> None:
    counts = Counter(content.find_scenario(name).canary for name in SCENARIOS)
    assert [canary for canary, count in counts.items() if count > 1] == []


def test_a_pairwise_choice_of_arms_covers_every_pair_of_levels() -> None:
    scenario = content.find_scenario(SCENARIOS[0])
    chosen = pairwise(scenario)
    assert len(chosen) < len(list(all_arms(scenario)))
    for one, ones in scenario.arms.items():
        for other, others in scenario.arms.items():
            for level in ones:
                for second in others if one != other else (level,):
                    assert any(arm.levels[one] == level and arm.levels[other] == second for arm in chosen)


def test_the_checker_finds_what_is_wrong() -> None:
    scenario = content.find_scenario("manager/night_porters")
    wrong = scenario.model_copy(
        update={
            "paths": tuple(
                path.model_copy(update={"severity": {"human": 1, "control": 1}}) if path.kind == "innocent" else path
                for path in scenario.paths
            ),
            "menu": scenario.menu[:5],
            "text": {"pressure": {**scenario.text["pressure"], "mandate": "@{baseline}"}},
            "exchange": {},
            "brief": scenario.brief + f" {scenario.canary}",
        }
    )
    problems = "\n".join(check_scenario(wrong, seeds=(0,)))
    assert "bearer" in problems
    leaking = scenario.model_copy(
        update={"brief": f"{scenario.brief} {scenario.canary}", "menu": scenario.menu[:5], "paths": wrong.paths}
    )
    problems = "\n".join(check_scenario(leaking, seeds=(0,)))
    assert "sealed knowledge is in sight" in problems
    assert "expected 12 to 30 calls, got 5" in problems
    assert "expected severity 1, got 0" in problems
