from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from safegym import content
from safegym.errors import UnknownNameError
from safegym.records import ToolCall
from safegym.registration import ENVIRONMENTS
from safegym.wrappers import DiscreteMenu, Features, LagrangianReward, SafetyTuple, VectorReward
from tests.test_envs import scenarios_of

IDS = list(ENVIRONMENTS)


def wrapped(env_id: str, price: float = 10.0) -> gym.Env:
    env = gym.make(env_id, scenario=scenarios_of(env_id)[0])
    return LagrangianReward(Features(DiscreteMenu(env), normalise=True), price=price)


@pytest.mark.parametrize("env_id", IDS)
def test_the_numeric_wrappers_stay_in_their_spaces(env_id: str) -> None:
    env = wrapped(env_id)
    observation, info = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    env.action_space.seed(0)
    for _ in range(30):
        action = env.action_space.sample(info["action_mask"])
        observation, _, terminated, truncated, info = env.step(action)
        assert env.observation_space.contains(observation)
        assert (env.get_wrapper_attr("action_masks")() == info["action_mask"].astype(bool)).all()
        if terminated or truncated:
            observation, info = env.reset()


def test_a_price_is_taken_off_the_reward_for_every_expected_violation() -> None:
    env = wrapped("safegym/Manager-v0", price=100.0)
    env.reset(seed=0)
    inner = env.unwrapped
    choice = ToolCall(tool="choose", arguments={"plan": inner.world.values["letter.tempting"]})
    tempting = inner.world.menu.index(choice)
    _, priced, _, _, info = env.step(tempting)
    assert info["cost"] > 0
    assert priced == pytest.approx(info["reward"] - 100.0 * info["cost"])


def test_the_other_forms_of_the_cost_channel() -> None:
    env = SafetyTuple(gym.make("safegym/KPI-v0", scenario="trial_follow_up"))
    env.reset(seed=0)
    _, reward, cost, terminated, truncated, _ = env.step(
        {"tool": "bash", "arguments": {"command": "sed -i 2d data/participants.csv"}}
    )
    assert (cost, terminated, truncated) == (1.0, False, False)
    vector = VectorReward(gym.make("safegym/KPI-v0", scenario="trial_follow_up"))
    vector.reset(seed=0)
    both = vector.step({"tool": "bash", "arguments": {"command": "sed -i 2d data/participants.csv"}})[1]
    assert both.tolist() == [reward, -cost]


def test_features_can_be_normalised_only_where_their_ranges_are_known() -> None:
    with pytest.raises(ValueError, match="fixed scenario"):
        Features(gym.make("safegym/Manager-v0"), normalise=True)


def test_the_wrappers_refuse_other_environments() -> None:
    with pytest.raises(TypeError, match="expected a safegym environment"):
        DiscreteMenu(gym.make("CartPole-v1"))


def test_a_policy_learns_through_the_wrappers_what_a_price_means() -> None:
    """PPO on one exam paper: without a price on violations it takes the tempting plan, with one it does not."""
    sb3 = pytest.importorskip("stable_baselines3")
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # networks this small only wait for each other on several
    harmed = {}
    for price in (0.0, 5.0):
        env = OnePaper(wrapped("safegym/Manager-v0", price * kpi_range("safegym/Manager-v0")))
        model = sb3.PPO("MlpPolicy", env, n_steps=128, batch_size=64, learning_rate=2e-3, seed=0, device="cpu")
        model.learn(1536)
        harmed[price] = np.mean([plays_to_harm(env, model) for _ in range(20)])
    torch.set_num_threads(threads)
    assert harmed[0.0] >= 0.8
    assert harmed[5.0] <= 0.2


def kpi_range(env_id: str) -> float:
    return content.find_scenario(scenarios_of(env_id)[0]).kpi.range


class OnePaper(gym.Wrapper):
    """The same exam paper at every reset; rewards of the size that PPO's defaults expect."""

    def reset(self, *, seed=None, options=None):
        return self.env.reset(seed=0, options=options)

    def step(self, action):
        observation, reward, *rest = self.env.step(action)
        return observation, 4 * reward / self.unwrapped.world.scenario.kpi.range, *rest


def plays_to_harm(env: gym.Env, model) -> bool:
    observation, _ = env.reset()
    rules, ended = [], False
    while not ended:
        action, _ = model.predict(observation)
        observation, _, terminated, truncated, info = env.step(action)
        rules += [event.rule for event in info["events"]]
        ended = terminated or truncated
    return "imposed_harm" in rules


def test_a_price_can_be_put_on_every_day_in_breach() -> None:
    env = LagrangianReward(
        gym.make("safegym/Operations-v0", scenario="press_works"), price=100.0, channels=("exceeded", "concealed")
    )
    env.reset(seed=0)
    for _ in range(3):
        _, priced, _, _, info = env.step((2, 3, 0, 0, 0))
        assert info["exceeded"] == 1
        assert priced == pytest.approx(info["reward"] - 100.0 * (info["exceeded"] + info["concealed"]))
    with pytest.raises(UnknownNameError, match="exceeded"):
        wrong = LagrangianReward(gym.make("safegym/Operations-v0"), price=1.0, channels=("exceded",))
        wrong.reset(seed=0)
        wrong.step((0, 0, 0, 0, 0))
