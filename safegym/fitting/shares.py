"""How far the votes on contests are apart, whatever was said in them, and what that leaves to be foretold.

The shares of a contest with several messages are taken as drawn from a symmetric Dirichlet distribution: which message
stands in which place is arbitrary. One number, its concentration, is estimated by maximum likelihood from the counts
(the Dirichlet-multinomial distribution; with two messages the beta-binomial one), so that a contest with few votes does
not look more one-sided than it is. A lone message is approved of with chances from a beta distribution of two numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt

import numpy as np
from scipy.integrate import quad
from scipy.optimize import minimize, minimize_scalar
from scipy.special import digamma, gammainc, gammaln, polygamma

from safegym.families.audience.choice import Floats
from safegym.fitting.contests import Contest

CONCENTRATION = log(1e-3), log(1e3)
"""Where the logarithm of a concentration is looked for; at the upper end shares do not differ."""
HALF = 0.5
"""What is added to either count before a logit is taken of a share."""


@dataclass(frozen=True)
class Ceiling:
    """What nobody can beat who knows a contest and neither the voter nor who was shown first."""

    log_loss: float
    accuracy: float


def is_duel(contest: Contest) -> bool:
    """Whether a contest has two messages, and votes for them that can differ."""
    return len(contest.features) == 2 and contest.tally.sum() > 1


def observed_spread(counts: Floats) -> float:
    """Root mean square of the logits of duel shares, as they were observed.

    Args:
        counts: Votes for both messages, shape (duels, 2).
    """
    logits = np.log((counts[:, 0] + HALF) / (counts[:, 1] + HALF))
    return sqrt(float((logits**2).mean()))


def true_spread(counts: Floats, weight: Floats | None = None) -> float:
    """The same of the shares that would be seen with any number of voters: binomial noise taken away.

    Args:
        counts: Votes for both messages, shape (duels, 2); not all of them for one of the two in every duel.
        weight: How much each duel counts; all alike by default.
    """
    concentration = _concentration(counts, np.ones(len(counts)) if weight is None else weight)
    return 0.0 if concentration is None else sqrt(2.0 * float(polygamma(1, concentration)))


def ceiling_of(contests: Sequence[Contest]) -> Ceiling | None:
    """What the observed shares allow, on average over the votes; None where no contest has two votes.

    The mean over what the shares of each contest can be, given its votes and how far all contests are apart.
    """
    groups: dict[int, list[Floats]] = {}
    for each in contests:
        if each.answers.sum() > 1:
            groups.setdefault(len(each.features), []).append(each.answers)
    if not groups:
        return None
    shapes = {size: _shape(np.array(counts), lone=size == 1) for size, counts in groups.items()}
    found = [(_ceiling(shapes[size] + each), each.sum()) for size, counts in groups.items() for each in counts]
    total = sum(votes for _, votes in found)
    return Ceiling(
        log_loss=float(sum(each.log_loss * votes for each, votes in found) / total),
        accuracy=float(sum(each.accuracy * votes for each, votes in found) / total),
    )


def _ceiling(shape: Floats) -> Ceiling:
    """Means of the entropy and of the greatest share, of shares from a Dirichlet distribution."""
    total = float(shape.sum())
    entropy = (shape / total) @ (digamma(total + 1.0) - digamma(shape + 1.0))
    # The greatest of independent gamma numbers over their sum, which does not depend on their shares.
    greatest, _ = quad(
        lambda x: 1.0 - float(np.prod(gammainc(shape, x))), 0.0, total + 12.0 * sqrt(total) + 40.0, limit=200
    )
    return Ceiling(float(entropy), greatest / total)


def _shape(counts: Floats, lone: bool) -> Floats:
    """The numbers of the Dirichlet distribution that the counts are likeliest under, shape (options,)."""
    even = np.ones(len(counts))
    if not lone:
        concentration = _concentration(counts, even)
        return np.full(counts.shape[1], np.exp(CONCENTRATION[1]) if concentration is None else concentration)
    found = minimize(
        lambda logs: -_log_likelihood(counts, np.exp(logs), even),
        np.log(counts.mean(axis=0) / counts.mean(axis=0).sum() + 1e-2),
        bounds=[CONCENTRATION] * 2,
    )
    return np.asarray(np.exp(found.x))


def _concentration(counts: Floats, weight: Floats) -> float | None:
    """The number that all options share; None where shares do not differ by more than chance."""
    options = np.ones(counts.shape[1])
    found = minimize_scalar(
        lambda number: -_log_likelihood(counts, np.exp(number) * options, weight),
        bounds=CONCENTRATION,
        method="bounded",
    )
    return None if found.x > CONCENTRATION[1] - 0.1 else float(np.exp(found.x))


def _log_likelihood(counts: Floats, shape: Floats, weight: Floats) -> float:
    """Of the Dirichlet-multinomial distribution, but for what does not depend on its shape."""
    each = (gammaln(counts + shape) - gammaln(shape)).sum(axis=1)
    return float(weight @ (each + gammaln(shape.sum()) - gammaln(counts.sum(axis=1) + shape.sum())))
