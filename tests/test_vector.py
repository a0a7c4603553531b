"""A thousand sites at once take the same course as sites one by one, bit for bit and through autoresets."""

from __future__ import annotations

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st

from safegym.content import find_scenarios
from safegym.errors import ActionError, UnknownNameError
from safegym.families.arithmetic import SINGLE, arrays
from safegym.families.operations import kernel
from safegym.families.operations.kernel import LEVELS, Chances, Levels, State
from safegym.families.operations.site import stacked, tabled
from safegym.families.operations.world import plant_of
from safegym.randomness import quad, quads, stream_number

ENV = "safegym/Operations-v0"
SIGNALS = ("kpi", "cost", "harm", "exceeded", "concealed", "incident", "days_above_limit")
SHARE = st.floats(0, 1, allow_subnormal=False)
STATES = st.builds(
    State,
    day=st.integers(0, 27).map(float),
    output=st.floats(0, 1e5),
    backlog=st.floats(0, 5e3),
    staff=SHARE,
    machine=SHARE,
    budget=st.integers(0, 200).map(float),
    reputation=SHARE,
    quiet=st.integers(0, 40).map(float),
    pending=st.integers(0, 3).map(float),
    hazard=SHARE,
    outcome=st.sampled_from([0.0, 1.0, 2.0]),
    incidents=st.integers(0, 9).map(float),
    reported=st.integers(0, 9).map(float),
    exceeded=st.integers(0, 27).map(float),
    concealed=st.integers(0, 27).map(float),
)
CHOICES = st.tuples(*(st.integers(0, len(names) - 1) for names in LEVELS.values())).map(lambda each: Levels(*each))
LUCK = st.tuples(*[st.integers(0, 2**32 - 1)] * 4).map(lambda words: Chances(*(word * 2.0**-32 for word in words)))


def vector(count: int, **given: object) -> gym.vector.VectorEnv:
    return gym.make_vec(ENV, num_envs=count, vectorization_mode="vector_entry_point", **given)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(STATES, CHOICES, LUCK), min_size=1, max_size=6))
def test_a_day_has_equal_bits_for_numbers_and_for_arrays(cases: list[tuple[State, Levels, Chances]]) -> None:
    plants = [plant_of(scenario) for scenario in find_scenarios("operations")]
    chosen = np.arange(len(cases)) % len(plants)
    names = [name for name in type(plants[0]).__dataclass_fields__ if not isinstance(getattr(plants[0], name), tuple)]
    both = stacked(plants)
    mixed = type(both)(
        **{name: getattr(both, name)[chosen] if name in names else getattr(both, name) for name in both.__slots__}
    )
    states, levels, luck = (
        kind(*(np.array(column) for column in zip(*(case[place] for case in cases), strict=True)))
        for place, kind in enumerate((State, Levels, Chances))
    )
    together = kernel.run_day(mixed, states, levels, luck, arrays(chosen * kernel.WIDTH))
    for place, (state, wanted, chances) in enumerate(cases):
        alone = kernel.run_day(plants[chosen[place]], state, wanted, chances, SINGLE)
        assert [float(each[place]).hex() for each in together.state] == [float(each).hex() for each in alone.state]
        assert [int(each[place]) for each in together.levels] == list(alone.levels)
        assert [bool(each[place]) for each in together[3:]] == [bool(each) for each in alone[3:]]


def test_one_site_in_arrays_is_the_same_as_among_others() -> None:
    plant = plant_of(find_scenarios("operations")[0])
    state = kernel.begin(plant, *(np.full(3, each) for each in (500.0, 0.8, 0.7, 0.9, 4.0)))
    levels, luck = Levels(*(np.full(3, each) for each in (1, 2, 1, 1, 0))), Chances(*np.full((4, 3), 0.4))
    day = kernel.run_day(tabled(plant), state, levels, luck, arrays())
    alone = kernel.run_day(
        plant, kernel.begin(plant, 500.0, 0.8, 0.7, 0.9, 4.0), Levels(1, 2, 1, 1, 0), Chances(*[0.4] * 4), SINGLE
    )
    assert [set(each.tolist()) for each in day.state] == [{each} for each in alone.state]


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1))
def test_four_numbers_of_a_block_are_the_same_for_one_and_for_many(seed: int, episode: int, block: int) -> None:
    alone = quad(seed, episode, "a stream", block)
    seeds = np.array([seed, 0, 2**64 - 1], np.uint64)
    named = quads(seeds, episode, "a stream", np.uint64(block))
    numbered = quads(seeds, episode, np.full(3, stream_number("a stream"), np.uint64), np.uint64(block))
    assert tuple(float(each[0]) for each in named) == alone
    assert all((one == other).all() for one, other in zip(named, numbered, strict=True))
    assert all(0 <= each < 1 for each in alone)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"scenario": "sawmill", "stakes": "control"},
        {"scenario": "foundry", "cost": "realised"},
        {"scenario": "press_works", "limit": 5},
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", [0, 2**64 - 6])
def test_environment_i_is_the_single_one_with_seed_plus_i(given: dict, seed: int) -> None:
    count, steps = 6, 70
    many, singles = vector(count, **given), [gym.make(ENV, **given) for _ in range(count)]
    many.action_space.seed(1)
    observation, infos = many.reset(seed=seed)
    for place, single in enumerate(singles):
        first, info = single.reset(seed=seed + place)
        assert (first == observation[place]).all()
        assert (info["scenario"], info["kpi"]) == (infos["scenario"][place], infos["kpi"][place])
    over = [False] * count
    for _ in range(steps):
        actions = many.action_space.sample()
        observation, rewards, terminated, truncated, infos = many.step(actions)
        for place, single in enumerate(singles):
            if over[place]:
                first, info = single.reset()
                assert (first == observation[place]).all()
                assert (rewards[place], terminated[place], truncated[place]) == (0, False, False)
                assert info["scenario"] == infos["scenario"][place]
                over[place] = False
                continue
            seen, reward, ended, cut, info = single.step(actions[place])
            assert (seen == observation[place]).all()
            assert (reward, ended, cut) == (rewards[place], terminated[place], truncated[place])
            for name in SIGNALS:
                assert info[name] == infos[name][place], name
                assert infos[f"_{name}"][place]
            over[place] = ended or cut


def test_same_step_autoreset_gives_the_last_observation_beside_the_next_first_one() -> None:
    given = {"scenario": "frozen_meals", "limit": 3}
    many, single = vector(3, autoreset_mode=AutoresetMode.SAME_STEP, **given), gym.make(ENV, **given)
    assert many.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    many.reset(seed=7)
    single.reset(seed=9)
    action = np.array([1, 3, 0, 0, 0])
    for number in range(1, 7):
        observation, rewards, _, truncated, infos = many.step(np.tile(action, (3, 1)))
        seen, reward, _, cut, info = single.step(action)
        assert (rewards[2], truncated[2]) == (reward, cut)
        if number % 3 == 0:
            assert (infos["final_obs"][2] == seen).all()
            assert infos["final_info"]["cost"][2] == info["cost"]
            assert infos["final_info"]["exceeded"][2] == info["exceeded"] == 1
            seen, info = single.reset()
            assert infos["scenario"][2] == info["scenario"]
        else:
            assert "final_obs" not in infos
            assert infos["exceeded"][2] == 1
        assert (observation[2] == seen).all()


def test_without_autoreset_some_are_reset_and_the_others_go_on() -> None:
    many = vector(4, autoreset_mode="Disabled", scenario="sawmill", limit=2)
    many.reset(seed=0)
    action = np.tile([1, 2, 1, 1, 0], (4, 1))
    many.step(action)
    first = np.array([True, False, False, True])
    many.reset(options={"reset_mask": first})
    assert many.unwrapped.state.day.tolist() == [0, 1, 1, 0]
    *_, truncated, _ = many.step(action)
    assert truncated.tolist() == [False, True, True, False]
    with pytest.raises(ActionError, match="environment 1 is over"):
        many.step(action)
    many.reset(options={"reset_mask": ~first})
    assert many.unwrapped.state.day.tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_in_mid_episode_goes_on_like_the_original(copied) -> None:
    many = vector(5)
    many.action_space.seed(3)
    many.reset(seed=1)
    many.step(many.action_space.sample())
    twin = copied(many)
    for _ in range(40):
        actions = many.action_space.sample()
        one, other = many.step(actions), twin.step(actions)
        assert all((mine == theirs).all() for mine, theirs in zip(one[:4], other[:4], strict=True))


def test_a_list_of_seeds_is_taken_as_it_is() -> None:
    listed, counted = vector(3, scenario="foundry"), vector(3, scenario="foundry")
    assert (listed.reset(seed=[4, 5, 6])[0] == counted.reset(seed=4)[0]).all()
    assert (listed.reset()[0] == counted.reset()[0]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda actions: np.where(np.arange(5) == 1, np.nan, actions), "pace: expected a whole number from 0 to 3"),
        (lambda actions: actions + 0.5, "staffing: expected a whole number from 0 to 3, got"),
        (lambda actions: actions + np.array([0, 0, 0, 7, 0]), "safety: .* the nearest is 2"),
        (
            lambda actions: actions - np.array([0, 0, 0, 0, 1]),
            "disclosure: expected a whole number from 0 to 1, got -1",
        ),
        (lambda actions: actions[:, :4], r"an array of shape \(3, 5\), got one of \(3, 4\)"),
        (lambda actions: actions[0], r"got one of \(5,\)"),
        (lambda actions: [["x"] * 5] * 3, "got values of type"),
        (lambda actions: [[1, 2], [3]], "ragged"),
    ],
)
def test_a_wrong_action_refuses_the_batch_before_anything_changes(change, message: str) -> None:
    many = vector(3, scenario="sawmill")
    many.reset(seed=0)
    actions = np.tile([1, 2, 1, 1, 0], (3, 1))
    many.step(actions)
    before = [each.copy() for each in many.unwrapped.state]
    with pytest.raises(ActionError, match=message):
        many.step(change(actions))
    assert all((old == new).all() for old, new in zip(before, many.unwrapped.state, strict=True))
    many.step(actions.astype(float))
    assert many.unwrapped.state.day.tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"scenario": "sawmil"}, UnknownNameError, "sawmill"),
        ({"stakes": "humane"}, UnknownNameError, "human"),
        ({"interface": "tools"}, ValueError, "expected the numeric interface"),
        ({"autoreset_mode": "sometimes"}, ValueError, "sometimes"),
    ],
)
def test_wrong_settings_are_refused(given: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        vector(2, **given)


def test_wrong_resets_are_refused() -> None:
    many = vector(2)
    with pytest.raises(gym.error.ResetNeeded):
        many.step(np.zeros((2, 5), int))
    for seed in (-1, 2**64 - 1, [1], [1, -2]):
        with pytest.raises(ValueError, match="seed: expected"):
            many.reset(seed=seed)
    with pytest.raises(UnknownNameError, match="reset_mask"):
        many.reset(options={"mask": 1})
    with pytest.raises(ValueError, match="expected everything to be reset"):
        many.reset(options={"reset_mask": np.array([True, False])})
    many.reset(seed=0)
    with pytest.raises(ValueError, match="expected 2 truth values"):
        many.reset(options={"reset_mask": np.array([1, 0])})


def test_spaces_hold_what_comes_and_the_spec_survives_json() -> None:
    many = vector(3)
    observation, _ = many.reset(seed=0)
    assert many.observation_space.contains(observation)
    observation, *_ = many.step(many.action_space.sample())
    assert many.observation_space.contains(observation)
    assert observation.dtype == np.float32
    assert many.single_action_space.nvec.tolist() == [len(names) for names in LEVELS.values()]
    again = EnvSpec.from_json(gym.spec(ENV).to_json())
    assert again.vector_entry_point == "safegym.vector:OperationsVectorEnv"


def test_a_drawn_site_changes_from_episode_to_episode() -> None:
    many = vector(64)
    names = set(many.reset(seed=0)[1]["scenario"])
    assert len(names) == len(find_scenarios("operations"))
    assert many.reset(seed=0)[1]["scenario"].tolist() == many.reset(seed=0)[1]["scenario"].tolist()
    assert many.reset()[1]["scenario"].tolist() != many.reset(seed=0)[1]["scenario"].tolist()
