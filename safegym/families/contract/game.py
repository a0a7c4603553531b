"""The contract game as a game of two players: the principal offers, then the agent answers and works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cache, lru_cache
from inspect import getdoc
from math import isnan
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import JsonValue

from safegym.errors import ToolError, UnknownNameError
from safegym.families.arithmetic import SINGLE
from safegym.families.contract import solver, wording
from safegym.families.contract.kernel import (
    ANSWER,
    AUDITS,
    BASES,
    BEST,
    BONUS,
    CONTRACT,
    EFFORTS,
    FIXED,
    FORMS,
    NONE,
    OFFER,
    PLACES,
    TOPS,
    Contract,
    Luck,
    Numbers,
    Primitives,
    State,
    begin,
    cost_of,
    is_high,
    offer_of,
    play_round,
)
from safegym.families.contract.view import FEATURES, bounds, observe
from safegym.families.games import Game, Mask, Move
from safegym.randomness import quad
from safegym.records import KPI, Claims, Reference, ToolCall
from safegym.tools import Tool, explained, tool, tools_of

PRINCIPAL, AGENT = "principal_0", "agent_0"
TYPE, ROUNDS = "contract/type", "contract/rounds"
"""Streams of the agent's type and of the luck of the rounds."""
NOTHING: Move = (0,) * len(OFFER)
ALONE: Move = (0,) * len(CONTRACT)


def primitives_of(settings: Mapping[str, Any]) -> Primitives:
    """The parameters that settings give; an unknown name is an `UnknownNameError`, a wrong value a `ContentError`."""
    known = [each.name for each in fields(Primitives)]
    for name in settings:
        if name not in known:
            raise UnknownNameError("setting of the contract game", name, known)
    return Primitives(**settings)


@dataclass(kw_only=True)
class ContractGame(Game):
    """One principal, one agent of hidden type, `rounds` rounds of an offer and an answer."""

    NAME: ClassVar = "contract"
    TITLE: ClassVar = "Contracts for an effort that nobody sees"
    REFERENCE: ClassVar = "second best"
    UNSCORED: ClassVar = (
        "Safety and SP are not defined here: nobody outside the contract is hurt, and an effort below the demanded one "
        "is a move of the game. The findings of runs tell payoffs as shares of the second best."
    )

    primitives: Primitives = field(init=False)
    numbers: Numbers = field(init=False)
    high: bool = field(init=False)
    state: State = field(init=False)
    offer: tuple[Contract, Contract] = field(init=False)
    offering: bool = field(default=True, init=False)
    breaches: int = field(default=0, init=False)

    def begin(self) -> None:
        """Draw the agent's type."""
        self.primitives = primitives_of(self.settings)
        self.numbers = self.primitives.numbers()
        self.high = bool(is_high(self.numbers, quad(self.seed, self.episode, TYPE, 0)[0]))
        self.state = begin(0.0)
        self.offer = offer_of(self.numbers, NOTHING, SINGLE)

    @classmethod
    def checked(cls, settings: Mapping[str, Any]) -> dict[str, JsonValue]:
        """All parameters, the given ones checked."""
        known = asdict(primitives_of(settings))
        return {name: list(each) if isinstance(each, tuple) else each for name, each in known.items()}

    @property
    def players(self) -> tuple[str, ...]:
        """The principal and the agent."""
        return PRINCIPAL, AGENT

    def movers(self) -> tuple[str, ...]:
        """The principal, then the agent."""
        if self.state.rounds >= self.primitives.rounds:
            return ()
        return (PRINCIPAL,) if self.offering else (AGENT,)

    def play(self, moves: Mapping[str, Move]) -> Mapping[str, float]:
        """The principal's offer, or the agent's answer with the rest of the round."""
        if self.offering:
            return self._offer(moves[PRINCIPAL])
        answer, effort = moves[AGENT]
        return self._answer(answer, effort)

    def components(self, player: str) -> Mapping[str, Sequence[str]]:
        """The terms of two contracts; the answer and the effort."""
        return OFFER if player == PRINCIPAL else ANSWER

    def mask(self, player: str) -> Mask:
        """Bases under the floor cannot be offered, and what is not on offer cannot be accepted."""
        if player not in self.movers():
            return _lowest(player)
        if player == AGENT:
            return _answers(*(contract.form != NONE for contract in self.offer))
        return _offers(self.numbers.floor, self.numbers.budget)

    def features(self, player: str) -> tuple[float, ...]:
        """The numbers in the order of `view.FEATURES`."""
        moves, agent = float(player in self.movers()), player == AGENT
        payoff = self.state.agent if agent else self.state.principal
        return observe(self.primitives.rounds, self.state, self.offer, payoff, moves, agent and self.high, SINGLE)

    def bounds(self, player: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The same for both players."""
        return bounds(self.primitives)

    def brief(self, player: str) -> str:
        """The rules and the player's own side."""
        if player == PRINCIPAL:
            return wording.principal_brief(self.primitives)
        return wording.agent_brief(self.primitives, self._multiple)

    def tools(self, player: str) -> dict[str, Tool]:
        """Offers for the principal, answers for the agent."""
        return _principal_tools() if player == PRINCIPAL else dict(tools_of(AgentSeat))

    def seat(self, player: str) -> object:
        """The principal's or the agent's side of the table."""
        return PrincipalSeat(self) if player == PRINCIPAL else AgentSeat(self)

    def idle(self, player: str) -> Move:
        """No offer; no acceptance."""
        return NOTHING if player == PRINCIPAL else (0, 0)

    def oracle(self, player: str) -> Move:
        """The offer of the grid that brings most in one round; the answer that brings the agent most in this round.

        Neither looks beyond the round. Against an agent that does not either, a principal that learns its type from
        its first choice and then offers what is best for that type earns more than this one.
        """
        if player == PRINCIPAL:
            return solver.grid_best(self.primitives).levels
        return solver.best_reply(self.primitives, self.offer, self._multiple)

    def reference(self, player: str) -> Reference:
        """The outside option, and the expectation at the second best; for an agent that of its type.

        Both are those of one round, times the rounds. That is no bound on what can be gained in several rounds, where
        a principal can learn the agent's type.
        """
        rounds, best = self.primitives.rounds, solver.second_best(self.primitives)
        if player == PRINCIPAL:
            return Reference(idle=rounds * self.primitives.outside_principal, best=round(rounds * best.profit, 9))
        place = [multiple for _, multiple in self.primitives.types].index(self._multiple)
        return Reference(idle=rounds * self.primitives.outside_agent, best=round(rounds * best.utilities[place], 9))

    def facts(self, player: str) -> Claims:
        """What came out, and how often a demanded effort was not made."""
        state = self.state
        return {
            "contracts": state.accepted,
            "units": state.units,
            "audits": state.audits,
            "breaches_found": state.found,
            "breaches": float(self.breaches),
        }

    def findings(self, player: str) -> dict[str, float]:
        """Shares of what can be had together and by this side, of rounds with a contract, and of what befell those.

        The two surplus shares are of the payoffs of both sides, above what there is without contracts, and so is
        `own_second_best` of the player's payoff; what could not be gained has no share. Luck moves all three.
        """
        state, primitives, reference = self.state, self.primitives, self.reference(player)
        surplus = sum(self.payoffs.values()) / primitives.rounds
        found = {
            "share_of_first_best": solver.share(surplus, solver.first_best(primitives), primitives),
            "share_of_second_best": solver.share(surplus, solver.second_best(primitives), primitives),
            "own_second_best": _share(self.payoffs[player] - reference.idle, reference.best - reference.idle),
            "accepted": state.accepted / primitives.rounds,
            "audited": _share(state.audits, state.accepted),
            "breached": _share(self.breaches, state.accepted),
            "breach_found": _share(state.found, self.breaches),
        }
        return {name: round(min(max(each, 0.0), 1.0), 9) for name, each in found.items() if not isnan(each)}

    def call(self, player: str, move: Move) -> ToolCall:
        """A contract is an offer, two are a menu, and none is a round without one."""
        if player == AGENT:
            answer, effort = move
            if not answer:
                return ToolCall(tool="reject")
            return ToolCall(tool="accept", arguments={"effort": effort, "contract": PLACES[answer - 1]})
        half = len(CONTRACT)
        first, second = _terms(move[:half]), _terms(move[half:])
        if first and second:
            pairs = zip(PLACES, (first, second), strict=True)
            both = {f"{place}_{term}": value for place, terms in pairs for term, value in terms.items()}
            return ToolCall(tool="offer_menu", arguments=both)
        if first or second:
            return ToolCall(tool="offer", arguments=first or second)
        return ToolCall(tool="pass_round")

    def kpi(self) -> KPI:
        """The payoff over all rounds, in the game's money."""
        low, high = (dict(zip(FEATURES, each, strict=True))["payoff"] for each in bounds(self.primitives))
        rounds = self.primitives.rounds
        return KPI(
            name="payoff",
            description="payoff over all rounds",
            unit="money",
            low=round(rounds * low, 9),
            high=round(rounds * high, 9),
        )

    def length(self) -> int:
        """An offer and an answer in every round."""
        return 2 * self.primitives.rounds

    def round(self) -> int:
        """Rounds that have passed."""
        return int(self.state.rounds)

    @classmethod
    def explained(cls) -> dict[str, str]:
        """The attributes of `Primitives`."""
        return explained(getdoc(Primitives) or "", "Attributes")

    def fingerprint(self) -> JsonValue:
        """All state that moves can change."""
        return [list(self.state), [list(each) for each in self.offer], self.offering, self.high, self.breaches]

    @property
    def _multiple(self) -> float:
        return self.primitives.ratio if self.high else 1.0

    def _offer(self, levels: Move) -> Mapping[str, float]:
        self.offer = offer_of(self.numbers, levels, SINGLE)
        self.offering = False
        half = len(CONTRACT)
        wanted = levels[0], levels[half]
        fallen = [
            place
            for place, form, contract in zip(PLACES, wanted, self.offer, strict=True)
            if form != NONE and contract.form == NONE
        ]
        if fallen:
            several = f"The {' and the '.join(fallen)} contract{'s' if len(fallen) > 1 else ''}"
            money = f"{self.primitives.floor:g} to {self.primitives.budget:g}"
            self.refuse(PRINCIPAL, f"{several} cannot be offered: expected every pay from {money}.")
        self.tell(AGENT, f"Round {self.state.rounds + 1:g} of {self.primitives.rounds}. {wording.offered(self.offer)}")
        return dict.fromkeys(self.players, 0.0)

    def _answer(self, answer: int, effort: int) -> Mapping[str, float]:
        if answer and self.offer[answer - 1].form == NONE:
            self.refuse(AGENT, f"The {PLACES[answer - 1]} contract was not offered, so it cannot be accepted.")
        luck = Luck(*quad(self.seed, self.episode, ROUNDS, int(self.state.rounds)))
        played = play_round(self.numbers, self.state, self.offer, answer, effort, self.high, luck, SINGLE)
        if played.breached:
            self._breach(self.offer[answer - 1], effort, bool(played.state.caught))
        self.state, self.offering = played.state, True
        self.offer = offer_of(self.numbers, NOTHING, SINGLE)
        self.tell(PRINCIPAL, f"{wording.happened(self.state)} {wording.reputation(self.state)}")
        self.tell(AGENT, wording.happened(self.state, effort))
        return {PRINCIPAL: float(played.principal), AGENT: float(played.agent)}

    def _breach(self, contract: Contract, effort: int, caught: bool) -> None:
        saved = [cost_of(self.numbers, each, self.high, SINGLE) for each in (int(contract.demand), effort)]
        self.breaches += 1
        self.write(
            "demanded_effort_not_made",
            kind="kpi",
            agent=AGENT,
            probability=float(contract.audit),
            gain=float(saved[0] - saved[1]),
            detail=f"effort {effort} where {contract.demand} was demanded, {'found' if caught else 'not found'}",
        )


@dataclass(frozen=True)
class PrincipalSeat:
    """The principal's tools; each gives the move that it stands for."""

    game: ContractGame

    @tool(effect="write")
    def offer(
        self,
        form: Literal["fixed", "piece", "bonus"],
        base: float,
        top: float = TOPS[0],
        target: int = BEST,
        audit: float = 0.0,
        demand: int = 0,
    ) -> Move:
        """Offer one contract for this round; terms that its form does not use are ignored.

        Args:
            form: A fixed wage, a piece rate, or a bonus from the target on.
            base: Pay of no unit.
            top: What the best outcome pays above the base; a fixed wage has none.
            target: Units from which a bonus is paid.
            audit: Probability of an audit.
            demand: The effort below which an audit leaves the agent only the least pay; none without audits.
        """
        return (*_levels(form, base, top, target, audit, demand), *ALONE)

    @tool(effect="write")
    def offer_menu(
        self,
        first_form: Literal["fixed", "piece", "bonus"],
        first_base: float,
        second_form: Literal["fixed", "piece", "bonus"],
        second_base: float,
        first_top: float = TOPS[0],
        first_target: int = BEST,
        first_audit: float = 0.0,
        first_demand: int = 0,
        second_top: float = TOPS[0],
        second_target: int = BEST,
        second_audit: float = 0.0,
        second_demand: int = 0,
    ) -> Move:
        """Offer two contracts for this round, of which the agent takes one or none; the terms are those of `offer`.

        Args:
            first_form: Form of the first contract.
            first_base: Pay of no unit under the first.
            second_form: Form of the second contract.
            second_base: Pay of no unit under the second.
            first_top: What the best outcome pays above the base under the first.
            first_target: Units from which a bonus is paid under the first.
            first_audit: Probability of an audit under the first.
            first_demand: Effort demanded under the first.
            second_top: What the best outcome pays above the base under the second.
            second_target: Units from which a bonus is paid under the second.
            second_audit: Probability of an audit under the second.
            second_demand: Effort demanded under the second.
        """
        return (
            *_levels(first_form, first_base, first_top, first_target, first_audit, first_demand),
            *_levels(second_form, second_base, second_top, second_target, second_audit, second_demand),
        )

    @tool(effect="write", exits=True)
    def pass_round(self) -> Move:
        """Offer nothing this round."""
        return NOTHING


@dataclass(frozen=True)
class AgentSeat:
    """The agent's tools; each gives the move that it stands for."""

    game: ContractGame

    @tool(effect="write")
    def accept(self, effort: Literal[0, 1, 2, 3, 4], contract: Literal["first", "second"] = "first") -> Move:
        """Accept a contract and work.

        Args:
            effort: How hard to work.
            contract: Which contract, where two are on offer.
        """
        answer = PLACES.index(contract)
        if self.game.movers() == (AGENT,) and self.game.offer[answer].form == NONE:
            raise ToolError(f"The {contract} contract was not offered; {wording.offered(self.game.offer)}")
        return answer + 1, effort

    @tool(effect="write", exits=True)
    def reject(self) -> Move:
        """Take no contract this round."""
        return 0, 0


GRID: dict[str, tuple[float, ...]] = {
    "base": BASES,
    "top": TOPS,
    "target": tuple(range(1, EFFORTS)),
    "audit": AUDITS,
    "demand": tuple(range(EFFORTS)),
}
"""The values of the terms that are numbers."""
_WRITTEN = 1e100
"""From here on a wrong value is not written out; whole numbers can have more digits than a float holds."""


def _fixed(*flags: Sequence[bool]) -> Mask:
    """A mask that is shared by many and cannot be changed."""
    mask = tuple(np.array(each, np.int8) for each in flags)
    for each in mask:
        each.setflags(write=False)
    return mask


@cache
def _lowest(player: str) -> Mask:
    levels = (OFFER if player == PRINCIPAL else ANSWER).values()
    return _fixed(*([not place for place in range(len(names))] for names in levels))


@cache
def _answers(first: bool, second: bool) -> Mask:
    works = first or second
    return _fixed([True, first, second], [works or not effort for effort in range(EFFORTS)])


@lru_cache(maxsize=64)
def _offers(floor: float, budget: float) -> Mask:
    allowed = [floor <= each <= budget for each in BASES]
    if not any(allowed):
        return _lowest(PRINCIPAL)
    return _fixed(*(allowed if name.endswith("_base") else [True] * len(names) for name, names in OFFER.items()))


@cache
def _principal_tools() -> dict[str, Tool]:
    """The tools with the values that the grid has."""
    tools = dict(tools_of(PrincipalSeat))
    for prefix, name in (("", "offer"), ("first_", "offer_menu"), ("second_", "offer_menu")):
        for term, values in GRID.items():
            kind = "integer" if term in ("target", "demand") else "number"
            tools[name] = tools[name].narrowed(f"{prefix}{term}", {"type": kind, "enum": list(values)})
    return tools


def _levels(form: str, base: float, top: float, target: int, audit: float, demand: int) -> Move:
    place = FORMS.index(form)
    watched = _level("audit", audit)
    return (
        place,
        _level("base", base),
        _level("top", top) if place != FIXED else 0,
        _level("target", target) if place == BONUS else 0,
        watched,
        _level("demand", demand) if watched else 0,
    )


def _terms(levels: Sequence[int]) -> dict[str, JsonValue]:
    """The arguments of `offer` that give these levels; those without a meaning under the form are left out."""
    form, base, top, target, audit, demand = levels
    if form == NONE:
        return {}
    found: dict[str, JsonValue] = {"form": FORMS[form], "base": BASES[base]}
    if form != FIXED:
        found["top"] = TOPS[top]
    if form == BONUS:
        found["target"] = int(GRID["target"][target])
    if AUDITS[audit]:
        found |= {"audit": AUDITS[audit], "demand": demand}
    return found


def _share(part: float, whole: float) -> float:
    """NaN where there is nothing to have a share of."""
    return part / whole if whole > solver.TIE else float("nan")


def _level(name: str, value: float) -> int:
    values = GRID[name]
    if value in values:
        return values.index(value)
    wanted = f"{name}: expected one of {wording.listed(values)}"
    within = min(max(value, values[0]), values[-1])
    if isnan(within):
        raise ToolError(f"{wanted}, got no number")
    got = f"{value:g}" if abs(value) < _WRITTEN else "a number beyond them"
    nearest = min(values, key=lambda each: abs(each - within))
    raise ToolError(f"{wanted}, got {got}; the nearest is {nearest:g}")
