"""Rows of key-value cache that a batch decodes in, written in place, and one forward pass over all that is new.

The token in column c of a row stays there, so rows of any length share one buffer, what one session computed can be
copied in and out, and a row joins or leaves the batch without touching the others. The new tokens of all rows, one of
a row that writes and hundreds of one that reads its prompt, are packed into one sequence: no row is padded to the
longest, and the weights are read once. Attention alone goes row by row: those with one new token together, the others
each for itself.

On a CPU, matrix products are padded to row counts divisible by `ALIGN`, and attention runs in blocks of one size: with
these, the libraries' kernels gave a row the same bits alone, among neighbours, from the cache and recomputed, wherever
it was measured. No library promises that, and on CUDA it is not attempted.
"""

from __future__ import annotations

import copy
import importlib
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, count, pairwise
from typing import Any, Protocol, TypeAlias

from safegym.errors import ModelError

Tensor: TypeAlias = Any
Saved: TypeAlias = tuple[tuple[Tensor, Tensor], ...]
"""Keys and values of one row, per layer, each (heads, tokens, width)."""
ALIGN = 4
_COLUMNS = {"cpu": 512}
"""Attention sums over columns in blocks of this many; a shorter last block would be summed in another order."""
_QUERIES = 160
_NUMBERS = count()


@dataclass(frozen=True, slots=True)
class Feed:
    """The new tokens of one row.

    Attributes:
        row: Index of the row.
        past: How many of its tokens are in the cache already.
        tokens: The new ones.
        keep: Logits are wanted after the last `keep` of them.
        branches: Lengths of alternatives at the end of `tokens`; each of them sees what stands before all of them, and
            itself. What follows the row's next feed overwrites them.
    """

    row: int
    past: int
    tokens: Sequence[int]
    keep: int = 1
    branches: tuple[int, ...] = ()

    @property
    def trunk(self) -> int:
        """How many of the new tokens stand before the branches."""
        return len(self.tokens) - sum(self.branches)


class Rows(Protocol):
    """What the batching worker needs of a cache."""

    reusable: bool

    def forward(self, feeds: Sequence[Feed]) -> Tensor:
        """Feed new tokens; the logits that the feeds keep, one after the other, (kept, vocabulary) in float32."""

    def save(self, row: int, length: int) -> Saved | None:
        """A copy of the first columns of a row."""

    def restore(self, row: int, saved: Saved, length: int) -> None:
        """Fill the first columns of a row from a copy."""

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first columns of one row over another."""

    def clear(self, row: int) -> None:
        """Forget what a row holds: numbers that are none would reach whoever comes after."""

    def reset(self, rows: int) -> None:
        """Forget everything, give back the memory, and go on with this many rows."""


def make_rows(model: Any, rows: int) -> Rows:  # noqa: ANN401 - transformers has no types
    """The fastest rows that compute what the model computes: a short trial compares the two."""
    torch = importlib.import_module("torch")
    width = int(model.config.get_text_config().vocab_size)
    trial = [[(7 * index + 3) % min(width, 1000) for index in range(12)], [5, 6, 7, 8, 9]]
    previous = model.config._attn_implementation
    expected = PlainRows(model).forward([Feed(row, 0, tokens) for row, tokens in enumerate(trial)])
    try:
        packed = PackedRows(model, len(trial))
        packed.forward([Feed(row, 0, tokens[:-2]) for row, tokens in enumerate(trial)])
        packed.forward([Feed(0, len(trial[0]) - 2, trial[0][-2:-1])])
        last = [Feed(0, len(trial[0]) - 1, trial[0][-1:]), Feed(1, len(trial[1]) - 2, trial[1][-2:])]
        found = packed.forward(last)
        rounding = 0.01 if model.dtype == torch.float32 else 0.3
        if float((expected - found).abs().max()) <= rounding * float(expected.std()):
            packed.reset(rows)
            return packed
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError, IndexError, NotImplementedError):
        pass  # an architecture with another kind of cache or attention
    model.set_attn_implementation(previous)
    return PlainRows(model)


class PackedRows:
    """One buffer per layer for all rows, and grouped-query attention over it.

    Args:
        model: A causal language model of transformers with full attention in every layer.
        rows: How many rows.
    """

    reusable = True

    def __init__(self, model: Any, rows: int) -> None:  # noqa: ANN401 - transformers has no types
        self._torch = importlib.import_module("torch")
        self._model = model
        text = model.config.get_text_config()
        kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
        window = getattr(text, "sliding_window", None) if getattr(text, "use_sliding_window", True) else None
        if kinds != {"full_attention"} or window:
            raise NotImplementedError("only full attention lies in rows")
        if rope_depends_on_length(text):
            raise NotImplementedError("packed positions would turn on the longest row")
        self._align = ALIGN if model.device.type == "cpu" else 1
        heads = int(text.num_attention_heads)
        group = heads // int(getattr(text, "num_key_value_heads", None) or heads)
        self._keyword = _cache_keyword(model)
        self._layers = int(text.num_hidden_layers)
        self._place = _Place(self._torch, model.device, model.dtype, group)
        self.reset(rows)
        name = f"safegym_packed_{next(_NUMBERS)}"
        importlib.import_module("transformers").AttentionInterface.register(name, _attention(self._torch, self._place))
        model.set_attn_implementation(name)

    def forward(self, feeds: Sequence[Feed]) -> Tensor:
        """Feed new tokens; the logits that the feeds keep, one after the other, (kept, vocabulary) in float32."""
        torch, device = self._torch, self._model.device
        tokens = [token for feed in feeds for token in feed.tokens]
        fill = [0] * (-len(tokens) % self._align)
        ends = accumulate(len(feed.tokens) for feed in feeds)
        kept = [at for feed, end in zip(feeds, ends, strict=True) for at in range(end - feed.keep, end)]
        # The output layer too must see a row count that it treats like any other.
        wanted = kept + [0] * (-len(kept) % self._align)
        positions = self._place.point(feeds)
        with torch.inference_mode():
            output = self._model(
                input_ids=torch.tensor([tokens + fill], device=device),
                position_ids=torch.tensor([positions + fill], device=device),
                attention_mask=self._place.nothing,
                use_cache=True,
                **{self._keyword: self._cache},
                logits_to_keep=torch.tensor(wanted, device=device, dtype=torch.int64),
            )
            return output.logits[0, : len(kept)].float()

    def save(self, row: int, length: int) -> Saved | None:
        """A copy of the first columns of a row."""
        layers = self._cache.layers
        with self._torch.inference_mode():
            return tuple((each.keys[row, :, :length].clone(), each.values[row, :, :length].clone()) for each in layers)

    def restore(self, row: int, saved: Saved, length: int) -> None:
        """Fill the first columns of a row from a copy."""
        self._place.fill(row, length)
        with self._torch.inference_mode():
            for layer, (keys, values) in zip(self._cache.layers, saved, strict=True):
                layer.reserve(length)
                layer.keys[row, :, :length] = keys[:, :length]
                layer.values[row, :, :length] = values[:, :length]

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first columns of one row over another."""
        self._place.fill(target, length)
        with self._torch.inference_mode():
            for layer in self._cache.layers:
                layer.keys[target, :, :length] = layer.keys[source, :, :length]
                layer.values[target, :, :length] = layer.values[source, :, :length]

    def clear(self, row: int) -> None:
        """Forget what a row holds: numbers that are none would reach whoever comes after."""
        with self._torch.inference_mode():
            for layer in self._cache.layers:
                layer.keys[row], layer.values[row] = 0, 0

    def reset(self, rows: int) -> None:
        """Forget everything, give back the memory, and go on with this many rows."""
        self._cache: Any = None
        if self._model.device.type == "cuda":
            self._torch.cuda.empty_cache()
        self._place.filled = [0] * rows
        self._cache = _cache(rows, self._layers, self._place)


class PlainRows:
    """Rows that leave the cache to the model, one by one: slower, and right for every architecture.

    Such a cache cannot be cut: where a row goes on from fewer tokens than its cache has, after a pass that failed for
    others, it is computed again.
    """

    reusable = False

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - transformers has no types
        self._torch = importlib.import_module("torch")
        self._model = model
        self._keyword = _cache_keyword(model)
        self._rows: dict[int, tuple[list[int], Any]] = {}
        """The tokens of each row, and its cache."""

    def forward(self, feeds: Sequence[Feed]) -> Tensor:
        """Feed new tokens; the logits that the feeds keep, one after the other, (kept, vocabulary) in float32."""
        return self._torch.cat([self._feed(feed) for feed in feeds]).float()

    def save(self, row: int, length: int) -> Saved | None:
        """Nothing: these caches cannot be cut at a token."""
        return None

    def restore(self, row: int, saved: Saved, length: int) -> None:
        """Never called, as nothing is saved."""
        raise ModelError("this architecture's cache cannot be restored")

    def copy(self, source: int, target: int, length: int) -> None:
        """Hand the cache of one row to another."""
        self._rows[target] = self._rows.pop(source, ([], None))

    def clear(self, row: int) -> None:
        """Forget what a row holds."""
        self._rows.pop(row, None)

    def reset(self, rows: int) -> None:
        """Forget everything."""
        self._rows.clear()

    def _feed(self, feed: Feed) -> Tensor:
        known, cache = self._rows.get(feed.row, ([], None)) if feed.past else ([], None)
        if feed.past and (cache is None or len(known) > feed.past):
            known = known[: feed.past]
            cache = self._run(known, None)[1]
        self._rows[feed.row] = known, None  # a pass that fails half-way leaves a cache that nobody can use
        tokens = list(feed.tokens)
        trunk, cache = self._run(tokens[: feed.trunk], cache)
        ends = list(accumulate(feed.branches, initial=feed.trunk))
        branches = [self._run(tokens[a:b], copy.deepcopy(cache))[0] for a, b in pairwise(ends)]
        self._rows[feed.row] = known + tokens[: feed.trunk], cache
        every = self._torch.cat([trunk, *branches])
        return every[len(every) - feed.keep :]

    def _run(self, tokens: list[int], cache: Any) -> tuple[Tensor, Any]:  # noqa: ANN401 - transformers has no types
        ids = self._torch.tensor([tokens], device=self._model.device)
        with self._torch.inference_mode():
            output = self._model(input_ids=ids, use_cache=True, **{self._keyword: cache})
        return output.logits[0], getattr(output, self._keyword)


def rope_depends_on_length(config: Any) -> bool:  # noqa: ANN401 - transformers has no types
    """Whether the model turns its positions by the longest one of a whole pass, so that rows cannot share one."""
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    kinds = rope.values() if rope and all(isinstance(each, dict) for each in rope.values()) else [rope]
    return any(each.get("rope_type", each.get("type")) in ("dynamic", "longrope") for each in kinds)


def _cache_keyword(model: Any) -> str:  # noqa: ANN401 - transformers has no types
    """What the model's forward pass calls its cache: transformers 5.24 has begun to rename it."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


@dataclass(frozen=True, slots=True)
class _Reader:
    """A row with several new tokens: which of the packed tokens are its own, and what each of them sees."""

    row: int
    start: int
    stop: int
    width: int
    masks: tuple[Tensor, ...]


class _Place:
    """Where the tokens that are being fed lie: shared by all layers, set before every forward pass.

    Masks are made here once for all layers, as what is added to the scores, in the blocks that attention runs in.
    """

    def __init__(self, torch: Any, device: Any, dtype: Any, group: int) -> None:  # noqa: ANN401 - torch has no types
        self._torch, self._device, self._dtype, self._group = torch, device, dtype, group
        self._block = _COLUMNS.get(device.type, 64)
        self.nothing = torch.zeros((1, 1, 1, 1), dtype=dtype, device=device)
        """Stands for a mask, so that the model makes none of its own."""
        self.filled: list[int] = []
        """How many columns of each row have ever been written."""

    def fill(self, row: int, columns: int) -> None:
        """Note that a row is written up to a column."""
        self.filled[row] = max(self.filled[row], columns)

    def point(self, feeds: Sequence[Feed]) -> list[int]:
        """Note where the feeds go; returned is the position of every token, which in a branch is not its column."""
        torch, device = self._torch, self._device
        rows = [feed.row for feed in feeds for _ in feed.tokens]
        columns = [feed.past + offset for feed in feeds for offset in range(len(feed.tokens))]
        self.columns_needed = self._rounded(max(columns) + 1)
        for feed in feeds:
            self.fill(feed.row, feed.past + len(feed.tokens))
        self.rows = torch.tensor(rows, device=device)
        self.columns = torch.tensor(columns, device=device)
        starts = list(accumulate((len(feed.tokens) for feed in feeds), initial=0))
        self._point_writers(
            [(feed, start) for feed, start in zip(feeds, starts, strict=False) if len(feed.tokens) == 1]
        )
        self.readers = [
            self._reader(feed, start) for feed, start in zip(feeds, starts, strict=False) if len(feed.tokens) > 1
        ]
        return [position for feed in feeds for position in _positions(feed)]

    def _point_writers(self, writers: Sequence[tuple[Feed, int]]) -> None:
        """The rows with one new token, computed together over the slice of rows that covers them."""
        torch, device = self._torch, self._device
        self.writers = bool(writers)
        if not writers:
            return
        first, last = min(feed.row for feed, _ in writers), max(feed.row for feed, _ in writers)
        self.slice = slice(first, last + 1)
        self.width = self._rounded(max(feed.past for feed, _ in writers) + 1)
        self.places = torch.tensor([feed.row - first for feed, _ in writers], device=device)
        self.sources = torch.tensor([start for _, start in writers], device=device)
        past = torch.zeros(last + 1 - first, dtype=torch.int64, device=device)
        past[self.places] = torch.tensor([feed.past for feed, _ in writers], device=device)
        seen = torch.arange(self.width, device=device) <= past[:, None]
        (self.mask,) = self._added(seen[:, None, None, :])

    def _reader(self, feed: Feed, start: int) -> _Reader:
        torch, device = self._torch, self._device
        width = self._rounded(feed.past + len(feed.tokens))
        column = torch.arange(width, device=device)
        own = feed.past + torch.arange(len(feed.tokens), device=device)
        seen = column <= own[:, None]
        begin = feed.past + feed.trunk
        for length in feed.branches:
            seen[begin - feed.past : begin - feed.past + length, feed.past + feed.trunk : begin] = False
            begin += length
        masks = self._added(seen[None, None])
        return _Reader(feed.row, start, start + len(feed.tokens), width, masks)

    def _added(self, seen: Tensor) -> tuple[Tensor, ...]:
        """What is added to the scores of (rows, 1, queries, columns), repeated for the heads of a group, in blocks."""
        torch = self._torch
        added = torch.zeros(seen.shape, dtype=self._dtype, device=self._device).masked_fill_(~seen, -torch.inf)
        if self._group > 1:
            rows, _, queries, columns = added.shape
            added = added.expand(rows, self._group, queries, columns).reshape(rows, 1, self._group * queries, columns)
        return blocks(torch, added)

    def _rounded(self, width: int) -> int:
        return -(-width // self._block) * self._block


def _positions(feed: Feed) -> list[int]:
    end = feed.past + feed.trunk
    return [*range(feed.past, end), *(end + offset for length in feed.branches for offset in range(length))]


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
            grown = -(-width // 512) * 512
            for name in ("keys", "values"):
                old = getattr(self, name)
                new = torch.zeros((*old.shape[:2], grown, old.shape[3]), dtype=old.dtype, device=old.device)
                for row, columns in enumerate(place.filled):  # on a CPU, zeros that nobody writes take no memory
                    kept = min(columns, self.capacity)
                    new[row, :, :kept] = old[row, :, :kept]
                setattr(self, name, new)
            self.capacity = grown

        def update(self, keys: Tensor, values: Tensor, *args: object, **kwargs: object) -> tuple[Tensor, Tensor]:
            if not self.is_initialized:
                self.lazy_initialization(keys, values)
            self.reserve(place.columns_needed)
            count = len(place.rows)
            self.keys[place.rows, :, place.columns] = keys[0, :, :count].transpose(0, 1)
            self.values[place.rows, :, place.columns] = values[0, :, :count].transpose(0, 1)
            return self.keys, self.values

        def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
            return place.columns_needed, 0

        def get_seq_length(self) -> int:
            return place.columns_needed

        def get_max_length(self) -> int:
            return -1

    return utils.Cache(layers=[RowLayer() for _ in range(layers)])


def _attention(torch: Any, place: _Place) -> Any:  # noqa: ANN401 - torch is a lazily imported module
    """Attention over the rows: the query heads of a group stand beside each other as queries of one key head."""
    dot = torch.nn.functional.scaled_dot_product_attention

    def attend(
        module: Any,  # noqa: ANN401 - a transformers layer
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor,
        scaling: float | None = None,
        **options: object,
    ) -> tuple[Tensor, None]:
        if options.get("softcap") is not None or options.get("s_aux") is not None:
            raise NotImplementedError("attention with soft caps or sinks")
        _, heads, length, width = query.shape
        grouped = query[0].reshape(key.shape[1], heads // key.shape[1], length, width)
        output = torch.zeros((length, heads, width), dtype=query.dtype, device=query.device)
        if place.writers:
            keys, values = key[place.slice, :, : place.width], value[place.slice, :, : place.width]
            asked = query.new_zeros((len(keys), *grouped.shape[:2], width))
            asked[place.places] = grouped[:, :, place.sources].permute(2, 0, 1, 3)
            (asked,) = blocks(torch, asked)
            found = dot(asked, keys, values, attn_mask=place.mask, scale=scaling)[:, :, : grouped.shape[1]]
            output[place.sources] = found[place.places].reshape(len(place.sources), heads, width)
        for reader in place.readers:
            keys, values = key[None, reader.row, :, : reader.width], value[None, reader.row, :, : reader.width]
            count = reader.stop - reader.start
            asked = grouped[None, :, :, reader.start : reader.stop].reshape(1, len(grouped), -1, width)
            parts = zip(blocks(torch, asked), reader.masks, strict=True)
            found = torch.cat([dot(part, keys, values, attn_mask=mask, scale=scaling) for part, mask in parts], dim=2)
            found = found[0, :, : grouped.shape[1] * count].reshape(len(grouped), -1, count, width)
            output[reader.start : reader.stop] = found.permute(2, 0, 1, 3).reshape(count, heads, width)
        return output[None], None

    return attend


def blocks(torch: Any, states: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401 - torch is a lazily imported module
    """On a CPU, queries in blocks that the library computes alike, the last one filled up to `ALIGN`."""
    if states.device.type != "cpu":
        return (states,)
    missing = -states.shape[2] % ALIGN
    if missing:
        states = torch.cat([states, states[:, :, -1:].expand(-1, -1, missing, -1)], dim=2)
    return tuple(states.split(_QUERIES, dim=2))
