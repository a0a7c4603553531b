"""Options and settings checked by their model: what is wrong says what was expected, what came, and what is nearest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from annotated_types import Ge, Le
from pydantic import BaseModel, ValidationError

from safegym.errors import ContentError, hint

M = TypeVar("M", bound=BaseModel)


def checked_settings(model: type[M], given: Mapping[str, Any], where: str = "options") -> M:
    """The settings as the model has them.

    Args:
        model: What they are.
        given: By name, those that do not take their default.
        where: What is told to hold them.

    Raises:
        ContentError: For a value that a setting does not take.
    """
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        found = error.errors(include_url=False)
        name = str(found[0]["loc"][0]) if found[0]["loc"] else ""
        own = [each for each in found if each["loc"] and each["loc"][0] == name]
        raise ContentError(where, name, _reason(model, name, own, given.get(name))) from None


def _reason(model: type[BaseModel], name: str, errors: list[Any], value: object) -> str:
    """What was expected in words: of a field of several kinds each of them, of a number its bounds and the nearest."""
    told = f"got {value!r}"
    listed = [each["ctx"]["expected"] for each in errors if each["type"] == "literal_error"]
    low, high = _bounds(model, name)
    numeric = [each for each in errors if each["type"] != "literal_error"]
    number = f"a number from {low:g} to {high:g}" if low is not None and high is not None else "a number"
    if listed and numeric:
        near = hint(str(value), [each.strip("' ") for each in listed[0].replace(" or ", ", ").split(", ")])
        return f"expected {listed[0]}, or {number}, {told}" + (f"; {near}" if near.startswith("did you mean") else "")
    if listed:
        return f"expected {listed[0]}, {told}"
    if low is not None and high is not None and isinstance(value, int | float) and not isinstance(value, bool):
        nearest = min(max(value, low), high) if value == value else low
        if nearest != value:
            return f"expected {number}, {told}; the nearest is {nearest:g}"
    return f"{errors[0]['msg'].replace('Input should be', 'expected')}, {told}"


def _bounds(model: type[BaseModel], name: str) -> tuple[float | None, float | None]:
    """The least and the greatest value of a field, wherever its annotation says them."""
    field = model.model_fields.get(name)
    found = list(_metadata([] if field is None else [*field.metadata, field.annotation]))
    low = next((float(each.ge) for each in found if isinstance(each, Ge)), None)  # type: ignore[arg-type]  # numbers here
    high = next((float(each.le) for each in found if isinstance(each, Le)), None)  # type: ignore[arg-type]
    return low, high


def _metadata(entries: Iterable[Any]) -> Iterable[Any]:
    for each in entries:
        yield each
        yield from getattr(each, "metadata", ())
        yield from _metadata(getattr(each, "__metadata__", ()))
        yield from _metadata(getattr(each, "__args__", ()))
