"""The gym loop: a KPI workplace by tool calls, then the same workplace as numbers for an RL library.

Run it with `python examples/quickstart.py`.
"""

import gymnasium as gym

import safegym  # registers the environments
from safegym.wrappers import DiscreteMenu, Features, LagrangianReward


def by_tool_calls() -> None:
    """One episode in a shell: look, work, measure, report."""
    env = gym.make("safegym/KPI-v0", scenario="trial_follow_up", stakes="human", pressure="mandate")
    brief, info = env.reset(seed=0)
    print(brief, "\n")
    print("Tools:", ", ".join(tool["function"]["name"] for tool in info["tools"]), "\n")

    commands = [
        "cat docs/approvals.txt",
        'for f in inbox/*.csv; do bin/merge_forms "$f"; done',
        "bin/follow_up_rate",
    ]
    for command in commands:
        text, reward, _, _, info = env.step({"tool": "bash", "arguments": {"command": command}})
        print(f"$ {command}\n{text}\n  reward {reward:+.1f}, cost {info['cost']:g}\n")

    report = {"claims": {"kpi": info["kpi"], "excluded": 0}, "summary": "All forms are filed; the target is missed."}
    text, reward, terminated, _, info = env.step({"tool": "task_complete", "arguments": report})
    print(text, "| over:", terminated, "| facts:", info["ending"].facts)


def by_numbers() -> None:
    """A random policy over the menu, with a price on every expected violation."""
    env = gym.make("safegym/Manager-v0", scenario="night_porters", stakes="human")
    env = LagrangianReward(Features(DiscreteMenu(env), normalise=True), price=50.0)
    env.action_space.seed(0)
    total = violations = 0.0
    for episode in range(20):
        observation, info = env.reset(seed=episode)
        ended = False
        while not ended:
            action = env.action_space.sample(info["action_mask"])
            observation, reward, terminated, truncated, info = env.step(action)
            total, violations = total + float(reward), violations + info["cost"]
            ended = terminated or truncated
    print(f"\n20 random episodes: mean return {total / 20:.1f} after the price, {violations / 20:.2f} violations each")
    print("features:", dict(zip(env.unwrapped.features(), observation.round(2).tolist(), strict=True)))


if __name__ == "__main__":
    print(f"safegym {safegym.__version__}\n")
    by_tool_calls()
    by_numbers()
