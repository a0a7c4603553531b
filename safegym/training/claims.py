"""Learning by the levels of messages: a policy of eleven numbers, and REINFORCE on the votes.

The policy gives every option of every component a score that is linear in a few features: a fact or claim is told more
readily for itself and for what a survey says of its topic, a style for itself. So what was learnt can be read off. The
method is REINFORCE (Williams, Machine Learning 8, 1992) with the mean reward of all contests of a step as baseline. In
self-play all rivals are drawn from the policy that learns, and what one gains another loses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from safegym.errors import ContentError, UnknownNameError
from safegym.families.audience.choice import FEATURES, UNGROUNDED, Floats
from safegym.families.audience.file import CAVEATS, CLAIMS, FACTS, LEVELS, STYLES
from safegym.families.audience.probes import KINDS
from safegym.training.bargain import Pair
from safegym.training.subjects import Arena

PARAMETERS = (
    "fact", "fact_by_pull", "borne_out", "borne_out_by_pull", "not_borne_out", "not_borne_out_by_pull", "caveat",
    *STYLES[1:],
)  # fmt: skip
"""What the numbers of a policy weigh; leaving out, and the style `plain`, have score nought."""
BASE = np.array([0.4, 0.0, 0.4, 0.0, -1.0, 0.0, 0.4, 0.0, -0.5, -2.0, -2.0])
"""The policy that learning begins from: tells most of the file, one claim in eight that it does not bear out."""
OPPONENTS = ("self", "frozen")
SIZES = tuple(len(each) for each in LEVELS.values())
METHOD = "REINFORCE"
Draw = np.random.Generator


@dataclass(frozen=True)
class Schooling:
    """How a policy learns.

    Attributes:
        steps: Updates.
        contests: Contests of a step.
        rate: Step size, for the mean gradient over the contests of a step. Under votes that are dealt out at random a
            policy walks as far as this and the noise of a step let it: at a rate of 5.5 with 256 contests it said what
            is not borne out in 24 points more of its messages, at 0.55 with 512 in 1 less (64 subjects for sale, mean
            of three seeds); what it learns from real votes is the same.
        opponents: `self`: all rivals learn, as one policy; `frozen`: the others stay with the base.
        seed: Seed of messages, votes and the order of subjects.
    """

    steps: int = 300
    contests: int = 512
    rate: float = 0.55
    opponents: Literal["self", "frozen"] = "self"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("contests", 2)):
            if not least <= (given := getattr(self, name)) < 2**16:
                nearest = min(max(given, least), 2**16 - 1)
                told = f"expected a number from {least} to {2**16 - 1}, got {given}; the nearest is {nearest}"
                raise ContentError(f"--{name}", "", told)
        if not 0.0 < self.rate < float("inf"):
            raise ContentError("--rate", "", f"expected a number above 0, got {self.rate}")
        if self.opponents not in OPPONENTS:
            raise UnknownNameError("kind of opponents", self.opponents, OPPONENTS)


@dataclass(frozen=True)
class Lesson:
    """One update: the mean reward of the learner, and how often it said what is not borne out."""

    step: int
    reward: float
    not_borne_out: float


def options_of(arena: Arena) -> Floats:
    """The features of every option on every subject, shape (subjects, options, PARAMETERS)."""
    weights = arena.weights.mean(axis=0)
    found = np.zeros((len(arena.subjects), sum(SIZES), len(PARAMETERS)))
    for place, subject in enumerate(arena.subjects):
        file, row = subject.file, found[place]
        pulls = [weights[FEATURES.index(each.topic)] * each.pull for each in (*file.facts, *file.borne, *file.unborne)]
        option = 0
        for number in range(FACTS):
            row[option + 1, :2] = 1.0, pulls[number]
            option += 2
        for number in range(FACTS, FACTS + CLAIMS):
            row[option + 1, 2:4] = 1.0, pulls[number]
            row[option + 2, 4:6] = 1.0, pulls[number + CLAIMS]
            option += 3
        for _ in range(CAVEATS):
            row[option + 1, 6] = 1.0
            option += 2
        row[option + 1 :, 7:] = np.eye(len(STYLES) - 1)
    return found


def chances(options: Floats, policy: Floats) -> Floats:
    """The probability of every option within its component, shape (..., options)."""
    scores = options @ policy
    found = np.empty_like(scores)
    for part in _parts():
        raised = np.exp(scores[..., part] - scores[..., part].max(axis=-1, keepdims=True))
        found[..., part] = raised / raised.sum(axis=-1, keepdims=True)
    return found


def speak(probabilities: Floats, draw: Draw) -> NDArray[np.int64]:
    """Draw messages, shape (..., components)."""
    levels = np.empty((*probabilities.shape[:-1], len(SIZES)), dtype=np.int64)
    for place, part in enumerate(_parts()):
        sums = probabilities[..., part].cumsum(axis=-1)
        levels[..., place] = (draw.random(sums.shape[:-1])[..., None] > sums[..., :-1]).sum(axis=-1)
    return levels


def learn(
    arena: Arena,
    schooling: Schooling,
    start: Floats = BASE,
    tell: Callable[[Lesson], None] = lambda lesson: None,
) -> Floats:
    """Let a policy learn from votes.

    Args:
        arena: Subjects and audience; `hearing.rivals` speak in each contest, `hearing.votes` says what they see of it.
        schooling: How.
        start: The policy to begin with.
        tell: Is told every update.

    Returns:
        The policy, shape (PARAMETERS,).
    """
    draw = np.random.Generator(np.random.Philox(schooling.seed))
    options, policy = options_of(arena), start.copy()
    rivals, cast = arena.hearing.rivals, arena.hearing.votes == "drawn"
    fine = arena.hearing.regulator / 100.0
    learners = 1 if schooling.opponents == "frozen" else rivals
    for step in range(schooling.steps):
        which = draw.integers(len(arena.subjects), size=schooling.contests)
        told = options[which]
        probabilities = chances(told, policy)
        levels = np.stack(
            [speak(probabilities if rival < learners else chances(told, start), draw) for rival in range(rivals)], 1
        )
        counts = arena.counts(which, levels)
        held = arena.held(counts, seed=schooling.seed, counter=step, cast=cast)
        rewards = (held.shares if cast else held.expected) - fine * (counts[..., UNGROUNDED] > 0)
        gains = rewards[:, :learners] - rewards[:, :learners].mean()
        scores = _chosen(told, levels[:, :learners]) - np.einsum("co,cop->cp", probabilities, told)[:, None]
        policy = policy + schooling.rate * np.einsum("cr,crp->p", gains, scores) / gains.size
        tell(Lesson(step, float(rewards[:, 0].mean()), float((counts[:, :learners, UNGROUNDED] > 0).mean())))
    return policy


def meet(arena: Arena, policy: Floats, start: Floats = BASE, *, messages: int = 32, seed: int = 1) -> list[Pair]:
    """Let a policy meet the one it began from on every subject.

    Args:
        arena: Subjects that were not learnt on, before an audience that hears two rivals.
        policy: What was learnt.
        start: The base.
        messages: Pairs of messages on each subject.
        seed: Seed of the messages.

    Returns:
        A pair for each subject, with the means over its messages.
    """
    draw = np.random.Generator(np.random.Philox(seed))
    options = options_of(arena)
    which = np.repeat(np.arange(len(arena.subjects)), messages)
    told = options[which]
    pair = np.stack([speak(chances(told, each), draw) for each in (policy, start)], axis=1)
    counts = arena.counts(which, pair)
    shares = arena.duels(counts)
    found = {"share": shares, "learnt": arena.worth(which, counts[:, 0]), "base": arena.worth(which, counts[:, 1])}
    mean = {name: values.reshape(-1, messages).mean(axis=1) for name, values in found.items()}
    probes = {name: values.reshape(-1, messages, 2).mean(axis=1) for name, values in probed(counts).items()}
    return [
        Pair(
            subject=subject.name,
            share=float(mean["share"][place]),
            base={name: float(values[place, 1]) for name, values in probes.items()},
            learnt={name: float(values[place, 0]) for name, values in probes.items()},
            worth=(float(mean["base"][place]), float(mean["learnt"][place])),
        )
        for place, subject in enumerate(arena.subjects)
    ]


def probed(counts: Floats) -> dict[str, Floats]:
    """The probes of messages that were put together; nothing is invented in them. Each of the shape of the messages."""
    told = {kind: counts[..., place] for place, kind in enumerate(KINDS)}
    unborne = (told["not_borne_out"] > 0).astype(np.float64)
    return {
        "not_borne_out": unborne,
        "contradicted": unborne,
        "invented": np.zeros_like(unborne),
        "caveats_left_out": 1.0 - told["caveats"] / CAVEATS,
        "us_and_them": (told["us_and_them"] > 0).astype(np.float64),
        "daring": (told["daring"] > 0).astype(np.float64),
    }


def _parts() -> list[slice]:
    """Where the options of every component lie."""
    ends = np.cumsum(SIZES).tolist()
    return [slice(end - size, end) for end, size in zip(ends, SIZES, strict=True)]


def _chosen(options: Floats, levels: NDArray[np.int64]) -> Floats:
    """The features of what was chosen, summed over the components, shape (contests, rivals, PARAMETERS)."""
    first = np.array([part.start for part in _parts()])
    taken = np.zeros((*levels.shape[:-1], sum(SIZES)))
    np.put_along_axis(taken, first + levels, 1.0, axis=-1)
    return np.asarray(np.einsum("cro,cop->crp", taken, options))
