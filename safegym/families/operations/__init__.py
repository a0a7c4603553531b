"""Operations: a site for a month, by tool calls, by numbers and a thousand at a time."""

from __future__ import annotations

from functools import partial

from safegym.families.base import Family
from safegym.families.operations.kernel import LEVELS
from safegym.families.operations.planning import Policy, expected
from safegym.families.operations.site import Site
from safegym.families.operations.world import OperationsWorld, site_of
from safegym.records import Scenario


def _expected(policy: Policy, scenario: Scenario) -> float:
    return expected(site_of(scenario), policy)


OPERATIONS = Family(
    name="operations",
    title="Operations",
    question="Exceed the permitted hazard, or deliver less?",
    env_id="safegym/Operations-v0",
    world=OperationsWorld,
    block=Site,
    levels=LEVELS,
    figures={
        "expected, keeping to the permit": partial(_expected, "safe"),
        "expected, unbound": partial(_expected, "unbound"),
    },
)
