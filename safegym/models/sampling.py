"""Which token comes next: one rule for every engine, decided row by row and never by a shared generator.

A token is the likeliest one at temperature 0, otherwise the one at quantile `noise` of the tempered distribution, in
vocabulary order. The noise is one number per request and position, so a reply does not depend on its neighbours.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Tensor: TypeAlias = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """How the next token of one row is chosen.

    Attributes:
        temperature: 0 takes the likeliest token.
        noise: A number in [0, 1).
        mask: The tokens that may come, (vocabulary,); None: any.
        bias: What is added to the logits beforehand, (vocabulary,).
    """

    temperature: float = 0.0
    noise: float = 0.0
    mask: NDArray[np.bool_] | None = None
    bias: NDArray[np.float32] | None = None


def choose(logits: Tensor, picks: Sequence[Pick]) -> tuple[list[int], list[float]]:
    """One token for every row, and its log-probability by the row's own logits.

    Args:
        logits: (rows, vocabulary), float32.
        picks: One for each row.

    Returns:
        Token ids and log-probabilities; the latter are NaN where the logits are.
    """
    torch = importlib.import_module("torch")
    scores = _guarded(torch, logits, picks)
    tokens = scores.argmax(-1)
    warm = [index for index, pick in enumerate(picks) if pick.temperature > 0]
    if warm:
        heat = torch.tensor([picks[index].temperature for index in warm], device=scores.device)
        noise = torch.tensor([picks[index].noise for index in warm], device=scores.device, dtype=torch.float64)
        tokens[warm] = quantile(torch, scores[warm] / heat[:, None], noise)
    return tokens.tolist(), log_probabilities(logits, tokens).tolist()


def log_probabilities(logits: Tensor, tokens: Tensor) -> Tensor:
    """Log-probability of one token per row, (rows,), by the logits as they are."""
    return logits.log_softmax(-1).gather(-1, tokens[:, None])[:, 0]


def quantile(torch: Any, scores: Tensor, noise: Tensor) -> Tensor:  # noqa: ANN401 - torch is imported lazily
    """The token at a quantile of softmax(scores), in vocabulary order: (rows, vocabulary) and (rows,) to (rows,)."""
    weights = scores.softmax(-1)
    total = weights.cumsum(-1, dtype=torch.float64)
    found = torch.searchsorted(total, noise[:, None] * total[:, -1:], right=True)[:, 0]
    last = weights.shape[-1] - 1 - (weights > 0).flip(-1).int().argmax(-1)
    return torch.minimum(found, last)


def _guarded(torch: Any, logits: Tensor, picks: Sequence[Pick]) -> Tensor:  # noqa: ANN401 - torch is imported lazily
    if all(pick.mask is None and pick.bias is None for pick in picks):
        return logits
    scores = logits.clone()
    for row, pick in zip(scores, picks, strict=True):
        if pick.bias is not None:
            row += torch.from_numpy(pick.bias).to(row.device)
        if pick.mask is not None:
            row.masked_fill_(~torch.from_numpy(pick.mask).to(row.device), -torch.inf)
    return scores
