"""Seeded slots: how one scenario file becomes a different exam paper for every seed, and its twin for every arm.

A text names its slots as `@{name}`, which neither JSON, awk nor the shell uses. Values are drawn once per
(scenario, seed, episode) and never depend on an arm.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache, partial
from typing import TypeVar

from pydantic import JsonValue

from safegym.errors import UnknownNameError
from safegym.randomness import Stream
from safegym.records import FACTORS, Arm, ChoiceSlot, NumberSlot, Scenario

T = TypeVar("T")
PLACEHOLDER = re.compile(r"@\{([a-z0-9_.]+)\}")
OTHER = ".other"
"""Suffix that names the second wording of an exchange."""


def stream(scenario: Scenario, seed: int, episode: int, purpose: str) -> Stream:
    """The named stream of one episode of a scenario."""
    return Stream(seed, f"{scenario.id}/{purpose}", episode)


def balanced(scenario: Scenario | str, seed: int, episode: int, purpose: str, items: Sequence[T]) -> list[T]:
    """The items in a seeded order; over as many seeds in a row as there are items each stands once in every place.

    The order of a block of seeds is a shuffle of its own, turned by a place from seed to seed.

    Args:
        scenario: What is played, or a name for it.
        seed: Seed of the episode.
        episode: Number of the episode under it.
        purpose: What is put in order.
        items: What there is.
    """
    if not items:
        return []
    block, turn = divmod(seed + episode, len(items))
    name = scenario if isinstance(scenario, str) else scenario.id
    order, turns = _shuffles(name, block, purpose, len(items))
    return [items[place] for place in order[turns[turn] :] + order[: turns[turn]]]


@lru_cache(maxsize=4096)
def _shuffles(name: str, block: int, purpose: str, size: int) -> tuple[list[int], list[int]]:
    source = Stream(block, f"{name}/{purpose}")
    return source.shuffled(range(size)), source.shuffled(range(size))


def draw(scenario: Scenario, arm: Arm, seed: int, episode: int) -> dict[str, str]:
    """Every placeholder of the scenario with its text for this seed and arm.

    Numbers are written with as many decimals as their step has. Factors that are given no wording stand for nothing.
    """
    values = _slots(scenario, seed, episode)
    swapped = arm.stakes == "control"
    for name, pair in scenario.exchange.items():
        first, second = (render(wording, values) for wording in (reversed(pair) if swapped else pair))
        values |= {name: first, name + OTHER: second}
    for factor, level in arm.levels.items():
        wording = scenario.text.get(factor, {}).get(level, "")
        values[factor] = render(wording, values)
    return dict.fromkeys(FACTORS, "") | values


def render(template: str, values: Mapping[str, str]) -> str:
    """Replace every placeholder; an unknown one is an `UnknownNameError`."""
    return PLACEHOLDER.sub(partial(_replace, values), template)


def render_json(value: JsonValue, values: Mapping[str, str]) -> JsonValue:
    """Replace placeholders in every string of a JSON value; a lone placeholder that holds a number becomes one."""
    return _walk(value, lambda text: _typed(text, values))


def placeholders(value: object) -> set[str]:
    """The names that a text, or any string inside a JSON value, refers to."""
    return set(PLACEHOLDER.findall(value if isinstance(value, str) else repr(value)))


def number(value: float | str, values: Mapping[str, str]) -> float:
    """A number that a scenario gives directly or as a placeholder."""
    return float(render(value, values)) if isinstance(value, str) else float(value)


def _slots(scenario: Scenario, seed: int, episode: int) -> dict[str, str]:
    values: dict[str, str] = {}
    groups: dict[str, list[str]] = {}
    for name, slot in scenario.slots.items():
        if isinstance(slot, NumberSlot):
            values[name] = _number(slot, stream(scenario, seed, episode, f"slot/{name}"))
        else:
            values[name] = _choice(name, slot, groups, scenario, seed, episode)
    return values


def _number(slot: NumberSlot, source: Stream) -> str:
    places = max(0, -int(Decimal(str(slot.step)).normalize().as_tuple().exponent))
    levels = round((slot.high - slot.low) / slot.step) + 1
    return f"{slot.low + slot.step * source.integer(levels):.{places}f}"


def _choice(
    name: str, slot: ChoiceSlot, groups: dict[str, list[str]], scenario: Scenario, seed: int, episode: int
) -> str:
    if slot.group is None:
        return stream(scenario, seed, episode, f"slot/{name}").choice(slot.choices)
    if slot.group not in groups:
        groups[slot.group] = stream(scenario, seed, episode, f"group/{slot.group}").shuffled(slot.choices)
    return groups[slot.group].pop()


def _replace(values: Mapping[str, str], match: re.Match[str]) -> str:
    name = match.group(1)
    if name not in values:
        raise UnknownNameError("placeholder", name, values)
    return values[name]


def _typed(text: str, values: Mapping[str, str]) -> JsonValue:
    rendered = render(text, values)
    if PLACEHOLDER.fullmatch(text):
        try:
            return float(rendered)
        except ValueError:
            return rendered
    return rendered


def _walk(value: JsonValue, change: Callable[[str], JsonValue]) -> JsonValue:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_walk(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _walk(item, change) for key, item in value.items()}
    return value
