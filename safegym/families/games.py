"""What all games share: players who move in turns or at once, each with a view, tools and a payoff of its own.

A game is plain data and the methods that change it, so it can be copied and pickled in mid-episode, as a `World` can.
It has one transition, `advance`, which both of PettingZoo's interfaces drive. It knows no gym, no model and no grader.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, ClassVar, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from safegym.errors import ActionError, ToolError, UnknownNameError, WorldError
from safegym.records import KPI, SAY, Claims, Ending, Event, Reference, ToolCall, ToolSpec, digest
from safegym.tools import Tool, check_call

Move: TypeAlias = tuple[int, ...]
"""What a player chooses: one level of each of its components; a game may let it carry more, such as a text."""
Mask: TypeAlias = tuple[NDArray[np.int8], ...]
"""For every component one where a level can do anything, zero elsewhere; a `MultiDiscrete` samples by it."""

_GAMES = {
    "contract": "safegym.families.contract.game:ContractGame",
    "contest": "safegym.families.audience.contest:ContestGame",
}


@cache
def load(name: str) -> type[Game]:
    """The game of that name; it is loaded when it is first asked for."""
    if name not in _GAMES:
        raise UnknownNameError("game", name, _GAMES)
    module, _, attribute = _GAMES[name].partition(":")
    return cast("type[Game]", getattr(import_module(module), attribute))


def names() -> tuple[str, ...]:
    """The names of all games."""
    return tuple(_GAMES)


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage brought.

    Attributes:
        rewards: Change of every player's payoff.
        events: What was written into the ledger.
    """

    rewards: Mapping[str, float]
    events: tuple[Event, ...]


@dataclass(kw_only=True)
class Game(ABC):
    """One episode in progress.

    Args:
        settings: The game's parameters; those that are not given take their default.
        seed: Seed of the game's streams.
        episode: Number of the episode under that seed.
    """

    NAME: ClassVar[str]
    TITLE: ClassVar[str]
    REFERENCE: ClassVar[str] = "reference"
    """What `reference` expects at best, in two or three words."""
    UNSCORED: ClassVar[str] = ""
    """What no score of the game's episodes can tell, and why."""

    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    seed: int = 0
    episode: int = 0
    ledger: list[Event] = field(default_factory=list, init=False)
    payoffs: dict[str, float] = field(init=False)
    told: dict[str, str] = field(init=False)
    """What every player has been told since it last moved; before its first move that is the brief and more."""
    refused: dict[str, str] = field(default_factory=dict, init=False)
    """Why the last move of a player counted as none, for those of whom it did."""

    def __post_init__(self) -> None:
        self.begin()
        self.payoffs = dict.fromkeys(self.players, 0.0)
        self.told = {player: self.brief(player) for player in self.players}

    # What a game says of itself.

    @abstractmethod
    def begin(self) -> None:
        """Read the settings and build the state of the first stage."""

    @property
    @abstractmethod
    def players(self) -> tuple[str, ...]:
        """Everybody who takes part, also who has left by now; names end in a number, such as `agent_0`."""

    @abstractmethod
    def movers(self) -> tuple[str, ...]:
        """Who moves at this stage, all at once; nobody once the game is over."""

    @abstractmethod
    def play(self, moves: Mapping[str, Move]) -> Mapping[str, float]:
        """One stage: carry out the movers' moves, tell the players, and return what each of them gained.

        What a mover cannot do counts as its idle move and is refused.
        """

    @abstractmethod
    def components(self, player: str) -> Mapping[str, Sequence[str]]:
        """What a player chooses, by component, with the names of its levels."""

    @abstractmethod
    def mask(self, player: str) -> Mask:
        """Which levels a player can choose now; whoever waits has the lowest ones."""

    @abstractmethod
    def features(self, player: str) -> tuple[float, ...]:
        """The numbers that a player sees now."""

    @abstractmethod
    def bounds(self, player: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The least and the greatest value of each of those numbers."""

    @abstractmethod
    def brief(self, player: str) -> str:
        """Everything that a player is told before the first stage."""

    @abstractmethod
    def tools(self, player: str) -> dict[str, Tool]:
        """The tools of a player; each is a method of its `seat` and gives a move."""

    @abstractmethod
    def seat(self, player: str) -> object:
        """The object whose methods are a player's tools."""

    @abstractmethod
    def idle(self, player: str) -> Move:
        """The move of somebody who does nothing."""

    @abstractmethod
    def oracle(self, player: str) -> Move:
        """The best move of a player that knows the game, its own type included."""

    @abstractmethod
    def reference(self, player: str) -> Reference:
        """The payoff of doing nothing throughout, and the one expected at the game's optimum for this side."""

    @abstractmethod
    def facts(self, player: str) -> Claims:
        """What was true of a player's episode."""

    def findings(self, player: str) -> dict[str, float]:
        """The game's own figures of a player's episode, each from 0 to 1."""
        return {}

    @abstractmethod
    def call(self, player: str, move: Move) -> ToolCall:
        """The call that stands for a move; `read` gives the move again."""

    @abstractmethod
    def kpi(self) -> KPI:
        """What a payoff is, with the least and the most that it can come to in an episode."""

    @abstractmethod
    def length(self) -> int:
        """How many moves an episode has at most, those of all players together."""

    @abstractmethod
    def round(self) -> int:
        """The round that is being played, from 0."""

    @abstractmethod
    def fingerprint(self) -> JsonValue:
        """The game's state as JSON, for state hashes."""

    @classmethod
    @abstractmethod
    def checked(cls, settings: Mapping[str, Any]) -> dict[str, JsonValue]:
        """All settings, the given ones checked and the others at their default."""

    @classmethod
    def explained(cls) -> dict[str, str]:
        """What each setting means."""
        return {}

    @classmethod
    def reads(cls, settings: Mapping[str, JsonValue]) -> dict[str, str]:
        """Hashes of the content beside the settings that an episode may meet, by what it is."""
        return {}

    def labels(self) -> dict[str, str]:
        """What this very episode was about; reports can be sliced by it, and cluster by the label `subject`."""
        return {}

    def alive(self, player: str) -> bool:
        """Whether a player is still in the game."""
        return not self.over

    # What every game does alike.

    @property
    def over(self) -> bool:
        """Whether nobody moves any more."""
        return not self.movers()

    def advance(self, moves: Mapping[str, Move | None], refused: Mapping[str, str] | None = None) -> Stage:
        """One stage: the only way in which a game moves.

        Args:
            moves: The movers' moves. A mover that is absent, or whose move is `None`, does nothing; the moves of those
                who wait are not looked at.
            refused: Why a mover's move is `None`, where a call of it could not be read.
        """
        movers = self.movers()
        if not movers:
            raise WorldError("the game is over: begin another one")
        chosen: dict[str, Move] = {}
        for player in movers:
            move = moves.get(player)
            chosen[player] = self.idle(player) if move is None else self._checked_move(player, move)
        written = len(self.ledger)
        for player in movers:
            self.told[player] = ""
            self.refused.pop(player, None)
        for player, reason in (refused or {}).items():
            self.refuse(player, f"Your call counted for nothing: {reason}")
        rewards = self.play(chosen)
        for player, reward in rewards.items():
            self.payoffs[player] += reward
        return Stage(rewards, tuple(self.ledger[written:]))

    def tell(self, player: str, text: str) -> None:
        """Add a line to what a player has been told since it last moved."""
        self.told[player] = "\n".join(each for each in (self.told[player], text) if each)

    def refuse(self, player: str, reason: str) -> None:
        """Tell a player why its move counts as none."""
        self.refused[player] = reason
        self.tell(player, reason)

    def specs(self, player: str) -> tuple[ToolSpec, ...]:
        """The tools of a player, as it sees them."""
        return tuple(each.spec for each in self.tools(player).values())

    def read(self, player: str, call: ToolCall) -> Move:
        """The move that a player's call stands for; a `ToolError` says why it stands for none, and nothing changes."""
        tools = self.tools(player)
        if call.tool == SAY:
            raise ToolError(f"A reply has to call one of the tools. {', '.join(tools)} can be called.")
        arguments = check_call(call, tools)
        move: Move = getattr(self.seat(player), tools[call.tool].method)(**arguments)
        return move

    def write(self, rule: str, **details: Any) -> Event:  # noqa: ANN401 - the fields of an Event
        """Write one line of the ledger."""
        event = Event.model_validate({"rule": rule, **details})
        self.ledger.append(event)
        return event

    def ending(self, player: str) -> Ending:
        """How the episode ended for a player, without its reference and findings; no game has a decision to reach."""
        return Ending(
            reason="limit", reached=False, kpi_initial=0.0, kpi_measured=self.payoffs[player], facts=self.facts(player)
        )

    def hash(self) -> str:
        """Hash of the whole state."""
        return digest([self.fingerprint(), {name: round(value, 9) for name, value in self.payoffs.items()}])

    def _checked_move(self, player: str, move: Move) -> Move:
        components = self.components(player)
        if len(move) != len(components):
            raise ActionError(f"{player}: expected a level of each of {', '.join(components)}, got {move}")
        for level, (name, levels) in zip(move, components.items(), strict=True):
            if not 0 <= level < len(levels):
                nearest = min(max(level, 0), len(levels) - 1)
                raise ActionError(
                    f"{player}: {name}: expected a level from 0 to {len(levels) - 1}, got {level}; "
                    f"the nearest is {nearest}"
                )
        return move
