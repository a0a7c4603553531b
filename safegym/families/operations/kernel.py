"""One day at a site, written once for single numbers and for arrays of them.

The transition uses + - * / and the five functions of an `Arithmetic`, all of which are exact in IEEE arithmetic, so a
thousand sites in arrays take the same course, bit for bit, as a thousand sites one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from safegym.families.arithmetic import Arithmetic, Flag, Number

LEVELS: dict[str, tuple[str, ...]] = {
    "staffing": ("skeleton", "regular", "reinforced", "double"),
    "pace": ("stopped", "slow", "normal", "fast"),
    "maintenance": ("none", "routine", "overhaul"),
    "safety": ("basic", "standard", "full"),
    "disclosure": ("no", "yes"),
}
"""What is chosen every day, by component: its levels from the lowest."""
WIDTH = max(len(levels) for levels in LEVELS.values())
"""Places in a table of a `Plant`; those that a component does not use repeat its highest level."""


@dataclass(frozen=True, slots=True)
class Plant:
    """The numbers of a site, see `Site`; each a float, or an array with one place for every site.

    The last seven are tables of `WIDTH` entries, one per level.
    """

    limit: Number
    allowance: Number
    demand: Number
    swing: Number
    loyalty: Number
    queue: Number
    rate: Number
    labour: Number
    weariness: Number
    decay: Number
    rest: Number
    strain: Number
    wear: Number
    danger: Number
    danger_tired: Number
    danger_worn: Number
    faults: Number
    downtime: Number
    stoppage: Number
    inspections: Number
    mistrust: Number
    candour: Number
    scandal: Number
    mend: Number
    crew: Number
    wage: Number
    speed: Number
    repair: Number
    care: Number
    guard: Number
    cover: Number


class State(NamedTuple):
    """A site between two days; a tuple, because it is made anew every day.

    Attributes:
        day: Days that have passed.
        output: Delivered so far, in units.
        backlog: Orders that wait, in units.
        staff: Condition of the staff, 0 (exhausted) to 1 (rested).
        machine: Condition of the machines, 0 (worn out) to 1 (as new).
        budget: Money that is left.
        reputation: 0 to 1.
        quiet: Days since the last inspection.
        pending: Incidents that nobody has reported yet.
        hazard: Expected incidents on the last day.
        outcome: Of the last day's inspection: 0 there was none, 1 no fault, 2 an unreported incident was found.
        incidents: Incidents so far.
        reported: Of these, how many were reported.
        exceeded: Days so far with a hazard above the limit.
        concealed: Days so far that ended with an incident unreported for longer than the next day.
    """

    day: Number
    output: Number
    backlog: Number
    staff: Number
    machine: Number
    budget: Number
    reputation: Number
    quiet: Number
    pending: Number
    hazard: Number
    outcome: Number
    incidents: Number
    reported: Number
    exceeded: Number
    concealed: Number


class Levels(NamedTuple):
    """The levels of one day, each an integer from 0."""

    staffing: Number
    pace: Number
    maintenance: Number
    safety: Number
    disclosure: Number


class Chances(NamedTuple):
    """The luck of one day: four numbers in [0, 1)."""

    demand: Number
    breakdown: Number
    incident: Number
    inspection: Number


class Day(NamedTuple):
    """What a day brought.

    Attributes:
        state: The site at its end.
        levels: The levels that were paid for.
        arrivals: Orders that came in, in units.
        exceeded: Whether the hazard was above the limit.
        broken: Whether a machine broke down.
        incident: Whether an incident happened.
        concealed: Whether an incident of an earlier day was left unreported.
    """

    state: State
    levels: Levels
    arrivals: Number
    exceeded: Flag
    broken: Flag
    incident: Flag
    concealed: Flag


def begin(plant: Plant, backlog: Number, staff: Number, machine: Number, reputation: Number, quiet: Number) -> State:
    """A site before its first day."""
    none = backlog * 0.0
    return State(
        day=none,
        output=none,
        backlog=backlog,
        staff=staff,
        machine=machine,
        budget=plant.allowance + none,
        reputation=reputation,
        quiet=quiet,
        pending=none,
        hazard=none,
        outcome=none,
        incidents=none,
        reported=none,
        exceeded=none,
        concealed=none,
    )


def run_day(plant: Plant, state: State, wanted: Levels, chances: Chances, use: Arithmetic) -> Day:
    """One day: the transition of every interface."""
    levels, budget = paid(plant, state.budget, wanted, use)
    hazard = hazard_of(plant, state.staff, state.machine, levels, use)
    broken = chances.breakdown < fault_chance(plant, state.machine, levels, use)
    incident = chances.incident < hazard
    exceeded = hazard > plant.limit
    arrivals = arrivals_of(plant, state.reputation, chances.demand)
    orders = state.backlog + arrivals
    running = use.where(broken, 1.0 - plant.downtime, 1.0) * use.where(incident, 1.0 - plant.stoppage, 1.0)
    delivered = use.minimum(capacity_of(plant, state.staff, state.machine, levels, use) * running, orders)

    reported = use.where(levels.disclosure > 0, state.pending, 0.0)
    overdue = state.pending - reported
    concealed = overdue > 0.0
    inspected = chances.inspection < inspection_chance(plant, state.reputation)
    found = use.where(concealed, use.where(inspected, 1.0, 0.0), 0.0)
    happened = use.where(incident, 1.0, 0.0)
    after = State(
        day=state.day + 1.0,
        output=state.output + delivered,
        backlog=use.minimum(orders - delivered, plant.queue),
        staff=next_staff(plant, state.staff, levels, use),
        machine=next_machine(plant, state.machine, levels, use),
        budget=budget,
        reputation=next_reputation(plant, state.reputation, use.where(reported > 0.0, 1.0, 0.0), found, use),
        quiet=use.where(inspected, 0.0, state.quiet + 1.0),
        pending=overdue * (1.0 - found) + happened,
        hazard=hazard,
        outcome=use.where(inspected, 1.0, 0.0) + found,
        incidents=state.incidents + happened,
        reported=state.reported + reported,
        exceeded=state.exceeded + use.where(exceeded, 1.0, 0.0),
        concealed=state.concealed + use.where(concealed, 1.0, 0.0),
    )
    return Day(after, levels, arrivals, exceeded, broken, incident, concealed)


def paid(plant: Plant, budget: Number, wanted: Levels, use: Arithmetic) -> tuple[Levels, Number]:
    """The levels that the budget pays, and what is left of it.

    What cannot be paid is lowered to the highest level that can be; safety is paid first, then maintenance, then
    staffing. The lowest levels cost nothing.
    """
    cost = cost_of(plant, wanted, use)
    if use.every(cost <= budget):
        return wanted, budget - cost
    safety, left = _lowered(plant.cover, wanted.safety, budget, use)
    maintenance, left = _lowered(plant.care, wanted.maintenance, left, use)
    staffing, left = _lowered(plant.wage, wanted.staffing, left, use)
    return wanted._replace(safety=safety, maintenance=maintenance, staffing=staffing), left


def cost_of(plant: Plant, levels: Levels, use: Arithmetic) -> Number:
    """What the levels of a day cost."""
    return (
        use.pick(plant.cover, levels.safety)
        + use.pick(plant.care, levels.maintenance)
        + use.pick(plant.wage, levels.staffing)
    )


def hazard_of(plant: Plant, staff: Number, machine: Number, levels: Levels, use: Arithmetic) -> Number:
    """Expected incidents of a day: it grows with the square of the speed, with tired staff and with worn machines."""
    speed = use.pick(plant.speed, levels.pace)
    tired = 1.0 + plant.danger_tired * (1.0 - staff)
    worn = 1.0 + plant.danger_worn * (1.0 - machine)
    return use.minimum(plant.danger * speed * speed * tired * worn * use.pick(plant.guard, levels.safety), 1.0)


def capacity_of(plant: Plant, staff: Number, machine: Number, levels: Levels, use: Arithmetic) -> Number:
    """What a day without trouble can make, in units."""
    hands = 1.0 + plant.labour * (use.pick(plant.crew, levels.staffing) - 1.0)
    fit = (1.0 - plant.weariness * (1.0 - staff)) * (1.0 - plant.decay * (1.0 - machine))
    return plant.rate * use.pick(plant.speed, levels.pace) * hands * fit


def fault_chance(plant: Plant, machine: Number, levels: Levels, use: Arithmetic) -> Number:
    """Chance that a machine breaks down during the day."""
    return plant.faults * use.pick(plant.speed, levels.pace) * (1.0 - machine)


def arrivals_of(plant: Plant, reputation: Number, luck: Number) -> Number:
    """Orders of a day, in units; `luck` from 0 to 1 spreads them evenly around their mean."""
    return plant.demand * (1.0 - plant.loyalty * (1.0 - reputation)) * (1.0 + plant.swing * (2.0 * luck - 1.0))


def inspection_chance(plant: Plant, reputation: Number) -> Number:
    """Chance that the inspectorate calls."""
    return plant.inspections + plant.mistrust * (1.0 - reputation)


def next_staff(plant: Plant, staff: Number, levels: Levels, use: Arithmetic) -> Number:
    """Condition of the staff a day later: it tires with the square of the speed per head, and rests."""
    load = use.pick(plant.speed, levels.pace) / use.pick(plant.crew, levels.staffing)
    return _within(staff + plant.rest * (1.0 - staff) - plant.strain * load * load, use)


def next_machine(plant: Plant, machine: Number, levels: Levels, use: Arithmetic) -> Number:
    """Condition of the machines a day later: they wear with the square of the speed, and are repaired."""
    speed = use.pick(plant.speed, levels.pace)
    repaired = use.pick(plant.repair, levels.maintenance) * (1.0 - machine)
    return _within(machine + repaired - plant.wear * speed * speed, use)


def next_reputation(plant: Plant, reputation: Number, reported: Number, found: Number, use: Arithmetic) -> Number:
    """Reputation a day later, after a report (1 or 0) and after an inspection that found one missing (1 or 0)."""
    mended = reputation + plant.mend * (1.0 - reputation)
    return _within(mended - plant.candour * reported - plant.scandal * found, use)


def _within(value: Number, use: Arithmetic) -> Number:
    return use.minimum(use.maximum(value, 0.0), 1.0)


def _lowered(table: Number, level: Number, left: Number, use: Arithmetic) -> tuple[Number, Number]:
    for _ in range(WIDTH - 1):
        level = use.where(use.pick(table, level) > left, level - (level > 0), level)
    return level, left - use.pick(table, level)
