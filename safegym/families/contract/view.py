"""What a player of the contract game sees in numbers: one order for the environments and for the arrays."""

from __future__ import annotations

from safegym.families.arithmetic import Arithmetic, Flag, Number
from safegym.families.contract.kernel import (
    BEST,
    EFFORTS,
    NONE,
    PLACES,
    Contract,
    Primitives,
    State,
    pay_of,
)

SEEN = (
    "moves",
    "rounds_passed",
    "payoff",
    "accepted",
    "output",
    "audited",
    "found",
    "last_taken",
    "last_output",
    "last_pay",
    "last_audited",
    "last_caught",
    "high_cost",
)
"""Names of the numbers before those of the offer.

`moves` is 1 for whoever moves now. `rounds_passed` is a share, `payoff` the mean of a round so far. The reputation is
made of shares so far: of rounds with a contract (`accepted`), of the best outcome (`output`), of audits in rounds with
a contract (`audited`) and of findings in audits (`found`). `last_...` tell of the round before: which contract was
taken (0 none, 1 first, 2 second), share of the best outcome, pay in money, whether it was audited and whether less than
the demanded effort was found. `high_cost` is 1 for an agent of the high type; the principal always sees 0.
"""
TERMS = ("offered", *(f"pay_{units}" for units in range(EFFORTS)), "audit", "demand")
"""Names of the numbers of a contract: 1 if it is on offer, pay by outcome, chance of an audit, demanded effort."""
FEATURES = (*SEEN, *(f"{place}_{term}" for place in PLACES for term in TERMS))
"""Names of all numbers, in their order."""


def observe(
    rounds: int,
    state: State,
    offer: tuple[Contract, Contract],
    payoff: Number,
    moves: Number,
    high: Flag,
    use: Arithmetic,
) -> tuple[Number, ...]:
    """The numbers of a player, in the order of `FEATURES`.

    Args:
        rounds: Rounds of an episode.
        state: The game.
        offer: The contracts on offer.
        payoff: The player's payoff so far.
        moves: 1 if the player moves now.
        high: Whether the player is an agent of the high type.
        use: How the numbers are computed.
    """
    several = use.maximum(state.accepted, 1.0)
    numbers = [
        moves,
        state.rounds / rounds,
        payoff / use.maximum(state.rounds, 1.0),
        state.accepted / use.maximum(state.rounds, 1.0),
        state.units / BEST / several,
        state.audits / several,
        state.found / use.maximum(state.audits, 1.0),
        state.taken,
        state.outcome / BEST,
        state.pay,
        state.audited,
        state.caught,
        use.where(high, 1.0, 0.0),
    ]
    for contract in offer:
        stands = contract.form > NONE
        numbers.append(use.where(stands, 1.0, 0.0))
        numbers += [use.where(stands, pay_of(contract, units, use), 0.0) for units in range(EFFORTS)]
        numbers += [use.where(stands, contract.audit, 0.0), use.where(stands, contract.demand / BEST, 0.0)]
    return tuple(numbers)


def bounds(primitives: Primitives) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The least and the greatest value of each number, the same for both players."""
    floor, budget, worth = primitives.floor, primitives.budget, primitives.worth
    outside = primitives.outside_agent, primitives.outside_principal
    dearest = primitives.ratio * primitives.costs[-1]
    least = min(worth[0] - budget - primitives.audit_price, floor - dearest, *outside)
    most = max(worth[-1] - floor, budget, *outside)
    money = min(floor, 0.0), max(budget, 0.0)
    low = dict.fromkeys(FEATURES, 0.0) | {"payoff": least, "last_pay": money[0]}
    high = dict.fromkeys(FEATURES, 1.0) | {"payoff": most, "last_pay": money[1], "last_taken": 2.0}
    for place in PLACES:
        for units in range(EFFORTS):
            low[f"{place}_pay_{units}"], high[f"{place}_pay_{units}"] = money
    return tuple(low.values()), tuple(high.values())
