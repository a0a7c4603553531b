"""Krippendorff's alpha: how far raters agree, beyond what chance would give (Hayes and Krippendorff 2007).

Own code: the packages that compute it are under licences that this project cannot carry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Level = Literal["interval", "ordinal"]


def krippendorff_alpha(ratings: Sequence[Sequence[float | None]], level: Level = "interval") -> float | None:
    """Alpha = 1 - observed / expected disagreement, from the matrix of coincidences.

    Args:
        ratings: A row per rater and a column per rated unit; None where a rater gave nothing.
        level: `interval` weighs a disagreement by the squared difference of the values, `ordinal` by the squared
            number of values that lie between them, halves of both ends included.

    Returns:
        1 for full agreement, 0 for chance; None where it cannot be told: nothing was rated twice, or all are equal.
    """
    if not ratings:
        return None
    matrix = np.array([[np.nan if each is None else each for each in row] for row in ratings], dtype=np.float64)
    values = np.unique(matrix[~np.isnan(matrix)])
    if matrix.size == 0 or len(values) < 2:
        return None
    counts = np.stack([(matrix == value).sum(axis=0) for value in values], axis=1).astype(np.float64)
    counts = counts[counts.sum(axis=1) >= 2]
    pairable = counts.sum(axis=1, keepdims=True) - 1.0
    coincidences = (counts / pairable).T @ counts - np.diag((counts / pairable).sum(axis=0))
    marginals = coincidences.sum(axis=0)
    distances = _squared_distances(values, marginals, level)
    expected = (np.outer(marginals, marginals) * distances).sum()
    if expected == 0:
        return None
    return float(1.0 - (marginals.sum() - 1.0) * (coincidences * distances).sum() / expected)


def _squared_distances(
    values: NDArray[np.float64], marginals: NDArray[np.float64], level: Level
) -> NDArray[np.float64]:
    if level == "interval":
        return np.asarray((values[:, None] - values[None, :]) ** 2)
    ranks = np.cumsum(marginals) - marginals / 2.0
    return np.asarray((ranks[:, None] - ranks[None, :]) ** 2)
