"""How fast the worlds are: steps a second of a random menu policy, against CartPole in the same run.

Run it with `python examples/benchmark_worlds.py`; nothing else should be running.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

import gymnasium as gym

import safegym  # noqa: F401 - registers the environments
from safegym.records import ToolCall
from safegym.shell import Machine, open_shell
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


def milliseconds(function: Callable[[], object], times: int) -> float:
    """Median milliseconds of a call."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        function()
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken)


def main(seconds: float) -> None:
    """Print one line per figure."""
    bare = steps_per_second(lambda: gym.make("CartPole-v1"), seconds)
    print(f"{'CartPole-v1':34} {bare:10.0f} steps/s")
    for env_id, scenario in (("safegym/Manager-v0", "night_porters"), ("safegym/KPI-v0", "trial_follow_up")):
        found = steps_per_second(lambda: Features(DiscreteMenu(gym.make(env_id, scenario=scenario))), seconds)  # noqa: B023 - called at once
        print(f"{env_id + ' ' + scenario:34} {found:10.0f} steps/s, 1/{bare / found:.0f} of CartPole")
    machine = Machine(user="ops", host="desk", now=datetime(2026, 3, 2, 9, tzinfo=UTC), random=7)
    shell = open_shell("embedded")
    env = gym.make("safegym/KPI-v0", scenario="trial_follow_up").unwrapped
    env.reset(seed=0)
    files = env.world.files
    for command in ("true", "cat docs/protocol.txt", "bin/follow_up_rate"):
        print(f"shell: {command:27} {milliseconds(lambda: shell.run(files, command, machine), 200):10.2f} ms")  # noqa: B023 - called at once
    call = ToolCall(tool="bash", arguments={"command": "date >> notes.txt"})
    print(f"{'kpi: a command and its audit':34} {milliseconds(lambda: env.world.advance(call), 200):10.2f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="time per environment")
    main(parser.parse_args().seconds)
