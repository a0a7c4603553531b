from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safegym.randomness import Stream, philox, uniform

# The known answers of philox4x32-10 in the Random123 distribution.
KNOWN_ANSWERS = [
    ((0,) * 4, (0,) * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0), "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_gives_its_known_answers(counter: tuple[int, ...], key: tuple[int, ...], expected: str) -> None:
    assert " ".join(f"{int(word):08x}" for word in philox(counter, key)) == expected


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**40))
def test_scalars_and_arrays_give_the_same_bits(seed: int, episode: int, counter: int) -> None:
    seeds = np.array([seed, seed + 1], dtype=np.uint64)
    together = uniform(seeds, episode, "stream", counter)
    alone = [float(uniform(seed, episode, "stream", counter)), float(uniform(seed + 1, episode, "stream", counter))]
    assert together.tolist() == alone


def test_streams_and_episodes_and_seeds_do_not_share_numbers() -> None:
    draws = {
        float(uniform(seed, episode, stream, counter))
        for seed in range(4) for episode in range(4) for stream in "abcd" for counter in range(4)
    }  # fmt: skip
    assert len(draws) == 4**4


def test_uniform_numbers_are_uniform() -> None:
    draws = uniform(1, 0, "test", np.arange(40_000))
    assert 0 <= draws.min() < draws.max() < 1
    counts, _ = np.histogram(draws, bins=20, range=(0, 1))
    assert ((counts - 2000) ** 2 / 2000).sum() < 43.8  # the 99.9 % point of chi-squared with 19 degrees of freedom


def test_a_copied_stream_goes_on_like_the_original() -> None:
    stream = Stream(5, "test")
    stream.uniform()
    twins = [copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))]
    expected = [stream.uniform() for _ in range(3)]
    assert all([twin.uniform() for _ in range(3)] == expected for twin in twins)


@given(st.integers(0, 1000), st.lists(st.integers(), max_size=12))
def test_shuffling_keeps_what_it_shuffles(seed: int, items: list[int]) -> None:
    assert sorted(Stream(seed, "test").shuffled(items)) == sorted(items)


def test_every_order_of_a_shuffle_is_as_likely() -> None:
    orders = [tuple(Stream(seed, "test").shuffled("abc")) for seed in range(3000)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6
    assert max(counts) - min(counts) < 150


def test_integers_stay_below_their_bound() -> None:
    stream = Stream(0, "test")
    assert {stream.integer(3) for _ in range(100)} == {0, 1, 2}
    with pytest.raises(ValueError, match="positive bound"):
        stream.integer(0)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.text(max_size=8))
def test_numbers_computed_singly_are_those_of_the_array(seed: int, episode: int, name: str) -> None:
    stream = Stream(seed, name, episode)
    found = [stream.uniform() for _ in range(6)]
    assert found == uniform(seed, episode, name, np.arange(6)).tolist()
