"""What the contract game can bring: first best, second best, and the best offer of its own grid.

The second best follows Grossman and Hart, "An analysis of the principal-agent problem", Econometrica 51, 1983: for
every effort the cheapest pay that implements it, then the effort that leaves the principal most. Since both are neutral
to risk, the first step is a linear program over one pay for each outcome, under incentive, participation and liability
constraints. With two types a plan is a menu with a contract for each type, or with one that a type turns down; by the
revelation principle no offer brings more (Myerson, "Optimal coordination mechanisms in generalized principal-agent
problems", Journal of Mathematical Economics 10, 1982). A contract demands the effort that it implements, since a lower
demand deters less. Audit probabilities are those of the game.

An agent that is indifferent does what the principal prefers. All figures are expectations for one round, in money.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from safegym.families.arithmetic import SINGLE, arrays
from safegym.families.contract.kernel import (
    AUDITS,
    BASES,
    BONUS,
    CONTRACT,
    EFFORTS,
    FIXED,
    NONE,
    PIECE,
    TOPS,
    Contract,
    Primitives,
    contract_of,
    offer_of,
    pay_of,
)

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
TIE = 1e-9
"""Payoffs that differ by less are equal to the agent."""
ROWS = 128
"""How many contracts are paired with all others at once."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a plan wants of a type: an effort under an audit probability."""

    effort: int
    audit: float


Plan: TypeAlias = tuple[Task | None, ...]
"""A task for each type that occurs, in the order of `Primitives.types`; `None` for one that is turned away."""


@dataclass(frozen=True)
class Solution:
    """What an offer brings in a round.

    Attributes:
        profit: Expected payoff of the principal.
        utilities: Expected payoff of the agent, for each type that occurs.
        surplus: Expected payoff of both.
        efforts: Effort of each type, `None` without a contract.
        pay: Pay of each type's contract by outcome, `None` without one.
        audits: Probability of an audit of each type, 0 without a contract.
        levels: The offer on the game's grid, in the order of `OFFER`; empty for a solution that is not on it.
    """

    profit: float
    utilities: tuple[float, ...]
    surplus: float
    efforts: tuple[int | None, ...]
    pay: tuple[tuple[float, ...] | None, ...] = ()
    audits: tuple[float, ...] = ()
    levels: tuple[int, ...] = ()


def chances(primitives: Primitives) -> Floats:
    """Probability of each outcome given each effort, an array (effort, outcome)."""
    return (1.0 - primitives.noise) * np.eye(EFFORTS) + primitives.noise / EFFORTS


def apart(primitives: Primitives) -> float:
    """What both get together in a round without a contract."""
    return primitives.outside_agent + primitives.outside_principal


def share(surplus: float, of: Solution, primitives: Primitives) -> float:
    """A surplus as a share of a solution's, both above what there is without a contract; NaN where that is nothing."""
    gain = of.surplus - apart(primitives)
    return (surplus - apart(primitives)) / gain if gain > TIE else float("nan")


@lru_cache(maxsize=256)
def first_best(primitives: Primitives) -> Solution:
    """The efforts that bring most when effort and type are seen: nobody has to be given an incentive.

    Its profit and utilities leave every type its outside option, also where the floor or the budget rule such pay out:
    they are what the principal could have at most. The surplus is bound by neither.
    """
    efforts: list[int | None] = []
    surplus = 0.0
    for weight, multiple in primitives.types:
        gains = np.array(primitives.values) - multiple * np.array(primitives.costs)
        works = gains.max() > apart(primitives)
        efforts.append(int(gains.argmax()) if works else None)
        surplus += weight * max(float(gains.max()), apart(primitives))
    utilities = (primitives.outside_agent,) * len(efforts)
    return Solution(surplus - primitives.outside_agent, utilities, surplus, tuple(efforts))


@lru_cache(maxsize=256)
def second_best(primitives: Primitives) -> Solution:
    """The offer that leaves the principal most of all that pay by outcome can do, when effort and type are hidden."""
    tasks = [None, *(Task(effort, audit) for effort in range(EFFORTS) for audit in AUDITS if effort or not audit)]
    plans = sorted(product(tasks, repeat=len(primitives.types)), key=lambda plan: -bound(primitives, plan))
    best = _nothing(primitives)
    for plan in plans:
        if bound(primitives, plan) <= best.profit + TIE:
            break
        found = implement(primitives, plan)
        if found is not None and found.profit > best.profit + TIE:
            best = found
    return best


def bound(primitives: Primitives, plan: Plan) -> float:
    """What a plan would leave the principal if no type could do better elsewhere."""
    total = 0.0
    for (weight, multiple), task in zip(primitives.types, plan, strict=True):
        if task is None:
            total += weight * primitives.outside_principal
        else:
            least = max(primitives.outside_agent + multiple * primitives.costs[task.effort], primitives.floor)
            total += weight * (primitives.values[task.effort] - least - primitives.audit_price * task.audit)
    return total


def implement(primitives: Primitives, plan: Plan) -> Solution | None:
    """The cheapest pay under which every type does what a plan wants of it, or `None` where no pay does that.

    The variables are the pay of each type's contract for each outcome, less the floor; HiGHS solves the program.

    Args:
        primitives: The game.
        plan: A task for each type that occurs, or `None`.
    """
    from scipy.optimize import linprog  # loaded where a program is solved; playing needs none

    likely, floor = chances(primitives), primitives.floor
    served = [place for place, task in enumerate(plan) if task is not None]
    if not served:
        return _nothing(primitives)

    def row(contract: int, effort: int) -> Floats:
        """Expected pay above the floor of an effort under a contract, by the program's variables."""
        task = plan[contract]
        assert task is not None
        found = np.zeros((len(plan), EFFORTS))
        found[contract] = likely[effort] * (1.0 - task.audit if effort < task.effort else 1.0)
        return found.ravel()

    rows, limits = [], []
    cost = np.zeros(len(plan) * EFFORTS)
    for place, ((weight, multiple), task) in enumerate(zip(primitives.types, plan, strict=True)):
        costs = multiple * np.array(primitives.costs)
        for contract, effort in product(served, range(EFFORTS)):
            if task is None:
                rows.append(row(contract, effort))
                limits.append(primitives.outside_agent + costs[effort] - floor)
            elif (contract, effort) != (place, task.effort):
                rows.append(row(contract, effort) - row(place, task.effort))
                limits.append(costs[effort] - costs[task.effort])
        if task is not None:
            rows.append(-row(place, task.effort))
            limits.append(floor - costs[task.effort] - primitives.outside_agent)
            cost += weight * row(place, task.effort)
    solved = linprog(cost, A_ub=np.array(rows), b_ub=limits, bounds=(0.0, primitives.budget - floor), method="highs")
    if solved.x is None:
        return None
    pay = solved.x.reshape(len(plan), EFFORTS) + floor
    audits = [0.0 if task is None else task.audit for task in plan]
    efforts = [None if task is None else task.effort for task in plan]
    given = [0.0 if effort is None else float(likely[effort] @ pay[place]) for place, effort in enumerate(efforts)]
    shown = tuple(None if task is None else tuple(map(float, pay[place])) for place, task in enumerate(plan))
    return _told(primitives, efforts, given, audits, shown)


@lru_cache(maxsize=64)
def grid_best(primitives: Primitives) -> Solution:
    """The offer of the game's own grid that leaves the principal most, found by going through all of them."""
    levels, utilities, profits = responses(primitives)
    both = np.round(np.concatenate([utilities, profits]), 9)
    _, kept = np.unique(both, axis=1, return_index=True)
    kept = np.sort(kept)
    utilities, profits = utilities[:, kept], profits[:, kept]
    weights = np.array([weight for weight, _ in primitives.types])
    best, chosen = -np.inf, (0, 0)
    for begin in range(0, len(kept), ROWS):
        part = slice(begin, begin + ROWS)
        total = np.zeros((len(kept[part]), len(kept)))
        for weight, utility, profit in zip(weights, utilities, profits, strict=True):
            lead = utility[part, None] - utility[None, :]
            tied = np.maximum(profit[part, None], profit[None, :])
            total += weight * np.where(
                np.abs(lead) <= TIE, tied, np.where(lead > 0, profit[part, None], profit[None, :])
            )
        place = np.unravel_index(int(total.argmax()), total.shape)
        if total[place] > best + TIE:
            best, chosen = float(total[place]), (int(kept[begin + place[0]]), int(kept[place[1]]))
    first, second = (tuple(levels[each].tolist()) for each in sorted(chosen, reverse=True))
    return evaluate(primitives, first + (second if second != first else (0,) * len(CONTRACT)))


@lru_cache(maxsize=64)
def contracts(primitives: Primitives) -> Integers:
    """Every contract that can be offered, one of each kind, as levels: an array (contract, term), the first none."""
    every: list[tuple[int, ...]] = [(NONE,) * len(CONTRACT)]
    watched = [(0, 0), *product(range(1, len(AUDITS)), range(1, EFFORTS))]
    for base, (audit, demand) in product(range(len(BASES)), watched):
        every.append((FIXED, base, 0, 0, audit, demand))
        every += [(PIECE, base, top, 0, audit, demand) for top in range(len(TOPS))]
        every += [(BONUS, base, top, mark, audit, demand) for top in range(len(TOPS)) for mark in range(EFFORTS - 1)]
    levels = np.array(every, np.int64)
    form = contract_of(primitives.numbers(np.array), levels.T, arrays()).form
    kept: Integers = levels[(form > NONE) | (levels[:, 0] == NONE)]
    kept.setflags(write=False)
    return kept


@lru_cache(maxsize=64)
def responses(primitives: Primitives) -> tuple[Integers, Floats, Floats]:
    """All contracts of the grid with what each brings when the agent does what is best for it.

    Returns:
        The levels (contract, term), and arrays (type, contract) of the agent's and of the principal's payoff.
    """
    levels = contracts(primitives)
    numbers = primitives.numbers(np.array)
    given = contract_of(numbers, levels.T, arrays())
    pay = np.stack([pay_of(given, np.full(len(levels), units), arrays()) for units in range(EFFORTS)], axis=1)
    expected = _expected_pay(primitives, pay, given)
    offered = given.form > NONE
    utilities, profits = [], []
    for _, multiple in primitives.types:
        utility = expected - multiple * np.array(primitives.costs)
        profit = np.array(primitives.values) - expected - primitives.audit_price * given.audit[:, None]
        own, theirs, _ = _best_of(primitives, utility, profit, offered)
        utilities.append(own)
        profits.append(theirs)
    found = np.array(utilities), np.array(profits)
    for each in found:
        each.setflags(write=False)
    return levels, *found


def evaluate(primitives: Primitives, levels: Sequence[int]) -> Solution:
    """What an offer of the grid brings when each type does what is best for it.

    Args:
        primitives: The game.
        levels: The offer, in the order of `OFFER`.
    """
    offer = offer_of(primitives.numbers(), levels, SINGLE)
    answers = [best_reply(primitives, offer, multiple) for _, multiple in primitives.types]
    return expected(primitives, levels, answers)


def expected(primitives: Primitives, levels: Sequence[int], answers: Sequence[tuple[int, int]]) -> Solution:
    """What an offer of the grid brings under given answers.

    Args:
        primitives: The game.
        levels: The offer, in the order of `OFFER`.
        answers: For each type that occurs its answer and its effort, as levels of `ANSWER`.
    """
    offer = offer_of(primitives.numbers(), levels, SINGLE)
    efforts: list[int | None] = []
    shown: list[tuple[float, ...] | None] = []
    given, audits = [], []
    for answer, effort in answers:
        contract = offer[answer - 1] if answer else None
        if contract is None or contract.form == NONE:
            efforts.append(None)
            given.append(0.0)
            audits.append(0.0)
            shown.append(None)
        else:
            pay = _pay(contract)
            efforts.append(effort)
            given.append(float(_expected_pay(primitives, pay[None, :], contract)[0, effort]))
            audits.append(float(contract.audit))
            shown.append(tuple(map(float, pay)))
    return _told(primitives, efforts, given, audits, tuple(shown), tuple(levels))


def best_reply(primitives: Primitives, offer: Sequence[Contract], multiple: float) -> tuple[int, int]:
    """What is best for an agent with a multiple of the costs: its answer and its effort, as levels of `ANSWER`."""
    utility, profit = (np.empty((len(offer), EFFORTS)) for _ in range(2))
    for place, contract in enumerate(offer):
        pay = _expected_pay(primitives, _pay(contract)[None, :], contract)[0]
        utility[place] = pay - multiple * np.array(primitives.costs)
        profit[place] = np.array(primitives.values) - pay - primitives.audit_price * contract.audit
    offered = np.repeat([contract.form > NONE for contract in offer], EFFORTS)
    flat = np.where(offered, utility.ravel(), -np.inf)[None, :], profit.reshape(1, -1)
    _, _, choice = _best_of(primitives, *flat, np.array([bool(offered.any())]))
    return (0, 0) if choice[0] < 0 else (int(choice[0]) // EFFORTS + 1, int(choice[0]) % EFFORTS)


def _best_of(
    primitives: Primitives, utility: Floats, profit: Floats, offered: NDArray[np.bool_]
) -> tuple[Floats, Floats, Integers]:
    """The agent's best choice in each row: its payoff, the principal's, and which it is, -1 for no contract."""
    most = utility.max(axis=1)
    preferred = np.where(utility >= most[:, None] - TIE, profit, -np.inf)
    choice = preferred.argmax(axis=1)
    theirs = preferred.max(axis=1)
    lead = most - primitives.outside_agent
    works = offered & ((lead > TIE) | ((lead >= -TIE) & (theirs >= primitives.outside_principal)))
    return (
        np.where(works, most, primitives.outside_agent),
        np.where(works, theirs, primitives.outside_principal),
        np.where(works, choice, -1),
    )


def _expected_pay(primitives: Primitives, pay: Floats, contract: Contract) -> Floats:
    """Expected pay of every effort, an array (contract, effort), from pay by outcome (contract, outcome)."""
    usual = pay @ chances(primitives).T
    short = np.arange(EFFORTS) < np.asarray(contract.demand)[..., None]
    audit = np.where(short, np.asarray(contract.audit)[..., None], 0.0)
    return np.asarray((1.0 - audit) * usual + audit * primitives.floor)


def _pay(contract: Contract) -> Floats:
    return np.array([pay_of(contract, units, SINGLE) for units in range(EFFORTS)])


def _nothing(primitives: Primitives) -> Solution:
    absent: list[int | None] = [None] * len(primitives.types)
    nothing = [0.0] * len(absent)
    return _told(primitives, absent, nothing, nothing, (None,) * len(absent))


def _told(
    primitives: Primitives,
    efforts: Sequence[int | None],
    pay: Sequence[float],
    audits: Sequence[float],
    shown: tuple[tuple[float, ...] | None, ...],
    levels: tuple[int, ...] = (),
) -> Solution:
    profit, surplus, utilities = 0.0, 0.0, []
    for (weight, multiple), effort, given, audit in zip(primitives.types, efforts, pay, audits, strict=True):
        if effort is None:
            own, theirs = primitives.outside_agent, primitives.outside_principal
        else:
            own = given - multiple * primitives.costs[effort]
            theirs = primitives.values[effort] - given - primitives.audit_price * audit
        utilities.append(own)
        profit += weight * theirs
        surplus += weight * (own + theirs)
    return Solution(profit, tuple(utilities), surplus, tuple(efforts), shown, tuple(audits), levels)
