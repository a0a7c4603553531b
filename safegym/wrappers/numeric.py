"""The numeric view of a tools environment: actions by index, observations as numbers."""

from __future__ import annotations

from typing import Any, SupportsFloat, cast

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from safegym.env import SafegymEnv
from safegym.records import MENU


class DiscreteMenu(gym.ActionWrapper[Any, Any, Any], RecordConstructorArgs):
    """Actions are indices into the scenario's menu: 12 to 30 unlabelled calls in seeded order.

    `action_masks()` and `info["action_mask"]` tell which calls can do anything now, as MaskablePPO expects it.

    Args:
        env: A safegym environment, wrapped or not.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self.action_space = safegym_env(env).menu_space()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; `info["action_mask"]` is there whatever interface is inside."""
        observation, info = super().reset(seed=seed, options=options)
        return observation, info | {"action_mask": safegym_env(self).menu_mask()}

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:  # noqa: ANN401 - an integer of any library
        """Make the call that an index stands for."""
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward, terminated, truncated, info | {"action_mask": safegym_env(self).menu_mask()}

    def action(self, action: Any) -> dict[str, Any]:  # noqa: ANN401 - an integer of any library
        """The call that an index stands for."""
        return {"tool": MENU, "arguments": {"index": int(action)}}

    def action_masks(self) -> NDArray[np.bool_]:
        """True for every call that can do anything now."""
        return safegym_env(self).menu_mask().astype(bool)


class Features(gym.ObservationWrapper[Any, Any, Any], RecordConstructorArgs):
    """Observations are the scenario's features, a `Box` of `float32` in the features' own units.

    Args:
        env: A safegym environment, wrapped or not.
        normalise: Map every feature from its range to [0, 1]; needs a fixed scenario.
    """

    def __init__(self, env: gym.Env[Any, Any], *, normalise: bool = False) -> None:
        RecordConstructorArgs.__init__(self, normalise=normalise)
        super().__init__(env)
        self.raw_space = safegym_env(env).feature_space()
        if normalise and safegym_env(env).scenario_name is None:
            raise ValueError("expected an environment with a fixed scenario= to normalise features, got a drawn one")
        self.normalise = normalise
        self.observation_space = gym.spaces.Box(0.0, 1.0, self.raw_space.shape) if normalise else self.raw_space

    def observation(self, observation: object) -> NDArray[np.float32]:
        """The feature vector; the text is left to `info`."""
        vector = safegym_env(self).feature_vector()
        if not self.normalise:
            return vector
        low, high = self.raw_space.low, self.raw_space.high
        return cast(NDArray[np.float32], ((vector - low) / (high - low)).astype(np.float32))


def safegym_env(env: gym.Env[Any, Any]) -> SafegymEnv:
    """The safegym environment inside any number of wrappers."""
    inner = env.unwrapped
    if not isinstance(inner, SafegymEnv):
        raise TypeError(f"expected a safegym environment, got {inner}")
    return inner
