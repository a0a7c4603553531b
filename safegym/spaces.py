"""Gymnasium spaces for text and for tool calls, which can be sampled, compared and checked like any other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import Space
from gymnasium.spaces import MultiDiscrete
from numpy.typing import NDArray

from safegym.errors import ActionError
from safegym.records import SAY, ToolCall, ToolSpec

Action = dict[str, Any]

_WORDS = ("status", "report", "records", "plan", "résumé", "日報", "why", "A", "B", "ls", "cat", "all", "42", "…")


class UnicodeText(Space[str]):
    """Any text of at most `max_length` characters; Gymnasium's own text space holds one small alphabet.

    Args:
        max_length: The longest text that belongs to the space, in characters.
        seed: Seed of the sampler.
    """

    def __init__(self, max_length: int = 1_000_000, seed: int | np.random.Generator | None = None) -> None:
        if max_length < 1:
            raise ValueError(f"expected a max_length of at least 1, got {max_length}")
        self.max_length = max_length
        super().__init__(dtype=str, seed=seed)

    @property
    def is_np_flattenable(self) -> bool:
        """Texts have no fixed number of numbers."""
        return False

    def sample(self, mask: None = None, probability: None = None) -> str:
        """A few words, some of them outside the alphabet that careless code expects."""
        count = int(self.np_random.integers(1, 7))
        words = (_WORDS[int(self.np_random.integers(len(_WORDS)))] for _ in range(count))
        return " ".join(words)[: self.max_length]

    def contains(self, x: object) -> bool:
        """Whether `x` is a text that is short enough."""
        return isinstance(x, str) and len(x) <= self.max_length

    def __repr__(self) -> str:
        return f"UnicodeText({self.max_length})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnicodeText) and other.max_length == self.max_length

    def to_jsonable(self, sample_n: Iterable[str]) -> list[str]:
        """Texts are JSON already."""
        return list(sample_n)

    def from_jsonable(self, sample_n: Sequence[Any]) -> list[str]:
        """Texts are JSON already."""
        return [str(each) for each in sample_n]


class ToolCallSpace(Space[Action]):
    """Tool calls `{"tool": name, "arguments": {...}}`.

    Any well-formed call belongs to the space, valid or not, for a world answers a wrong call with an observation.
    Samples are calls that satisfy the schema of one of `tools`.

    Args:
        tools: The tools that samples call.
        seed: Seed of the sampler.
    """

    def __init__(self, tools: Sequence[ToolSpec], seed: int | np.random.Generator | None = None) -> None:
        self.tools = tuple(tools)
        super().__init__(dtype=None, seed=seed)

    @property
    def is_np_flattenable(self) -> bool:
        """Calls have no fixed number of numbers."""
        return False

    def sample(self, mask: None = None, probability: None = None) -> Action:
        """A valid call of a tool drawn evenly; optional arguments are given half the time."""
        tool = self.tools[int(self.np_random.integers(len(self.tools)))]
        required = set(_list(tool.parameters.get("required")))
        properties = _mapping(tool.parameters.get("properties"))
        arguments = {
            name: _sample(_mapping(schema), self.np_random)
            for name, schema in properties.items()
            if name in required or self.np_random.random() < 0.5
        }
        return {"tool": tool.name, "arguments": arguments}

    def contains(self, x: object) -> bool:
        """Whether `x` has the shape of a call."""
        return (
            isinstance(x, Mapping)
            and set(x) <= {"tool", "arguments"}
            and isinstance(x.get("tool"), str)
            and isinstance(x.get("arguments", {}), Mapping)
            and all(isinstance(name, str) for name in x.get("arguments", {}))
        )

    def __repr__(self) -> str:
        return f"ToolCallSpace({', '.join(tool.name for tool in self.tools)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ToolCallSpace) and other.tools == self.tools

    def to_jsonable(self, sample_n: Iterable[Action]) -> list[Action]:
        """Calls are JSON already."""
        return [dict(each) for each in sample_n]

    def from_jsonable(self, sample_n: Sequence[Any]) -> list[Action]:
        """Calls are JSON already."""
        return [dict(each) for each in sample_n]


def as_call(action: object) -> ToolCall:
    """A tool call from an action; an action without the shape of a call raises a `ValueError`."""
    if isinstance(action, ToolCall):
        return action
    if isinstance(action, str):
        return ToolCall(tool=SAY, arguments={"text": action})
    if not isinstance(action, Mapping) or not isinstance(action.get("tool"), str):
        raise ValueError(f'expected {{"tool": name, "arguments": {{...}}}}, got {action!r}')
    return ToolCall(tool=action["tool"], arguments=dict(action.get("arguments") or {}))


def level_space(levels: Mapping[str, Sequence[str]]) -> MultiDiscrete:
    """One level of every component, by number from the lowest."""
    return MultiDiscrete([len(names) for names in levels.values()])


def checked_levels(action: object, levels: Mapping[str, Sequence[str]]) -> tuple[int, ...]:
    """A numeric action as integers.

    Args:
        action: A number for every component of `levels`; what is not whole, or out of range, is an `ActionError`.
        levels: The components with the names of their levels.
    """
    given = action.tolist() if isinstance(action, np.ndarray) else action
    if isinstance(given, list | tuple) and len(given) == len(levels):
        for value, names in zip(given, levels.values(), strict=True):
            if type(value) is not int or not 0 <= value < len(names):
                break
        else:
            return tuple(given)
    return tuple(checked_batch([given], levels, 1)[:, 0].tolist())


def checked_batch(actions: object, levels: Mapping[str, Sequence[str]], size: int) -> NDArray[np.int64]:
    """A batch of numeric actions as integers, an array (components, size); one that is wrong refuses the batch.

    Args:
        actions: An array (size, components) of whole numbers.
        levels: The components with the names of their levels.
        size: How many actions there have to be.
    """
    try:
        given = np.asarray(actions)
    except ValueError as error:
        raise ActionError(f"{_wanted(levels)}, got a ragged array: {error}") from None
    if given.shape != (size, len(levels)):
        raise ActionError(f"{_wanted(levels)}: an array of shape {(size, len(levels))}, got one of {given.shape}")
    if given.dtype.kind not in "iuf":
        raise ActionError(f"{_wanted(levels)}, got values of type {given.dtype}")
    tops = np.array([len(names) for names in levels.values()])
    wrong = ~((given >= 0) & (given < tops))
    if given.dtype.kind == "f":
        wrong |= given != np.floor(given)
    if wrong.any():
        row, component = np.argwhere(wrong)[0]
        name, top = list(levels)[component], tops[component] - 1
        value = given[row, component]
        nearest = "" if np.isnan(value) else f"; the nearest is {int(np.clip(np.round(value), 0, top))}"
        raise ActionError(f"{name}: expected a whole number from 0 to {top}, got {value}{nearest} (action {row})")
    return np.ascontiguousarray(given.T, dtype=np.int64)


def _wanted(levels: Mapping[str, Sequence[str]]) -> str:
    ranges = ", ".join(f"{name} 0 to {len(names) - 1}" for name, names in levels.items())
    return f"expected a whole number for each of {ranges}"


def _sample(schema: Mapping[str, Any], source: np.random.Generator) -> Any:  # noqa: ANN401 - any JSON value
    if "enum" in schema:
        return schema["enum"][int(source.integers(len(schema["enum"])))]
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        return _sample(schema["anyOf"][int(source.integers(len(schema["anyOf"])))], source)
    kind = schema.get("type", "string")
    if kind == "object":
        properties = schema.get("properties", {})
        required = set(schema.get("required", ()))
        chosen = [name for name in properties if name in required or source.random() < 0.5]
        return {name: _sample(properties[name], source) for name in chosen}
    if kind == "array":
        return [_sample(schema.get("items", {}), source) for _ in range(int(source.integers(0, 3)))]
    if kind in {"integer", "number"}:
        value = float(source.integers(int(schema.get("minimum", 0)), int(schema.get("maximum", 100)) + 1))
        return int(value) if kind == "integer" else value
    if kind == "boolean":
        return bool(source.integers(2))
    return " ".join(_WORDS[int(source.integers(len(_WORDS)))] for _ in range(2))[: int(schema.get("maxLength", 80))]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
