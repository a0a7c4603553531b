"""The PettingZoo environments of every game: one transition behind the parallel and the turn-based interface."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.utils.seeding import np_random
from numpy.typing import NDArray
from pettingzoo.utils.env import AECEnv, ParallelEnv

from safegym.errors import ToolError, UnknownNameError
from safegym.families import games
from safegym.families.games import Game, Move, Stage
from safegym.randomness import checked_seed
from safegym.spaces import ToolCallSpace, UnicodeText, as_call, checked_levels, level_space

Interface: TypeAlias = Literal["numeric", "tools"]
INTERFACES = ("numeric", "tools")
RENDER_MODES = ("ansi", "human")
logger = logging.getLogger(__name__)


class Table:
    """One game at a time with its spaces: what both interfaces have in common.

    Args:
        game: Name of the game.
        interface: `numeric` or `tools`.
        settings: The game's parameters.
    """

    def __init__(self, game: str, interface: str, settings: Mapping[str, Any]) -> None:
        if interface not in INTERFACES:
            raise UnknownNameError("interface", interface, INTERFACES)
        self.kind, self.interface = games.load(game), interface
        self.settings = self.kind.checked(settings)
        self._game: Game | None = None
        self._seed: int | None = None
        self._episode = 0
        sample = self.kind(settings=self.settings)
        self.players = list(sample.players)
        self.observation_spaces: dict[str, spaces.Space[Any]] = {}
        self.action_spaces: dict[str, spaces.Space[Any]] = {}
        for player in self.players:
            if interface == "tools":
                self.observation_spaces[player] = spaces.Dict({"text": UnicodeText()})
                self.action_spaces[player] = ToolCallSpace(sample.specs(player))
            else:
                low, high = (np.array(each, np.float32) for each in sample.bounds(player))
                self.observation_spaces[player] = spaces.Box(low, high, dtype=np.float32)
                self.action_spaces[player] = level_space(sample.components(player))

    @property
    def game(self) -> Game:
        """The game of the present episode: state that no player may see."""
        if self._game is None:
            raise ResetNeeded("Cannot use the environment before `reset`.")
        return self._game

    @property
    def running(self) -> Game:
        """The game of the present episode, which is not over."""
        if self.game.over:
            raise ResetNeeded("The episode is over: `reset` begins another one.")
        return self.game

    def begin(self, seed: int | None, options: Mapping[str, Any] | None) -> None:
        """Begin an episode; see `reset` of the environments."""
        if options:
            logger.warning("reset options are ignored: %s", ", ".join(map(str, options)))
        first = None if seed is None else checked_seed(seed)
        if first is not None or self._seed is None:
            self._seed = int(np_random()[0].integers(2**32)) if first is None else first
            self._episode = 0
        else:
            self._episode += 1
        self._game = self.kind(settings=self.settings, seed=self._seed, episode=self._episode)

    def read(self, player: str, action: Any) -> Move | str | None:  # noqa: ANN401 - an action of either interface
        """The move that an action stands for, or why it stands for none; an absent one is `None`."""
        if action is None:
            return None
        if self.interface == "numeric":
            return checked_levels(action, self.game.components(player))
        try:
            return self.game.read(player, as_call(action))
        except ToolError as error:
            return str(error)

    def advance(self, chosen: Mapping[str, Move | str | None]) -> Stage:
        """One stage of the game."""
        moves = {player: None if isinstance(each, str) else each for player, each in chosen.items()}
        return self.game.advance(moves, {player: each for player, each in chosen.items() if isinstance(each, str)})

    def observe(self, player: str) -> Any:  # noqa: ANN401 - an observation of either interface
        """What a player sees now."""
        if self.interface == "tools":
            return {"text": self.game.told.get(player, "")}
        space = self.observation_spaces[player]
        assert isinstance(space, spaces.Box)
        return np.clip(np.array(self.game.features(player), np.float32), space.low, space.high)

    def info(self, player: str, first: bool = False) -> dict[str, Any]:
        """What a player is told beside the observation; at first also its tools and its brief."""
        game = self.game
        told: dict[str, Any] = {"kpi": game.payoffs[player], "moves": player in game.movers()}
        if self.interface == "numeric":
            told["action_mask"] = game.mask(player)
        elif first:
            told["tools"] = [each.as_function() for each in game.specs(player)]
        if first:
            told["brief"] = game.brief(player)
        if player in game.refused:
            told["refused"] = game.refused[player]
        if not game.alive(player):
            told["ending"] = game.ending(player)
        return told

    def text(self) -> str:
        """The newest messages of all players."""
        return "\n".join(f"{player}: {text}" for player, text in self.game.told.items())


def _named(game: str) -> dict[str, Any]:
    return {"name": f"{game}_v0", "render_modes": list(RENDER_MODES), "is_parallelizable": True}


class GameParallelEnv(ParallelEnv[str, Any, Any]):  # type: ignore[misc]  # the package has no types
    """A game in which all players are stepped at once.

    A step is one stage of the game: those who move then act, and the actions of those who wait are not looked at. A
    mover without an action, or with an action that cannot be carried out, does nothing at that stage.

    Observation space: with `interface="numeric"` a `Box` (float32), with `interface="tools"` a `Dict` whose `text` is
    what the player has been told since it last moved, at first the whole brief.

    Action space: with `interface="numeric"` a `MultiDiscrete` with the levels of the player's components, of which
    `info["action_mask"]` marks those that can do anything; an action outside it is an `ActionError` and changes
    nothing. With `interface="tools"` a call `{"tool": name, "arguments": {...}}`; a wrong call is told to its player.

    Reward: change of the player's payoff. `info["kpi"]` is the payoff so far, `info["moves"]` whether the player moves
    next, `info["refused"]` why its last move counted as none, and `info["ending"]` how the episode ended for it. That
    has neither reference nor findings, which the game's `reference` and `findings` compute, and which runs record.

    Args:
        game: Name of the game.
        interface: `numeric` or `tools`.
        render_mode: `ansi` gives the newest messages of all players from `render()`, `human` prints them at every step.
        settings: The game's parameters.
    """

    def __init__(
        self,
        game: str,
        *,
        interface: Interface = "numeric",
        render_mode: str | None = None,
        **settings: Any,  # noqa: ANN401 - checked by the game
    ) -> None:
        self.table = Table(game, interface, settings)
        self.metadata = _named(game)
        self.render_mode = _rendered(render_mode)
        self.possible_agents = list(self.table.players)
        self.agents: list[str] = []

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """The same object at every call."""
        return self.table.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """The same object at every call."""
        return self.table.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Begin an episode.

        Args:
            seed: Seed of the game's streams; without it the next episode of the same seed begins.
            options: Nothing is known; what is given is logged and ignored.
        """
        self.table.begin(seed, options)
        self.agents = list(self.possible_agents)
        if self.render_mode == "human":
            self.render()
        return (
            {player: self.table.observe(player) for player in self.agents},
            {player: self.table.info(player, first=True) for player in self.agents},
        )

    def step(
        self,
        actions: Mapping[str, Any],
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Play one stage."""
        table, players = self.table, self.agents
        movers = table.running.movers()
        chosen = {player: table.read(player, actions.get(player)) for player in players if player in movers}
        stage = table.advance(chosen)
        terminated = {player: not table.game.alive(player) for player in players}
        found = (
            {player: table.observe(player) for player in players},
            {player: stage.rewards.get(player, 0.0) for player in players},
            terminated,
            dict.fromkeys(players, False),
            {player: table.info(player) for player in players},
        )
        self.agents = [player for player in players if not terminated[player]]
        if self.render_mode == "human":
            self.render()
        return found

    def render(self) -> str | None:
        """The newest messages of all players."""
        return _shown(self.table, self.render_mode)

    def close(self) -> None:
        """Nothing is held open."""

    def state(self) -> NDArray[np.float32]:
        """The numbers of all players in a row, for training with a shared critic."""
        return _global(self.table)


class GameAECEnv(AECEnv[str, Any, Any]):  # type: ignore[misc]  # the package has no types
    """A game in which one player acts after the other; those of one stage do not see each other's action.

    Spaces, rewards and infos are those of `GameParallelEnv`. A `None` from a player that is alive means that it does
    nothing at this stage.

    Args:
        game: Name of the game.
        interface: `numeric` or `tools`.
        render_mode: As in `GameParallelEnv`.
        settings: The game's parameters.
    """

    def __init__(
        self,
        game: str,
        *,
        interface: Interface = "numeric",
        render_mode: str | None = None,
        **settings: Any,  # noqa: ANN401 - checked by the game
    ) -> None:
        super().__init__()
        self.table = Table(game, interface, settings)
        self.metadata = _named(game)
        self.render_mode = _rendered(render_mode)
        self.possible_agents = list(self.table.players)
        self.agents: list[str] = []
        self._chosen: dict[str, Move | str | None] = {}

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """The same object at every call."""
        return self.table.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """The same object at every call."""
        return self.table.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Begin an episode; see `GameParallelEnv.reset`."""
        self.table.begin(seed, options)
        self.agents = list(self.possible_agents)
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = {player: self.table.info(player, first=True) for player in self.agents}
        self._chosen = {}
        self._skip_agent_selection = None
        self.agent_selection = self.table.game.movers()[0]
        if self.render_mode == "human":
            self.render()

    def observe(self, agent: str) -> Any:  # noqa: ANN401 - an observation of either interface
        """What a player sees now."""
        return self.table.observe(agent)

    def last(self, observe: bool = True) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """What the player whose turn it is sees, has gained since it last acted, and is told."""
        self._selected()
        found: tuple[Any, float, bool, bool, dict[str, Any]] = super().last(observe)
        return found

    def step(self, action: Any) -> None:  # noqa: ANN401 - an action of either interface
        """Act for the player whose turn it is; the stage is played once all its movers have acted."""
        table = self.table
        player = self._selected()
        if self.terminations[player] or self.truncations[player]:
            self._was_dead_step(action)
            return
        self._chosen[player] = table.read(player, action)
        self._cumulative_rewards[player] = 0.0
        self._clear_rewards()
        waiting = [each for each in table.game.movers() if each not in self._chosen]
        if waiting:
            self.agent_selection = waiting[0]
            return
        stage = table.advance(self._chosen)
        self._chosen = {}
        for each in self.agents:
            self.rewards[each] = stage.rewards.get(each, 0.0)
            self.terminations[each] = not table.game.alive(each)
            self.infos[each] = table.info(each)
        self._accumulate_rewards()
        movers = table.game.movers()
        self.agent_selection = movers[0] if movers else self.agents[0]
        self._deads_step_first()
        if self.render_mode == "human":
            self.render()

    def render(self) -> str | None:
        """The newest messages of all players."""
        return _shown(self.table, self.render_mode)

    def close(self) -> None:
        """Nothing is held open."""

    def state(self) -> NDArray[np.float32]:
        """The numbers of all players in a row, for training with a shared critic."""
        return _global(self.table)

    def _selected(self) -> str:
        """Whose turn it is; nobody's before a reset and once all players have been removed."""
        if not self.agents:
            _ = self.table.running
        return str(self.agent_selection)


def _rendered(mode: str | None) -> str | None:
    if mode is not None and mode not in RENDER_MODES:
        raise UnknownNameError("render mode", mode, RENDER_MODES)
    return mode


def _shown(table: Table, mode: str | None) -> str | None:
    if mode == "human":
        print(table.text())
        return None
    return table.text()


def _global(table: Table) -> NDArray[np.float32]:
    return np.concatenate([np.array(table.game.features(player), np.float32) for player in table.players])
