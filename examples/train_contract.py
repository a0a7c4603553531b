"""A principal and an agent who learn the contract game from their own payoffs, and how near they come to its optimum.

The principal is a bandit over the single contracts of the game's grid: it knows neither what an effort costs nor how
outcomes come about, and offers those whose mean payoff could be highest (upper confidence bounds: Auer, Cesa-Bianchi
and Fischer, "Finite-time analysis of the multiarmed bandit problem", Machine Learning 47, 2002). The agent keeps a
table of its own mean payoff for every contract, type and answer. Neither sees the other's payoff. From time to time
what both would do without exploring is held against the second best, as a share of what that brings above the outside
options.

    python examples/train_contract.py                     # twelve million rounds, some ten seconds on one core
    python examples/train_contract.py --rounds 2000000    # a glimpse, two seconds
    python examples/train_contract.py --figure shares.png
"""

import argparse
import time
from pathlib import Path

import numpy as np

from safegym.families.contract import AGENT, PRINCIPAL, ContractVector, solver

ANSWERS = np.array([(0, 0), *((1, effort) for effort in range(5))])
"""What the agent chooses from: no contract, or the contract with each effort."""
CANDIDATES, FINALISTS = 64, 6
"""How many contracts are on trial at once, at first and at last."""
SPREAD = 12.0
"""Roughly the standard deviation of a round's profit, in money."""
REPORTS = 24


class Principal:
    """A bandit: mean payoff of every contract, the newest rounds counting for more because the agent learns too."""

    def __init__(self, contracts: np.ndarray, draw: np.random.Generator) -> None:
        self.contracts, self.draw = contracts, draw
        self.mean, self.tried = np.zeros(len(contracts)), np.zeros(len(contracts))

    def choose(self, count: int, explore: float) -> np.ndarray:
        """A contract for each of `count` games: mostly one that could be best, else any."""
        spread = SPREAD * explore * np.sqrt(np.log(self.tried.sum() + 1) / np.maximum(self.tried, 1))
        index = np.where(self.tried > 0, self.mean + spread, np.inf) + 1e-6 * self.draw.random(len(self.mean))
        few = max(int(CANDIDATES * explore), FINALISTS)
        best = np.argpartition(-index, few)[:few]
        chosen = best[self.draw.integers(few, size=count)]
        stray = self.draw.random(count) < 0.5 * explore
        return np.where(stray, self.draw.integers(len(self.mean), size=count), chosen)

    def learn(self, chosen: np.ndarray, payoff: np.ndarray) -> None:
        """Move the means towards what the round brought."""
        learn(self.mean, self.tried, chosen, payoff, least=0.004)

    def best(self) -> int:
        """The contract with the best mean, less what is uncertain about it."""
        return int((self.mean - SPREAD / np.sqrt(np.maximum(self.tried, 1))).argmax())


class Agent:
    """A table: mean payoff of every answer to every contract, for each type."""

    def __init__(self, contracts: int, draw: np.random.Generator) -> None:
        self.draw = draw
        self.mean, self.tried = np.zeros((2, contracts, len(ANSWERS))), np.zeros((2, contracts, len(ANSWERS)))

    def choose(self, high: np.ndarray, offered: np.ndarray, explore: float) -> np.ndarray:
        """The answer with the best mean, or one that was not tried yet, or sometimes any."""
        place = high.astype(int), offered
        index = np.where(self.tried[place] > 0, self.mean[place], np.inf)
        best = (index + 1e-9 * self.draw.random(index.shape)).argmax(axis=1)
        stray = self.draw.random(len(high)) < explore
        return np.where(stray, self.draw.integers(len(ANSWERS), size=len(high)), best)

    def learn(self, high: np.ndarray, offered: np.ndarray, answer: np.ndarray, payoff: np.ndarray) -> None:
        """Move the means towards what the round brought."""
        place = np.ravel_multi_index((high.astype(int), offered, answer), self.mean.shape)
        learn(self.mean.reshape(-1), self.tried.reshape(-1), place, payoff, least=0.0)

    def knows(self, offered: int) -> bool:
        """Whether each type has tried every answer to a contract; before, what it would do tells nothing."""
        return bool(self.tried[:, offered].all())

    def best(self, offered: int) -> list[tuple[int, int]]:
        """The answer of each type to a contract, as levels."""
        return [tuple(ANSWERS[each].tolist()) for each in self.mean[:, offered].argmax(axis=1)]


def learn(mean: np.ndarray, tried: np.ndarray, place: np.ndarray, payoff: np.ndarray, least: float) -> None:
    """Running means in place; `least` is how much the newest batch counts at least."""
    count = np.bincount(place, minlength=len(mean))
    seen = np.flatnonzero(count)
    total = np.bincount(place, payoff, minlength=len(mean))[seen]
    tried[seen] += count[seen]
    weight = np.maximum(count[seen] / tried[seen], least)
    mean[seen] += weight * (total / count[seen] - mean[seen])


def train(rounds: int, games: int, seed: int, **settings: float) -> list[tuple[int, float, float]]:
    """Play and learn; prints how far they are.

    Args:
        rounds: Rounds in all games together.
        games: Games at once.
        seed: Seed of the games and of both learners.
        settings: Fields of `Primitives`.

    Returns:
        Rounds played, and surplus and profit as shares of the second best's; nothing from before both types have tried
        every answer to the contract that the principal holds for the best.
    """
    play, draw = ContractVector(games, **settings), np.random.default_rng(seed)
    game = play.primitives
    second, grid = solver.second_best(game), solver.grid_best(game)
    contracts = solver.contracts(game)[1:]
    offers = np.concatenate([contracts, np.zeros_like(contracts)], axis=1)
    principal, agent = Principal(contracts, draw), Agent(len(contracts), draw)
    print(f"second best: profit {second.profit:.3f}, surplus {second.surplus:.3f}; first best: surplus", end=" ")
    print(f"{solver.first_best(game).surplus:.3f}; best menu of the grid: profit {grid.profit:.3f}", flush=True)
    batches, found, started = max(rounds // games, REPORTS), [], time.perf_counter()
    reports = set(np.geomspace(batches / 200, batches, REPORTS).round().astype(int).tolist())
    play.reset(seed=seed)
    for batch in range(batches):
        explore = max(1.0 - 1.25 * batch / batches, 0.0)
        if play.over:
            play.reset()
        chosen = principal.choose(games, explore)
        high = play.high
        play.offer(offers[chosen])
        answer = agent.choose(high, chosen, 0.1 * explore)
        payoffs = play.answer(ANSWERS[answer])
        principal.learn(chosen, payoffs[PRINCIPAL])
        agent.learn(high, chosen, answer, payoffs[AGENT])
        best = principal.best() if batch + 1 in reports else -1
        if best >= 0 and agent.knows(best):
            replies = agent.best(best)
            told = solver.expected(game, offers[best].tolist(), [replies[multiple > 1] for _, multiple in game.types])
            shares = solver.share(told.surplus, second, game), told.profit / second.profit
            found.append(((batch + 1) * games, *shares))
            print(
                f"{(batch + 1) * games:>12,} rounds, {time.perf_counter() - started:5.0f} s: {shares[0]:6.1%} of the "
                f"second best's surplus, {shares[1]:6.1%} of its profit; efforts {told.efforts}",
                flush=True,
            )
    if not found:
        print(f"nothing was learned in {batches * games:,} rounds; two million show something")
    return found


def draw_figure(found: list[tuple[int, float, float]], file: Path) -> None:
    """The shares over time."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    played, surplus, profit = zip(*found, strict=True)
    axes.axhline(1.0, color="0.6", linewidth=1, label="second best")
    played = [each / 1e6 for each in played]
    axes.plot(played, surplus, color="tab:blue", label="surplus of both")
    axes.plot(played, profit, color="tab:orange", linestyle="--", label="profit of the principal")
    axes.set(xlabel="rounds played, in millions", xscale="log", ylabel="share of the second best", ylim=(-0.3, 1.15))
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=150)
    print(f"wrote {file}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12_000_000, help="rounds in all games together")
    parser.add_argument("--games", type=int, default=2048, help="games at once")
    parser.add_argument("--seed", type=int, default=0, help="seed of the games and of both learners")
    parser.add_argument("--noise", type=float, default=0.4, help="probability that the outcome is luck alone")
    parser.add_argument("--figure", type=Path, help="file for a picture of the shares over time (needs matplotlib)")
    arguments = parser.parse_args()
    shares = train(arguments.rounds, arguments.games, arguments.seed, noise=arguments.noise)
    if arguments.figure and shares:
        draw_figure(shares, arguments.figure)
