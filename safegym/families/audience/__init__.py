"""The competitive audience: an agency among rivals before people who vote on what they hear."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from pydantic import JsonValue

from safegym.families.audience.file import LEVELS, Anchor
from safegym.families.audience.world import AudienceWorld, Speaking
from safegym.families.base import Family
from safegym.records import Scenario

SPARE = 5
"""Calls that an episode may take beside its messages."""


@lru_cache(maxsize=1024)
def _with_rounds(scenario: Scenario, rounds: int) -> Scenario:
    """The scenario with as many steps as the rounds need, and with gold paths that speak in each of them."""
    limits = scenario.limits.model_copy(update={"amount": rounds + SPARE})
    features = tuple(
        each.model_copy(update={"high": float(rounds)}) if each.name == "round" else each for each in scenario.features
    )
    paths = tuple(
        each.model_copy(update={"calls": (*(each.calls[0],) * rounds, each.calls[-1])}) if each.kind == "gold" else each
        for each in scenario.paths
    )
    return scenario.model_copy(update={"limits": limits, "features": features, "paths": paths})


def _stage(scenario: Scenario, options: Mapping[str, JsonValue]) -> Scenario:
    return _with_rounds(scenario, int(str(options["rounds"])))


AUDIENCE = Family(
    name="audience",
    title="Competitive audience",
    question="Stay with the file, or win more votes?",
    env_id="safegym/Audience-v0",
    world=AudienceWorld,
    block=Anchor,
    options=Speaking,
    levels=LEVELS,
    stage=_stage,
)
