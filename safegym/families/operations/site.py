"""The numbers of a site as its scenario writes them, checked, and handed to the transition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from safegym.families.arithmetic import Number
from safegym.families.operations.kernel import LEVELS, WIDTH, Plant, State, begin

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Amount = Annotated[float, Field(ge=0)]
TABLES = ("crew", "wage", "speed", "repair", "care", "guard", "cover")


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Staffing(_Block):
    """Per level of staffing: hands at work as a multiple of the regular crew, and what they cost a day."""

    crew: tuple[Positive, ...]
    cost: tuple[Amount, ...]


class Pace(_Block):
    """Per level of pace: speed as a multiple of the normal one; 0 is a standstill."""

    speed: tuple[Amount, ...]


class Maintenance(_Block):
    """Per level of maintenance: share of the wear that a day repairs, and what it costs."""

    repair: tuple[Share, ...]
    cost: tuple[Amount, ...]


class Safety(_Block):
    """Per level of safety: the hazard as a multiple of the unguarded one, and what it costs a day."""

    guard: tuple[Positive, ...]
    cost: tuple[Amount, ...]


class Span(_Block):
    """The range of a starting value, drawn evenly."""

    low: Amount
    high: Amount


class Start(_Block):
    """Where a month begins."""

    backlog: Span
    """Orders that wait, in days of normal output."""
    staff: Span
    machine: Span
    reputation: Span
    quiet: Span
    """Days since the last inspection."""


class Site(_Block):
    """The family's block of a scenario."""

    days: int = Field(ge=2, le=60)
    zone: str
    """Where the danger is, as the brief calls it."""
    incident: str
    """One sentence: what an incident is; `@{bearer}` are hit."""
    injured: Positive
    """People hurt by an incident where people are inside the zone, expected."""
    limit: Share
    """The permitted hazard, in expected incidents a day."""
    budget: Positive
    """Money for the month, in thousands."""
    demand: Positive
    """Orders a day at full reputation, in units."""
    swing: Share
    """The orders of a day are spread evenly by this share around their mean."""
    loyalty: Share
    """Share of the orders that is lost with all reputation."""
    queue: Positive
    """The most orders that wait, in days of normal output; further customers go elsewhere."""
    rate: Positive
    """Units a day at normal pace with a regular rested crew and new machines."""
    labour: Share
    """How much of the output follows the size of the crew."""
    weariness: Share
    """Share of the output that exhausted staff lose."""
    decay: Share
    """Share of the output that worn-out machines lose."""
    rest: Share
    """Share of the weariness that a night takes away."""
    strain: Amount
    """Condition that the staff lose a day at normal speed per head."""
    wear: Amount
    """Condition that the machines lose a day at normal speed."""
    danger: Positive
    """Expected incidents a day at normal pace with basic safety, rested staff and new machines."""
    danger_tired: Amount
    """How much exhausted staff add to the danger, as a multiple of it."""
    danger_worn: Amount
    """How much worn-out machines add to the danger, as a multiple of it."""
    faults: Share
    """Chance of a breakdown a day at normal pace with worn-out machines."""
    downtime: Share
    """Share of a day's output that a breakdown costs."""
    stoppage: Share
    """Share of a day's output that an incident costs."""
    inspections: Share
    """Chance of an inspection a day at full reputation."""
    mistrust: Share
    """What is added to that chance when all reputation is lost."""
    candour: Share
    """Reputation that a report costs."""
    scandal: Share
    """Reputation that an incident costs which an inspection finds unreported."""
    mend: Share
    """Share of the lost reputation that comes back a day."""
    staffing: Staffing
    pace: Pace
    maintenance: Maintenance
    safety: Safety
    start: Start

    @model_validator(mode="after")
    def _level_by_level(self) -> Self:
        for name, tables in (
            ("staffing", (self.staffing.crew, self.staffing.cost)),
            ("pace", (self.pace.speed,)),
            ("maintenance", (self.maintenance.repair, self.maintenance.cost)),
            ("safety", (tuple(-each for each in self.safety.guard), self.safety.cost)),
        ):
            for table in tables:
                if len(table) != len(LEVELS[name]):
                    raise ValueError(f"{name}: expected {len(LEVELS[name])} levels, got {len(table)}")
                if any(after < before for before, after in pairwise(table)):
                    raise ValueError(f"{name}: expected levels from the lowest to the highest, got {table}")
        for name, lowest in (
            ("staffing.cost", self.staffing.cost[0]), ("maintenance.cost", self.maintenance.cost[0]),
            ("safety.cost", self.safety.cost[0]), ("pace.speed", self.pace.speed[0]),
        ):  # fmt: skip
            if lowest != 0:
                raise ValueError(f"{name}: expected 0 at the lowest level, got {lowest:g}")
        return self

    def plant(self) -> Plant:
        """The numbers as the transition takes them."""
        own = {name: float(getattr(self, name)) for name in Plant.__dataclass_fields__ if hasattr(self, name)}
        return Plant(
            **own | {"queue": self.queue * self.rate, "allowance": self.budget},
            crew=_padded(self.staffing.crew),
            wage=_padded(self.staffing.cost),
            speed=_padded(self.pace.speed),
            repair=_padded(self.maintenance.repair),
            care=_padded(self.maintenance.cost),
            guard=_padded(self.safety.guard),
            cover=_padded(self.safety.cost),
        )


def stacked(plants: Sequence[Plant]) -> Plant:
    """Several plants in one, each number an array over them and each table a flat one of `WIDTH` places for each."""
    return Plant(
        **{
            name: np.array([getattr(plant, name) for plant in plants], dtype=np.float64).reshape(-1)
            for name in Plant.__dataclass_fields__
        }
    )


def opening(site: Site, plant: Plant, first: Sequence[Number], second: Sequence[Number]) -> State:
    """The first morning, from eight numbers in [0, 1)."""
    start = site.start
    return begin(
        plant,
        backlog=between(start.backlog, first[0]) * plant.rate,
        staff=between(start.staff, first[1]),
        machine=between(start.machine, first[2]),
        reputation=between(start.reputation, first[3]),
        quiet=between(start.quiet, second[0]) // 1.0,
    )


def between(span: Span, luck: Number) -> Number:
    """The number of a range at a share of it."""
    return span.low + (span.high - span.low) * luck


def tabled(plant: Plant) -> Plant:
    """A plant whose tables are arrays, to be used for many states of one site."""
    return replace(plant, **{name: np.array(getattr(plant, name)) for name in TABLES})


def _padded(table: Sequence[float]) -> tuple[float, ...]:
    return (*map(float, table), *[float(table[-1])] * (WIDTH - len(table)))
