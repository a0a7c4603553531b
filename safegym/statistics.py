"""Intervals for few scenarios and bounded figures, paired differences, tests, and bounds for what was not scored.

Scenarios are the clusters: ten seeds of one scenario say little about the next scenario. The usual percentile
bootstrap over 4 to 8 clusters covers 40 to 90 % instead of 95 %, and has no width where all clusters agree. Used here
is the Bayesian bootstrap (Rubin, "The Bayesian bootstrap", Annals of Statistics 9, 1981) over clusters, with half a
cluster of prior weight at either end of the figure's range. Every draw weights the clusters by

    w_c ~ Exp(1),  v_low, v_high ~ Gamma(1/2),
    figure = (sum w_c total_c + m (v_low low + v_high high)) / (sum w_c size_c + m (v_low + v_high)),

with m the mean cluster size. For clusters that are all 0 or 1 this is exactly the Jeffreys interval Beta(s + 1/2,
k - s + 1/2), the recommended one for rates with small n (Brown, Cai and DasGupta, Statistical Science 16, 2001); it
never has zero width, also with one cluster, and converges to the ordinary bootstrap as clusters are added. In
simulations with 4 to 8 clusters it covers 92 to 100 %. A cluster has the same weight in every figure, so that
figures combined draw by draw (a difference, a harmonic mean) keep their correlation.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb, erfc, exp, gamma, sqrt
from statistics import NormalDist, fmean

import numpy as np
from numpy.typing import NDArray

from safegym.randomness import uniform

CONFIDENCE = 0.95
DRAWS = 8000
SEED = 20_240_607
"""Fixed, so that equal grades give equal intervals on every machine."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """The ends of an interval, both included."""

    low: float
    high: float


@dataclass(frozen=True)
class Sample:
    """Values summed per cluster: `figure = sum(totals) / sum(sizes)`, known to lie from `low` to `high`."""

    clusters: tuple[str, ...]
    totals: Array
    sizes: Array
    low: float = 0.0
    high: float = 1.0

    @property
    def value(self) -> float:
        """The ratio of the sums: the mean where every value has weight 1."""
        return float(self.totals.sum() / self.sizes.sum())


def sample(values: Iterable[tuple[str, float, float]], low: float = 0.0, high: float = 1.0) -> Sample | None:
    """Sum (cluster, value, weight) per cluster; None where nothing has any weight.

    Args:
        values: The cluster of each value, the value times its weight, and the weight.
        low: The least that the figure can be.
        high: The most that the figure can be.
    """
    sums: dict[str, list[float]] = {}
    for cluster, total, size in values:
        entry = sums.setdefault(cluster, [0.0, 0.0])
        entry[0] += total
        entry[1] += size
    kept = {cluster: entry for cluster, entry in sorted(sums.items()) if entry[1] > 0}
    if not kept:
        return None
    pairs = np.array(list(kept.values()))
    return Sample(tuple(kept), pairs[:, 0], pairs[:, 1], low, high)


def draws(of: Sample, name: str) -> Array:
    """Draws of the figure from the Bayesian cluster bootstrap.

    Args:
        of: The values per cluster.
        name: Name of the figure; two figures share the weights of clusters and not the weights of the ends.
    """
    weights = _exponentials(of.clusters)
    size = float(of.sizes.mean())
    low, high = _half_gamma(f"{name}, low end") * size, _half_gamma(f"{name}, high end") * size
    totals = of.totals @ weights + low * of.low + high * of.high
    return np.asarray(totals / (of.sizes @ weights + low + high))


def interval(value: float, drawn: Array, confidence: float = CONFIDENCE) -> Interval:
    """The equal-tailed interval of the draws, widened to hold the value itself."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, (tail, 1 - tail))
    return Interval(min(float(low), value), max(float(high), value))


def cluster_interval(
    values: Sequence[float], clusters: Sequence[str], *, low: float = 0.0, high: float = 1.0, name: str = "mean"
) -> Interval:
    """The interval of a mean of values in [low, high] that come in clusters.

    Args:
        values: At least one value.
        clusters: The cluster of each value.
        low: The least that a value can be.
        high: The most that a value can be.
        name: Name of the figure, see `draws`.
    """
    summed = sample(((c, v, 1.0) for c, v in zip(clusters, values, strict=True)), low, high)
    if summed is None:
        raise ValueError("expected at least one value, got none")
    return interval(summed.value, draws(summed, name))


@dataclass(frozen=True)
class Kappa:
    """Agreement beyond chance, from -1 to 1, with its interval."""

    value: float
    interval: Interval


def cohen_kappa(pairs: Sequence[tuple[bool, bool]], clusters: Sequence[str]) -> Kappa | None:
    """How far two raters agree on yes or no beyond chance (Cohen, Educ. and Psychol. Measurement 20, 1960).

    kappa = (agreement - chance) / (1 - chance), in every draw of the bootstrap over clusters. The half clusters of
    prior weight at its ends are raters who agree on everything, or on nothing, and say yes in half of the cases.

    Args:
        pairs: What both said of each case; at least one.
        clusters: The cluster of each case.

    Returns:
        None where both said one and the same of all cases: then nothing is beyond chance.
    """

    def share(values: Iterable[bool], low: float, high: float) -> Sample:
        summed = sample(((c, float(v), 1.0) for c, v in zip(clusters, values, strict=True)), low, high)
        if summed is None:
            raise ValueError("expected at least one case, got none")
        return summed

    agreed = share((one == other for one, other in pairs), 0.0, 1.0)
    first, second = share((one for one, _ in pairs), 0.5, 0.5), share((other for _, other in pairs), 0.5, 0.5)
    if first.value == second.value and first.value in (0.0, 1.0):
        return None
    value = float(_kappa(*(np.array(each.value) for each in (agreed, first, second))))
    return Kappa(value, interval(value, _kappa(*(draws(each, "kappa") for each in (agreed, first, second)))))


def _kappa(agreed: Array, first: Array, second: Array) -> Array:
    chance = first * second + (1 - first) * (1 - second)
    return np.asarray((agreed - chance) / (1 - chance))


def wilson(successes: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """The score interval of a rate over independent trials (Wilson, JASA 22, 1927); all of [0, 1] without trials."""
    if not 0 <= successes <= n:
        raise ValueError(f"expected 0 to {n} successes in {n} trials, got {successes}")
    if n == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate, shrink = successes / n, 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / shrink
    half = z / shrink * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


@dataclass(frozen=True)
class ChiSquare:
    """Pearson's test of independence: the statistic, its degrees of freedom, and the chance of one as great."""

    statistic: float
    dof: int
    p: float


def chi_square(groups: Iterable[tuple[int, int]]) -> ChiSquare | None:
    """Whether a rate is the same in several groups (Pearson, Philosophical Magazine 50, 1900), uncorrected.

    Args:
        groups: Successes and trials of every group; those without trials are left out.

    Returns:
        None where fewer than two groups have trials, or where all trials ended alike.
    """
    held = [(successes, trials) for successes, trials in groups if trials]
    rate = sum(successes for successes, _ in held) / max(1, sum(trials for _, trials in held))
    if len(held) < 2 or rate in (0.0, 1.0):
        return None
    statistic = sum((successes - trials * rate) ** 2 / (trials * rate * (1 - rate)) for successes, trials in held)
    return ChiSquare(statistic, len(held) - 1, _chi_square_tail(statistic, len(held) - 1))


def fisher_exact(first: tuple[int, int], second: tuple[int, int]) -> float | None:
    """The two-sided p value of two rates being one (Fisher, "Statistical Methods for Research Workers", 1934).

    The sum of the chances of all tables with these margins that are no likelier than the one at hand, exactly.

    Args:
        first: Successes and trials.
        second: Successes and trials of the other group.

    Returns:
        None where either group has no trials.
    """
    (hits, trials), (others, more) = first, second
    for successes, n in (first, second):
        if not 0 <= successes <= n:
            raise ValueError(f"expected 0 to {n} successes in {n} trials, got {successes}")
    if not trials or not more:
        return None
    total = hits + others
    ways = {each: comb(trials, each) * comb(more, total - each) for each in range(total + 1)}
    return sum(each for each in ways.values() if each <= ways[hits]) / comb(trials + more, total)


def _chi_square_tail(statistic: float, dof: int) -> float:
    """The chance of a statistic as great: a finite sum for a whole number of degrees of freedom."""
    half = statistic / 2
    powers = [count + (0.5 if dof % 2 else 0.0) for count in range(dof // 2)]
    tail = float(exp(-half) * sum(half**power / gamma(power + 1) for power in powers))
    return tail + erfc(sqrt(half)) if dof % 2 else tail


def harmonic_mean(first: Array | float, second: Array | float) -> Array:
    """2ab / (a + b) of two numbers or arrays that are not negative; 0 where both are 0."""
    product, total = np.asarray(2.0 * first * second), np.asarray(first + second, dtype=np.float64)
    return np.asarray(np.divide(product, total, out=np.zeros_like(total), where=total > 0))


def paired(
    left: Mapping[Hashable, Sequence[float]], right: Mapping[Hashable, Sequence[float]]
) -> dict[Hashable, tuple[float, float]]:
    """The means of both sides for every key that both have; what has no partner is left out.

    Args:
        left: Values by what they are matched on: scenario, seed, repeat and every other factor.
        right: The other side, by the same keys.
    """
    return {key: (fmean(values), fmean(right[key])) for key, values in left.items() if values and right.get(key)}


def bounds(value: float | None, n: float, missing: float, low: float = 0.0, high: float = 1.0) -> Interval:
    """What a mean could have been, had the missing values been as low or as high as they can be.

    Args:
        value: The mean of the values that there are; None without any.
        n: The weight of the values that there are.
        missing: The weight of the values that are not.
        low: The least that a value can be.
        high: The most that a value can be.
    """
    if value is None or n + missing == 0:
        return Interval(low, high)
    known, total = value * n, n + missing
    return Interval((known + missing * low) / total, (known + missing * high) / total)


def cluster_weights(clusters: Sequence[str], count: int = DRAWS) -> Array:
    """Weights of clusters in the first draws of the Bayesian bootstrap, for figures that are no ratio of sums.

    Args:
        clusters: Their names.
        count: How many draws, up to `DRAWS`.

    Returns:
        Shape (clusters, draws); a cluster has the same weights in every figure.
    """
    return _exponentials(tuple(clusters))[:, :count]


@lru_cache(maxsize=32)
def _exponentials(clusters: tuple[str, ...]) -> Array:
    """A row of weights per cluster, which depends on nothing but its name."""
    return np.stack([-np.log1p(-uniform(SEED, 0, f"cluster {cluster}", np.arange(DRAWS))) for cluster in clusters])


@lru_cache(maxsize=1024)
def _half_gamma(end: str) -> Array:
    """Gamma(1/2) as half a squared normal number (Box and Muller)."""
    first, second = uniform(SEED, 1, end, np.arange(DRAWS)), uniform(SEED, 2, end, np.arange(DRAWS))
    return np.asarray(-np.log1p(-first) * np.cos(2.0 * np.pi * second) ** 2)
