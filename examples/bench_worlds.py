"""How fast the worlds are: steps a second of a random menu policy, against CartPole in the same run.

Run it with `python examples/bench_worlds.py`; nothing else should be running.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import gymnasium as gym

import safegym
from safegym.wrappers import DiscreteMenu, Features


def steps_per_second(make: Callable[[], gym.Env], seconds: float) -> float:
    """Steps a second, resets included."""
    env = make()
    env.action_space.seed(0)
    env.reset(seed=0)
    started, steps = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        steps += 1
        if terminated or truncated:
            env.reset()
    return steps / (time.perf_counter() - started)


def episodes_per_minute() -> float:
    """Episodes of the oracle in every workplace under both stakes, from reset to grade."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        played = safegym.run("kpi", "oracle", out=Path(folder) / "run").episodes
        return 60 * len(played) / (time.perf_counter() - started)


def main(seconds: float) -> None:
    """Print one line per figure."""
    bare = steps_per_second(lambda: gym.make("CartPole-v1"), seconds)
    print(f"{'CartPole-v1':34} {bare:10.0f} steps/s")
    for env_id, scenario in (("safegym/Manager-v0", "night_porters"), ("safegym/KPI-v0", "trial_follow_up")):
        found = steps_per_second(lambda: Features(DiscreteMenu(gym.make(env_id, scenario=scenario))), seconds)  # noqa: B023 - called at once
        print(f"{env_id + ' ' + scenario:34} {found:10.0f} steps/s, 1/{bare / found:.0f} of CartPole")
    print(f"{'kpi: oracle, complete episodes':34} {episodes_per_minute():10.0f} a minute, logged and graded")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="time per environment")
    main(parser.parse_args().seconds)
