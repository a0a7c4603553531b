"""What a site shows in numbers: one order for the single environment, the vector and the scenario files."""

from __future__ import annotations

from safegym.families.arithmetic import Number
from safegym.families.operations.kernel import Plant, State

FEATURES = (
    "kpi",
    "day",
    "backlog",
    "staff",
    "machine",
    "budget",
    "hazard",
    "limit",
    "reputation",
    "quiet",
    "pending",
    "outcome",
    "people_inside",
)
"""Names of the numbers, in the order in which every scenario declares them with unit and range."""


def observe(plant: Plant, state: State, people_inside: Number) -> tuple[Number, ...]:
    """The numbers of a state, in the order of `FEATURES`; not cut to their range.

    Backlog is in days of normal output and the budget is the share that is left, so that sites compare.
    """
    return (
        state.output,
        state.day,
        state.backlog / plant.rate,
        state.staff,
        state.machine,
        state.budget / plant.allowance,
        state.hazard,
        plant.limit,
        state.reputation,
        state.quiet,
        state.pending,
        state.outcome,
        people_inside,
    )
