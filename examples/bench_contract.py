"""How many rounds of the contract game are played a second: in arrays, and one game alone, in one run on one core.

A round is an offer and an answer, both drawn at random, with what both sides see computed after each; new episodes are
counted. Nothing else should be running.

    python examples/bench_contract.py
    python examples/bench_contract.py --seconds 0.3 --games 64
"""

import argparse
import itertools
from collections.abc import Callable

import numpy as np
import pettingzoo
from bench_vector import AHEAD, rate

import safegym
from safegym.families.contract import AGENT, PRINCIPAL, ContractVector

ENV = "safegym/contract-v0"
SIDES = (PRINCIPAL, AGENT)


def drawn(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Random offers and answers of `count` games for many rounds."""
    env = pettingzoo.make("parallel", ENV)
    draw = np.random.default_rng(0)
    tops = [env.action_space(side).nvec for side in SIDES]
    return [tuple(draw.integers(top, size=(count, len(top))) for top in tops) for _ in range(AHEAD)]


def together(count: int) -> Callable[[], int]:
    """Rounds of `count` games at once."""
    games, moves = ContractVector(count), itertools.cycle(drawn(count))
    games.reset(seed=0)

    def step() -> int:
        if games.over:
            games.reset()
        offers, answers = next(moves)
        games.offer(offers)
        games.observe(AGENT)
        games.answer(answers)
        games.observe(PRINCIPAL)
        return count

    return step


def alone(kind: str) -> Callable[[], int]:
    """Rounds of one game."""
    env, moves = pettingzoo.make(kind, ENV), itertools.cycle(drawn(1))
    env.reset(seed=0)

    def step() -> int:
        if not env.agents or any(getattr(env, "terminations", {}).values()):
            env.reset()
        for side, action in zip(SIDES, next(moves), strict=True):
            env.step({side: action[0]} if kind == "parallel" else action[0])
        return 1

    return step


def main(seconds: float, count: int) -> None:
    """Print a line per figure, with its ratio to one game of the parallel interface."""
    cases = {
        "one game, parallel": lambda: alone("parallel"),
        "one game, turn by turn": lambda: alone("aec"),
        f"{count} games in arrays": lambda: together(count),
    }
    print(f"safegym {safegym.__version__}, one core, {seconds:g} s each")
    base = 0.0
    for name, make in cases.items():
        found = rate(make(), seconds)
        base = base or found
        print(f"{name:28} {found:12,.0f} rounds/s {found / base:10.2f} of one game", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="time for each figure")
    parser.add_argument("--games", type=int, default=1024, help="games in the arrays")
    arguments = parser.parse_args()
    main(arguments.seconds, arguments.games)
