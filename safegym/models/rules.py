"""Grammar rules for the arguments of a call, in every notation that a dialect writes them in.

JSON is left to llguidance. Between tags and in literals the rules are made here, from the part of JSON schema that
says what a value is; what cannot be expressed there (patterns of text, recursion, objects whose keys are free) is an
error and never ignored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from safegym.dialects.base import Arguments, Json, Literals, Tags
from safegym.errors import ModelError

_LARGEST = 1_000_000_000
_FRACTION = 0.0001
_SPACED = Json()
_ITEMS = 16
"""The most items of a list in literals whose schema sets no bound."""
_DEEPEST = 32
"""How deep a schema in tags or literals may be; one that holds itself is deeper."""
_DEFINITIONS = ("$defs", "definitions")
_FIXING = ("enum", "const", "pattern", "format")


class Rules:
    """Collects the rules of one grammar, each once.

    Args:
        literal: Writes text as grammar source; markers that are special tokens become their ids.
        special: Splits text before the first of those markers.
        max_string: The most characters of a string whose schema sets no bound; None: any number.
    """

    def __init__(
        self, literal: Callable[[str], str], special: Callable[[str], tuple[str, str]], max_string: int | None
    ) -> None:
        self._literal, self._special, self._max_string = literal, special, max_string
        self._names: dict[tuple[str, str], str] = {}
        self._whole: Mapping[str, Any] = {}

    def source(self) -> str:
        """All rules so far."""
        return "".join(f"{name}{head}: {expression}\n" for (head, expression), name in self._names.items())

    def arguments(self, schema: Mapping[str, Any], notation: Arguments) -> str:
        """The rule of a call's arguments."""
        self._whole = whole = {"type": "object", "properties": {}, **schema}
        if isinstance(notation, Tags):
            return self._tagged(whole, notation)
        if isinstance(notation, Literals):
            return self._fields(whole, notation, notation.key)
        return self._json(whole, notation)

    def text(self, closing: str, least: int = 0, most: int | None = None) -> str:
        """Text up to the first mark that closes it, which is taken with it, as the longest match would run past it."""
        plain, special = self._special(closing)
        bound = "" if most is None else most
        name = self._add(f"/(?s:.{{{least},{bound}}})/", suffix=plain)
        return f"{name} {self._literal(special)}".strip()

    def _add(self, expression: str, suffix: str = "") -> str:
        head = f"[suffix={json.dumps(suffix)}]" if suffix else ""
        return self._names.setdefault((head, expression), f"r{len(self._names)}")

    def _json(self, schema: Mapping[str, Any], notation: Json = _SPACED) -> str:
        source = bounded(dict(schema), self._max_string)
        if "$ref" in json.dumps(source):
            source |= {key: bounded(self._whole[key], self._max_string) for key in _DEFINITIONS if key in self._whole}
        setting = {"whitespace_flexible": False, "item_separator": notation.comma, "key_separator": notation.colon}
        return self._add(f"%json {json.dumps(source | {'x-guidance': setting})}")

    def _tagged(self, schema: Mapping[str, Any], tags: Tags) -> str:
        required = schema.get("required", ())
        fields = []
        for key, value in _properties(schema).items():
            choices = " | ".join(self._tagged_value(each, tags) for each in self._alternatives(value))
            field = f"{self._literal(tags.before.replace('{key}', key))} ({choices})"
            fields.append(f"({field})" if key in required else f"({field})?")
        return self._add(" ".join(fields) or '""')

    def _tagged_value(self, schema: Mapping[str, Any], tags: Tags) -> str:
        if "enum" in schema:
            written = (each if isinstance(each, str) else json.dumps(each) for each in schema["enum"])
            return " | ".join(self._literal(each + tags.after) for each in written)
        if schema.get("type") == "string":
            rest = self._literal(tags.after.partition(tags.closing)[2])
            return f"{self.text(tags.closing, *self._lengths(schema))} {rest}"
        return f"{self._json(schema)} {self._literal(tags.after)}"

    def _fields(self, schema: Mapping[str, Any], literals: Literals, form: str, depth: int = 0) -> str:
        """Named values in order; those that are not required may be missing, and so must their commas."""
        required = schema.get("required", ())
        first, more = self._add('""'), self._add('""')
        for key, value in reversed(_properties(schema).items()):
            field = f"{self._literal(form.replace('{key}', key))} {self._value(value, literals, depth)}"
            optional = key not in required
            first, more = (
                self._add(f"{field} {more}" + (f" | {first}" if optional else "")),
                self._add(f"{self._literal(literals.comma)} {field} {more}" + (f" | {more}" if optional else "")),
            )
        return first

    def _value(self, schema: Mapping[str, Any], literals: Literals, depth: int) -> str:
        alternatives = [self._one(each, literals, depth + 1) for each in self._alternatives(schema, depth)]
        return self._add(" | ".join(alternatives))

    def _one(self, schema: Mapping[str, Any], literals: Literals, depth: int) -> str:
        if "enum" in schema:
            return " | ".join(self._literal(_written(each, literals)) for each in schema["enum"])
        match schema.get("type"):
            case "string" if literals.escapes:
                least, most = self._lengths(schema)
                bound = "" if most is None else most
                return self._add(rf'/"([^"\\\x00-\x1F]|\\["\\n]){{{least},{bound}}}"/')
            case "string":
                inner = self.text(literals.quote, *self._lengths(schema))
                return f"{self._literal(literals.quote)} {inner}"
            case "number" | "integer":
                return self._json(schema)
            case "boolean":
                return f"{self._literal(literals.words[0])} | {self._literal(literals.words[1])}"
            case "null":
                return self._literal(literals.words[2])
            case "object":
                return f'"{{" {self._fields(schema, literals, literals.inner, depth)} "}}"'
            case "array":
                return self._list(schema, literals, depth)
        raise ModelError(f"expected a schema that says what a value is, got {json.dumps(schema)[:80]}")

    def _list(self, schema: Mapping[str, Any], literals: Literals, depth: int) -> str:
        item = self._value(schema.get("items", {"type": "string"}), literals, depth)
        least, most = schema.get("minItems", 0), schema.get("maxItems", max(_ITEMS, schema.get("minItems", 0)))
        if most == 0:
            return '"[]"'
        further = f"({self._literal(literals.comma)} {item}){{{max(least - 1, 0)},{most - 1}}}"
        return f'"[" {item} {further} "]"' + ("" if least else ' | "[]"')

    def _alternatives(self, schema: Mapping[str, Any], depth: int = 0) -> Iterator[Mapping[str, Any]]:
        """The schema taken apart into schemas of one type each."""
        if depth > _DEEPEST:
            raise ModelError("a schema that holds itself cannot be written in this dialect")
        if "$ref" in schema:
            yield from self._alternatives(self._definition(str(schema["$ref"])), depth + 1)
        elif options := schema.get("anyOf", schema.get("oneOf")):
            for each in options:
                yield from self._alternatives(each, depth + 1)
        elif "const" in schema:
            yield {"enum": [schema["const"]]}
        elif isinstance(schema.get("type"), list):
            for kind in schema["type"]:
                yield from self._alternatives({**schema, "type": kind}, depth + 1)
        else:
            yield schema

    def _definition(self, reference: str) -> Mapping[str, Any]:
        known = {
            f"#/{group}/{name}": schema for group in _DEFINITIONS for name, schema in self._whole.get(group, {}).items()
        }
        if reference not in known:
            names = ", ".join(known) or "none"
            raise ModelError(f"expected a reference to a definition of the schema ({names}), got {reference!r}")
        return cast(Mapping[str, Any], known[reference])

    def _lengths(self, schema: Mapping[str, Any]) -> tuple[int, int | None]:
        for key in ("pattern", "format"):
            if key in schema:
                raise ModelError(f"text with a {key} cannot be constrained in this dialect")
        given = bounded(dict(schema), self._max_string)
        return given.get("minLength", 0), given.get("maxLength")


def bounded(schema: Any, max_string: int | None) -> Any:  # noqa: ANN401 - JSON of any shape
    """A schema whose values end: strings get at most `max_string` characters, numbers a range and a smallest step.

    Everything that the bounded schema accepts, the given one accepts too.
    """
    if isinstance(schema, list):
        return [bounded(each, max_string) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: value if key in ("enum", "const") else bounded(value, max_string) for key, value in schema.items()}
    kind = schema.get("type")
    if kind == "string" and max_string is not None and not any(key in schema for key in _FIXING):
        result["maxLength"] = max(min(max_string, schema.get("maxLength", max_string)), schema.get("minLength", 0))
    if kind in ("number", "integer") and not any(key in schema for key in ("enum", "const")):
        if not {"minimum", "exclusiveMinimum"} & schema.keys():
            result["minimum"] = min(-_LARGEST, 2 * schema.get("maximum", 0), 2 * schema.get("exclusiveMaximum", 0))
        if not {"maximum", "exclusiveMaximum"} & schema.keys():
            result["maximum"] = max(_LARGEST, 2 * schema.get("minimum", 0), 2 * schema.get("exclusiveMinimum", 0))
        if kind == "number" and "multipleOf" not in schema:
            result["multipleOf"] = _FRACTION
    return result


def _properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The named values of an object.

    Raises:
        ModelError: Its keys are free.
    """
    properties: dict[str, Any] = schema.get("properties", {})
    if not properties and schema.get("additionalProperties", "properties" not in schema) is not False:
        raise ModelError("an object whose keys are free cannot be written in this dialect")
    return properties


def _written(value: Any, literals: Literals) -> str:  # noqa: ANN401 - JSON of any shape
    words = {True: literals.words[0], False: literals.words[1], None: literals.words[2]}
    if value is None or isinstance(value, bool):
        return words[value]
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) if literals.escapes else literals.quote + value + literals.quote
    if isinstance(value, int | float):
        return json.dumps(value)
    raise ModelError(f"expected choices that are text, numbers, true, false or null, got {json.dumps(value)[:80]}")
