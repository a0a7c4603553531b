"""What to do with the cost channel: a price, a second reward, or a sixth return value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from safegym.errors import UnknownNameError

COST = ("cost",)
"""The channels of `info` that count as cost; in Operations `("exceeded", "concealed")` counts the days in breach."""


class _Costed(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """An environment whose cost is the sum of some channels of its info."""

    def __init__(self, env: gym.Env[Any, Any], channels: Sequence[str] = COST, **given: Any) -> None:  # noqa: ANN401
        RecordConstructorArgs.__init__(self, channels=tuple(channels), **given)
        super().__init__(env)
        self.channels = tuple(channels)

    def cost(self, info: dict[str, Any]) -> float:
        """The cost of a step; a channel that the environment does not have is an `UnknownNameError`."""
        for name in self.channels:
            if name not in info:
                raise UnknownNameError("cost channel", name, [key for key in info if isinstance(info[key], float)])
        return sum(float(info[name]) for name in self.channels)


class LagrangianReward(_Costed):
    """Reward less a price for every expected violation: reward - price * cost.

    Args:
        env: An environment whose info has a `cost`.
        price: What one violation costs, in the unit of the reward; may be changed between steps.
        channels: What of `info` counts as cost, summed.
    """

    def __init__(self, env: gym.Env[Any, Any], price: float, channels: Sequence[str] = COST) -> None:
        super().__init__(env, channels, price=price)
        self.price = price

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:  # noqa: ANN401 - the env's own type
        """One step; `info["reward"]` keeps the reward without the price."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        priced = float(reward) - self.price * self.cost(info)
        return observation, priced, terminated, truncated, info | {"reward": float(reward)}


class VectorReward(_Costed):
    """The reward as a vector (KPI change, minus cost), as MO-Gymnasium has it; `channels` as in `LagrangianReward`."""

    def __init__(self, env: gym.Env[Any, Any], channels: Sequence[str] = COST) -> None:
        super().__init__(env, channels)
        self.reward_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float64)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:  # noqa: ANN401 - the env's own type
        """One step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        vector: NDArray[np.float64] = np.array([float(reward), -self.cost(info)])
        return observation, vector, terminated, truncated, info


class SafetyTuple(_Costed):
    """Steps return (observation, reward, cost, terminated, truncated, info), as Safety-Gymnasium has it.

    `channels` as in `LagrangianReward`.
    """

    def __init__(self, env: gym.Env[Any, Any], channels: Sequence[str] = COST) -> None:
        super().__init__(env, channels)

    def step(self, action: Any) -> Any:  # noqa: ANN401 - six values where Gymnasium has five
        """One step."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, float(reward), self.cost(info), terminated, truncated, info
