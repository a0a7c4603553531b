"""The contract game, written once for single numbers and for arrays of them.

A principal offers pay that depends on what comes out; an agent accepts or not and chooses an effort that nobody sees
(hidden action: Holmstrom, "Moral hazard and observability", Bell Journal of Economics 10, 1979; Grossman and Hart, "An
analysis of the principal-agent problem", Econometrica 51, 1983). Both are neutral to risk, and pay may not fall below a
floor (limited liability: Sappington, "Limited liability contracts between principal and agent", Journal of Economic
Theory 29, 1983). The agent is of one of two types, of low or of high cost, which only it knows.

Outcomes are counted in units, efforts by their level. With probability 1 - noise an effort brings as many units as its
level, otherwise each number of units is as likely. What a unit is worth spreads as the noise grows, so that an effort
brings the same on average under any noise: more noise is then less information in the sense of Blackwell and no other
change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from safegym.errors import ContentError
from safegym.families.arithmetic import Arithmetic, Flag, Number

Choice: TypeAlias = Sequence[Number] | NDArray[np.int64]
"""Levels of several terms, each a whole number or an array of them."""

EFFORTS = 5
"""How many efforts there are, and as many outcomes."""
BEST = EFFORTS - 1
"""The highest effort, and the units of the best outcome."""
NONE, FIXED, PIECE, BONUS = range(4)
FORMS = ("none", "fixed", "piece", "bonus")
BASES = (-8.0, -4.0, -2.0, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Pay of the worst outcome, in money."""
TOPS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 14.0, 16.0)
"""What the best outcome brings above that, in money."""
AUDITS = (0.0, 0.125, 0.25, 0.5, 1.0)
"""Probabilities of an audit."""
CONTRACT: dict[str, tuple[str, ...]] = {
    "form": FORMS,
    "base": tuple(f"{each:g}" for each in BASES),
    "top": tuple(f"{each:g}" for each in TOPS),
    "target": tuple(str(each) for each in range(1, EFFORTS)),
    "audit": tuple(f"{each:g}" for each in AUDITS),
    "demand": tuple(str(each) for each in range(EFFORTS)),
}
"""The terms of a contract, each with the names of its levels."""
PLACES = ("first", "second")
MOST = 1e6
"""The greatest amount of money, so that payoffs are exact to far less than what counts as a tie."""
MOST_ROUNDS = 1_000_000
OFFER = {f"{place}_{term}": names for place in PLACES for term, names in CONTRACT.items()}
"""What the principal chooses in a round: a contract, or a menu of two."""
ANSWER: dict[str, tuple[str, ...]] = {
    "answer": ("reject", *PLACES),
    "effort": tuple(str(each) for each in range(EFFORTS)),
}
"""What the agent chooses in a round."""


@dataclass(frozen=True)
class Primitives:
    """The parameters of a game; money is in one unit throughout, and no number is beyond `MOST` either way.

    Attributes:
        values: What each effort brings on average, `EFFORTS` amounts of money that do not fall.
        costs: What each effort costs an agent of the low type, `EFFORTS` amounts that grow from 0 by ever more.
        ratio: Costs of the high type, as a multiple of those.
        high_share: Probability that the agent is of the high type.
        noise: Probability, below 1, that the outcome does not depend on the effort.
        floor: Least pay that the agent can be made to accept in any outcome.
        budget: Most pay that the principal can promise in any outcome.
        outside_agent: What the agent gets in a round without a contract.
        outside_principal: What the principal gets in such a round.
        audit_price: What an audit costs the principal.
        rounds: Rounds of an episode, from 1 to `MOST_ROUNDS`.
    """

    values: tuple[float, ...] = (0.0, 4.0, 8.0, 12.0, 16.0)
    costs: tuple[float, ...] = (0.0, 0.5, 2.0, 4.5, 8.0)
    ratio: float = 1.25
    high_share: float = 0.5
    noise: float = 0.4
    floor: float = 0.0
    budget: float = 16.0
    outside_agent: float = 0.5
    outside_principal: float = 0.0
    audit_price: float = 1.0
    rounds: int = 10

    def __post_init__(self) -> None:
        for name in ("values", "costs"):
            given = getattr(self, name)
            wanted = f"expected {EFFORTS} numbers"
            _check(name, given, isinstance(given, Sequence) and len(given) == EFFORTS, wanted)
            _check(name, given, all(_is_number(each) for each in given), wanted)
            _check(name, given, all(-MOST <= each <= MOST for each in given), f"{wanted} {_RANGE}")
            object.__setattr__(self, name, tuple(float(each) for each in given))
        for name in _AMOUNTS:
            given = getattr(self, name)
            _check(name, given, _is_number(given), "expected a number")
            _check(name, given, -MOST <= given <= MOST, f"expected a number {_RANGE}")
            object.__setattr__(self, name, float(getattr(self, name)))
        steps = [after - before for before, after in pairwise(self.costs)]
        _check("values", self.values, sorted(self.values) == list(self.values), "expected amounts that do not fall")
        _check("costs", self.costs, self.costs[0] == 0 and steps[0] >= 0, "expected amounts that grow from 0")
        convex = all(after >= before - _ROUNDING for before, after in pairwise(steps))
        _check("costs", self.costs, convex, "expected amounts that grow by ever more")
        _check("ratio", self.ratio, self.ratio >= 1, "expected at least 1")
        _check("high_share", self.high_share, 0 <= self.high_share <= 1, "expected a probability from 0 to 1")
        _check("noise", self.noise, 0 <= self.noise < 1, "expected a probability from 0 to below 1")
        _check("budget", self.budget, self.budget > self.floor, f"expected more than the floor, {self.floor:g}")
        _check("audit_price", self.audit_price, self.audit_price >= 0, "expected 0 or more")
        whole = isinstance(self.rounds, Integral) and not isinstance(self.rounds, bool)
        wanted = f"expected a whole number from 1 to {MOST_ROUNDS}"
        _check("rounds", self.rounds, whole and 1 <= self.rounds <= MOST_ROUNDS, wanted)
        object.__setattr__(self, "rounds", int(self.rounds))

    @property
    def worth(self) -> tuple[float, ...]:
        """What each outcome is worth to the principal: spread around the mean so that every effort keeps its value."""
        middle = sum(self.values) / EFFORTS
        return tuple(middle + (each - middle) / (1.0 - self.noise) for each in self.values)

    @property
    def types(self) -> tuple[tuple[float, float], ...]:
        """The types that occur, each as its probability and its multiple of the costs; the low one first."""
        both = ((1.0 - self.high_share, 1.0), (self.high_share, self.ratio))
        return tuple(each for each in both if each[0] > 0)

    def numbers(self, table: Callable[[Sequence[float]], Any] = tuple) -> Numbers:
        """What the transition reads; `table` makes its tables, such as `numpy.array`."""
        single = {name: getattr(self, name) for name in Numbers._fields if name in _AMOUNTS}
        tables = {"costs": self.costs, "worth": self.worth, "bases": BASES, "tops": TOPS, "audits": AUDITS}
        return Numbers(**single, **{name: table(each) for name, each in tables.items()})


_ROUNDING = 1e-9
_RANGE = f"from -{MOST:.0f} to {MOST:.0f}"
_AMOUNTS = tuple(each.name for each in fields(Primitives) if each.type == "float")


class Numbers(NamedTuple):
    """The numbers of a game, see `Primitives`; the last five are tables by level."""

    ratio: float
    high_share: float
    noise: float
    floor: float
    budget: float
    outside_agent: float
    outside_principal: float
    audit_price: float
    costs: Any
    worth: Any
    bases: Any
    tops: Any
    audits: Any


class Contract(NamedTuple):
    """A contract.

    Attributes:
        form: `NONE`, `FIXED`, `PIECE` (pay grows with every unit) or `BONUS` (pay jumps at the target).
        base: Pay of the worst outcome.
        top: What the best outcome brings above that.
        target: Units from which a bonus is paid.
        audit: Probability that the effort is looked at.
        demand: The effort below which an audit leaves the agent nothing but the floor; 0 without audits.
    """

    form: Number
    base: Number
    top: Number
    target: Number
    audit: Number
    demand: Number


class Luck(NamedTuple):
    """The luck of a round: four numbers in [0, 1), the last of which nothing needs."""

    slip: Number
    units: Number
    audit: Number
    spare: Number


class State(NamedTuple):
    """A game between two rounds.

    Attributes:
        rounds: Rounds that have passed.
        principal: Payoff of the principal so far.
        agent: Payoff of the agent so far.
        accepted: Rounds with a contract.
        units: Units that came out so far.
        audits: Audits so far.
        found: Audits that found less effort than was demanded.
        taken: Of the last round: 0 no contract, 1 the first, 2 the second.
        outcome: Units of the last round.
        pay: Pay of the last round.
        audited: Whether its effort was looked at, 1 or 0.
        caught: Whether less than the demanded effort was found, 1 or 0.
    """

    rounds: Number
    principal: Number
    agent: Number
    accepted: Number
    units: Number
    audits: Number
    found: Number
    taken: Number
    outcome: Number
    pay: Number
    audited: Number
    caught: Number


class Round(NamedTuple):
    """What a round brought.

    Attributes:
        state: The game at its end.
        principal: Payoff of the principal.
        agent: Payoff of the agent, less its effort.
        breached: Whether a demanded effort was not made; hidden unless it was found.
    """

    state: State
    principal: Number
    agent: Number
    breached: Flag


def begin(none: Number) -> State:
    """A game before its first round; `none` is a zero for every game."""
    return State(*[none] * len(State._fields))


def is_high(numbers: Numbers, luck: Number) -> Flag:
    """Whether the agent is of the high type."""
    return luck < numbers.high_share


def contract_of(numbers: Numbers, levels: Choice, use: Arithmetic) -> Contract:
    """The contract of six levels, in the order of `CONTRACT`; one that cannot be offered has the form `NONE`.

    Such a contract pays below the floor, or more than the budget, in some outcome. Without audits nothing is demanded.
    """
    form, base, top, target, audit, demand = levels
    low = use.pick(numbers.bases, base)
    spread = use.where(form >= PIECE, use.pick(numbers.tops, top), 0.0)
    stands = (low >= numbers.floor) & (low + spread <= numbers.budget)
    return Contract(
        form=use.where(stands, form, NONE),
        base=low,
        top=spread,
        target=target + 1,
        audit=use.pick(numbers.audits, audit),
        demand=use.where(audit > 0, demand, 0),
    )


def offer_of(numbers: Numbers, levels: Choice, use: Arithmetic) -> tuple[Contract, Contract]:
    """The two contracts of an offer's levels, in the order of `OFFER`."""
    half = len(CONTRACT)
    return contract_of(numbers, levels[:half], use), contract_of(numbers, levels[half:], use)


def pay_of(contract: Contract, units: Number, use: Arithmetic) -> Number:
    """Pay for a number of units."""
    bonus = use.where(units >= contract.target, contract.top, 0.0)
    return contract.base + use.where(contract.form == BONUS, bonus, contract.top * (units * (1.0 / BEST)))


def cost_of(numbers: Numbers, effort: Number, high: Flag, use: Arithmetic) -> Number:
    """What an effort costs the agent."""
    return use.pick(numbers.costs, effort) * use.where(high, numbers.ratio, 1.0)


def play_round(
    numbers: Numbers,
    state: State,
    offer: tuple[Contract, Contract],
    answer: Number,
    effort: Number,
    high: Flag,
    luck: Luck,
    use: Arithmetic,
) -> Round:
    """One round: the transition of every interface.

    Args:
        numbers: The numbers of the game.
        state: The game before it.
        offer: The two contracts.
        answer: 0 rejects, 1 accepts the first contract, 2 the second; what was not offered cannot be accepted.
        effort: Level of the effort.
        high: Whether the agent is of the high type.
        luck: The luck of the round.
        use: How the numbers are computed.
    """
    second = answer > 1
    chosen = Contract(*(use.where(second, two, one) for one, two in zip(*offer, strict=True)))
    accepted = (answer > 0) & (chosen.form > NONE)
    units = use.where(luck.slip < numbers.noise, _evenly(luck.units, use), effort)
    looked = accepted & (luck.audit < chosen.audit)
    short = effort < chosen.demand
    audited, found = use.where(looked, 1.0, 0.0), looked & short
    pay = use.where(found, numbers.floor, pay_of(chosen, units, use))
    gained = use.pick(numbers.worth, units) - pay - numbers.audit_price * audited
    principal = use.where(accepted, gained, numbers.outside_principal)
    agent = use.where(accepted, pay - cost_of(numbers, effort, high, use), numbers.outside_agent)
    taken, caught = use.where(accepted, 1.0, 0.0), use.where(found, 1.0, 0.0)
    outcome = use.where(accepted, units * 1.0, 0.0)
    after = State(
        rounds=state.rounds + 1.0,
        principal=state.principal + principal,
        agent=state.agent + agent,
        accepted=state.accepted + taken,
        units=state.units + outcome,
        audits=state.audits + audited,
        found=state.found + caught,
        taken=use.where(second, taken * 2.0, taken),
        outcome=outcome,
        pay=use.where(accepted, pay, 0.0),
        audited=audited,
        caught=caught,
    )
    return Round(after, principal, agent, accepted & short)


def _evenly(luck: Number, use: Arithmetic) -> Number:
    units = use.where(luck >= 1.0 / EFFORTS, 1, 0)
    for place in range(2, EFFORTS):
        units = units + use.where(luck >= place / EFFORTS, 1, 0)
    return units


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _check(name: str, value: object, holds: bool, expected: str) -> None:
    if not holds:
        try:
            got = repr(value)
        except ValueError:  # Python writes no whole number of more than a few thousand digits
            got = "a number too long to write"
        raise ContentError("options", name, f"{expected}, got {got if len(got) <= 100 else got[:100] + '...'}")
