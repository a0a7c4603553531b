"""One transition for single numbers and for arrays of them.

A transition that uses + - * / and the five functions of an `Arithmetic`, all of which are exact in IEEE arithmetic,
takes a thousand worlds in arrays the same way, bit for bit, as a thousand worlds one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Number: TypeAlias = Any
"""A float, or an array of float64 with one place for every world."""
Flag: TypeAlias = Any
"""A truth value, or an array of them."""


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """What a transition needs beside + - * /.

    Attributes:
        minimum: The smaller of two numbers.
        maximum: The larger of two numbers.
        where: The second number where the first is true, else the third.
        pick: The entry of a table at a level.
        every: Whether a flag holds everywhere.
    """

    minimum: Callable[[Number, Number], Number]
    maximum: Callable[[Number, Number], Number]
    where: Callable[[Flag, Number, Number], Number]
    pick: Callable[[Number, Number], Number]
    every: Callable[[Flag], bool]


SINGLE = Arithmetic(
    minimum=lambda one, other: one if one < other else other,
    maximum=lambda one, other: one if one > other else other,
    where=lambda flag, one, other: one if flag else other,
    pick=lambda table, level: table[level],
    every=bool,
)
"""Plain Python numbers."""


def arrays(offset: Number = 0) -> Arithmetic:
    """NumPy arrays.

    Args:
        offset: Where the tables of each place begin, when the tables of several sites lie one after the other.
    """
    return Arithmetic(
        minimum=np.minimum,
        maximum=np.maximum,
        where=np.where,
        pick=lambda table, level: table.take(level + offset),
        every=lambda flag: bool(flag.all()),
    )
