"""Options that were scored as whole replies: which of them is taken, and how likely each is among them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from safegym.models.base import TransientModelError


def take(scores: Sequence[float], temperature: float, noise: float) -> int:
    """The place of the likeliest option at temperature 0, otherwise of the one at a quantile of the tempered weights.

    Args:
        scores: Log-probability of every option.
        temperature: What they are divided by.
        noise: The quantile, a number in [0, 1).

    Raises:
        TransientModelError: The model gave none, or numbers that are none.
    """
    if not scores or not all(map(math.isfinite, scores)):
        raise TransientModelError("the model gave no numbers (NaN) for the options")
    if temperature == 0:
        return int(np.argmax(scores))
    weights = np.exp((np.array(scores) - max(scores)) / temperature)
    place = noise * weights.sum()
    return int(min(np.searchsorted(weights.cumsum(), place, side="right"), len(scores) - 1))


def shares(scores: Sequence[float]) -> NDArray[np.float64]:
    """How likely each option is if it is one of them, at temperature 1; shape (options,)."""
    weights = np.exp(np.array(scores) - max(scores))
    return np.asarray(weights / weights.sum())
