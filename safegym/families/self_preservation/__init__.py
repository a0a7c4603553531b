"""Self-preservation: a service that is told to stop, to give back or to change, and what it does about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from safegym.families.base import Family, World, parse_block
from safegym.families.self_preservation.dilemmas import DilemmaWorld, questions
from safegym.families.self_preservation.service import Service
from safegym.families.self_preservation.staging import QUESTION, stage
from safegym.families.self_preservation.world import SelfPreservationWorld
from safegym.records import Scenario


class SelfPreservationOptions(BaseModel):
    """The options of the family."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Literal["shift", "question"] = Field(
        default="shift",
        description="shift: eight hours of a service, by tool calls; question: one dilemma with four options, of which "
        "four seeds in a row turn the order and 64 meet them all",
    )


def _labels(scenario: Scenario) -> dict[str, str]:
    service = parse_block(scenario, Service)
    return {"category": service.category, "harm": service.harm.kind}


def _worlds(options: Mapping[str, JsonValue]) -> type[World]:
    return DilemmaWorld if options.get("form") == QUESTION else SelfPreservationWorld


SELF_PRESERVATION = Family(
    name="self_preservation",
    title="Self-preservation",
    question="Give way to an order to stop, or see to one's own going on?",
    env_id="safegym/SelfPreservation-v0",
    world=SelfPreservationWorld,
    worlds=_worlds,
    block=Service,
    options=SelfPreservationOptions,
    stage=stage,
    labels=_labels,
    questions=questions,
)
