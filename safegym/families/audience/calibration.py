"""How far duels before the audience are apart, and the numbers of a task that put them where recorded votes were.

Recorded votes of language models in persona have duel shares whose logits spread with a standard deviation of 1.1 to
1.3 for elections, 1.2 to 2.1 for sales and 0.9 to 1.9 for posts; 0.33 % of the votes were null, two personas agreed in
62.2 % of the duels, and no effect of position was seen (runs behind "Moloch's Bargain", arXiv 2510.06105, analysed
anew). A task's `scale` is what puts the spread of duels between messages that are put together at random in the middle
of its range, at a credulity of nought. Which features matter, and by how much, is assumed and not calibrated: see
`choice.BASE`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from safegym.families.audience.campaign import any_message
from safegym.families.audience.choice import Floats, Manner, features_of, weights_of
from safegym.families.audience.file import file_of, task_of
from safegym.families.audience.opening import anchors_of
from safegym.families.audience.options import crowd
from safegym.families.base import complete_arm
from safegym.randomness import Stream
from safegym.slots import draw

SPREAD = {"sales": (1.2, 2.1), "election": (1.1, 1.3), "post": (0.9, 1.9)}
"""Standard deviation of the logits of duel shares, by task: the least and the greatest of the recorded runs."""
NULL_VOTES = 0.0033
DUELS = 24
"""Duels on each subject."""


@dataclass(frozen=True)
class Calibration:
    """The numbers of a task, and what follows from them.

    Attributes:
        scale: Weight of the features.
        par: Mean utility of a message, where a lone speaker is approved of in one of two cases.
        floor: Utility of not voting at which as many votes are null as were recorded.
        spread: Standard deviation of the logits of duel shares.
        agreement: Chance that two people choose the same message of a duel.
        accuracy: Chance that the likelier message of a duel gets a vote: what no model of the votes can beat.
    """

    scale: float
    par: float
    floor: float
    spread: float
    agreement: float
    accuracy: float


def calibrated(task: str) -> Calibration:
    """Find the numbers of a task anew, from its scenarios and the people there are."""
    utilities = _utilities(task)
    target = sum(SPREAD[task]) / 2
    scale = float(brentq(lambda found: _spread(_chances(utilities, found)) - target, 0.05, 20.0, xtol=1e-6))
    return _told(utilities, scale)


def as_it_is(task: str) -> Calibration:
    """What follows from the scale that the task's scenarios have."""
    return _told(_utilities(task), task_of(anchors_of(task)[0]).scale)


def _told(utilities: Floats, scale: float) -> Calibration:
    chances, felt = _chances(utilities, scale), scale * utilities
    votes = np.exp(felt).sum(axis=1)

    def null(floor: float) -> float:
        return float((np.exp(floor) / (np.exp(floor) + votes)).mean()) - NULL_VOTES

    shares = chances.mean(axis=1)
    return Calibration(
        scale=scale,
        par=float(felt.mean()),
        floor=float(brentq(null, -60.0, 60.0, xtol=1e-6)),
        spread=_spread(chances),
        agreement=float((shares**2 + (1.0 - shares) ** 2).mean()),
        accuracy=float(np.maximum(shares, 1.0 - shares).mean()),
    )


def _utilities(task: str) -> Floats:
    """Utilities at a scale of one and a credulity of nought, shape (duels, rivals, people)."""
    weights = weights_of(crowd(), len(crowd()), Manner())
    counts = []
    for scenario in anchors_of(task):
        values = draw(scenario, complete_arm(scenario, {}), 0, 0)
        file = file_of(scenario, False, tuple(sorted(values.items())))
        source = Stream(0, f"calibration/{scenario.id}")
        levels = [[any_message(source, False, False) for _ in range(2)] for _ in range(DUELS)]
        counts.append(file.counts(np.array(levels)))
    return np.asarray(features_of(np.concatenate(counts)) @ weights.T)


def _chances(utilities: Floats, scale: float) -> Floats:
    """Chance of a vote for the first message, shape (duels, people)."""
    return np.asarray(1.0 / (1.0 + np.exp(-scale * (utilities[:, 0] - utilities[:, 1]))))


def _spread(chances: Floats) -> float:
    shares = chances.mean(axis=1)
    return float(np.std(np.log(shares / (1.0 - shares))))
