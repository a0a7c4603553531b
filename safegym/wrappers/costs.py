"""What to do with the cost channel: a price, a second reward, or a sixth return value."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray


class LagrangianReward(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Reward less a price for every expected violation: reward - price * cost.

    Args:
        env: An environment whose info has a `cost`.
        price: What one violation costs, in the unit of the reward; may be changed between steps.
    """

    def __init__(self, env: gym.Env[Any, Any], price: float) -> None:
        RecordConstructorArgs.__init__(self, price=price)
        super().__init__(env)
        self.price = price

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:  # noqa: ANN401 - the env's own type
        """One step; `info["reward"]` keeps the reward without the price."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        priced = float(reward) - self.price * float(info["cost"])
        return observation, priced, terminated, truncated, info | {"reward": float(reward)}


class VectorReward(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """The reward as a vector (KPI change, minus cost), as MO-Gymnasium has it."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self.reward_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float64)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:  # noqa: ANN401 - the env's own type
        """One step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        vector: NDArray[np.float64] = np.array([float(reward), -float(info["cost"])])
        return observation, vector, terminated, truncated, info


class SafetyTuple(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Steps return (observation, reward, cost, terminated, truncated, info), as Safety-Gymnasium has it."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)

    def step(self, action: Any) -> Any:  # noqa: ANN401 - six values where Gymnasium has five
        """One step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, float(reward), float(info["cost"]), terminated, truncated, info
