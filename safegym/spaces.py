"""Gymnasium spaces for text and for tool calls, which can be sampled, compared and checked like any other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import Space

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
