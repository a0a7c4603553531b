"""PPO and Lagrangian PPO on every Operations site at once, and how far the trained policies are from the optimum.

PPO maximises output. Lagrangian PPO does too, under the constraint that a month has at most `--allowed` days with a
hazard above the limit or an accident left unreported; the price of such a day is learned beside the policy. Each policy
is saved, played through the ordinary machinery on worlds that it was not trained on, and put on the trade-off figure.

    python examples/train_ppo.py                           # three seeds each, under five minutes on two cores
    python examples/train_ppo.py --steps 60000 --seeds 1   # a glimpse
"""

import argparse
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from torch import nn

import safegym
from safegym import content
from safegym.agent import load_examinee
from safegym.figures import tradeoff
from safegym.records import Grade
from safegym.statistics import cluster_interval

ENV = "safegym/Operations-v0"
DAYS = 28
BRACKETS = ("oracle", "always_safe", "always_goal", "idle", "random")
T95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)
"""Quantiles of Student's t for 95 % intervals, by degrees of freedom from 1."""
FIRST_WORLD = 1000
"""Training takes worlds from here on; the policies are examined on worlds 0, 1, 2, ..."""


def layers(inputs: int, outputs: int, gain: float) -> nn.Sequential:
    """A network with two hidden layers, orthogonal weights."""
    net = nn.Sequential(nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs))
    for layer, scale in zip(net[::2], (2**0.5, 2**0.5, gain), strict=True):
        nn.init.orthogonal_(layer.weight, scale)
        nn.init.zeros_(layer.bias)
    return net


class Learner(nn.Module):
    """A policy with a choice per component, and the expected output and cost to the end of the month."""

    def __init__(self, space: gym.spaces.Box, choices: list[int]) -> None:
        super().__init__()
        self.choices = choices
        self.policy = layers(space.shape[0], sum(choices), 0.01)
        self.output, self.cost = (layers(space.shape[0], 1, 1.0) for _ in range(2))

    def heads(self, seen: torch.Tensor) -> list[torch.distributions.Categorical]:
        """The distribution of every component's level."""
        parts = self.policy(seen).split(self.choices, dim=-1)
        return [torch.distributions.Categorical(logits=part, validate_args=False) for part in parts]

    def judged(self, seen: torch.Tensor, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probability of actions, and entropy."""
        heads = self.heads(seen)
        chances = sum(head.log_prob(action) for head, action in zip(heads, actions.unbind(-1), strict=True))
        return chances, sum(head.entropy() for head in heads)


class Months:
    """A batch of whole months under the present policy, from sites that never stand still."""

    def __init__(self, count: int, seed: int) -> None:
        given = {"num_envs": count, "vectorization_mode": "vector_entry_point", "autoreset_mode": "SameStep"}
        self.envs = gym.make_vec(ENV, **given)
        self.low, self.high = self.envs.single_observation_space.low, self.envs.single_observation_space.high
        self.rates = {each.id: each.world["rate"] for each in content.find_scenarios("operations")}
        seen, infos = self.envs.reset(seed=FIRST_WORLD + 10**6 * seed)
        self.begin(seen, infos)

    def begin(self, seen: np.ndarray, infos: dict) -> None:
        """Take the first morning of the next months; output counts in days of the site's normal output."""
        self.seen = self.scaled(seen)
        self.rate = np.array([self.rates[name] for name in infos["scenario"]])

    def scaled(self, seen: np.ndarray) -> torch.Tensor:
        """Observations from -1 to 1."""
        return torch.from_numpy(2 * (seen - self.low) / (self.high - self.low) - 1)

    @torch.no_grad()
    def play(self, learner: Learner) -> dict[str, torch.Tensor]:
        """Play a month everywhere; every array has a row per day."""
        kept: dict[str, list] = {name: [] for name in ("seen", "actions", "rewards", "costs")}
        for day in range(DAYS):
            actions = torch.stack([head.sample() for head in learner.heads(self.seen)], -1)
            seen, rewards, terminated, _, infos = self.envs.step(actions.numpy())
            last = infos["final_info"] if day == DAYS - 1 else infos
            kept["seen"].append(self.seen)
            kept["actions"].append(actions)
            kept["rewards"].append(torch.from_numpy(rewards / self.rate).float())
            kept["costs"].append(torch.from_numpy(last["exceeded"] + last["concealed"]).float())
            self.seen = self.scaled(seen)
        assert terminated.all(), "every month ends on its last day"
        self.begin(seen, infos)
        return {name: torch.stack(rows) for name, rows in kept.items()}


def advantages(gains: torch.Tensor, values: torch.Tensor, smoothing: float = 0.95) -> torch.Tensor:
    """Generalised advantages over whole months (Schulman et al., arXiv 1506.02438), without discounting."""
    following = torch.cat([values[1:], torch.zeros_like(values[:1])])
    surprise, total = gains + following - values, torch.zeros_like(values[0])
    found = torch.empty_like(values)
    for day in reversed(range(len(gains))):
        total = surprise[day] + smoothing * total
        found[day] = total
    return found


def update(learner: Learner, optimiser: torch.optim.Optimizer, months: dict, price: float, options: dict) -> None:
    """One PPO update (Schulman et al., arXiv 1707.06347); the advantage is that of output less the price of cost."""
    flat = {name: rows.flatten(0, 1) for name, rows in months.items()}
    with torch.no_grad():
        output, cost = (net(months["seen"]).squeeze(-1) for net in (learner.output, learner.cost))
        gains, costs = advantages(months["rewards"], output), advantages(months["costs"], cost)
        targets = {"output": (gains + output).flatten(), "cost": (costs + cost).flatten()}
        wanted = ((gains - price * costs) / (1 + price)).flatten()
        wanted = (wanted - wanted.mean()) / (wanted.std() + 1e-8)
        before, _ = learner.judged(flat["seen"], flat["actions"])
    for _ in range(options["epochs"]):
        for rows in torch.randperm(len(wanted)).split(options["batch"]):
            seen = flat["seen"][rows]
            after, entropy = learner.judged(seen, flat["actions"][rows])
            ratio = (after - before[rows]).exp()
            gain = torch.min(ratio * wanted[rows], ratio.clamp(0.8, 1.2) * wanted[rows])
            wrong = sum(
                (net(seen).squeeze(-1) - targets[name][rows]).square().mean()
                for name, net in (("output", learner.output), ("cost", learner.cost))
            )
            loss = 0.5 * wrong - gain.mean() - options["entropy"] * entropy.mean()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(learner.parameters(), 0.5)
            optimiser.step()


def train(name: str, seed: int, arguments: argparse.Namespace) -> str:
    """Train one policy, save it and say how it went."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    months = Months(arguments.envs, seed)
    learner = Learner(months.envs.single_observation_space, months.envs.single_action_space.nvec.tolist())
    optimiser = torch.optim.Adam(learner.parameters(), lr=arguments.rate, eps=1e-5)
    rounds = max(2, arguments.steps // (DAYS * arguments.envs))
    price, started = 0.0, time.perf_counter()
    for number in range(rounds):
        left = 1 - number / rounds
        optimiser.param_groups[0]["lr"] = arguments.rate * left
        played = months.play(learner)
        broken = float(played["costs"].sum(0).mean())
        if name == "Lagrangian PPO":
            price = max(0.0, price + arguments.price_rate * (broken - arguments.allowed))
        options = {"epochs": arguments.epochs, "batch": arguments.batch, "entropy": arguments.entropy * left}
        update(learner, optimiser, played, price, options)
        if number % max(1, rounds // 4) == 0 or number == rounds - 1:
            steps, seconds = (number + 1) * DAYS * arguments.envs, time.perf_counter() - started
            told = f"output {played['rewards'].sum(0).mean():5.2f} days' worth, {broken:5.2f} days in breach"
            print(f"{name:14} seed {seed}: {steps:>9,} steps, {seconds:4.0f} s, {told}, price {price:.2f}", flush=True)
    return str(save(learner, months, arguments.out / "policies" / f"{named(name)}-{seed}.npz"))


def save(learner: Learner, months: Months, file: Path) -> Path:
    """Write a policy as arrays, for `agents/trained.py`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    names = [feature.name for feature in content.find_scenarios("operations")[0].features]
    arrays = {"names": np.array(names), "low": months.low, "high": months.high}
    for place, layer in enumerate(learner.policy[::2]):
        arrays |= {f"weights{place}": layer.weight.detach().numpy(), f"bias{place}": layer.bias.detach().numpy()}
    np.savez(file, **arrays)
    return file


def examine(policies: dict[str, str], arguments: argparse.Namespace) -> None:
    """Play the policies and the brackets on the same worlds, draw the figure, print the distances."""
    agent = content.find_agent("trained")
    players = {name: load_examinee(name, agent, model=file) for name, file in sorted(policies.items())}
    play = partial(safegym.run, "operations", arms={"stakes": ["human"]}, seeds=range(arguments.worlds))
    results = {
        name: play(player, out=arguments.out / "runs" / f"{named(name)}-{player.identity.hash}")
        for name, player in players.items()
    }
    results |= {name: play(name, out=arguments.out / "runs" / name) for name in BRACKETS}
    grades = [grade for each in results.values() for grade in each.grades]
    figure = tradeoff([together(grade) for grade in grades], arguments.out / "training.png")
    shown = {name: {(g.scenario, g.seed): g for g in each.grades} for name, each in results.items()}
    print(f"\n{arguments.worlds} worlds of each site, people at risk; share of the same world's optimum, 95 % interval")
    print(f"{'':24}{'of the unconstrained':>24}{'of the safe optimum':>24}{'in breach':>20}")
    for name, grades in shown.items():
        worlds = [scenario for scenario, _ in grades]
        cells = []
        for best in ("always_goal", "oracle"):
            shares = [grade.kpi_measured / shown[best][key].kpi_measured for key, grade in grades.items()]
            cells.append(told(shares, interval(shares, worlds)))
        breaches = [float(grade.violation) for grade in grades.values()]
        ends = cluster_interval(breaches, worlds)
        cells.append(told(breaches, (ends.low, ends.high)))
        print(f"{name:24}{cells[0]:>24}{cells[1]:>24}{cells[2]:>20}")
    print(f"\nThe figure is {figure}; policies and runs are beside it.")


def together(grade: Grade) -> Grade:
    """A grade of a trained policy as one of all policies of its kind, which share a point of the figure."""
    kind, _, seed = grade.player.rpartition(" ")
    return grade.model_copy(update={"player": kind, "repeat": int(seed)}) if kind else grade


def interval(values: list[float], sites: list[str]) -> tuple[float, float]:
    """The t interval of a mean over at least two sites."""
    means = [np.mean([value for value, site in zip(values, sites, strict=True) if site == each]) for each in set(sites)]
    half = T95[len(means) - 2] * np.std(means, ddof=1) / len(means) ** 0.5
    return np.mean(means) - half, np.mean(means) + half


def told(values: list[float], ends: tuple[float, float]) -> str:
    """A mean and its interval in percent."""
    return f"{100 * np.mean(values):.1f} ({100 * ends[0]:.0f} to {100 * ends[1]:.0f})"


def named(name: str) -> str:
    """A name as a file's."""
    return name.replace(":", "").replace(" ", "-").lower()


def main(arguments: argparse.Namespace) -> None:
    """Train in as many processes as asked for, then examine."""
    work = [(name, seed) for seed in range(arguments.seeds) for name in ("PPO", "Lagrangian PPO")]
    policies = {}
    with ProcessPoolExecutor(arguments.workers, multiprocessing.get_context("spawn")) as pool:
        running = {pool.submit(train, name, seed, arguments): f"trained: {name} {seed}" for name, seed in work}
        for each in as_completed(running):
            policies[running[each]] = each.result()
    examine(policies, arguments)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2_500_000, help="environment steps of each policy")
    parser.add_argument("--seeds", type=int, default=3, help="policies of each kind")
    parser.add_argument("--workers", type=int, default=2, help="processes, each on one core")
    parser.add_argument("--worlds", type=int, default=10, help="worlds of each site that the policies are examined on")
    parser.add_argument("--envs", type=int, default=512, help="sites stepped at once")
    parser.add_argument("--allowed", type=float, default=0.02, help="days in breach a month that the constraint allows")
    parser.add_argument("--price-rate", type=float, default=0.01, help="how fast the price of a breach is learned")
    parser.add_argument("--rate", type=float, default=2e-3, help="learning rate, falling to 0")
    parser.add_argument("--entropy", type=float, default=0.01, help="bonus for entropy, falling to 0")
    parser.add_argument("--epochs", type=int, default=3, help="passes over every batch of months")
    parser.add_argument("--batch", type=int, default=4096, help="steps in a minibatch")
    parser.add_argument("--out", type=Path, default=Path("training"), help="folder of policies, runs and figure")
    main(parser.parse_args())
