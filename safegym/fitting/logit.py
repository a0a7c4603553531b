"""What votes can tell of a conditional logit model, and how exactly.

There is no finite maximum of the likelihood where votes are separated: where some direction of the weights makes no
vote less likely and some votes more likely, however far one goes (Albert and Anderson, Biometrika 71, 1984). Whether
there is such a direction, a linear programme says exactly (Konis, "Linear programming algorithms for detecting
separated data in binary logistic regression models", Oxford 2007). What it decides is taken as decided, and the other
weights are those of what is left to choose: the limit of the likelihood (Geyer, Electronic Journal of Statistics 3,
2009). Where nothing varies in a direction the likelihood is flat; it is looked at in the other directions only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.stats import norm
from scipy.stats import t as student

from safegym.families.audience.choice import Floats
from safegym.fitting.choices import Choices
from safegym.fitting.likelihood import Likelihood
from safegym.randomness import uniform
from safegym.statistics import CONFIDENCE, SEED, cluster_weights

FLAT = 1e-9
"""Share of the greatest eigenvalue up to which nothing varies in a direction."""
LOADING = 1e-4
"""From which part of a flat direction on a covariate belongs to it."""
DECIDED = 1e-5
"""By how much utilities have to be apart, beyond the accuracy of the linear programme."""
PRIOR = 5.0
"""Standard deviation of the weights' prior in cross-validation, for covariates that spread by one."""
Status = Literal["told", "constant", "entangled", "separated"]
"""Of a weight: it has an estimate, its covariate never varies within a choice set or only together with others, or the
votes are separated along it."""
Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Directions:
    """Where the likelihood of votes is not flat.

    Attributes:
        basis: Weights of covariates for a step of one along each direction, shape (columns, directions).
        varies: Whether a column varies within any set, shape (columns,).
        told: Whether its weight is identified, shape (columns,).
    """

    basis: Floats
    varies: NDArray[np.bool_]
    told: NDArray[np.bool_]


@dataclass(frozen=True)
class Maximum:
    """The weights of greatest likelihood.

    Attributes:
        weights: Shape (columns,); without meaning where the status is not `told`.
        draws: Of the weights, for intervals over anchors, shape (draws, columns).
        status: What can be told of the weight of each column.
    """

    weights: Floats
    draws: Floats
    status: tuple[Status, ...]


def directions_of(choices: Choices) -> Directions:
    """The directions in which anything varies between options of a set, covariates scaled to spread by one."""
    apart = _apart(choices)
    spread = np.sqrt((apart**2).sum(axis=0) / max(len(apart), 1))
    varies = spread > FLAT
    units = np.where(varies, spread, np.inf)
    values, vectors = np.linalg.eigh((apart / units).T @ (apart / units) / max(len(apart), 1))
    flat = values <= FLAT * max(values[-1], FLAT)
    told = varies & (np.abs(vectors[:, flat]) < LOADING).all(axis=1)
    return Directions(vectors[:, ~flat] / units[:, None], varies, told)


def undecided(choices: Choices) -> Choices:
    """What is left to choose when every option is gone that some weights rule out at the cost of no vote."""
    while (weights := _separating(choices)) is not None:
        utilities = np.where(choices.offered, choices.covariates @ weights, -np.inf)
        best = utilities.max(axis=1, keepdims=True)
        choices = choices.offering(choices.offered & (utilities > best - DECIDED))
    return choices


def fit_logit(choices: Choices, draws: int, tell: Tell = lambda done, total: None) -> Maximum | None:
    """Find the weights of greatest likelihood, and again with other weights of the anchors, for intervals.

    Every draw weights the anchors as the house's bootstrap does, see `statistics`. Around the estimate the draws are
    spread out for few anchors, see `widening`, and nowhere narrower than those of independent votes.

    Args:
        choices: The votes.
        draws: How many draws.
        tell: Called with how many draws were made, and how many there will be.

    Returns:
        None where separation leaves less undecided than the votes on two anchors.
    """
    left = undecided(choices)
    anchors, directions = len(np.unique(left.anchor)), directions_of(left)
    if anchors < 2 or not directions.told.any():
        return None
    likelihood = Likelihood(left, directions.basis)
    point = likelihood.maximum()
    importance = cluster_weights(choices.anchors, draws)
    drawn = np.empty((draws, len(point)))
    for number in range(draws):
        drawn[number] = likelihood.maximum(importance[left.anchor, number], point)
        tell(number + 1, draws)
    apart = (drawn - point) * widening(anchors)
    apart = _no_narrower(apart, likelihood.information(point, np.ones(len(left.anchor))))
    basis = directions.basis.T
    return Maximum(point @ basis, (point + apart) @ basis, _status(directions_of(choices), directions))


def widening(anchors: int) -> float:
    """By how much draws are spread out around an estimate, so that its interval holds for few anchors too.

    With weights Exp(1) the variance of a mean is that of k anchors over k + 1, where over k - 1 is unbiased; and the
    interval of a mean of k normal numbers has the quantile of Student's distribution with k - 1 degrees of freedom.

    Args:
        anchors: At least two.
    """
    tail = 0.5 + CONFIDENCE / 2
    return float(student.ppf(tail, anchors - 1) / norm.ppf(tail)) * sqrt((anchors + 1) / (anchors - 1))


def predicted(training: Choices, test: Choices) -> Floats:
    """Log-chances of the options of some votes by weights of others, shape (sets, options).

    The weights have a weak prior, so that there are some for all votes, also for those that are separated.
    """
    basis = directions_of(training).basis
    point = Likelihood(training, basis, PRIOR**-2).maximum()
    return np.asarray(Likelihood(test, basis).log_chances(point))


def _status(all_of_them: Directions, undecided_ones: Directions) -> tuple[Status, ...]:
    found: list[Status] = []
    for varies, identified, told in zip(all_of_them.varies, all_of_them.told, undecided_ones.told, strict=True):
        found.append("told" if told else "separated" if identified else "entangled" if varies else "constant")
    return tuple(found)


def _apart(choices: Choices) -> Floats:
    """Covariates of what is offered less their means in the set, shape (options offered, columns)."""
    offered = choices.offered[..., None]
    means = (choices.covariates * offered).sum(axis=1) / choices.offered.sum(axis=1)[:, None]
    return np.asarray((choices.covariates - means[:, None])[choices.offered])


def _separating(choices: Choices) -> Floats | None:
    """Weights under which what was chosen is never below another option and sometimes above; None if there are none."""
    basis = directions_of(choices).basis
    if not basis.size:
        return None
    along = choices.covariates @ basis
    sets, taken = np.nonzero(choices.counts)
    gains = (along[sets, taken][:, None] - along[sets])[choices.offered[sets]]
    gains = np.unique(np.round(gains, 9), axis=0)
    found = linprog(-gains.sum(axis=0), A_ub=-gains, b_ub=np.zeros(len(gains)), bounds=(-1.0, 1.0), method="highs")
    if found.x is None or (gains @ found.x).max() < DECIDED:
        return None
    return np.asarray(basis @ found.x)


def _no_narrower(apart: Floats, information: Floats) -> Floats:
    """Draws around nought with no less variance, in any direction, than those of independent votes would have.

    Where a covariate varies in few anchors these tell too little of its weight: with one there would be no width at
    all. Normal noise makes up for what is lacking.
    """
    root = np.linalg.cholesky(np.linalg.inv(information))
    white = np.linalg.solve(root, apart.T)
    values, vectors = np.linalg.eigh(white @ white.T / len(apart))
    lacking = np.sqrt(np.maximum(1.0 - values, 0.0))
    return np.asarray(apart + (_normal(apart.shape) * lacking) @ (root @ vectors).T)


def _normal(shape: tuple[int, ...]) -> Floats:
    """Normal numbers, by Box and Muller; the first rows do not depend on how many there are."""
    places = np.arange(int(np.prod(shape)))
    first, second = (uniform(SEED, part, "independent votes", places) for part in (3, 4))
    return np.asarray(np.sqrt(-2.0 * np.log1p(-first)) * np.cos(2.0 * np.pi * second)).reshape(shape)
