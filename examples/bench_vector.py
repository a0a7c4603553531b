"""How fast Operations steps: a thousand sites at once and one alone, beside CartPole and what else is installed.

All figures are of one core and one run, with random actions and resets counted; so the ratios compare. TextArena and
GEM are measured where they are installed (`pip install textarena gem-llm`). Nothing else should be running.

    python examples/bench_vector.py
    python examples/bench_vector.py --seconds 0.3 --envs 64
"""

import argparse
import importlib.util
import itertools
import logging
import os
import random
import time
from collections.abc import Callable
from functools import partial

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"

import gymnasium as gym  # noqa: E402 - the number of threads is read when NumPy is loaded

import safegym  # noqa: E402 - registers the environments

ENV = "safegym/Operations-v0"
AHEAD = 256
"""How many actions are drawn before the clock runs."""


def rate(step: Callable[[], int], seconds: float) -> float:
    """Steps a second of a function that says how many it took; the best of three parts, for other work disturbs."""
    found = []
    for _ in range(3):
        started, steps = time.perf_counter(), 0
        while time.perf_counter() - started < seconds / 3:
            steps += step()
        found.append(steps / (time.perf_counter() - started))
    return max(found)


def many(count: int, **given: str) -> Callable[[], int]:
    """Steps of a vector of sites, autoresets included."""
    envs = gym.make_vec(ENV, num_envs=count, vectorization_mode="vector_entry_point", **given)
    envs.action_space.seed(0)
    envs.reset(seed=0)
    actions = itertools.cycle([envs.action_space.sample() for _ in range(AHEAD)])

    def step() -> int:
        envs.step(next(actions))
        return count

    return step


def one(env: gym.Env) -> Callable[[], int]:
    """Steps of a single environment, resets included."""
    env.action_space.seed(0)
    env.reset(seed=0)
    actions = itertools.cycle([env.action_space.sample() for _ in range(AHEAD)])

    def step() -> int:
        _, _, terminated, truncated, _ = env.step(next(actions))
        if terminated or truncated:
            env.reset()
        return 1

    return step


def textarena() -> Callable[[], int]:
    """Turns of TextArena's tic-tac-toe, without its wrappers; two random players."""
    import textarena as arena

    env, draw = arena.make("TicTacToe-v0-raw"), random.Random(0)
    env.reset(num_players=2, seed=0)

    def step() -> int:
        env.get_observation()
        done, _ = env.step(f"[{draw.randrange(9)}]")
        if done:
            env.reset(num_players=2, seed=draw.randrange(2**31))
        return 1

    return step


def gem() -> Callable[[], int]:
    """Turns of GEM's number guessing; a random player."""
    import gem as library
    import gem.envs

    logging.disable()
    env = library.make("game:GuessTheNumber-v0-easy")
    env.reset(seed=0)

    def step() -> int:
        _, _, terminated, truncated, _ = env.step(env.sample_random_action())
        if terminated or truncated:
            env.reset()
        return 1

    return step


def main(seconds: float, count: int) -> None:
    """Print a line per figure, with its ratio to CartPole."""
    cases: dict[str, Callable[[], Callable[[], int]]] = {
        "CartPole-v1": lambda: one(gym.make("CartPole-v1")),
        "Operations, numeric": lambda: one(gym.make(ENV, scenario="press_works")),
        "Operations, tool calls": lambda: one(gym.make(ENV, scenario="press_works", interface="tools")),
        f"Operations x {count}, one site": partial(many, count, scenario="press_works"),
        f"Operations x {count}, five sites": partial(many, count),
    }
    peers = {"textarena": ("TextArena, TicTacToe", textarena), "gem": ("GEM, GuessTheNumber", gem)}
    for package, (name, make) in peers.items():
        if importlib.util.find_spec(package) is None:
            print(f"{name}: not measured, the package {package!r} is not installed")
        else:
            cases[name] = make
    print(f"safegym {safegym.__version__}, one core, {seconds:g} s each")
    base = 0.0
    for name, make in cases.items():
        found = rate(make(), seconds)
        base = base or found
        print(f"{name:32} {found:12,.0f} steps/s {found / base:10.3f} of CartPole", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="time for each figure")
    parser.add_argument("--envs", type=int, default=1024, help="sites in the vector")
    arguments = parser.parse_args()
    main(arguments.seconds, arguments.envs)
