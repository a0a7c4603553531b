"""JSON as models write it: values anywhere in a text, nearly JSON mended, and calls in any of the usual wordings."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from safegym.records import ToolCall

_NAMES = ("tool", "name", "function", "tool_name")
_ARGUMENTS = ("arguments", "parameters", "args", "input")
_BESIDE = ("type", "id", "tool_call_id")
_GAP = re.compile(r"[\s,;]*")
_DECODER = json.JSONDecoder(strict=False)
_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(\s*[}\]])', re.DOTALL)
_WORDS: dict[str, JsonValue] = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Values:
    """The JSON values that stand one after the other in a text.

    Attributes:
        values: The values, lists taken apart.
        end: Where the last of them ends.
        repaired: Whether one had to be mended.
        broken: Whether one cannot be read.
        open: Whether the last one does not end.
        patched: What the last one holds once its brackets are closed.
    """

    values: tuple[JsonValue, ...]
    end: int
    repaired: bool = False
    broken: bool = False
    open: bool = False
    patched: tuple[JsonValue, ...] = ()


def read_values(text: str, at: int = 0, stop: str = "", most: int | None = None) -> Values:
    """Read the JSON values at a place of a text.

    Args:
        text: The text.
        at: Where to begin.
        stop: A mark that ends them; what would be cut by it is read first without it, as text may hold the mark.
        most: The most values to read, a list counting as one.
    """
    values: list[JsonValue] = []
    repaired, count = False, 0
    while count != most and (start := _next_value(text, at, stop)) >= 0:
        count += 1
        try:
            value, at = _DECODER.raw_decode(text, start)
            values += _listed(value)
            continue
        except (ValueError, RecursionError):
            pass
        limit = text.find(stop, start) if stop else -1
        body = text[start:] if limit < 0 else text[start:limit]
        end, closers = _closing(body)
        if end is None:
            lacking = mend(body.rstrip() + closers) if closers else None
            patched = () if lacking is None else tuple(_listed(lacking))
            open_ = limit < 0 and closers is not None
            return Values(tuple(values), start + len(body), repaired, not open_ and not patched, open_, patched)
        mended = mend(body[:end])
        if mended is None:
            return Values(tuple(values), start + end, repaired, broken=True)
        values, at, repaired = values + _listed(mended), start + end, True
    return Values(tuple(values), at, repaired)


def mend(text: str) -> JsonValue | None:
    """A JSON value from text that is nearly JSON: trailing commas, Python literals, single quotes."""
    tidy = _COMMA.sub(lambda match: match[1] or match[2], text)
    try:
        return json.loads(tidy, strict=False)  # type: ignore[no-any-return]
    except (ValueError, RecursionError):
        pass
    try:
        return literal(parse_python(tidy.strip()))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def parse_python(source: str) -> ast.expr:
    """The expression in a source; raises what `ast.parse` raises, without its warnings about escapes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source, mode="eval").body


def literal(node: ast.expr) -> JsonValue:
    """The JSON value of a Python literal, in which true, false and null are known too.

    Raises:
        ValueError: It is no literal, or one that JSON has not.
    """
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.Name(id=name) if name in _WORDS:
            return _WORDS[name]
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [literal(each) for each in items]
        case ast.Dict(keys=keys, values=values):
            named = [ast.literal_eval(key) if key else None for key in keys]
            if all(isinstance(each, str) for each in named):
                return {str(key): literal(value) for key, value in zip(named, values, strict=True)}
    raise ValueError("no literal")


def tool_name(text: str) -> str:
    """The name of a tool without the namespace in which some templates list the tools."""
    return text.strip().removeprefix("functions.")


def make_call(name: object, arguments: object) -> ToolCall | None:
    """A call that can be logged, its arguments as an object, as JSON text or missing; None if that cannot be.

    Numbers have to be finite. Lone surrogates, which no encoding has, become question marks.
    """
    if isinstance(arguments, str):
        read = read_values(arguments) if arguments.strip() not in ("", "null") else Values(({},), 0)
        arguments = read.values[0] if len(read.values) == 1 and not read.broken else None
        if arguments is None:
            return None
    if not isinstance(name, str) or not tool_name(name):
        return None
    call = {"tool": tool_name(name), "arguments": {} if arguments is None else arguments}
    try:
        text = json.dumps(call, allow_nan=False, ensure_ascii=False).encode("utf-8", "replace")
        return ToolCall.model_validate(json.loads(text))
    except (ValueError, TypeError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls that JSON values stand for.

    Attributes:
        calls: The calls, in order.
        whole: Whether every value was a call.
        flat: Whether arguments stood beside the name instead of in an object of their own.
    """

    calls: tuple[ToolCall, ...] = ()
    whole: bool = True
    flat: bool = False

    @property
    def bare(self) -> bool:
        """Whether nothing but a name tells that there are calls."""
        return self.flat or not any(call.arguments for call in self.calls)


def all_calls(values: Sequence[JsonValue]) -> Calls:
    """The calls of JSON values, in any of the usual wordings."""
    read = [_calls(value) for value in values]
    calls = tuple(call for each in read for call in each.calls)
    return Calls(calls, all(each.whole for each in read), any(each.flat for each in read))


def _calls(value: JsonValue) -> Calls:
    if not isinstance(value, dict):
        return Calls(whole=False)
    several, inner = value.get("tool_calls"), value.get("tool_call", value.get("function"))
    if isinstance(several, list):
        return all_calls(several)
    if isinstance(inner, dict):
        return _calls(inner)
    name = next((key for key in _NAMES if isinstance(value.get(key), str)), "")
    given = next((key for key in _ARGUMENTS if key in value), None)
    beside: JsonValue = {key: each for key, each in value.items() if key not in (name, *_BESIDE)}
    call = make_call(value.get(name), beside if given is None else value[given])
    return Calls(whole=False) if call is None else Calls((call,), flat=given is None and bool(beside))


def typed(text: str, schema: Mapping[str, Any]) -> JsonValue:
    """Untyped text as the schema wants it: text stays text where only text is welcome."""
    kinds = _kinds(schema)
    if kinds == {"string"} or not kinds:
        return text
    value = mend(text.strip())
    if value is None and text.strip() not in ("null", "None"):
        return text
    return value if _kind(value) in kinds or "string" not in kinds else text


def dumps(value: object, *, compact: bool = False) -> str:
    """JSON in one line, as most models write it or without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":") if compact else None)


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    """The types of JSON that a schema admits, none if it does not say."""
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return {kind for each in schema[key] for kind in _kinds(each)}
    if "enum" in schema or "const" in schema:
        return {_kind(value) for value in schema.get("enum", [schema.get("const")])}
    kind = schema.get("type", [])
    kinds = {kind} if isinstance(kind, str) else set(kind)
    return kinds | ({"integer"} if "number" in kinds else set()) or ({"object"} if "$ref" in schema else set())


def _kind(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {type(None): "null", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else [value]


def _next_value(text: str, at: int, stop: str) -> int:
    gap = _GAP.match(text, at)
    start = gap.end() if gap else at
    if stop and text.startswith(stop, start):
        return -1
    return start if text[start : start + 1] in ("{", "[") else -1


def _closing(text: str) -> tuple[int | None, str | None]:
    """Where the bracket that opens a text closes; else what would close it, empty in a string, None for no nesting."""
    expected: list[str] = []
    quoted = escaped = False
    for index, character in enumerate(text):
        if quoted:
            quoted = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            quoted = True
        elif character in "{[":
            expected.append("}" if character == "{" else "]")
        elif character in "}]":
            if character != expected.pop():
                return None, None
            if not expected:
                return index + 1, ""
    return None, "" if quoted else "".join(reversed(expected))
