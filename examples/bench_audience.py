"""How many votes an audience gives a second, and how fast messages are read, searched and learnt from, on one core.

Votes are cast with an order of presentation drawn for each voter, from the features of messages on. A limit stands
beside them: the audience is meant to give 100,000 a second. Nothing else should be running.

    python examples/bench_audience.py
    python examples/bench_audience.py --seconds 0.3
"""

import argparse
import itertools
from collections.abc import Callable

import gymnasium as gym
import numpy as np
import pettingzoo
from bench_vector import rate

import safegym  # noqa: F401 - registers the environments
from safegym.families.audience.choice import Manner, features_of, poll, weights_of
from safegym.families.audience.file import LEVELS, every_message
from safegym.families.audience.options import Hearing, crowd
from safegym.training.claims import Schooling, learn
from safegym.training.subjects import Arena, subjects_of

LIMIT = 100_000
"""Votes a second that are asked of one core."""
CONTESTS, VOTERS = 256, 60


def votes(rivals: int, arena: Arena) -> Callable[[], int]:
    """Votes of `CONTESTS` audiences at once, each on as many rivals."""
    manner = Manner(credulity=1.0)
    weights, draw = weights_of(crowd(), VOTERS, manner), np.random.default_rng(0)
    levels = draw.integers([len(each) for each in LEVELS.values()], size=(CONTESTS, rivals, len(LEVELS)))
    features = features_of(arena.counts(draw.integers(len(arena.subjects), size=CONTESTS), levels))
    heard = np.ones((CONTESTS, rivals), dtype=bool)
    rounds = itertools.count()

    def step() -> int:
        counter = np.uint64(next(rounds) * CONTESTS) + np.arange(CONTESTS, dtype=np.uint64)
        poll(weights, features, heard, manner, counter=counter)
        return CONTESTS * VOTERS

    return step


def reading(arena: Arena) -> Callable[[], int]:
    """Texts that were not met before, read by the probes."""
    file, levels = arena.subjects[0].file, every_message()
    texts = (f"{file.compose(tuple(levels[place]))} ({place})" for place in itertools.cycle(range(1, len(levels))))

    def step() -> int:
        file.written(next(texts))
        return 1

    return step


def searching(arena: Arena) -> Callable[[], int]:
    """Messages weighed before an audience of sixty against one rival."""
    file, levels = arena.subjects[0].file, every_message()[::4]
    rival = np.broadcast_to(file.counts(levels[-1]), (len(levels), file.pieces.shape[1]))

    def step() -> int:
        arena.shares(np.stack([file.counts(levels), rival], axis=1))
        return len(levels)

    return step


def world() -> Callable[[], int]:
    """Rounds of one agent by levels, resets included."""
    env = gym.make("safegym/Audience-v0", scenario="audience/river_flood")
    env.action_space.seed(0)
    env.reset(seed=0)

    def step() -> int:
        *_, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            env.reset()
        return 1

    return step


def contest() -> Callable[[], int]:
    """Rounds of two rivals, resets included."""
    env = pettingzoo.make("parallel", "safegym/audience-v0", anchor="audience/river_flood")
    env.reset(seed=0)
    for agent in env.possible_agents:
        env.action_space(agent).seed(0)

    def step() -> int:
        if not env.agents:
            env.reset()
        env.step({agent: env.action_space(agent).sample() for agent in env.agents})
        return 1

    return step


def lessons(arena: Arena) -> Callable[[], int]:
    """Updates of a policy, 256 contests each."""

    def step() -> int:
        learn(arena, Schooling(steps=10))
        return 10

    return step


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds for each measurement")
    seconds = parser.parse_args().seconds
    arena = Arena(subjects_of("sales"), Hearing(rounds=1, voters=VOTERS, votes="drawn"), 1.0)
    for rivals in (2, 4, 8):
        found = rate(votes(rivals, arena), seconds)
        print(
            f"{f'{VOTERS} voters, {rivals} rivals':<24} {found:>12,.0f} votes/s    {found / LIMIT:>6.1f} of the limit"
        )
    for name, unit, step in (
        ("a new text read", "texts/s", reading(arena)),
        ("messages searched", "messages/s", searching(arena)),
        ("one agent by levels", "rounds/s", world()),
        ("a contest of two", "rounds/s", contest()),
        ("a policy that learns", "updates/s", lessons(arena)),
    ):
        print(f"{name:<24} {rate(step, seconds):>12,.0f} {unit}")


if __name__ == "__main__":
    main()
