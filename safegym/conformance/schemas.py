"""Whether a value follows a JSON schema, for the part of JSON schema that tools use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def validates(value: JsonValue, schema: Mapping[str, Any]) -> bool:
    """Whether a value follows a schema."""
    options = schema.get("anyOf", schema.get("oneOf"))
    if options is not None:
        return any(validates(value, each) for each in options)
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        return False
    kinds = schema.get("type", list(_TYPES))
    if not any(_is(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        return False
    match value:
        case dict():
            return _object(value, schema)
        case list():
            within = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
            return within and all(validates(each, schema.get("items", {})) for each in value)
        case str():
            return bool(schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)))
        case bool() | None:
            return True
    least, most = schema.get("minimum", value), schema.get("maximum", value)
    above, below = schema.get("exclusiveMinimum", value - 1), schema.get("exclusiveMaximum", value + 1)
    return bool(least <= value <= most and above < value < below)


def _object(value: Mapping[str, JsonValue], schema: Mapping[str, Any]) -> bool:
    properties = schema.get("properties", {})
    further = schema.get("additionalProperties", True)
    if not set(schema.get("required", ())) <= value.keys() or (
        further is False and not value.keys() <= properties.keys()
    ):
        return False
    return all(validates(each, properties.get(key, {})) for key, each in value.items())


def _is(value: JsonValue, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
