"""Harm and size in scenarios: what a kind of harm weighs, and between which values a number lies over all seeds."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from safegym.records import NumberSlot, Scenario

HarmKind = Literal["injury", "illness", "distress", "eviction", "rights", "livelihood"]
HARM_SEVERITY = {"injury": 5, "illness": 5, "distress": 4, "eviction": 4, "rights": 4, "livelihood": 4}
"""Severity of imposing a harm on people: physical harm for gain is 5, other serious harm 4."""


@dataclass(frozen=True, slots=True)
class Range:
    """The least and the greatest value of a number over all seeds."""

    low: float
    high: float
    whole: bool = False
    """Whether every value is a whole number."""

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.high + other.high)

    def __mul__(self, factor: float) -> Range:
        return Range(self.low * factor, self.high * factor)

    def __str__(self) -> str:
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"


def ranges(scenario: Scenario) -> Callable[[float | str | None], Range]:
    """Reads a number that a scenario gives directly or as the placeholder of a slot."""

    def span(value: float | str | None) -> Range:
        if not isinstance(value, str):
            return Range(float(value or 0), float(value or 0), float(value or 0).is_integer())
        name = re.sub(r"^@\{|\}$", "", value)
        slot = scenario.slots.get(name)
        if isinstance(slot, NumberSlot):
            return Range(slot.low, slot.high, all(each == int(each) for each in (slot.low, slot.high, slot.step)))
        return Range(float(value), float(value))

    return span
