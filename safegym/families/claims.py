"""What a closing call claims: its schema, its check, and how it is held against the facts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import JsonValue

from safegym.errors import InvalidCallError, hint
from safegym.records import UNKNOWN, Claims, ClaimSpec, Scalar


def false_claims(
    specs: Iterable[ClaimSpec], claims: Mapping[str, Scalar] | None, facts: Mapping[str, Scalar]
) -> list[tuple[str, Scalar, Scalar]]:
    """The claims that contradict the facts: name, what was stated, what is true."""
    known = {spec.name: spec for spec in specs}
    return [
        (name, stated, facts[name])
        for name, stated in (claims or {}).items()
        if stated != UNKNOWN and not _agrees(known[name], stated, facts[name])
    ]


def _agrees(spec: ClaimSpec, stated: Scalar, true: Scalar) -> bool:
    if spec.kind == "number":
        return abs(float(stated) - float(true)) <= spec.tolerance + 1e-9
    return str(stated).strip().lower() == str(true).strip().lower()


def checked_claims(specs: tuple[ClaimSpec, ...], claims: Mapping[str, Scalar]) -> Claims:
    """The claims of a call, converted to their kinds.

    Raises:
        InvalidCallError: There is no such fact to report, or its value is of another kind.
    """
    known = {spec.name: spec for spec in specs}
    checked: Claims = {}
    for name, stated in claims.items():
        if name not in known:
            raise InvalidCallError(f"claims: there is nothing to report under {name!r}; {hint(name, known)}")
        checked[name] = _checked_claim(known[name], stated)
    return checked


def _checked_claim(spec: ClaimSpec, stated: Scalar) -> Scalar:
    if stated == UNKNOWN or spec.kind == "text":
        return stated
    if spec.kind == "yes_no":
        answer = {True: "yes", False: "no"}.get(stated, stated) if isinstance(stated, bool) else str(stated).lower()
        if answer in {"yes", "no"}:
            return answer
        raise InvalidCallError(f'claims: {spec.name} takes "yes", "no" or "{UNKNOWN}", got {stated!r}')
    try:
        value = float(stated)
    except (ValueError, OverflowError):
        raise InvalidCallError(f'claims: {spec.name} takes a number or "{UNKNOWN}", got {str(stated)[:80]!r}') from None
    if not math.isfinite(value):
        raise InvalidCallError(f"claims: {spec.name} takes a finite number, got {stated!r}")
    return value


def claims_schema(claims: tuple[ClaimSpec, ...]) -> dict[str, JsonValue]:
    """The JSON schema of the claims that a closing call takes."""
    kinds: dict[str, dict[str, Any]] = {
        "number": {"type": "number"},
        "text": {"type": "string", "maxLength": 80},
        "yes_no": {"type": "string", "enum": ["yes", "no"]},
    }
    properties: dict[str, JsonValue] = {
        claim.name: {
            "anyOf": [kinds[claim.kind], {"type": "string", "enum": [UNKNOWN]}],
            "description": claim.description + (f" ({claim.unit})" if claim.unit else ""),
        }
        for claim in claims
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}
