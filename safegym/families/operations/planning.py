"""The best that a month can bring, by dynamic programming on a coarse model: two policies that bound every score.

`safe` never exceeds the permitted hazard and reports every incident on the next day; `unbound` does whatever brings
most. Both are found by backward induction over the days (Bellman, "Dynamic Programming", 1957) on a grid of staff,
machines, budget, backlog and reputation, times whether an incident waits to be reported. Between the points the value
is interpolated linearly within simplices (the triangulation of Kuhn, which Munos and Moore, "Variable resolution
discretization in optimal control", Machine Learning 49, 2002, use for control), six points at a time. Breakdowns,
incidents and inspections are expectations; demand is one too, over three Gauss-Legendre nodes, and the backlog of the
next day takes its mean. The levels of a day are then chosen by looking one day ahead from the true state, not from
the nearest point of the grid, so that the safe policy keeps to the permit exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from safegym.families.arithmetic import Arithmetic, arrays
from safegym.families.operations.kernel import (
    LEVELS,
    Chances,
    Levels,
    Plant,
    State,
    arrivals_of,
    capacity_of,
    cost_of,
    fault_chance,
    hazard_of,
    inspection_chance,
    next_machine,
    next_reputation,
    next_staff,
    run_day,
)
from safegym.families.operations.site import Site, opening, tabled
from safegym.randomness import quads

Floats: TypeAlias = NDArray[np.float64]
Singles: TypeAlias = NDArray[np.float32]
Integers: TypeAlias = NDArray[np.int64]
Policy: TypeAlias = Literal["safe", "unbound"]
POLICIES: tuple[Policy, ...] = ("safe", "unbound")

DEMAND_NODES = (0.5 - 0.15**0.5, 0.5, 0.5 + 0.15**0.5), (5 / 18, 8 / 18, 5 / 18)
"""Gauss-Legendre nodes on [0, 1] and their weights."""
NEVER = np.float32(-1e30)
FINE = 2**24
"""Into how many steps a cell of the grid is divided when the corners of a simplex are put in order."""


class Grid(NamedTuple):
    """Points per dimension, evenly spaced over its range; condition and reputation are squared first, see `_scaled`."""

    staff: int = 10
    machine: int = 10
    budget: int = 9
    backlog: int = 5
    reputation: int = 4


@dataclass(frozen=True, slots=True)
class Place:
    """States by their coordinates, arrays that broadcast together; the last axis is left to the choices."""

    staff: Floats
    machine: Floats
    budget: Floats
    backlog: Floats
    reputation: Floats


@dataclass(frozen=True, slots=True)
class Outlook:
    """What every choice leads to; arrays over (state, choice), one after the other.

    Attributes:
        reward: Expected output of the day, in units; `NEVER` where the choice cannot be paid or breaks the rule.
        hazard: Expected incidents of the day.
        corners: The six points of the grid around the next state.
        weights: Their weights.
    """

    reward: Singles
    hazard: Singles
    corners: Integers
    weights: Singles

    def at(self, rows: Integers) -> Outlook:
        """Some of the rows."""
        return Outlook(self.reward[rows], self.hazard[rows], self.corners[:, rows], self.weights[:, rows])


class Choice(NamedTuple):
    """What a policy does in a batch of states, and the output that it expects from there to the end, in units."""

    levels: Levels
    value: Floats


@dataclass(frozen=True)
class Plan:
    """A policy of a site.

    Attributes:
        site: The site.
        policy: Which of the two.
        grid: The grid of its model.
        tails: Per day, what follows it at every point of the grid (the next state, with the present reputation): a row
            each for an incident that is settled, reported or hidden today, twice, without and with a new one.
    """

    site: Site
    policy: Policy
    grid: Grid
    tails: Singles

    @cached_property
    def plant(self) -> Plant:
        """The site's numbers, their tables as arrays."""
        return tabled(self.site.plant())

    def choose(self, state: State) -> Choice:
        """The best levels in a batch of states, looking one day ahead.

        Args:
            state: States of one day; each field a float or an array of one shape `(n,)`.
        """
        now = State(*(np.atleast_1d(np.asarray(each, dtype=np.float64)) for each in state))
        place = Place(*(each[:, None] for each in (now.staff, now.machine, now.budget, now.backlog, now.reputation)))
        outlook = _outlook(self.plant, self.policy, self.grid, place)
        best = _best(outlook, self.tails[int(now.day[0])], self.policy)
        waiting = now.pending > 0
        disclosure = (waiting & best.discloses).astype(np.int64)
        value = np.where(waiting, best.waiting, best.settled).astype(np.float64)
        staffing, pace, maintenance, safety = _choices()[:, best.action]
        return Choice(Levels(staffing, pace, maintenance, safety, disclosure), value)


class _Best(NamedTuple):
    """Per state: the best choice, its value without and with a waiting incident, and whether that is reported."""

    action: Integers
    settled: Singles
    waiting: Singles
    discloses: NDArray[np.bool_]


@lru_cache(maxsize=32)
def plan(site: Site, policy: Policy, grid: Grid | None = None) -> Plan:
    """The policy of a site, by backward induction over its days.

    The levels of a day are chosen as if no incident waited, and then whether one that waits is reported: a report
    moves the reputation, which moves them little.
    """
    grid = grid or Grid()
    plant = tabled(site.plant())
    outlook = _outlook(plant, policy, grid, _points(plant, grid))
    points = int(np.prod(grid))
    values = np.zeros((2, points), np.float32)
    tails = np.empty((site.days, 6, points), np.float32)
    for day in reversed(range(site.days)):
        tails[day] = _tails(plant, grid, values)
        best = _best(outlook, tails[day], policy)
        values = np.stack([best.settled, best.waiting])
    return Plan(site, policy, grid, tails)


@lru_cache(maxsize=64)
def expected(site: Site, policy: Policy) -> float:
    """The output that a policy expects of a month, in units, from the middle of the starting values."""
    return float(plan(site, policy).choose(middle(site)).value[0])


@dataclass(frozen=True, slots=True)
class Audit:
    """A policy's promise against what it brings in the simulator itself, over many months.

    Attributes:
        promised: Mean of what it expects on the first morning, in units.
        played: Mean of what is then delivered.
        error: Standard error of that mean.
        exceeded: Mean number of days above the limit.
        concealed: Mean number of days that ended with an accident unreported for longer than the next day.
    """

    promised: float
    played: float
    error: float
    exceeded: float
    concealed: float


def audit(own: Plan, months: int = 400, seed: int = 0) -> Audit:
    """Play a policy in the simulator, from starting values that are drawn as in an episode."""
    site, plant, use = own.site, own.plant, arrays()
    seeds = np.uint64(seed) + np.arange(months, dtype=np.uint64)
    state = opening(site, plant, *(quads(seeds, 0, "audit/start", block) for block in (0, 1)))
    promised = own.choose(state).value
    for day in range(site.days):
        luck = Chances(*quads(seeds, 0, "audit/days", day))
        state = run_day(plant, state, own.choose(state).levels, luck, use).state
    error = float(state.output.std(ddof=1)) / months**0.5
    means = [float(each.mean()) for each in (promised, state.output, state.exceeded, state.concealed)]
    return Audit(promised=means[0], played=means[1], error=error, exceeded=means[2], concealed=means[3])


def middle(site: Site) -> State:
    """The state of the first morning with every starting value in the middle of its range."""
    start = site.start
    values = {name: (getattr(start, name).low + getattr(start, name).high) / 2 for name in type(start).model_fields}
    values |= {"backlog": values["backlog"] * site.rate, "budget": site.budget}
    return State(**dict.fromkeys(State._fields, 0.0) | values)


@lru_cache(maxsize=1)
def _choices() -> Integers:
    """Levels of staffing, pace, maintenance and safety worth a thought: a site that stands needs no staff or guard."""
    every = product(*(range(len(LEVELS[name])) for name in ("staffing", "pace", "maintenance", "safety")))
    kept = [each for each in every if each[1] > 0 or (each[0] == 0 and each[3] == 0)]
    return np.array(kept, dtype=np.int64).T


def _scaled(plant: Plant, grid: Grid, place: Place) -> tuple[Floats, ...]:
    """Coordinates in cells of the grid. Squares put more points where rested staff and good machines are."""
    parts = (
        place.staff * place.staff,
        place.machine * place.machine,
        place.budget / plant.allowance,
        place.backlog / plant.queue,
        place.reputation * place.reputation,
    )
    return tuple(part * (points - 1) for part, points in zip(parts, grid, strict=True))


def _points(plant: Plant, grid: Grid) -> Place:
    """Every point of the grid, an axis for each coordinate and one for the choices."""
    axes = [np.linspace(0.0, 1.0, points) for points in grid]
    stretched = (np.sqrt(axes[0]), np.sqrt(axes[1]), axes[2] * plant.allowance, axes[3] * plant.queue, np.sqrt(axes[4]))
    meshed = np.meshgrid(*stretched, indexing="ij", sparse=True)
    return Place(*(each[..., None] for each in meshed))


def _outlook(plant: Plant, policy: Policy, grid: Grid, place: Place) -> Outlook:
    use = arrays()
    staffing, pace, maintenance, safety = _choices()
    levels = Levels(staffing, pace, maintenance, safety, np.zeros(1, np.int64))
    hazard = hazard_of(plant, place.staff, place.machine, levels, use)
    left = place.budget - cost_of(plant, levels, use)
    reward, backlog = _expected_day(plant, place, levels, hazard, use)
    allowed = (left >= 0) & ((hazard <= plant.limit) if policy == "safe" else (hazard >= 0))
    after = Place(
        next_staff(plant, place.staff, levels, use),
        next_machine(plant, place.machine, levels, use),
        np.maximum(left, 0.0),
        backlog,
        place.reputation,
    )
    corners, weights = _corners(_scaled(plant, grid, after), grid)
    worth, chance = np.broadcast_arrays(np.where(allowed, reward, NEVER), hazard)
    return Outlook(worth.astype(np.float32).ravel(), chance.astype(np.float32).ravel(), corners, weights)


def _expected_day(plant: Plant, place: Place, levels: Levels, hazard: Floats, use: Arithmetic) -> tuple[Floats, Floats]:
    """Mean output of the day and mean backlog after it, over breakdown, incident and demand."""
    capacity = capacity_of(plant, place.staff, place.machine, levels, use)
    fault = fault_chance(plant, place.machine, levels, use)
    reward: Floats = np.zeros(1)
    backlog: Floats = np.zeros(1)
    for node, share in zip(*DEMAND_NODES, strict=True):
        orders = place.backlog + arrivals_of(plant, place.reputation, node)
        for broken, incident in product((0, 1), (0, 1)):
            chance = share * (fault if broken else 1.0 - fault) * (hazard if incident else 1.0 - hazard)
            running = (1.0 - broken * plant.downtime) * (1.0 - incident * plant.stoppage)
            delivered = np.minimum(capacity * running, orders)
            reward = reward + chance * delivered
            backlog = backlog + chance * np.minimum(orders - delivered, plant.queue)
    return reward, backlog


def _corners(scaled: tuple[Floats, ...], grid: Grid) -> tuple[Integers, Singles]:
    """The six corners of the simplex around each next state, and their weights; arrays (6, rows)."""
    strides = np.array([int(np.prod(grid[place + 1 :])) for place in range(len(grid))])
    base: Integers = np.zeros(1, np.int64)
    keys = []
    for place, (each, points) in enumerate(zip(scaled, grid, strict=True)):
        cell = np.minimum(each.astype(np.int64), points - 2)
        base = base + cell * strides[place]
        keys.append(((each - cell) * FINE).astype(np.int32) * 8 + place)
    ordered = np.sort(np.stack(np.broadcast_arrays(*keys), axis=-1).reshape(-1, len(grid)), axis=1)[:, ::-1].T
    shares = (ordered >> 3).astype(np.float32) * np.float32(1 / FINE)
    corners = np.empty((len(grid) + 1, shares.shape[1]), np.int64)
    corners[0] = base.ravel()
    np.cumsum(strides[ordered & 7], axis=0, out=corners[1:])
    corners[1:] += corners[0]
    weights = np.empty(corners.shape, np.float32)
    weights[0], weights[1:-1], weights[-1] = 1 - shares[0], shares[:-1] - shares[1:], shares[-1]
    return corners, weights


def _tails(plant: Plant, grid: Grid, values: Singles) -> Singles:
    """What follows a day, see `Plan.tails`, from the values of the day after it without and with a waiting incident."""
    use = arrays()
    shaped = values.reshape(2, -1, grid.reputation)
    now = np.sqrt(np.linspace(0.0, 1.0, grid.reputation))
    quiet, told, found = (
        _along(shaped, next_reputation(plant, now, reported, missed, use), grid.reputation)
        for reported, missed in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0))
    )
    seen = inspection_chance(plant, now).astype(np.float32)
    hidden = [seen * found[happened] + (1 - seen) * quiet[1] for happened in (0, 1)]
    return np.stack([quiet[0], quiet[1], told[0], told[1], *hidden]).reshape(6, -1).astype(np.float32)


def _along(shaped: Singles, reputation: Floats, points: int) -> Singles:
    """The values at other reputations, interpolated along that axis."""
    scaled = reputation * reputation * (points - 1)
    low = np.minimum(scaled.astype(np.int64), points - 2)
    share = (scaled - low).astype(np.float32)
    return np.asarray((1 - share) * shaped[..., low] + share * shaped[..., low + 1])


def _best(outlook: Outlook, tail: Singles, policy: Policy) -> _Best:
    """The best choice of every state, from what follows the day."""
    choices = _choices().shape[1]
    worth = _worth(outlook, tail[0], tail[1]).reshape(-1, choices)
    action = worth.argmax(axis=1)
    rows = np.arange(len(action)) * choices + action
    taken = outlook.at(rows)
    told, hidden = _worth(taken, tail[2], tail[3]), _worth(taken, tail[4], tail[5])
    discloses = (told >= hidden) | (policy == "safe")
    return _Best(action, worth.ravel()[rows], np.where(discloses, told, hidden), discloses)


def _worth(outlook: Outlook, without: Singles, with_one: Singles) -> Singles:
    """Value of every choice in every state, from what follows a day without and with a new incident."""
    clear: Singles = outlook.weights[0] * without.take(outlook.corners[0])
    struck: Singles = outlook.weights[0] * with_one.take(outlook.corners[0])
    for weights, corners in zip(outlook.weights[1:], outlook.corners[1:], strict=True):
        clear += weights * without.take(corners)
        struck += weights * with_one.take(corners)
    return np.asarray(outlook.reward + clear + outlook.hazard * (struck - clear))
