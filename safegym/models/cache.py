"""Rows of key-value cache that a batch decodes in, written in place.

A token of position p lies in column p of its row, so rows of any length share one buffer, what one session computed
can be copied in and out, and a row joins or leaves the batch without touching the others. Compared with
transformers' `DynamicCache` nothing is concatenated per token, and the grouped attention below reads keys and values
once instead of repeating them for every query head.

On a CPU, matrix products are padded to row counts divisible by `ALIGN`, and attention runs in blocks of one size: with
these, the libraries' kernels gave a row the same bits alone, among neighbours, from the cache and recomputed, wherever
it was measured. No library promises that, and on CUDA it is not attempted.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from safegym.errors import ModelError

Tensor: TypeAlias = Any
Saved: TypeAlias = tuple[tuple[Tensor, Tensor], ...]
"""Keys and values of one row, per layer, each (heads, tokens, width)."""
ALIGN = 4
_COLUMNS = {"cpu": 512}
"""Attention sums over columns in blocks of this many; a shorter last block would be summed in another order."""
_QUERIES = 160
_ATTENTION = "safegym_grouped"


class Rows(Protocol):
    """What the batching worker needs of a cache."""

    reusable: bool

    def forward(self, first: int, tokens: Sequence[Sequence[int]], past: Sequence[int]) -> Tensor:
        """Feed new tokens to the rows from `first` on; the logits after each row's last token."""

    def save(self, row: int, length: int) -> Saved | None:
        """A copy of the first columns of a row."""

    def restore(self, row: int, saved: Saved, length: int) -> None:
        """Fill the first columns of a row from a copy."""

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first columns of one row over another."""


def make_rows(model: Any, rows: int) -> Rows:  # noqa: ANN401 - transformers has no types
    """The fastest rows that compute what the model computes: a short trial compares the two."""
    torch = importlib.import_module("torch")
    width = int(model.config.get_text_config().vocab_size)
    trial = [[(7 * index + 3) % min(width, 1000) for index in range(12)], [5, 6, 7, 8, 9]]
    plain = PlainRows(model, rows)
    previous = model.config._attn_implementation
    expected = torch.cat([plain.forward(row, [trial[row]], [0]) for row in range(2)])
    try:
        fast = GroupedRows(model, rows)
        for row in range(2):
            fast.forward(row, [trial[row][:-2]], [0])
        found = fast.forward(0, [row[-2:] for row in trial], [len(row) - 2 for row in trial])
        rounding = 0.01 if model.dtype == torch.float32 else 0.3
        if float((expected - found).abs().max()) <= rounding * float(expected.std()):
            return fast
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError, IndexError, NotImplementedError):
        pass  # an architecture with another kind of cache or attention
    model.set_attn_implementation(previous)
    return PlainRows(model, rows)


class GroupedRows:
    """One buffer per layer for all rows, and grouped-query attention over it."""

    reusable = True

    def __init__(self, model: Any, rows: int) -> None:  # noqa: ANN401 - transformers has no types
        self._torch = importlib.import_module("torch")
        self._model = model
        text = model.config.get_text_config()
        kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
        window = getattr(text, "sliding_window", None) if getattr(text, "use_sliding_window", True) else None
        if kinds != {"full_attention"} or window:
            raise NotImplementedError("only full attention lies in rows")
        self._align = ALIGN if model.device.type == "cpu" else 1
        self._rows = -(-rows // self._align) * self._align
        self._place = _Place()
        self._cache = _cache(self._rows, int(text.num_hidden_layers), self._place)
        _register(self._torch)
        model.set_attn_implementation(_ATTENTION)

    def forward(self, first: int, tokens: Sequence[Sequence[int]], past: Sequence[int]) -> Tensor:
        """Feed new tokens to the rows from `first` on; the logits after each row's last token."""
        torch, align = self._torch, self._align
        count = len(tokens)
        longest = max(len(row) for row in tokens)
        padded = count if count == 1 else -(-count // align) * align
        columns = longest if padded % align == 0 else -(-longest // align) * align
        width = max(each + columns for each in past)
        device = self._model.device
        block = _COLUMNS.get(device.type, 64)
        width = -(-width // block) * block
        fill = [[0] * columns] * (padded - count)
        ids = torch.tensor([[*row, *[0] * (columns - len(row))] for row in tokens] + fill, device=device)
        starts = torch.tensor([*past, *[0] * (padded - count)], device=device)
        positions = starts[:, None] + torch.arange(columns, device=device)
        mask = torch.arange(width, device=device) <= positions[:, :, None]
        self._place.point(torch, first, padded, width, tokens, past, device)
        last = [len(row) - 1 for row in tokens]
        keep = sorted(set(last))
        if count == 1:
            keep *= align  # the output layer too must see a row count that it treats like any other
        with torch.inference_mode():
            output = self._model(
                input_ids=ids,
                position_ids=positions,
                attention_mask=mask[:, None],
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=torch.tensor(keep, device=device),
            )
            return output.logits[torch.arange(count), [keep.index(each) for each in last]].float().cpu()

    def save(self, row: int, length: int) -> Saved | None:
        """A copy of the first columns of a row."""
        layers = self._cache.layers
        with self._torch.inference_mode():
            return tuple((each.keys[row, :, :length].clone(), each.values[row, :, :length].clone()) for each in layers)

    def restore(self, row: int, saved: Saved, length: int) -> None:
        """Fill the first columns of a row from a copy."""
        with self._torch.inference_mode():
            for layer, (keys, values) in zip(self._cache.layers, saved, strict=True):
                layer.reserve(length)
                layer.keys[row, :, :length] = keys[:, :length]
                layer.values[row, :, :length] = values[:, :length]

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first columns of one row over another."""
        with self._torch.inference_mode():
            for layer in self._cache.layers:
                layer.keys[target, :, :length] = layer.keys[source, :, :length]
                layer.values[target, :, :length] = layer.values[source, :, :length]


class PlainRows:
    """Rows that leave the cache to the model, one by one: slower, and right for every architecture."""

    reusable = False

    def __init__(self, model: Any, rows: int) -> None:  # noqa: ANN401 - transformers has no types
        self._torch = importlib.import_module("torch")
        self._model = model
        self._caches: list[Any] = [None] * rows

    def forward(self, first: int, tokens: Sequence[Sequence[int]], past: Sequence[int]) -> Tensor:
        """Feed new tokens to the rows from `first` on; the logits after each row's last token."""
        logits = []
        for row, (new, before) in enumerate(zip(tokens, past, strict=True), first):
            ids = self._torch.tensor([list(new)], device=self._model.device)
            with self._torch.inference_mode():
                cache = self._caches[row] if before else None
                output = self._model(input_ids=ids, past_key_values=cache, use_cache=True)
            self._caches[row] = output.past_key_values
            logits.append(output.logits[:, -1])
        return self._torch.cat(logits).float().cpu()

    def save(self, row: int, length: int) -> Saved | None:
        """Nothing: these caches cannot be cut at a token."""
        return None

    def restore(self, row: int, saved: Saved, length: int) -> None:
        """Never called, as nothing is saved."""
        raise ModelError("this architecture's cache cannot be restored")

    def move(self, source: int, target: int, length: int) -> None:
        """Hand the cache of one row to another."""
        self._caches[target] = self._caches[source]


class _Place:
    """Where the tokens that are being fed lie: shared by all layers, set before every forward pass."""

    def point(
        self,
        torch: Any,  # noqa: ANN401 - torch is a lazily imported module
        first: int,
        count: int,
        width: int,
        tokens: Sequence[Sequence[int]],
        past: Sequence[int],
        device: object,
    ) -> None:
        self.first, self.count, self.width = first, count, width
        self.single = (past[0], len(tokens[0])) if count == 1 else None
        rows = [row for row, new in enumerate(tokens) for _ in new]
        offsets = [offset for new in tokens for offset in range(len(new))]
        columns = [past[row] + offset for row, offset in zip(rows, offsets, strict=True)]
        self.rows = torch.tensor(rows, device=device)
        self.offsets = torch.tensor(offsets, device=device)
        self.columns = torch.tensor(columns, device=device)


def _cache(rows: int, layers: int, place: _Place) -> Any:  # noqa: ANN401 - transformers has no types
    """A transformers cache whose layers are views of our buffers."""
    torch = importlib.import_module("torch")
    utils = importlib.import_module("transformers.cache_utils")

    class RowLayer(utils.CacheLayerMixin):  # type: ignore[misc, name-defined]
        is_sliding = False

        def __init__(self) -> None:
            super().__init__()
            self.capacity = 0

        def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
            self.keys, self.values = (
                torch.zeros((rows, state.shape[1], 0, state.shape[3]), dtype=state.dtype, device=state.device)
                for state in (key_states, value_states)
            )
            self.is_initialized = True

        def reserve(self, width: int) -> None:
            if width <= self.capacity:
                return
            grown = max(-(-width // 256) * 256, self.capacity)
            for name in ("keys", "values"):
                old = getattr(self, name)
                new = torch.zeros((*old.shape[:2], grown, old.shape[3]), dtype=old.dtype, device=old.device)
                new[:, :, : self.capacity] = old
                setattr(self, name, new)
            self.capacity = grown

        def update(self, keys: Tensor, values: Tensor, *args: object, **kwargs: object) -> tuple[Tensor, Tensor]:
            if not self.is_initialized:
                self.lazy_initialization(keys, values)
            self.reserve(place.width)
            here = slice(place.first, place.first + place.count)
            for buffer, new in ((self.keys[here], keys), (self.values[here], values)):
                if place.single is None:
                    buffer[place.rows, :, place.columns] = new[place.rows, :, place.offsets]
                else:
                    start, length = place.single
                    buffer[0, :, start : start + length] = new[0, :, :length]
            return self.keys[here, :, : place.width], self.values[here, :, : place.width]

        def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
            return place.width, 0

        def get_seq_length(self) -> int:
            return place.width

        def get_max_length(self) -> int:
            return -1

    return utils.Cache(layers=[RowLayer() for _ in range(layers)])


def _register(torch: Any) -> None:  # noqa: ANN401 - torch is a lazily imported module
    transformers = importlib.import_module("transformers")

    def attend(
        module: Any,  # noqa: ANN401 - a transformers layer
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor,
        scaling: float | None = None,
        **options: object,
    ) -> tuple[Tensor, None]:
        """Attention in which the query heads of a group stand beside each other as queries of one key head."""
        if options.get("softcap") is not None or options.get("s_aux") is not None:
            raise NotImplementedError("attention with soft caps or sinks")
        batch, heads, length, width = query.shape
        group = heads // key.shape[1]
        grouped = query.reshape(batch, key.shape[1], group * length, width)
        mask = attention_mask
        if group > 1:
            mask = mask.expand(batch, group, length, mask.shape[-1]).reshape(batch, 1, group * length, -1)
        output = torch.cat(
            [
                torch.nn.functional.scaled_dot_product_attention(part, key, value, attn_mask=seen, scale=scaling)
                for part, seen in zip(_blocks(torch, grouped), _blocks(torch, mask), strict=True)
            ],
            dim=2,
        )[:, :, : group * length]
        return output.reshape(batch, heads, length, -1).transpose(1, 2).contiguous(), None

    transformers.AttentionInterface.register(_ATTENTION, attend)


def _blocks(torch: Any, states: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401 - torch is a lazily imported module
    """On a CPU, queries in blocks that the library computes alike, the last one filled up to `ALIGN`."""
    if states.device.type != "cpu":
        return (states,)
    missing = -states.shape[2] % ALIGN
    if missing:
        states = torch.cat([states, states[:, :, -1:].expand(-1, -1, missing, -1)], dim=2)
    return tuple(states.split(_QUERIES, dim=2))
