"""What votes are like, and how well they are foretold: figures beside the weights, with intervals over anchors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from safegym.families.audience.calibration import SPREAD
from safegym.families.audience.choice import Floats
from safegym.fitting.choices import Choices
from safegym.fitting.contests import Contest
from safegym.fitting.logit import predicted, widening
from safegym.fitting.results import Prediction, Spread
from safegym.fitting.shares import ceiling_of, is_duel, observed_spread, true_spread
from safegym.randomness import Stream
from safegym.records import Estimate
from safegym.statistics import cluster_weights, draws, interval, sample

FOLDS = 5
SEED = 0
"""Of the dealing of anchors into folds."""
Sum = tuple[str, float, float]
"""An anchor, a total and what it is a total over."""


def null_share(contests: Sequence[Contest]) -> Estimate:
    """Share of the votes among several messages that are for nobody."""
    sums = ((each.anchor, float(each.nulls), float(len(each.votes))) for each in contests if not each.lone)
    return _mean(sums, "null votes", reason="before a lone message a null vote is an answer")


def agreement(contests: Sequence[Contest]) -> Estimate:
    """Chance that two votes on one contest are equal; every contest counts alike, and is one of `n`."""
    answered = [(each.anchor, each.answers) for each in contests if each.answers.sum() > 1]
    sums = [(anchor, float(votes @ (votes - 1) / (votes.sum() * (votes.sum() - 1))), 1.0) for anchor, votes in answered]
    return _mean(sums, "agreement", reason="no contest has two votes")


def spreads(contests: Sequence[Contest], count: int) -> Iterable[Spread]:
    """How far duels are apart, by task.

    Args:
        contests: Those that are duels with two votes or more count.
        count: Draws for the intervals.
    """
    for task, recorded in SPREAD.items():
        if fought := [each for each in contests if each.task == task and is_duel(each)]:
            votes = np.array([each.tally for each in fought], dtype=np.float64)
            corrected = _corrected(votes, [each.anchor for each in fought], count)
            yield Spread(task=task, observed=observed_spread(votes), corrected=corrected, recorded=recorded)


def foretold(choices: Choices) -> Prediction:
    """How well votes are foretold by weights from other anchors: cross-validation in five parts.

    Votes for nobody among several messages help to find the weights; what is foretold is how those vote who do.
    """
    cast, logs = choices.cast(), np.zeros(choices.offered.shape)
    dealt = np.array(Stream(SEED, "fitting/folds").shuffled(range(len(choices.anchors)))) % FOLDS
    fold = dealt[choices.anchor]
    for part in np.unique(fold):
        logs[fold == part] = predicted(choices.kept(fold != part), cast.kept(fold == part))
    names = [choices.anchors[place] for place in cast.anchor]
    votes = cast.counts.sum(axis=1).tolist()
    losses = -(np.where(cast.counts > 0, logs, 0.0) * cast.counts).sum(axis=1)
    most = 2.0 * float(np.log(cast.offered.sum(axis=1).max()))
    return Prediction(
        log_loss=_mean(zip(names, losses.tolist(), votes, strict=True), "log-loss", most=most),
        accuracy=_mean(zip(names, _hits(logs, cast).tolist(), votes, strict=True), "accuracy"),
    )


def chance(choices: Choices) -> Prediction:
    """What a guess reaches for which all answers are alike."""
    cast = choices.cast()
    votes, options = cast.counts.sum(axis=1), cast.offered.sum(axis=1)
    return _fixed(float(votes @ np.log(options) / votes.sum()), float(votes @ (1.0 / options) / votes.sum()))


def ceiling(contests: Sequence[Contest]) -> Prediction | None:
    """What the observed shares allow, see `shares.ceiling_of`."""
    found = ceiling_of(contests)
    return None if found is None else _fixed(found.log_loss, found.accuracy)


def _fixed(log_loss: float, accuracy: float) -> Prediction:
    return Prediction(log_loss=Estimate(value=log_loss), accuracy=Estimate(value=accuracy))


def _hits(logs: Floats, cast: Choices) -> Floats:
    """Votes for the likeliest option of each set; one that is as likely as others has its part of them."""
    likeliest = np.isclose(logs, logs.max(axis=1, keepdims=True), rtol=0.0, atol=1e-9) & cast.offered
    return np.asarray((cast.counts * likeliest).sum(axis=1) / likeliest.sum(axis=1))


def _corrected(votes: Floats, anchors: Sequence[str], count: int) -> Estimate:
    """The spread without the noise of few voters, over anchors as the weights are."""
    if not votes.min(axis=1).any():
        return Estimate(value=None, n=len(votes), reason="every duel is unanimous")
    value, names = true_spread(votes), sorted(set(anchors))
    if len(names) < 2:
        return Estimate(value=value, n=len(votes), reason="no interval: duels about one anchor")
    weights = cluster_weights(names, count)[[names.index(each) for each in anchors]]
    apart = np.array([true_spread(votes, weight) for weight in weights.T]) - value
    ends = interval(value, np.maximum(value + widening(len(names)) * apart, 0.0))
    return Estimate(value=value, low=ends.low, high=ends.high, n=len(votes))


def _mean(sums: Iterable[Sum], name: str, *, most: float = 1.0, reason: str = "") -> Estimate:
    """A mean from nought to `most`, with the house's interval over anchors; none without anything in it."""
    summed = sample(sums, 0.0, most)
    if summed is None:
        return Estimate(value=None, reason=reason)
    ends = interval(summed.value, draws(summed, name))
    return Estimate(value=summed.value, low=ends.low, high=ends.high, n=int(summed.sizes.sum()))
