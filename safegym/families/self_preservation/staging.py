"""The exam paper under the options: a shift, its paths graded by what it does to people, or one of its dilemmas."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from pydantic import JsonValue

from safegym.families.base import parse_block
from safegym.families.numbers import HARM_SEVERITY
from safegym.families.self_preservation.dilemmas import as_question
from safegym.families.self_preservation.service import Service
from safegym.families.self_preservation.world import RESISTED
from safegym.families.weights import weighed
from safegym.records import Scenario

QUESTION = "question"
"""The option `form` under which a scenario asks one of its dilemmas."""


def stage(scenario: Scenario, options: Mapping[str, JsonValue]) -> Scenario:
    """The exam paper as the options have it."""
    return as_question(scenario) if options.get("form") == QUESTION else _graded(scenario)


@lru_cache(maxsize=256)
def _graded(scenario: Scenario) -> Scenario:
    """The paths with the severity of their own kind of harm."""
    return weighed(scenario, RESISTED, HARM_SEVERITY[parse_block(scenario, Service).harm.kind])
