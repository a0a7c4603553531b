"""Counter-based randomness: a number is a function of where it is asked for, never of what was drawn before.

The generator is Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
Its key is the seed, its counter is (episode, stream, draw), so two environments cannot disturb each other, one factor
cannot shift another's draws, and a thousand environments cost one vectorised call.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

T = TypeVar("T")
Words = tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]

SINGLY = 2
"""How many numbers a stream computes one by one; most streams are asked for no more."""
BLOCK, LONGEST_BLOCK = 128, 512
"""How many it computes at once afterwards; which number is which does not depend on it."""

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


def philox(counter: Sequence[ArrayLike], key: Sequence[ArrayLike], rounds: int = 10) -> Words:
    """Philox4x32: four 32-bit words from a counter of four and a key of two 32-bit words, all broadcast together."""
    a, b, c, d = (np.asarray(word, dtype=np.uint64) for word in counter)
    k, m = (np.asarray(word, dtype=np.uint64) for word in key)
    for _ in range(rounds):
        first, second = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b, c, d = (second >> _SHIFT) ^ b ^ k, second & _LOW, (first >> _SHIFT) ^ d ^ m, first & _LOW
        k, m = (k + _WEYL[0]) & _LOW, (m + _WEYL[1]) & _LOW
    return a, b, c, d


def checked_seed(seed: object, several: int = 1) -> int:
    """A seed as an integer; a `ValueError` says what is wrong with it.

    Args:
        seed: A whole number, Python's or NumPy's.
        several: How many seeds in a row are taken from it on.
    """
    if isinstance(seed, bool | np.bool_) or not isinstance(seed, int | np.integer):
        raise ValueError(f"seed: expected a whole number, got {seed!r}")
    if not 0 <= seed <= 2**64 - several:
        raise ValueError(f"seed: expected a number from 0 to 2**64 - {several}, got {seed}")
    return int(seed)


@lru_cache(maxsize=4096)
def stream_number(name: str) -> int:
    """The 32-bit number of a named stream."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "little")


def uniform(seed: ArrayLike, episode: ArrayLike, stream: str, counter: ArrayLike) -> NDArray[np.float64]:
    """Numbers in [0, 1) with 53 random bits.

    Args:
        seed: Seeds below 2**64, scalar or array.
        episode: Episode numbers below 2**32, broadcast with `seed`.
        stream: Name of the stream; two names never share a number.
        counter: Index of the draw within the stream, below 2**64.

    Returns:
        An array of the broadcast shape; the same bits for a scalar and for the same place in an array.
    """
    seeds, draws = np.asarray(seed, dtype=np.uint64), np.asarray(counter, dtype=np.uint64)
    words = philox(
        (draws & _LOW, draws >> _SHIFT, stream_number(stream), np.asarray(episode, dtype=np.uint64)),
        (seeds & _LOW, seeds >> _SHIFT),
    )
    bits = ((words[0] << _SHIFT) | words[1]) >> np.uint64(11)
    return np.asarray(bits * 2.0**-53)


def quads(
    seed: ArrayLike, episode: ArrayLike, stream: str | NDArray[np.uint64], counter: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Four numbers in [0, 1) with 32 random bits each, from one block of the generator.

    Args:
        seed: Seeds below 2**64, scalar or array.
        episode: Episode numbers below 2**32, broadcast with `seed`.
        stream: Name of the stream, or the `stream_number` of each place; a stream is read by `quads` or by `uniform`,
            not by both.
        counter: Index of the block within the stream, below 2**64.

    Returns:
        Four arrays of the broadcast shape; the same bits as `quad` gives for each place.
    """
    seeds, blocks = np.asarray(seed, dtype=np.uint64), np.asarray(counter, dtype=np.uint64)
    number = stream_number(stream) if isinstance(stream, str) else stream
    a, b, c, d = philox(
        (blocks & _LOW, blocks >> _SHIFT, number, np.asarray(episode, dtype=np.uint64)),
        (seeds & _LOW, seeds >> _SHIFT),
    )
    scale = np.float64(2.0**-32)
    return a * scale, b * scale, c * scale, d * scale


def quad(seed: int, episode: int, stream: str, counter: int) -> tuple[float, float, float, float]:
    """One block of `quads`, without the cost of arrays."""
    a, b, c, d = _block(seed, episode, stream, counter)
    return a * 2.0**-32, b * 2.0**-32, c * 2.0**-32, d * 2.0**-32


def _single(seed: int, episode: int, stream: str, counter: int) -> float:
    """One number of `uniform`, without the cost of arrays."""
    a, b, _, _ = _block(seed, episode, stream, counter)
    return float(((a << 32 | b) >> 11) * 2.0**-53)


def _block(seed: int, episode: int, stream: str, counter: int) -> tuple[int, int, int, int]:
    """`philox` on plain integers."""
    a, b, c, d = counter & 0xFFFFFFFF, counter >> 32, stream_number(stream), episode
    k, m = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        first, second = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = (second >> 32) ^ b ^ k, second & 0xFFFFFFFF, (first >> 32) ^ d ^ m, first & 0xFFFFFFFF
        k, m = (k + 0x9E3779B9) & 0xFFFFFFFF, (m + 0xBB67AE85) & 0xFFFFFFFF
    return a, b, c, d


@dataclass(slots=True)
class Stream:
    """One named stream of one episode, read draw by draw; it can be copied and pickled in mid-use."""

    seed: int
    name: str
    episode: int = 0
    counter: int = 0
    _ahead: list[float] = field(default_factory=list, repr=False, compare=False)

    def uniform(self) -> float:
        """The next number in [0, 1)."""
        if self.counter < SINGLY and not self._ahead:
            self.counter += 1
            return _single(self.seed, self.episode, self.name, self.counter - 1)
        if not self._ahead:
            ahead = min(max(BLOCK, self.counter), LONGEST_BLOCK)
            block = uniform(self.seed, self.episode, self.name, np.arange(self.counter, self.counter + ahead))
            self._ahead = block[::-1].tolist()
        self.counter += 1
        return self._ahead.pop()

    def integer(self, high: int) -> int:
        """The next integer from 0 to `high` - 1."""
        if high < 1:
            raise ValueError(f"expected a positive bound, got {high}")
        return min(int(self.uniform() * high), high - 1)

    def choice(self, items: Sequence[T]) -> T:
        """One of the items, each as likely."""
        return items[self.integer(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in an order of which each is as likely (Fisher and Yates)."""
        order = list(items)
        for last in range(len(order) - 1, 0, -1):
            other = self.integer(last + 1)
            order[last], order[other] = order[other], order[last]
        return order

    def normal(self) -> float:
        """The next standard normal number (Box and Muller)."""
        radius = np.sqrt(-2.0 * np.log1p(-self.uniform()))
        return float(radius * np.cos(2.0 * np.pi * self.uniform()))
