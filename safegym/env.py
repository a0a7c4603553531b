"""The Gymnasium environment of every family: a world behind the observation/action wall."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pydantic import JsonValue

from safegym import content, families
from safegym.errors import ActionError, ContentError, UnknownNameError
from safegym.families.base import Transition, World, complete_arm
from safegym.randomness import Stream
from safegym.records import FACTORS, MENU, SAY, Arm, Observation, Scenario, ToolCall, ToolSpec
from safegym.spaces import ToolCallSpace, UnicodeText, as_call, checked_levels, level_space
from safegym.tools import tools_of

MENU_SLOTS = 30
FEATURE_SLOTS = 16
"""Sizes of the numeric view while the scenario is drawn at each reset; unused places are masked, or zero."""


class SafegymEnv(gym.Env[Any, Any]):
    """A family of worlds as a single-agent environment.

    Observation space: with `interface="tools"` a text, the whole brief on reset and the newest message afterwards;
    with `interface="numeric"` a `Box` of the scenario's features in their own units, cut to their range.

    Action space: with `interface="tools"` a call `{"tool": name, "arguments": {...}}`, a plain text standing for the
    reserved call `say`; with `interface="numeric"` the index of a call in the menu. `info["action_mask"]` marks the
    calls that can do anything. A family with levels of its own (`Family.levels`) takes a `MultiDiscrete` of them
    instead; an action outside it is an `ActionError` and changes nothing.

    Reward: change of the measured KPI, in its unit. `info["cost"]` and `info["harm"]` are apart from it.

    Episode end: `terminated` when the agent closed the episode, `truncated` when the scenario's steps are used up.

    Args:
        family: Name of the family.
        scenario: Id, name or path of a scenario, or the record itself; without it every reset draws one of the
            family from the seed.
        interface: `tools` or `numeric`; by default `numeric` where the family has levels of its own.
        cost: `expected` counts a risky act by its probability, `realised` by what came of it.
        limit: Fewer steps than the scenario allows.
        render_mode: `ansi` gives the newest text from `render()`, `human` prints it at every step.
        settings: Arm levels (`stakes="control"`) and the family's options.
    """

    metadata = {"render_modes": ["ansi", "human"], "render_fps": 4}  # noqa: RUF012 - the base class fixes the type

    def __init__(
        self,
        family: str,
        *,
        scenario: str | Path | Scenario | None = None,
        interface: Literal["tools", "numeric"] | None = None,
        cost: Literal["expected", "realised"] = "expected",
        limit: int | None = None,
        render_mode: str | None = None,
        **settings: Any,  # noqa: ANN401 - arm levels and family options, checked below
    ) -> None:
        self.family = families.load(family)
        self.scenario_name, self.cost, self.limit, self.settings = scenario, cost, limit, settings
        self.interface = interface or ("numeric" if self.family.levels else "tools")
        self.render_mode = render_mode
        _one_of("interface", self.interface, ("tools", "numeric"))
        _one_of("cost", cost, ("expected", "realised"))
        self._options(settings)
        self._fixed = self._find(scenario) if scenario is not None else None
        self._shown = None if self._fixed is None else self.family.stage(self._fixed, self._options(settings))
        self._menu_places = MENU_SLOTS if self._shown is None else len(self._shown.menu)
        self._world: World | None = None
        self._seed: int | None = None
        self._episode = 0
        self._tools: tuple[ToolSpec, ...] = ()
        self.steps = 0
        self.text = ""
        self.observation_space, self.action_space = self._spaces(self._fixed)

    @cached_property
    def _files(self) -> dict[str, Path]:
        """The scenarios that may be drawn; folders are only looked through where one is."""
        return content.family_files(self.family.name)

    @property
    def _by_levels(self) -> bool:
        return self.interface == "numeric" and bool(self.family.levels)

    @property
    def world(self) -> World:
        """The world of the present episode: state that no agent may see."""
        if self._world is None:
            raise gym.error.ResetNeeded("Cannot use the environment before `reset`.")
        return self._world

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: Seed of the world's streams; without it the next episode of the same seed begins.
            options: `scenario`, arm levels and family options that take the place of those given to `make`.
        """
        super().reset(seed=seed)
        if seed is not None:
            self._seed, self._episode = seed, 0
        elif self._seed is None:
            self._seed, self._episode = int(self.np_random.integers(2**32)), 0
        else:
            self._episode += 1
        chosen = {"scenario": self.scenario_name, **self.settings, **(options or {})}
        name = chosen.pop("scenario")
        if self._fixed is not None and name is self.scenario_name:
            scenario = self._fixed
        else:
            scenario = self._find(name) if name is not None else self._drawn(self._seed)
        arm, family_options = self._split(chosen)
        staged = self.family.stage(scenario, self.family.checked(family_options))
        chosen_arm = _applicable(staged, arm, name)
        self._world = self.family.start(scenario, chosen_arm, family_options, self._seed, self._episode, self.limit)
        self._check_spaces(self._world)
        self.steps, self.text, self._tools = 0, self.world.brief(), ()
        info = {"kpi": self.world.kpi()} if self._by_levels else self._info()
        info |= {"scenario": scenario.id, "arm": self.world.arm.levels, "brief": self.text}
        if self.render_mode == "human":
            self.render()
        return self._observed(), info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:  # noqa: ANN401 - see the class
        """Carry out one call, or one choice of levels."""
        if self._by_levels and not isinstance(action, ToolCall | Mapping | str):
            levels = checked_levels(action, self.family.levels)
            return self._stepped(self.world.act(levels, tell=self.render_mode is not None), {})
        call = self._call(action)
        transition = self.world.advance(call)
        return self._stepped(transition, {"call": call, "result": transition.result})

    def _stepped(
        self, transition: Transition, told: dict[str, Any]
    ) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        self.steps += 1
        truncated = not transition.ended and self.steps >= self.world.step_limit
        parts = [transition, self.world.end()] if transition.ended or truncated else [transition]
        self.text = transition.result.text
        info = (self._info() if told else {"kpi": self.world.kpi()}) | told
        info |= _merged(parts, self.cost) | self.world.signals()
        if transition.ended or truncated:
            info["ending"] = self.world.ending()
        if self.render_mode == "human":
            self.render()
        return self._observed(), sum(part.reward for part in parts), transition.ended, truncated, info

    def render(self) -> str | None:
        """The newest text."""
        if self.render_mode == "human":
            print(self.text)
            return None
        return self.text

    def observation(self) -> Observation:
        """What the agent is shown now, as the record that crosses the wall to `Agent`s."""
        tools = self.world.specs()
        return Observation(
            text=self.text,
            tools=tools if tools != self._tools or self.steps == 0 else None,
            menu=self.world.menu,
            features=self.features(),
            kpi=self.world.kpi(),
            step=self.steps,
            steps_left=self.world.step_limit - self.steps,
        )

    def features(self) -> dict[str, float]:
        """The scenario's features by name, cut to their declared range."""
        known = self.world.features() | {"steps_left": float(self.world.step_limit - self.steps)}
        return {name: min(max(known[name], low), high) for name, low, high in _ranges(self.world.scenario)}

    def feature_space(self) -> spaces.Box:
        """The numeric observation: the features of a fixed scenario, else as many places as any scenario needs."""
        if self._shown is not None:
            declared = self._shown.features
            bounds = np.array([(each.low, each.high) for each in declared], dtype=np.float32)
        else:
            bounds = np.tile(np.array([0, 1], dtype=np.float32), (self._places, 1))
            options = self._options(self.settings)
            for scenario in content.find_scenarios(self.family.name):
                for place, each in enumerate(self.family.stage(scenario, options).features):
                    bounds[place] = min(bounds[place, 0], each.low), max(bounds[place, 1], each.high)
        return spaces.Box(bounds[:, 0], bounds[:, 1], dtype=np.float32)

    def feature_vector(self) -> NDArray[np.float32]:
        """The features as the numeric observation, zero where the scenario has fewer than the space has places."""
        values = list(self.features().values())
        size = len(values) if self.scenario_name is not None else self._places
        vector = np.zeros(size, dtype=np.float32)
        vector[: len(values)] = values
        return vector

    @property
    def _places(self) -> int:
        """Places of the numeric view of a drawn scenario; where levels are chosen, all scenarios have the same."""
        if self.family.levels:
            return len(content.read_scenario(next(iter(self._files.values()))).features)
        return FEATURE_SLOTS

    def menu_space(self) -> spaces.Discrete:
        """The numeric action: the index of a call in the menu."""
        return spaces.Discrete(self._menu_places)

    def menu_mask(self) -> NDArray[np.int8]:
        """One for every call of the menu that can do anything now, zero elsewhere."""
        menu = self.world.menu
        mask = np.zeros(max(self._menu_places, len(menu)), dtype=np.int8)
        if not self.world.closed:
            mask[: len(menu)] = [self.world.available(call) for call in menu]
        return mask

    def _check_spaces(self, world: World) -> None:
        """Refuse an episode whose numbers the spaces of this environment cannot hold."""
        scenario, shown = world.scenario, self._shown
        if shown is None or self.interface == "tools":
            return
        if (len(scenario.menu), scenario.features) == (self._menu_places, shown.features):
            return
        held = self.feature_space()
        told = np.array([(each.low, each.high) for each in scenario.features], dtype=np.float32)
        fits = (len(scenario.menu), told.shape[0]) == (self._menu_places, held.shape[0])
        if not fits or (told[:, 0] < held.low).any() or (told[:, 1] > held.high).any():
            self._world = None
            reason = f"expected an episode that fits the spaces of {shown.id} as it was made; make another environment"
            raise ContentError("reset", "options", f"{reason} for {scenario.id} with a menu of {len(scenario.menu)}")

    def _call(self, action: Any) -> ToolCall:  # noqa: ANN401 - see the class
        if self.interface == "numeric" and not isinstance(action, ToolCall | Mapping | str):
            index = _whole(action)
            if not 0 <= index < self._menu_places:
                raise ActionError(
                    f"expected the place of a call in the menu, 0 to {self._menu_places - 1}, got {index}"
                )
            return self._from_menu(index)
        call = as_call(action)
        return self._from_menu(call.arguments.get("index")) if call.tool == MENU else call

    def _from_menu(self, index: object) -> ToolCall:
        menu = self.world.menu
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(menu):
            return ToolCall(tool=SAY, arguments={"text": f"menu entry {index}"})
        return self.world.resolve(menu[index])

    def _observed(self) -> Any:  # noqa: ANN401 - see the class
        return self.feature_vector() if self.interface == "numeric" else self.text

    def _info(self) -> dict[str, Any]:
        tools = self.world.specs()
        info: dict[str, Any] = {"kpi": self.world.kpi()}
        if self.interface == "numeric":
            info["action_mask"] = self.menu_mask()
        if tools != self._tools:
            self._tools = tools
            info["tools"] = [each.as_function() for each in tools]
        return info

    def _spaces(self, fixed: Scenario | None) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
        if self._by_levels:
            return self.feature_space(), level_space(self.family.levels)
        if self.interface == "numeric":
            return self.feature_space(), self.menu_space()
        if fixed is not None:
            specs: Sequence[ToolSpec] = self.family.start(fixed, options=self._split(self.settings)[1]).specs()
        else:
            world = self.family.world_under(self._options(self.settings))
            specs = [each.spec for each in tools_of(world).values()]
        return UnicodeText(), ToolCallSpace(specs)

    def _find(self, name: str | Path | Scenario) -> Scenario:
        scenario = name if isinstance(name, Scenario) else content.find_scenario(name)
        if scenario.family != self.family.name:
            reason = f"expected a scenario of {self.family.name}, got one of {scenario.family}"
            raise ContentError("scenario", "", f"{reason}, {scenario.id}; make {families.load(scenario.family).env_id}")
        return scenario

    def _drawn(self, seed: int) -> Scenario:
        if not self._files:
            raise UnknownNameError(f"scenario of {self.family.name}", "any", [])
        name = Stream(seed, f"{self.family.name}/scenario", self._episode).choice(list(self._files))
        return content.read_scenario(self._files[name])

    def _options(self, settings: Mapping[str, Any]) -> dict[str, JsonValue]:
        """All options of the family under these settings, checked."""
        return self.family.checked(self._split(settings)[1])

    def _split(self, settings: Mapping[str, Any]) -> tuple[dict[str, str | None], dict[str, JsonValue]]:
        arm = {name: value for name, value in settings.items() if name in FACTORS}
        options = {name: value for name, value in settings.items() if name not in FACTORS}
        for name in options:
            if name not in self.family.options.model_fields:
                raise UnknownNameError("option", name, [*FACTORS, *self.family.options.model_fields, "scenario"])
        for factor, level in arm.items():
            if level is not None and level not in FACTORS[factor]:
                raise UnknownNameError(f"level of {factor}", level, FACTORS[factor])
        return arm, options


def _whole(action: Any) -> int:  # noqa: ANN401 - whatever a caller gives
    try:
        return operator.index(action.item() if isinstance(action, np.ndarray) and action.size == 1 else action)
    except TypeError:
        raise ActionError(f"expected the place of a call in the menu, a whole number, got {action!r}") from None


@lru_cache(maxsize=256)
def _ranges(scenario: Scenario) -> tuple[tuple[str, float, float], ...]:
    return tuple((each.name, each.low, each.high) for each in scenario.features)


def _applicable(scenario: Scenario, arm: Mapping[str, str | None], name: object) -> Arm:
    """The arm; where the scenario was drawn, factors that it does not have are left out."""
    if name is None:
        arm = {factor: level for factor, level in arm.items() if factor in scenario.arms}
    return complete_arm(scenario, arm)


def _merged(parts: Sequence[Transition], cost: str) -> dict[str, Any]:
    return {
        "events": tuple(event for part in parts for event in part.events),
        "cost": sum(part.realised if cost == "realised" else part.cost for part in parts),
        "harm": sum(part.harm for part in parts),
    }


def _one_of(what: str, value: str, valid: Sequence[str]) -> None:
    if value not in valid:
        raise UnknownNameError(what, value, valid)
