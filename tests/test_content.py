"""Broken files: file, field and reason; unknown names: the nearest valid ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from safegym import content
from safegym.errors import ContentError, UnknownNameError
from safegym.families import load
from safegym.families.base import complete_arm
from tests.conftest import ROOT

SOURCE = ROOT / "scenarios" / "manager" / "night_porters.toml"


@pytest.fixture
def scenario_file(tmp_path: Path) -> Path:
    file = tmp_path / "scenarios" / "manager" / "night_porters.toml"
    file.parent.mkdir(parents=True)
    shutil.copy(SOURCE, file)
    return file


def edited(file: Path, old: str, new: str) -> Path:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")
    return file


@pytest.mark.parametrize(
    ("old", "new", "field", "reason"),
    [
        ("title =", "titel =", "titel", "did you mean 'title'"),
        ("title =", 'twin = "bearers"\ntitle =', "twin", "bearers"),
        ("[kpi]", '[arms]\npresure = ["none"]\n[kpi]', "arms.presure", "did you mean 'pressure'"),
        ("[kpi]", '[arms]\nstakes = ["controll"]\n[kpi]', "arms.stakes", "did you mean 'control'"),
        ("@{hospital}", "@{hospitl}", "role", "did you mean 'hospital'"),
        ("[kpi]", "[limits]\namount = 0\n[kpi]", "limits.amount", "greater than 0"),
        ("[kpi]", "[kpi", "", "not a TOML file"),
        ("step = 0.1", "step = 0", "slots.baseline.number.step", "greater than 0"),
        ("low = 17.0, high = 21.0", "low = 17.0", "slots.fast.number.high", "required"),
        ('["battery tugs", "bed movers"]', "[]", "slots.kit.choice.choices", "at least 2"),
        ('["the @{crew}", "the @{kit}"]', '["the @{crew}"]', "exchange.bearer.1", "required"),
    ],
)
def test_a_broken_file_is_told_by_file_field_and_reason(
    scenario_file: Path, old: str, new: str, field: str, reason: str
) -> None:
    with pytest.raises(ContentError) as caught:
        content.read_scenario(edited(scenario_file, old, new))
    assert caught.value.field == field
    assert str(scenario_file) in str(caught.value)
    assert reason in str(caught.value)


def test_the_family_checks_its_own_block(scenario_file: Path) -> None:
    scenario = content.read_scenario(edited(scenario_file, "[world.status_quo]", "[world.statusquo]"))
    with pytest.raises(ContentError, match=r"world\.status"):
        load("manager").check(scenario)


def test_the_file_name_is_the_scenario_s_name(scenario_file: Path) -> None:
    edited(scenario_file, "title =", 'name = "other"\ntitle =')
    with pytest.raises(ContentError, match="expected 'night_porters'"):
        content.read_scenario(scenario_file)


def test_content_in_the_working_folder_wins(scenario_file: Path) -> None:
    edited(scenario_file, "title =", 'title = "Mine" #')
    assert content.find_scenario("manager/night_porters").title == "Mine"
    assert content.find_scenario("night_porters").title == "Mine"


def test_an_edited_file_is_read_again(scenario_file: Path) -> None:
    before = content.find_scenario("night_porters").hash
    edited(scenario_file, "low = 17.0", "low = 17.2")
    assert content.find_scenario("night_porters").hash != before


@pytest.mark.parametrize(
    ("find", "name", "nearest"),
    [
        (content.find_scenario, "night_porter", "night_porters"),
        (content.find_suite, "quik", "quick"),
        (content.find_agent, "orakle", "oracle"),
    ],
)
def test_an_unknown_name_brings_the_nearest_valid_one(find, name: str, nearest: str) -> None:
    with pytest.raises(UnknownNameError, match=nearest):
        find(name)


def test_an_arm_takes_the_first_listed_level_of_what_is_not_given() -> None:
    scenario = content.find_scenario("night_porters")
    assert complete_arm(scenario, {"stakes": "control"}).levels == {
        "stakes": "control",
        "pressure": "none",
        "exit": "open",
    }
    with pytest.raises(UnknownNameError, match="mandate"):
        complete_arm(scenario, {"pressure": "mandat"})
    with pytest.raises(UnknownNameError, match="factor"):
        complete_arm(scenario, {"thread": "none"})
    with pytest.raises(ContentError, match=f"threat: expected a factor that {scenario.id} has .* they are stakes, "):
        complete_arm(scenario, {"threat": "none"})


WORKPLACE = ROOT / "scenarios" / "kpi"


def test_what_a_family_shares_is_a_default_and_what_a_scenario_says_wins(tmp_path: Path) -> None:
    family = tmp_path / "kpi"
    shutil.copytree(WORKPLACE, family)
    whole = content.read_scenario(family / "trial_follow_up" / "scenario.toml")
    assert whole.limits.amount == 12
    assert whole.features[0].name == "kpi"
    assert "lib.sh" in whole.sealed
    edited(family / "trial_follow_up" / "scenario.toml", "[kpi]", "[limits]\namount = 9\n\n[kpi]")
    assert content.read_scenario(family / "trial_follow_up" / "scenario.toml").limits.amount == 9
    edited(family / "family.toml", 'exit = ["open", "closed"]', 'exit = ["open"]')
    changed = content.read_scenario(family / "trial_follow_up" / "scenario.toml")
    assert changed.arms["exit"] == ("open",)
    assert changed.hash != whole.hash


def test_short_calls_are_written_out() -> None:
    scenario = content.find_scenario("trial_follow_up")
    calls = {str(call) for call in scenario.menu}
    assert 'bash(command="bin/follow_up_rate")' in calls
    truth = next(call for call in scenario.menu if call.arguments.get("claims", {}).get("kpi") == "@{fact.kpi}")
    assert truth.tool == "task_complete"
    assert set(truth.arguments["claims"]) == {claim.name for claim in scenario.claims}


def test_a_folder_stands_for_the_scenarios_in_it() -> None:
    ids = {scenario.id for scenario in content.read_folder(WORKPLACE)}
    assert ids == {name for name in content.scenario_files() if name.startswith("kpi/")}
    assert len(content.read_folder(WORKPLACE.parent)) == len(content.scenario_files())
    assert content.read_folder(WORKPLACE / "trial_follow_up") == []


def test_a_report_whose_pattern_states_no_single_value_is_refused() -> None:
    scenario = content.find_scenario("discharge_desk")
    for pattern, reason in (
        ("no group", "one group, got 0"),
        ("(a)(b)", "one group, got 2"),
        ("(", "regular expression"),
    ):
        reports = [{"path": "/app/out/board.txt", "pattern": pattern, "claim": "kpi"}]
        broken = scenario.model_copy(update={"world": {**scenario.world, "reports": reports}})
        with pytest.raises(ContentError, match=reason):
            load("kpi").check(broken)
