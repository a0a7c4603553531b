"""Many contract games in arrays, a round of all of them at once.

Game i with seed s takes the course of the single game with seed s + i, bit for bit, because both run one transition
(`kernel.play_round`) on one counter-based generator.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from safegym.errors import WorldError
from safegym.families.arithmetic import arrays
from safegym.families.contract.game import AGENT, PRINCIPAL, ROUNDS, TYPE, ContractGame, primitives_of
from safegym.families.contract.kernel import ANSWER, OFFER, Contract, Luck, State, begin, is_high, offer_of, play_round
from safegym.families.contract.view import FEATURES, observe
from safegym.randomness import checked_seed, quads
from safegym.spaces import checked_batch

Floats: TypeAlias = NDArray[np.float64]
USE = arrays()


class ContractVector:
    """`num_games` contract games that are played in step.

    A round is `offer` and then `answer`. All games have equally many rounds, so all are over together; `reset` begins
    the next episode everywhere.

    Args:
        num_games: How many.
        settings: Fields of `Primitives`, the same for all games.
    """

    def __init__(self, num_games: int, **settings: Any) -> None:  # noqa: ANN401 - checked by `primitives_of`
        if num_games < 1:
            raise ValueError(f"expected at least one game, got num_games={num_games}")
        self.num_games = num_games
        self.primitives = primitives_of(settings)
        self.numbers = self.primitives.numbers(np.array)
        low, high = (np.array(each, np.float32) for each in ContractGame(settings=settings).bounds(PRINCIPAL))
        self._low, self._high = low[:, None], high[:, None]
        self._seeds: NDArray[np.uint64] | None = None
        self._episode = 0
        self._round = self.primitives.rounds
        self._answering = False
        self._offer: tuple[Contract, Contract]

    @property
    def over(self) -> bool:
        """Whether all rounds of the episode have been played."""
        return self._round >= self.primitives.rounds

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode everywhere.

        Args:
            seed: Game i takes seed + i; without it the next episode of the same seeds begins, and seed 0 at first.
        """
        if seed is not None or self._seeds is None:
            first = 0 if seed is None else checked_seed(seed, self.num_games)
            self._seeds = np.uint64(first) + np.arange(self.num_games, dtype=np.uint64)
            self._episode = 0
        else:
            self._episode += 1
        self.state: State = begin(np.zeros(self.num_games))
        self.high: NDArray[np.bool_] = is_high(self.numbers, quads(self._seeds, self._episode, TYPE, 0)[0])
        self._round = 0
        self._nothing()

    def offer(self, levels: Any) -> NDArray[np.bool_]:  # noqa: ANN401 - an array of any kind, checked
        """The principals' offers.

        Args:
            levels: An array (game, component) in the order of `OFFER`; one that is out of range refuses the batch as
                an `ActionError`, and a contract that pays too little or too much counts as none.

        Returns:
            Whether there is a contract on offer, for each game.
        """
        if self._answering or self.over:
            raise WorldError("expected an answer" if self._answering else "the games are over: reset them")
        self._offer = offer_of(self.numbers, checked_batch(levels, OFFER, self.num_games), USE)
        self._answering = True
        return np.asarray((self._offer[0].form > 0) | (self._offer[1].form > 0))

    def answer(self, levels: Any) -> dict[str, Floats]:  # noqa: ANN401 - an array of any kind, checked
        """The agents' answers and efforts, and the rest of the round.

        Args:
            levels: An array (game, component) in the order of `ANSWER`.

        Returns:
            What the round brought each side, an array for each player.
        """
        if not self._answering:
            raise WorldError("expected an offer before the answer")
        assert self._seeds is not None
        answer, effort = checked_batch(levels, ANSWER, self.num_games)
        luck = Luck(*quads(self._seeds, self._episode, ROUNDS, self._round))
        played = play_round(self.numbers, self.state, self._offer, answer, effort, self.high, luck, USE)
        self.state = played.state
        self._round += 1
        self._nothing()
        return {PRINCIPAL: played.principal, AGENT: played.agent}

    def observe(self, player: str) -> NDArray[np.float32]:
        """What a player sees in every game: an array (game, number), as the numeric interface shows it for one."""
        if self._seeds is None:
            raise WorldError("reset the games before they are played")
        agent = player == AGENT
        payoff, moves = (self.state.agent if agent else self.state.principal), float(agent == self._answering)
        high = self.high if agent else np.zeros(self.num_games, np.bool_)
        columns = np.empty((len(FEATURES), self.num_games), np.float32)
        seen = observe(self.primitives.rounds, self.state, self._offer, payoff, moves * (not self.over), high, USE)
        for place, column in enumerate(seen):
            columns[place] = column
        np.clip(columns, self._low, self._high, out=columns)
        return np.ascontiguousarray(columns.T)

    def _nothing(self) -> None:
        self._answering = False
        none = np.zeros((len(OFFER), self.num_games), np.int64)
        self._offer = offer_of(self.numbers, none, USE)
