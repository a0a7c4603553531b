"""How many requests and how much of finished turns fit the memory that is free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from safegym.models.weights import library

_ROWS = {"cpu": 32, "cuda": 128}
_STEP = {"cpu": 512, "cuda": 4096}
_SHARE = {"cpu": 0.25, "cuda": 0.8}
"""Of the free memory, what rows and kept turns may take together."""
PAGES = 0.65
"""Of the free memory, what the paged engine may take where it does most of the work."""
_BESIDE_PAGES = 0.15
_TYPICAL = 2048
"""Tokens that a row is expected to need; of longer ones fewer are decoded together."""


@dataclass(frozen=True, slots=True)
class Memory:
    """How it is shared out.

    Attributes:
        rows: The most requests decoded together.
        cached_tokens: The most tokens of finished turns that are kept.
        step_tokens: The most tokens of one forward pass.
        row_tokens: The most tokens of all rows together, each counted as long as the longest.
    """

    rows: int
    cached_tokens: int
    step_tokens: int = 512
    row_tokens: int | None = None


def measure(
    config: Any,  # noqa: ANN401 - transformers has no types
    dtype: Any,  # noqa: ANN401 - torch has no types
    device: Any,  # noqa: ANN401 - torch has no types
    rows: int | None = None,
    cached_tokens: int | None = None,
    *,
    paged: bool = False,
) -> Memory:
    """Share out what is free after the weights were loaded; half goes to rows, half to kept turns.

    Args:
        config: The text configuration of a model.
        dtype: Of keys and values.
        device: Where they lie.
        rows: A number of rows that was asked for.
        cached_tokens: A number of tokens that was asked for.
        paged: Whether most of it belongs to the paged engine.
    """
    share = _BESIDE_PAGES if paged else _SHARE.get(device.type, 0.25)
    tokens = int(free_bytes(device) * share / token_bytes(config, dtype) / 2)
    typical = min(_TYPICAL, int(getattr(config, "max_position_embeddings", _TYPICAL)))
    fitting = max(1, min(_ROWS.get(device.type, 8), tokens // typical))
    return Memory(rows or fitting, cached_tokens or max(tokens, typical), _STEP.get(device.type, 512), tokens)


def token_bytes(config: Any, dtype: Any) -> int:  # noqa: ANN401 - neither has types
    """Bytes of the keys and values of one token: 2 x layers x key-value heads x head width x bytes of a number.

    A model without attention heads is taken for one whose heads fill its hidden size.
    """
    all_heads = getattr(config, "num_attention_heads", None) or 1
    heads = getattr(config, "num_key_value_heads", None) or all_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // all_heads
    return int(2 * config.num_hidden_layers * heads * width * dtype.itemsize)


def free_bytes(device: Any) -> int:  # noqa: ANN401 - torch has no types
    """Memory that is free on a device."""
    if device.type == "cuda":
        free: int = library("torch").cuda.mem_get_info(device)[0]
        return free
    available: int = library("psutil").virtual_memory().available
    return available
