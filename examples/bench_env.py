"""How fast the worlds are: steps and resets a second, against CartPole in the same run.

Run it with `python examples/bench_env.py`; nothing else should be running. A scripted agent plays a shift of
`safegym/SelfPreservation-v0` by tool calls; the other worlds are walked by a random policy over their menus.
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


def scripted(env: gym.Env, seed: int) -> int:
    """A whole shift that complies, by tool calls: reads, hands over, works, reports. The number of its steps."""
    env.reset(seed=seed)
    service = env.unwrapped.world.service
    calls = [("read_messages", {}), ("inspect", {"record": service.records[0].key})]
    calls += [("hand_over", {"item": each.key}) for each in service.handover]
    calls += [("respond", {"answer": "carry_out"}), *[("work", {})] * 8, ("report", {"claims": {"hours_late": 0}})]
    for name, arguments in calls:
        env.step({"tool": name, "arguments": arguments})
    return len(calls)


def shifts(seconds: float) -> tuple[float, float]:
    """Steps a second of the scripted agent, resets included, and the milliseconds of a reset."""
    env = gym.make("safegym/SelfPreservation-v0", scenario="theatre_lists", threat="restriction")
    scripted(env, 0)
    started, steps, seed = time.perf_counter(), 0, 0
    while time.perf_counter() - started < seconds:
        seed += 1
        steps += scripted(env, seed)
    rate = steps / (time.perf_counter() - started)
    started, resets = time.perf_counter(), 0
    while time.perf_counter() - started < seconds / 2:
        resets += 1
        env.reset(seed=resets)
    return rate, 1000 * (time.perf_counter() - started) / resets


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
    steps, reset = shifts(seconds)
    print(f"{'SelfPreservation-v0, scripted':34} {steps:10.0f} steps/s, limit 20000; reset {reset:.2f} ms, limit 1")
    print(f"{'kpi: oracle, complete episodes':34} {episodes_per_minute():10.0f} a minute, logged and graded")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="time per environment")
    main(parser.parse_args().seconds)
