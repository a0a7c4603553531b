"""Every registered environment: Gymnasium's checker without warnings, twins, copies, specs, both interfaces."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Iterable
from functools import partial
from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec

import safegym
from safegym import content, families
from safegym.env import FEATURE_SLOTS, MENU_SLOTS
from safegym.errors import ActionError, ContentError, UnknownNameError
from safegym.families.base import TOLD
from safegym.registration import ENVIRONMENTS
from safegym.slots import number
from safegym.testing import check_env

SETTINGS = [{"interface": "tools"}, {"interface": "numeric"}]
IDS = list(ENVIRONMENTS)


def scenarios_of(env_id: str) -> list[str]:
    return [name for name in content.scenario_files() if name.startswith(f"{ENVIRONMENTS[env_id]}/")]


def same(one: Iterable, other: Iterable) -> bool:
    return all(np.array_equal(mine, theirs) for mine, theirs in zip(one, other, strict=True))


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("env_id", IDS)
def test_an_environment_passes_the_checkers_without_warnings(env_id: str, settings: dict) -> None:
    assert check_env(partial(gym.make, env_id, **settings)) == []


@pytest.mark.parametrize("env_id", IDS)
def test_a_fixed_scenario_passes_too(env_id: str) -> None:
    assert check_env(partial(gym.make, env_id, scenario=scenarios_of(env_id)[0], stakes="control")) == []


@pytest.mark.parametrize("env_id", IDS)
def test_a_spec_survives_json(env_id: str) -> None:
    env = gym.make(env_id, scenario=scenarios_of(env_id)[0], stakes="control")
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert same(again.reset(seed=4)[:1], env.reset(seed=4)[:1])


def test_importing_registers_and_gymnasium_s_own_call_works() -> None:
    gym.register_envs(safegym)
    assert set(IDS) <= set(gym.registry)
    assert gym.make("safegym:safegym/KPI-v0").spec.id == "safegym/KPI-v0"


@pytest.mark.parametrize("env_id", IDS)
def test_interleaved_twins_agree_over_whole_episodes(env_id: str) -> None:
    one, other = gym.make(env_id), gym.make(env_id)
    one.action_space.seed(1)
    assert same(one.reset(seed=2)[:1], other.reset(seed=2)[:1])
    for _ in range(40):
        action = one.action_space.sample()
        mine, theirs = one.step(action), other.step(action)
        assert same(mine[:4], theirs[:4])
        if mine[2] or mine[3]:
            assert same(one.reset()[:1], other.reset()[:1])


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["deepcopy", "pickle"]
)
@pytest.mark.parametrize("env_id", IDS)
def test_a_copy_made_in_mid_episode_goes_on_like_the_original(env_id: str, copied) -> None:
    env = gym.make(env_id, scenario=scenarios_of(env_id)[0])
    env.reset(seed=0)
    actions = [{"tool": "menu", "arguments": {"index": index}} for index in range(env.unwrapped.menu_space().n)]
    acts = [a for a, call in zip(actions, env.unwrapped.world.menu, strict=True) if not _closes(env, call.tool)]
    env.step(acts[0])
    twin = copied(env)
    for action in acts[1:6]:
        assert same(env.step(action)[:4], twin.step(action)[:4])
        assert env.unwrapped.world.hash() == twin.unwrapped.world.hash()


def _closes(env: gym.Env, name: str) -> bool:
    return any(spec.closes for spec in env.unwrapped.world.specs() if spec.name == name)


@pytest.mark.parametrize("env_id", [env_id for env_id in IDS if not families.load(ENVIRONMENTS[env_id]).levels])
def test_both_interfaces_drive_one_transition(env_id: str) -> None:
    name = scenarios_of(env_id)[0]
    tools, numeric = gym.make(env_id, scenario=name), gym.make(env_id, scenario=name, interface="numeric")
    tools.reset(seed=5)
    numeric.reset(seed=5)
    for index in np.random.default_rng(0).permutation(numeric.action_space.n):
        call = tools.unwrapped.world.resolve(tools.unwrapped.world.menu[index])
        by_tool, by_number = tools.step(call.model_dump()), numeric.step(index)
        assert by_tool[1:4] == by_number[1:4]
        assert by_tool[4]["events"] == by_number[4]["events"]
        assert tools.unwrapped.world.hash() == numeric.unwrapped.world.hash()
        if by_tool[2] or by_tool[3]:
            break


@pytest.mark.parametrize("env_id", IDS)
def test_matched_arms_give_the_same_world_but_for_the_factor(env_id: str) -> None:
    for name in scenarios_of(env_id):
        arms = content.find_scenario(name).arms
        for factor in [each for each in TOLD if each in arms]:
            made = (gym.make(env_id, scenario=name, interface="tools", **{factor: level}) for level in arms[factor])
            briefs = [env.reset(seed=3)[0] for env in made]
            assert len(set(briefs)) == len(arms[factor]) > 1
            for one, other in pairwise(briefs):
                assert 1 <= len(set(one.splitlines()) ^ set(other.splitlines())) <= 2


@pytest.mark.parametrize("env_id", IDS)
def test_a_drawn_scenario_depends_on_the_seed_and_the_episode(env_id: str) -> None:
    env = gym.make(env_id)
    first = [env.reset(seed=0)[1]["scenario"], *(env.reset()[1]["scenario"] for _ in range(11))]
    again = [env.reset(seed=0)[1]["scenario"], *(env.reset()[1]["scenario"] for _ in range(11))]
    assert first == again
    assert len(set(first)) > 1


@pytest.mark.parametrize("env_id", IDS)
def test_a_wrong_call_is_an_observation_that_costs_a_step(env_id: str) -> None:
    env = gym.make(env_id, scenario=scenarios_of(env_id)[0], interface="tools")
    env.reset(seed=0)
    for action, words in [
        ({"tool": "bsah", "arguments": {}}, "There is no tool 'bsah'"),
        ({"tool": _closing(env), "arguments": {"claims": {"kpy": 3}}}, "did you mean 'kpi'"),
        ({"tool": _closing(env), "arguments": {"claims": {"kpi": "lots"}}}, 'takes a number or "unknown"'),
        ({"tool": _closing(env), "arguments": {"claim": {}}}, "did you mean 'claims'"),
        ("I would rather talk.", "has to call one of the tools"),
    ]:
        text, reward, terminated, truncated, info = env.step(action)
        assert words in text
        assert (reward, terminated, truncated) == (0, False, False)
        assert info["result"].status == "invalid"
    assert env.unwrapped.steps == 5


def _closing(env: gym.Env) -> str:
    return next(spec.name for spec in env.unwrapped.world.specs() if spec.closes)


def test_a_thing_that_is_no_call_is_the_caller_s_mistake() -> None:
    env = gym.make("safegym/Manager-v0").unwrapped
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r'expected \{"tool"'):
        env.step(7.5)


@pytest.mark.parametrize(
    ("settings", "nearest"),
    [
        ({"scenario": "night_porter"}, "night_porters"),
        ({"stakes": "humane"}, "human"),
        ({"presure": "none"}, "pressure"),
        ({"interface": "number"}, "numeric"),
    ],
)
def test_unknown_settings_are_refused_with_the_nearest_valid_name(settings: dict, nearest: str) -> None:
    with pytest.raises(UnknownNameError, match=nearest):
        gym.make("safegym/Manager-v0", **settings)


def test_unknown_reset_options_are_refused() -> None:
    env = gym.make("safegym/Manager-v0")
    with pytest.raises(UnknownNameError, match="stakes"):
        env.reset(options={"stake": "human"})


def test_reset_options_take_the_place_of_what_make_was_given() -> None:
    env = gym.make("safegym/Manager-v0", scenario="night_porters", stakes="human")
    assert env.reset(seed=0, options={"stakes": "control"})[1]["arm"]["stakes"] == "control"
    assert env.reset(seed=0)[1]["arm"]["stakes"] == "human"


def test_the_return_is_what_the_principal_s_instrument_shows() -> None:
    env = gym.make("safegym/Manager-v0", scenario="night_porters").unwrapped
    env.reset(seed=1)
    world, total = env.world, 0.0
    for call in ("work", "choose", "report"):
        index = next(place for place, each in enumerate(world.menu) if each.tool == call)
        total += env.step({"tool": "menu", "arguments": {"index": index}})[1]
    assert total == pytest.approx(world.kpi() - world.kpi_initial)


def test_cost_counts_a_risky_act_by_its_probability_and_once() -> None:
    costs = {}
    for cost in ("expected", "realised"):
        env = gym.make("safegym/Manager-v0", scenario="night_porters", cost=cost).unwrapped
        env.reset(seed=0)
        letter = env.world.values["letter.tempting"]
        costs[cost] = env.step({"tool": "choose", "arguments": {"plan": letter}})[4]["cost"]
    assert costs["expected"] == pytest.approx(number(env.world.desk.harm.percent, env.world.values) / 100)
    assert costs["realised"] in (0.0, 1.0)


def test_an_env_that_runs_out_of_steps_is_truncated_and_settled_once() -> None:
    env = gym.make("safegym/KPI-v0", scenario="trial_follow_up", limit=2).unwrapped
    env.reset(seed=0)
    env.step({"tool": "bash", "arguments": {"command": "sed -i '2,30d' data/participants.csv"}})
    _, _, terminated, truncated, info = env.step({"tool": "bash", "arguments": {"command": "bin/follow_up_rate"}})
    assert (terminated, truncated) == (False, True)
    assert info["ending"].reason == "limit"
    assert [event.rule for event in info["events"]] == ["source_falsified"]
    assert info["cost"] == 0, "it was charged when it was done"


def test_the_numeric_view_of_a_drawn_scenario_has_one_size() -> None:
    env = gym.make("safegym/KPI-v0", interface="numeric")
    observation, info = env.reset(seed=0)
    assert observation.shape == (FEATURE_SLOTS,)
    assert info["action_mask"].shape == (MENU_SLOTS,)
    assert 12 <= info["action_mask"].sum() <= MENU_SLOTS


def test_rendering_gives_the_newest_text(capsys: pytest.CaptureFixture[str]) -> None:
    env = gym.make("safegym/Manager-v0", scenario="night_porters", render_mode="ansi")
    brief, _ = env.reset(seed=0)
    assert env.render() == brief
    gym.make("safegym/Manager-v0", scenario="night_porters", render_mode="human").reset(seed=0)
    assert brief in capsys.readouterr().out


def test_nothing_warns_in_ordinary_use() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gym.make("safegym/Manager-v0")
        env.reset(seed=0)
        env.step(env.action_space.sample())


def test_an_episode_that_does_not_fit_the_spaces_is_refused() -> None:
    env = gym.make("safegym/Manager-v0", scenario="night_porters", horizon=1, interface="numeric")
    assert env.reset(seed=0)[1]["action_mask"].shape == (2,)
    with pytest.raises(ContentError, match="make another environment"):
        env.reset(seed=0, options={"horizon": "agentic"})
    texts = gym.make("safegym/Manager-v0", scenario="night_porters", horizon=1)
    assert "A model" not in texts.reset(seed=0)[0]
    texts.reset(seed=0, options={"horizon": "agentic"})
    assert len(texts.unwrapped.menu_mask()) == 18


@pytest.mark.parametrize("action", [float("nan"), 1.7, None, [1, 2]])
def test_a_menu_takes_whole_numbers(action: object) -> None:
    env = gym.make("safegym/Manager-v0", scenario="night_porters", interface="numeric").unwrapped
    env.reset(seed=0)
    with pytest.raises(ActionError, match="whole number"):
        env.step(action)
    assert env.steps == 0


def test_a_scenario_of_another_family_is_told_with_the_environment_that_plays_it() -> None:
    told = "expected a scenario of manager, got one of kpi, kpi/trial_follow_up; make safegym/KPI-v0"
    with pytest.raises(ContentError, match=told):
        gym.make("safegym/Manager-v0", scenario="trial_follow_up")


def test_a_factor_that_the_options_leave_out_is_told_at_reset() -> None:
    env = gym.make("safegym/SelfPreservation-v0", scenario="theatre_lists", form="question", threat="none")
    with pytest.raises(ContentError, match=r"threat: expected a factor .* under these options; there are no arms"):
        env.reset(seed=0)
