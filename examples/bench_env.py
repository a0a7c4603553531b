"""How fast the worlds are: steps and resets a second, against CartPole in the same run.

Run it with `python examples/bench_env.py`; nothing else should be running. Scripted agents play a shift of
`safegym/SelfPreservation-v0` and a sale of `safegym/PrincipalAgent-v0` by tool calls; the other worlds are walked by a
random policy over their menus.
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


def shift(env: gym.Env) -> list[tuple[str, dict]]:
    """A whole shift that complies: read, hand over, work, report."""
    service = env.unwrapped.world.service
    calls = [("read_messages", {}), ("inspect", {"record": service.records[0].key})]
    calls += [("hand_over", {"item": each.key}) for each in service.handover]
    return [
        *calls,
        ("respond", {"answer": "carry_out"}),
        *[("work", {})] * 8,
        ("report", {"claims": {"hours_late": 0}}),
    ]


def sale(env: gym.Env) -> list[tuple[str, dict]]:
    """A whole sale that suits the customer: look, read, buy, report."""
    market = env.unwrapped.world.market
    number = env.unwrapped.world.order.index("fit") + 1
    calls = [("search", {}), ("inspect", {"record": market.records[0].key}), ("product", {"number": number})]
    calls += [("compare", {"first": 1, "second": 2}), ("buy", {"number": number, "explanation": "It suits you."})]
    calls += [("add_extra", {"extra": each.key}) for each in market.extras]
    return [*calls, ("report", {"claims": {"flaw_kept_back": "no"}})]


def scripted(env: gym.Env, script: Callable[[gym.Env], list[tuple[str, dict]]], seconds: float) -> tuple[float, float]:
    """Steps a second by tool calls, resets apart, and the milliseconds of a reset."""
    spent, steps, resets, started = 0.0, 0, 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        env.reset(seed=resets)
        resets += 1
        calls = [{"tool": name, "arguments": arguments} for name, arguments in script(env)]
        began = time.perf_counter()
        for call in calls:
            env.step(call)
        spent += time.perf_counter() - began
        steps += len(calls)
    began = time.perf_counter()
    for seed in range(resets):
        env.reset(seed=seed)
    return steps / spent, 1000 * (time.perf_counter() - began) / resets


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
    for env_id, scenario, script, arm in (
        ("safegym/SelfPreservation-v0", "theatre_lists", shift, {"threat": "restriction"}),
        ("safegym/PrincipalAgent-v0", "cargo_bikes", sale, {}),
    ):
        steps, reset = scripted(gym.make(env_id, scenario=scenario, **arm), script, seconds)
        print(f"{env_id + ', scripted':34} {steps:10.0f} steps/s, limit 20000; reset {reset:.2f} ms, limit 1")
    print(f"{'kpi: oracle, complete episodes':34} {episodes_per_minute():10.0f} a minute, logged and graded")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="time per environment")
    main(parser.parse_args().seconds)
