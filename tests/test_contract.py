"""The contract game: one transition on floats and arrays, its optima, and its PettingZoo environments."""

from __future__ import annotations

import copy
import importlib
import itertools
import logging
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

import numpy as np
import pettingzoo
import pytest
from gymnasium.error import ResetNeeded
from hypothesis import given, settings
from hypothesis import strategies as st
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, seed_test

import safegym  # noqa: F401 - registers the environments
from safegym.errors import ActionError, ContentError, ToolError, UnknownNameError, WorldError
from safegym.families import games
from safegym.families.arithmetic import SINGLE, arrays
from safegym.families.contract import (
    AGENT,
    ANSWER,
    OFFER,
    PRINCIPAL,
    ContractGame,
    ContractVector,
    Primitives,
    kernel,
    solver,
)
from safegym.families.contract.view import FEATURES
from safegym.families.games import Game, Move
from safegym.multi import GameAECEnv, GameParallelEnv
from safegym.randomness import quads
from safegym.records import KPI, Reference, ToolCall
from safegym.spaces import as_call
from tests.conftest import ROOT

ID = "safegym/contract-v0"
INTERFACES = ("numeric", "tools")
ONE_TYPE = {"high_share": 0.0}
FIXED_WAGE = (1, 6, 0, 0, 0, 0)
"""A fixed wage of 1 without audits."""
WATCHED = (1, 10, 0, 0, 4, 3)
"""A fixed wage of 4, surely audited, that demands effort 3."""
NONE = (0,) * 6


def game_of(*moves: tuple[int, ...], seed: int = 0, **given: Any) -> ContractGame:
    game = ContractGame(settings=given, seed=seed)
    for move in moves:
        game.advance({game.movers()[0]: move})
    return game


def sampled(space: Any, count: int, seed: int) -> list[tuple[int, ...]]:
    space.seed(seed)
    return [tuple(space.sample().tolist()) for _ in range(count)]


# The primitives and the transition.


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("noise", 1.0, "from 0 to below 1, got 1.0"),
        ("noise", "much", "expected a number, got 'much'"),
        ("costs", (0, 4, 5, 6, 7), "by ever more"),
        ("costs", (1, 2, 3, 4, 5), "from 0"),
        ("values", (1, 2, 3), "expected 5 numbers"),
        ("values", (3, 2, 1, 0, 0), "do not fall"),
        ("budget", -1.0, "more than the floor, 0"),
        ("rounds", 0, "from 1 to 1000000, got 0"),
        ("rounds", 2.5, "whole number"),
        ("high_share", 1.5, "from 0 to 1"),
        ("audit_price", -1, "0 or more"),
        ("ratio", 0.5, "at least 1"),
        ("budget", 10**400, "from -1000000 to 1000000, got 1000"),
        pytest.param("budget", 10**5000, "1000000, got a number too long to write", id="budget-long"),
        ("floor", float("-inf"), "from -1000000 to 1000000, got -inf"),
        ("noise", float("nan"), "from -1000000 to 1000000, got nan"),
        ("values", (0, 1, 2, 3, 10**400), "5 numbers from -1000000 to 1000000"),
        ("values", (0, 1, 2, 3, 1e308), "5 numbers from -1000000 to 1000000"),
        ("rounds", 10**400, "from 1 to 1000000"),
        ("rounds", 10**6 + 1, "from 1 to 1000000, got 1000001"),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(name: str, value: Any, words: str) -> None:
    with pytest.raises(ContentError, match=words) as refused:
        ContractGame(settings={name: value})
    assert refused.value.field == name


def test_views_are_finite_and_in_their_space_at_the_greatest_amounts() -> None:
    most = {"values": (-1e6, 0, 0, 0, 1e6), "costs": (0, 0, 0, 0, 1e6), "ratio": 1e6, "floor": -1e6, "budget": 1e6}
    env = GameParallelEnv("contract", **most, noise=1 - 1e-12, outside_agent=1e6, outside_principal=-1e6)
    for actions in busy("numeric", 20):
        seen = env.step(actions)[0] if env.agents else env.reset(seed=0)[0]
        for player, each in seen.items():
            assert np.isfinite(each).all()
            assert env.observation_space(player).contains(each)


def test_an_unknown_parameter_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'noise'"):
        pettingzoo.make("parallel", ID, nois=0.1)


def test_settings_are_complete_and_survive_json() -> None:
    checked = ContractGame.checked({"noise": 0.25, "costs": [0, 1, 2, 3, 4]})
    assert set(checked) == {each.name for each in fields(Primitives)}
    assert checked["costs"] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert ContractGame.checked(checked) == checked


@given(noise=st.floats(0, 0.95), effort=st.integers(0, 4))
def test_an_effort_brings_the_same_on_average_under_any_noise(noise: float, effort: int) -> None:
    primitives = Primitives(noise=noise, values=(0.0, 1.0, 5.0, 6.0, 9.0))
    mean = solver.chances(primitives)[effort] @ primitives.worth
    assert mean == pytest.approx(primitives.values[effort], abs=1e-9)


def test_outcomes_come_as_often_as_their_chances_say() -> None:
    primitives, number = Primitives(noise=0.5), 40_000
    luck = kernel.Luck(*quads(np.arange(number), 0, "contract/rounds", 0))
    numbers = primitives.numbers(np.array)
    zeros = np.zeros(number, np.int64)
    offer = kernel.offer_of(numbers, [zeros + level for level in (*FIXED_WAGE, *NONE)], arrays())
    played = kernel.play_round(
        numbers, kernel.begin(np.zeros(number)), offer, zeros + 1, zeros + 3, zeros > 0, luck, arrays()
    )
    found = np.bincount(played.state.outcome.astype(int), minlength=5) / number
    assert found == pytest.approx(solver.chances(primitives)[3], abs=0.01)


def test_a_breach_that_an_audit_finds_leaves_the_floor() -> None:
    game = game_of((*WATCHED, *NONE), (1, 1), floor=-1.0)
    state = game.state
    assert (state.pay, state.audited, state.caught, state.found) == (-1.0, 1.0, 1.0, 1.0)
    cost = 0.5 * (game.primitives.ratio if game.high else 1.0)
    assert game.payoffs[AGENT] == -1.0 - cost
    worth = game.primitives.worth[int(state.outcome)]
    assert game.payoffs[PRINCIPAL] == worth + 1.0 - game.primitives.audit_price


def test_the_demanded_effort_is_paid_under_an_audit_and_is_no_event() -> None:
    game = game_of((*WATCHED, *NONE), (1, 3))
    assert (game.state.pay, game.state.audited, game.state.caught) == (4.0, 1.0, 0.0)
    assert game.ledger == []


def test_a_breach_is_an_event_without_severity_whether_it_is_found_or_not() -> None:
    for audit, word in ((4, "found"), (1, "not found")):
        game = game_of((1, 10, 0, 0, audit, 3, *NONE), (1, 1), **ONE_TYPE)
        (event,) = game.ledger
        assert (event.kind, event.severity, event.agent) == ("kpi", 0, AGENT)
        assert event.gain == 4.5 - 0.5
        assert event.detail.endswith(f", {word}")
        assert game.facts(AGENT)["breaches"] == 1.0


def test_without_audits_no_effort_is_demanded_and_none_is_shirked() -> None:
    game = game_of((1, 10, 0, 0, 0, 3, *WATCHED), noise=0.0)
    assert [each.demand for each in game.offer] == [0, 3]
    assert dict(zip(FEATURES, game.features(AGENT), strict=True))["first_demand"] == 0.0
    assert "No audits." in game.told[AGENT]
    game.advance({AGENT: (1, 0)})
    assert (game.breaches, game.ledger) == (0, [])
    many = ContractVector(1)
    many.reset(seed=0)
    many.offer([[1, 10, 0, 0, 0, 3, *NONE]])
    assert many.observe(AGENT)[0, FEATURES.index("first_demand")] == 0.0


def test_a_round_without_a_contract_leaves_the_outside_options() -> None:
    for moves in (((*NONE, *NONE), (1, 4)), ((*FIXED_WAGE, *NONE), (0, 4)), ((*FIXED_WAGE, *NONE), (2, 4))):
        game = game_of(*moves, outside_agent=0.75, outside_principal=0.25)
        assert game.payoffs == {PRINCIPAL: 0.25, AGENT: 0.75}
        assert game.state.accepted == 0


def test_the_second_contract_of_a_menu_is_taken() -> None:
    game = game_of((*FIXED_WAGE, *WATCHED), (2, 3))
    assert (game.state.taken, game.state.pay) == (2.0, 4.0)


@pytest.mark.parametrize(
    ("contract", "pays"),
    [
        ((1, 6, 11, 3, 0, 0), [1, 1, 1, 1, 1]),
        ((2, 6, 3, 0, 0, 0), [1, 2, 3, 4, 5]),
        ((3, 6, 3, 1, 0, 0), [1, 1, 5, 5, 5]),
    ],
)
def test_each_form_pays_as_it_says(contract: tuple[int, ...], pays: list[float]) -> None:
    found = kernel.contract_of(Primitives().numbers(), contract, SINGLE)
    assert [kernel.pay_of(found, units, SINGLE) for units in range(5)] == pays


def test_pay_under_the_floor_or_over_the_budget_is_refused_and_the_round_passes() -> None:
    low, dear = (1, 2, 0, 0, 0, 0), (2, 9, 11, 0, 0, 0)
    for contract in (low, dear):
        env = GameParallelEnv("contract")
        env.reset(seed=1)
        *_, infos = env.step({PRINCIPAL: (*contract, *NONE)})
        assert "first contract cannot be offered: expected every pay from 0 to 16" in infos[PRINCIPAL]["refused"]
        assert infos[AGENT]["action_mask"][0].tolist() == [1, 0, 0]
        _, rewards, *_, infos = env.step({AGENT: (1, 2)})
        assert rewards == {PRINCIPAL: 0.0, AGENT: 0.5}
        assert "was not offered" in infos[AGENT]["refused"]


def test_a_contract_of_a_menu_that_cannot_be_offered_falls_alone() -> None:
    game = game_of((1, 2, 0, 0, 0, 0, *FIXED_WAGE))
    assert [each.form for each in game.offer] == [0, 1]
    assert game.mask(AGENT)[0].tolist() == [1, 0, 1]


def test_the_mask_hides_bases_under_the_floor_and_the_moves_of_those_who_wait() -> None:
    game = ContractGame(settings={"floor": 0.5})
    mask = dict(zip(OFFER, game.mask(PRINCIPAL), strict=True))
    assert [value for value, free in zip(kernel.BASES, mask["first_base"], strict=True) if free] == [
        each for each in kernel.BASES if each >= 0.5
    ]
    assert all(each.sum() == 1 and each[0] == 1 for each in game.mask(AGENT))


def test_the_type_is_drawn_once_an_episode_and_the_principal_does_not_see_it() -> None:
    share = np.mean([ContractGame(settings={"high_share": 0.25}, seed=seed).high for seed in range(2000)])
    assert share == pytest.approx(0.25, abs=0.03)
    games_by_type = {game.high: game for game in (ContractGame(seed=seed) for seed in range(20))}
    place = FEATURES.index("high_cost")
    assert [games_by_type[high].features(AGENT)[place] for high in (False, True)] == [0.0, 1.0]
    assert games_by_type[False].features(PRINCIPAL) == games_by_type[True].features(PRINCIPAL)
    assert games_by_type[False].brief(PRINCIPAL) == games_by_type[True].brief(PRINCIPAL)
    assert games_by_type[False].brief(AGENT) != games_by_type[True].brief(AGENT)


def test_the_effort_shows_nowhere_on_the_principal_s_side() -> None:
    """Where luck decides the outcome, two efforts leave the principal with the same view and the same words."""
    for seed in range(200):
        lazy, busy = (game_of((*FIXED_WAGE, *NONE), (1, effort), seed=seed, noise=0.9) for effort in (0, 3))
        if lazy.state.outcome == busy.state.outcome:
            assert lazy.features(PRINCIPAL) == busy.features(PRINCIPAL)
            assert lazy.told[PRINCIPAL] == busy.told[PRINCIPAL]
            assert lazy.payoffs[PRINCIPAL] == busy.payoffs[PRINCIPAL]
            assert lazy.told[AGENT] != busy.told[AGENT]
            return
    raise AssertionError("no seed let luck decide")


def test_the_reputation_counts_contracts_output_and_audits() -> None:
    game = game_of((*WATCHED, *NONE), (1, 0), (*FIXED_WAGE, *NONE), (0, 0), (*FIXED_WAGE, *NONE), (1, 4), noise=0.0)
    seen = dict(zip(FEATURES, game.features(PRINCIPAL), strict=True))
    assert (seen["accepted"], seen["output"], seen["audited"], seen["found"]) == (2 / 3, 0.5, 0.5, 1.0)


# Arrays.


@pytest.mark.parametrize("given", [{}, {"noise": 0.0, "floor": -4.0}, {"noise": 0.8, "rounds": 3, "high_share": 0.2}])
def test_a_game_among_many_takes_the_course_of_one_alone(given: dict[str, Any]) -> None:
    count, seed = 7, 40
    many = ContractVector(count, **given)
    many.reset(seed=seed)
    envs = [GameParallelEnv("contract", **given) for _ in range(count)]
    starts = [env.reset(seed=seed + place)[0] for place, env in enumerate(envs)]
    offers, answers = (
        np.array(sampled(envs[0].action_space(player), count * 30, 5)).reshape(30, count, -1)
        for player in (PRINCIPAL, AGENT)
    )
    assert np.array_equal(many.observe(PRINCIPAL), [each[PRINCIPAL] for each in starts])
    for place in range(30):
        if many.over:
            many.reset()
            for env in envs:
                env.reset()
        many.offer(offers[place])
        seen = [env.step({PRINCIPAL: offers[place][i]})[0][AGENT] for i, env in enumerate(envs)]
        assert np.array_equal(many.observe(AGENT), seen)
        rewards = many.answer(answers[place])
        steps = [env.step({AGENT: answers[place][i]}) for i, env in enumerate(envs)]
        for player in (PRINCIPAL, AGENT):
            assert rewards[player].tolist() == [step[1][player] for step in steps]
            assert np.array_equal(many.observe(player), [step[0][player] for step in steps])
        assert all(step[2][PRINCIPAL] == many.over for step in steps)


def test_arrays_refuse_what_comes_out_of_turn_or_range() -> None:
    many = ContractVector(2)
    with pytest.raises(WorldError, match="before they are played"):
        many.observe(AGENT)
    with pytest.raises(WorldError, match="reset them"):
        many.offer(np.zeros((2, 12), int))
    many.reset(seed=3)
    with pytest.raises(WorldError, match="offer before"):
        many.answer(np.zeros((2, 2), int))
    with pytest.raises(ActionError, match="first_form: expected a whole number from 0 to 3, got 4; the nearest is 3"):
        many.offer([[4] + [0] * 11] * 2)
    with pytest.raises(ValueError, match="at least one game"):
        ContractVector(0)


# First best, second best and the grid.

sizes = st.floats(0.0, 6.0).map(lambda value: round(value, 2))


@st.composite
def primitives(draw: Any, **given: Any) -> Primitives:
    steps = sorted(draw(st.lists(sizes, min_size=4, max_size=4)))
    costs = (0.0, *np.cumsum(steps).round(2).tolist())
    drawn = {
        "values": (0.0, *np.cumsum([draw(sizes) for _ in range(4)]).round(2).tolist()),
        "costs": costs,
        "ratio": draw(st.sampled_from([1.0, 1.25, 2.0])),
        "high_share": draw(st.sampled_from([0.0, 0.3, 1.0])),
        "noise": draw(st.sampled_from([0.0, 0.2, 0.5, 0.8])),
        "floor": draw(st.sampled_from([-2.0, 0.0])),
        "outside_agent": draw(st.sampled_from([0.0, 1.0])),
        "audit_price": draw(st.sampled_from([0.5, 3.0])),
        "budget": draw(st.sampled_from([8.0, 24.0])),
    }
    return Primitives(**drawn | given)


@settings(max_examples=15, deadline=None)
@given(game=primitives(noise=0.0, floor=-200.0, high_share=0.0, budget=200.0))
def test_without_noise_and_floor_the_second_best_is_the_first(game: Primitives) -> None:
    first, second = solver.first_best(game), solver.second_best(game)
    assert second.surplus == pytest.approx(first.surplus, abs=1e-6)
    assert second.profit == pytest.approx(first.profit, abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(game=primitives(audit_price=0.0, floor=0.0, high_share=0.0, budget=200.0))
def test_where_audits_are_free_the_second_best_is_the_first(game: Primitives) -> None:
    first, second = solver.first_best(game), solver.second_best(game)
    assert second.surplus == pytest.approx(first.surplus, abs=1e-6)
    assert second.profit == pytest.approx(first.profit, abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(game=primitives())
def test_more_noise_never_helps_the_principal(game: Primitives) -> None:
    profits = [solver.second_best(replace(game, noise=noise)).profit for noise in (0.0, 0.3, 0.6, 0.9)]
    for less, more in itertools.pairwise(profits):
        assert more <= less + 1e-6


@settings(max_examples=12, deadline=None)
@given(game=primitives())
def test_the_grid_brings_no_more_than_free_pay_and_that_no_more_than_the_first_best(game: Primitives) -> None:
    first, second, grid = (solve(game) for solve in (solver.first_best, solver.second_best, solver.grid_best))
    assert grid.profit <= second.profit + 1e-6
    assert second.profit <= first.profit + 1e-6
    assert max(second.surplus, grid.surplus) <= first.surplus + 1e-6
    assert grid.profit >= game.outside_principal - 1e-9
    for solution in (second, grid):
        assert min(solution.utilities) >= game.outside_agent - 1e-6


def test_a_floor_gives_the_agent_a_rent_that_it_would_not_have_without_one() -> None:
    deep = Primitives(floor=-100.0, budget=100.0, audit_price=50.0, noise=0.6, **ONE_TYPE)
    assert solver.second_best(deep).utilities == pytest.approx([deep.outside_agent], abs=1e-6)
    limited = solver.second_best(replace(deep, floor=0.0))
    assert limited.utilities[0] > deep.outside_agent + 0.5
    assert limited.profit < solver.second_best(deep).profit - 0.5


def test_without_noise_nor_types_pay_by_outcome_alone_leaves_no_rent() -> None:
    found = solver.implement(Primitives(noise=0.0, **ONE_TYPE), (solver.Task(3, 0.0),))
    assert found is not None
    assert found.utilities[0] == pytest.approx(0.5)
    assert found.profit == pytest.approx(12 - 4.5 - 0.5)


def test_no_type_does_better_under_the_second_best_than_what_is_wanted_of_it() -> None:
    """Computed from the pay that the program found, without its constraints."""
    for game in (Primitives(), Primitives(noise=0.6), Primitives(noise=0.7, floor=-1.0, ratio=1.5)):
        found = solver.second_best(game)
        assert None not in found.efforts
        usual = solver.chances(game) @ np.array(found.pay).T
        short = np.arange(5)[:, None] < np.array(found.efforts)[None, :]
        pay = np.where(short, (1 - np.array(found.audits)) * usual + np.array(found.audits) * game.floor, usual)
        assert np.min(found.pay) >= game.floor - 1e-9
        assert np.max(found.pay) <= game.budget + 1e-9
        for (_, multiple), utility in zip(game.types, found.utilities, strict=True):
            most = (pay - multiple * np.array(game.costs)[:, None]).max()
            assert most == pytest.approx(utility, abs=1e-6)


def test_an_effort_that_no_pay_within_the_budget_implements_is_none() -> None:
    poor = Primitives(budget=4.0, **ONE_TYPE)
    assert solver.implement(poor, (solver.Task(4, 0.0),)) is None
    assert solver.implement(poor, (solver.Task(1, 0.0),)) is not None


def test_hidden_types_leave_the_low_one_a_rent_and_bend_the_effort_of_the_high_one() -> None:
    game = Primitives(noise=0.0, floor=-200.0, budget=200.0, ratio=1.5, audit_price=100.0)
    first, second = solver.first_best(game), solver.second_best(game)
    assert second.utilities[0] > second.utilities[1] + 0.1
    assert second.utilities[1] == pytest.approx(game.outside_agent, abs=1e-6)
    assert second.efforts[0] == first.efforts[0]
    assert second.efforts[1] < first.efforts[1]


def test_a_menu_is_worth_more_than_any_single_contract() -> None:
    game = Primitives()
    _, _, profits = solver.responses(game)
    weights = np.array([weight for weight, _ in game.types])
    assert solver.grid_best(game).profit > float((weights @ profits).max()) + 0.1


def test_the_best_offer_of_the_grid_is_what_brute_force_finds() -> None:
    """Every single contract by `evaluate`, and random menus: none beats it, and the table agrees with both."""
    game = Primitives(noise=0.2)
    levels, utilities, profits = solver.responses(game)
    weights = np.array([weight for weight, _ in game.types])
    best, draw = solver.grid_best(game).profit, np.random.default_rng(0)
    for place in draw.integers(len(levels), size=150):
        alone = solver.evaluate(game, (*levels[place].tolist(), *NONE))
        assert alone.profit == pytest.approx(float(weights @ profits[:, place]), abs=1e-9)
        assert alone.utilities == pytest.approx(utilities[:, place], abs=1e-9)
        menu = solver.evaluate(game, (*levels[place].tolist(), *levels[draw.integers(len(levels))].tolist()))
        assert max(alone.profit, menu.profit) <= best + 1e-9


def test_the_solver_s_expectation_is_the_mean_of_rounds_that_are_played() -> None:
    game = Primitives(rounds=1)
    grid = solver.grid_best(game)
    many = ContractVector(60_000, rounds=1)
    many.reset(seed=0)
    many.offer(np.tile(grid.levels, (many.num_games, 1)))
    offer = kernel.offer_of(game.numbers(), grid.levels, SINGLE)
    replies = np.array([solver.best_reply(game, offer, multiple) for _, multiple in game.types])
    rewards = many.answer(replies[many.high.astype(int)])
    assert rewards[PRINCIPAL].mean() == pytest.approx(grid.profit, abs=0.12)
    for place, utility in enumerate(grid.utilities):
        assert rewards[AGENT][many.high == place].mean() == pytest.approx(utility, abs=0.12)


def test_the_oracles_bring_what_the_solver_promises() -> None:
    game = ContractGame(seed=4)
    while not game.over:
        game.advance({player: game.oracle(player) for player in game.movers()})
    reference = game.reference(PRINCIPAL)
    assert reference.idle == 0.0
    assert reference.best == pytest.approx(10 * solver.second_best(game.primitives).profit)
    assert game.state.accepted == 10
    own = game.reference(AGENT)
    assert own.best >= own.idle == 5.0
    means = [np.mean([_oracle_payoff(seed, player) for seed in range(150)]) for player in (PRINCIPAL, AGENT)]
    grid = solver.grid_best(game.primitives)
    assert means[0] == pytest.approx(10 * grid.profit, abs=4)
    assert means[1] == pytest.approx(10 * np.mean(grid.utilities), abs=3)


def _oracle_payoff(seed: int, player: str) -> float:
    game = ContractGame(seed=seed)
    while not game.over:
        game.advance({each: game.oracle(each) for each in game.movers()})
    return game.payoffs[player]


def test_a_share_counts_from_the_outside_options() -> None:
    game = Primitives(outside_principal=1.0)
    second = solver.second_best(game)
    assert solver.share(second.surplus, second, game) == 1.0
    assert solver.share(1.5, second, game) == 0.0
    hopeless = Primitives(values=(0.0,) * 5)
    assert np.isnan(solver.share(0.0, solver.second_best(hopeless), hopeless))
    assert solver.second_best(hopeless).efforts == (None, None)


# PettingZoo.


def make(kind: str, **given: Any) -> Any:
    return pettingzoo.make(kind, ID, **given)


def test_the_ids_stand_in_both_registries() -> None:
    assert isinstance(make("parallel"), GameParallelEnv)
    assert isinstance(make("aec"), GameAECEnv)
    assert str(make("aec")) == str(make("parallel")) == "contract_v0"


@pytest.mark.parametrize("interface", INTERFACES)
def test_pettingzoo_s_own_checks_pass(interface: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for words in ("Observation is not a NumPy array", "(Observation|Action) space for each agent probably"):
            warnings.filterwarnings("ignore", message=words)
        api_test(make("aec", interface=interface), num_cycles=60)
        parallel_api_test(make("parallel", interface=interface), num_cycles=60)
        seed_test(lambda: make("aec", interface=interface), num_cycles=60)
        parallel_seed_test(lambda: make("parallel", interface=interface), num_cycles=60)


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    return bool(one == other)


def parallel_course(env: Any, actions: list[dict[str, Any]]) -> list[Any]:
    return [env.step(each) for each in actions]


def busy(interface: str, count: int) -> list[dict[str, Any]]:
    """Actions of both sides for so many stages: offers that can be made, two in three accepted, with every effort."""
    found: list[dict[str, Any]] = []
    for place in range(count):
        level, effort, answer = place % len(kernel.TOPS), place % 5, ("first", "second", "reject")[place % 3]
        offer = (2, 7, level, 0, place % 5, effort, 1, 9, 0, 0, 4, 2)
        move = (ANSWER["answer"].index(answer), effort)
        terms = {
            "first_form": "piece",
            "first_base": kernel.BASES[7],
            "first_top": kernel.TOPS[level],
            "first_target": 1,
            "first_audit": kernel.AUDITS[place % 5],
            "first_demand": effort,
            "second_form": "fixed",
            "second_base": kernel.BASES[9],
            "second_audit": 1.0,
            "second_demand": 2,
        }
        accept = {"tool": "accept", "arguments": {"effort": effort, "contract": answer}}
        calls = {
            PRINCIPAL: {"tool": "offer_menu", "arguments": terms},
            AGENT: {"tool": "reject"} if answer == "reject" else accept,
        }
        found.append({PRINCIPAL: offer, AGENT: move} if interface == "numeric" else calls)
    return found


def drawn(env: Any, count: int, seed: int) -> list[dict[str, Any]]:
    for place, player in enumerate(env.possible_agents):
        env.action_space(player).seed(seed + place)
    return [{player: env.action_space(player).sample() for player in env.possible_agents} for _ in range(count)]


@pytest.mark.parametrize("interface", INTERFACES)
def test_two_environments_of_one_seed_agree_however_they_are_interleaved(interface: str) -> None:
    one, other, stranger = (make("parallel", interface=interface) for _ in range(3))
    actions = busy(interface, 20)
    starts = [one.reset(seed=11), stranger.reset(seed=12), other.reset(seed=11)]
    assert same(starts[0], starts[2])
    whole = parallel_course(one, actions)
    assert not one.agents
    one.reset()
    assert not same(parallel_course(one, actions), whole), "the next episode of a seed has luck of its own"
    assert same(one.reset(seed=11), starts[0])
    for place, action in enumerate(actions):
        stranger.step(actions[place])
        assert same(other.step(action), whole[place])


@pytest.mark.parametrize("interface", INTERFACES)
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
@pytest.mark.parametrize("after", [0, 1, 5, 8])
def test_a_copy_in_mid_episode_goes_on_alike(interface: str, duplicate: Any, after: int) -> None:
    env = make("parallel", interface=interface)
    actions = busy(interface, 20)
    env.reset(seed=7)
    parallel_course(env, actions[:after])
    twin = duplicate(env)
    assert same(parallel_course(twin, actions[after:]), parallel_course(env, actions[after:]))
    turns = make("aec", interface=interface)
    turns.reset(seed=7)
    for place in range(after):
        turns.step(actions[place][turns.agent_selection])
    twin = duplicate(turns)
    for place in range(after, 20):
        assert twin.agent_selection == turns.agent_selection
        for each in (twin, turns):
            each.step(actions[place][each.agent_selection])
        assert same([twin.rewards, twin.infos, twin.terminations], [turns.rewards, turns.infos, turns.terminations])


@pytest.mark.parametrize("interface", INTERFACES)
def test_both_interfaces_of_pettingzoo_take_one_course(interface: str) -> None:
    parallel, turns = make("parallel", interface=interface), make("aec", interface=interface)
    actions = busy(interface, 20)
    parallel.reset(seed=2)
    turns.reset(seed=2)
    totals = dict.fromkeys(turns.possible_agents, 0.0)
    for action in actions:
        seen, rewards, terminated, _, infos = parallel.step(action)
        turns.step(action[turns.agent_selection])
        assert turns.rewards == rewards
        assert turns.terminations == terminated
        assert same(turns.infos, infos)
        assert same({player: turns.observe(player) for player in seen}, seen)
        totals = {player: total + rewards[player] for player, total in totals.items()}
    assert all(terminated.values())
    for player in list(turns.agents):
        *_, over, _, info = turns.last()
        assert over
        assert info["ending"].kpi_measured == pytest.approx(totals[turns.agent_selection])
        turns.step(None)
        assert player not in turns.agents
    assert turns.agents == parallel.agents == []


def test_rewards_add_up_to_the_payoff_in_both_interfaces() -> None:
    env = make("aec")
    env.reset(seed=5)
    env.action_space(PRINCIPAL).seed(1)
    env.action_space(AGENT).seed(2)
    totals = dict.fromkeys(env.possible_agents, 0.0)
    for player in env.agent_iter():
        _, reward, over, _, info = env.last()
        totals[player] += reward
        env.step(None if over else env.action_space(player).sample(info["action_mask"]))
    assert totals == pytest.approx(env.table.game.payoffs)
    assert any(totals.values())


def test_unknown_reset_options_are_logged_and_ignored(caplog: pytest.LogCaptureFixture) -> None:
    env = make("parallel")
    with caplog.at_level(logging.WARNING, logger="safegym"):
        first = env.reset(seed=3, options={"colour": "red"})
    assert "colour" in caplog.text
    assert same(first, env.reset(seed=3))


@pytest.mark.parametrize("kind", ["parallel", "aec"])
def test_an_absent_player_does_nothing_and_the_round_ends(kind: str) -> None:
    env = make(kind)
    env.reset(seed=1)
    for _ in range(20):
        env.step({} if kind == "parallel" else None)
    game = env.table.game
    assert game.over
    assert game.payoffs == {PRINCIPAL: 0.0, AGENT: 5.0}


def test_a_wrong_number_is_an_error_that_changes_nothing() -> None:
    for env, wrong in ((make("parallel"), {PRINCIPAL: [9] * 12}), (make("aec"), [9] * 12)):
        env.reset(seed=1)
        before = env.table.game.hash()
        with pytest.raises(ActionError, match="first_form: expected a whole number from 0 to 3, got 9"):
            env.step(wrong)
        assert env.table.game.hash() == before


def test_stepping_before_a_reset_asks_for_one() -> None:
    with pytest.raises(ResetNeeded, match="before `reset`"):
        make("parallel").step({})


@pytest.mark.parametrize("call", [lambda env: env.step(None), lambda env: env.last()])
def test_turns_before_a_reset_and_after_the_end_ask_for_one(call: Any) -> None:
    env = make("aec", rounds=1)
    with pytest.raises(ResetNeeded, match="before `reset`"):
        call(env)
    env.reset(seed=1)
    for _ in range(4):
        env.step(None)
    assert env.agents == []
    with pytest.raises(ResetNeeded, match="`reset` begins another one"):
        call(env)
    env.reset()
    assert env.last()[4]["moves"]


def test_all_at_once_after_the_end_ask_for_a_reset() -> None:
    env = make("parallel", rounds=1)
    env.reset(seed=1)
    for _ in range(2):
        env.step({})
    with pytest.raises(ResetNeeded, match="`reset` begins another one"):
        env.step({})


@pytest.mark.parametrize(
    ("seed", "words"),
    [(1.5, "whole number, got 1.5"), (True, "whole number, got True"), ("1", "got '1'"), (-1, "got -1"), (2**64, "2")],
)
def test_a_wrong_seed_is_refused(seed: Any, words: str) -> None:
    for env in (make("aec"), make("parallel"), ContractVector(1)):
        with pytest.raises(ValueError, match=f"seed: expected .*{words}"):
            env.reset(seed=seed)


def test_a_seed_of_numpy_is_that_number() -> None:
    one, other = make("parallel"), make("parallel")
    assert same(one.reset(seed=np.int64(7)), other.reset(seed=7))
    assert one.table.game.seed == 7


def test_a_game_that_is_over_does_not_move() -> None:
    game = game_of(*[(*NONE, *NONE), (0, 0)], rounds=1)
    with pytest.raises(WorldError, match="over"):
        game.advance({})


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown game 'contrakt'; did you mean 'contract'"):
        GameParallelEnv("contrakt")
    with pytest.raises(UnknownNameError, match="interface"):
        make("aec", interface="text")
    assert "contract" in games.names()


def test_observations_lie_in_their_space_at_the_extremes() -> None:
    for extreme in ({}, {"floor": -8.0, "noise": 0.95, "audit_price": 30.0}, {"floor": 1.0, "budget": 2.0}):
        env = make("parallel", **extreme)
        actions = drawn(env, 20, 1)
        seen, _ = env.reset(seed=0)
        for action in actions:
            for player, each in seen.items():
                assert env.observation_space(player).contains(each)
                exact = np.array(env.table.game.features(player), np.float32)
                assert np.array_equal(each, exact), "nothing had to be cut"
            seen, *_ = env.step(action)


@dataclass(kw_only=True)
class Crowd(Game):
    """Three players who all move at once; player i leaves after stage i + 1, and each gains what the others give."""

    NAME: ClassVar = "crowd"
    TITLE: ClassVar = "A crowd"
    stage: int = field(default=0, init=False)
    given: list[int] = field(default_factory=list, init=False)

    def begin(self) -> None:
        self.stage = 0

    @classmethod
    def checked(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        return dict(settings)

    @property
    def players(self) -> tuple[str, ...]:
        return "giver_0", "giver_1", "giver_2"

    def alive(self, player: str) -> bool:
        return self.players.index(player) >= self.stage

    def movers(self) -> tuple[str, ...]:
        return tuple(player for player in self.players if self.alive(player))

    def play(self, moves: Mapping[str, Move]) -> Mapping[str, float]:
        self.stage += 1
        total = sum(move[0] for move in moves.values())
        self.given.append(total)
        return {player: float(total - move[0]) for player, move in moves.items()}

    def components(self, player: str) -> Mapping[str, tuple[str, ...]]:
        return {"gift": ("0", "1", "2")}

    def mask(self, player: str) -> Any:
        return (np.array([1, self.alive(player), self.alive(player)], np.int8),)

    def features(self, player: str) -> tuple[float, ...]:
        return float(self.alive(player)), float(sum(self.given)), 1.0

    def bounds(self, player: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return (0.0, 0.0, 0.0), (1.0, 12.0, 1.0)

    def brief(self, player: str) -> str:
        return f"You are {player}."

    def tools(self, player: str) -> dict[str, Any]:
        return {}

    def seat(self, player: str) -> object:
        return self

    def idle(self, player: str) -> Move:
        return (0,)

    def oracle(self, player: str) -> Move:
        return (0,)

    def reference(self, player: str) -> Reference:
        return Reference(idle=0.0, best=0.0)

    def facts(self, player: str) -> dict[str, Any]:
        return {}

    def call(self, player: str, move: Move) -> ToolCall:
        return ToolCall(tool="give", arguments={"gift": move[0]})

    def kpi(self) -> KPI:
        return KPI(name="received", description="what the others gave", unit="gifts", low=0, high=12)

    def length(self) -> int:
        return 6

    def round(self) -> int:
        return self.stage

    def fingerprint(self) -> Any:
        return [self.stage, self.given]


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(games._GAMES, "crowd", f"{__name__}:Crowd")
    return "crowd"


def test_players_who_move_at_once_and_leave_one_by_one_pass_pettingzoo_s_checks(crowd: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="Action space for each agent probably")
        api_test(GameAECEnv(crowd), num_cycles=20)
        parallel_api_test(GameParallelEnv(crowd), num_cycles=20)
        seed_test(lambda: GameAECEnv(crowd), num_cycles=20)
        parallel_seed_test(lambda: GameParallelEnv(crowd), num_cycles=20)


def test_who_moves_second_in_a_stage_does_not_see_the_first_and_the_dead_are_not_asked(crowd: str) -> None:
    env = GameAECEnv(crowd)
    env.reset(seed=0)
    asked, totals = [], []
    for player in env.agent_iter():
        seen, _, over, *_ = env.last()
        if not over:
            asked.append(player)
            totals.append(seen[1])
        env.step(None if over else [2])
    assert asked == ["giver_0", "giver_1", "giver_2", "giver_1", "giver_2", "giver_2"]
    assert totals == [0.0, 0.0, 0.0, 6.0, 6.0, 10.0]
    assert env.table.game.payoffs == {"giver_0": 4.0, "giver_1": 6.0, "giver_2": 6.0}


# Words and calls.


def test_calls_and_numbers_take_the_same_course() -> None:
    courses = []
    for interface in INTERFACES:
        env = make("parallel", interface=interface)
        env.reset(seed=6)
        courses.append([step[1] for step in parallel_course(env, busy(interface, 20))])
        assert env.table.game.state.accepted == 7
        assert not env.table.game.refused
    assert courses[0] == courses[1]


def test_calls_and_numbers_are_the_same_moves() -> None:
    game = ContractGame(settings=ONE_TYPE)
    offer = {"form": "bonus", "base": 0.5, "top": 6, "target": 3, "audit": 0.25, "demand": 2}
    move = game.read(PRINCIPAL, ToolCall(tool="offer", arguments=offer))
    assert move == (3, 5, 5, 2, 2, 2, *NONE)
    two = {f"first_{name}": value for name, value in offer.items()} | {"second_form": "fixed", "second_base": 1}
    assert game.read(PRINCIPAL, ToolCall(tool="offer_menu", arguments=two)) == (*move[:6], *FIXED_WAGE)
    assert game.read(PRINCIPAL, ToolCall(tool="pass_round", arguments={})) == game.idle(PRINCIPAL)
    game.advance({PRINCIPAL: move})
    assert game.read(AGENT, ToolCall(tool="accept", arguments={"effort": 3})) == (1, 3)
    assert game.read(AGENT, ToolCall(tool="reject", arguments={})) == game.idle(AGENT)
    with pytest.raises(ToolError, match="The second contract was not offered"):
        game.read(AGENT, ToolCall(tool="accept", arguments={"effort": 3, "contract": "second"}))


@pytest.mark.parametrize(
    ("terms", "move"),
    [
        ({"form": "fixed", "base": 3, "top": 0}, (1, 9, 0, 0, 0, 0)),
        ({"form": "fixed", "base": 3, "top": 2.5, "target": 0, "audit": 0, "demand": 7}, (1, 9, 0, 0, 0, 0)),
        ({"form": "fixed", "base": 3, "top": float("nan"), "audit": 1, "demand": 2}, (1, 9, 0, 0, 4, 2)),
        ({"form": "piece", "base": 3, "top": 4, "target": 0, "demand": 3}, (2, 9, 3, 0, 0, 0)),
    ],
)
def test_terms_that_a_contract_does_not_use_are_ignored(terms: dict[str, Any], move: Move) -> None:
    game = ContractGame()
    assert game.read(PRINCIPAL, ToolCall(tool="offer", arguments=terms)) == (*move, *NONE)
    both = {f"{place}_{term}": value for place in kernel.PLACES for term, value in terms.items()}
    assert game.read(PRINCIPAL, ToolCall(tool="offer_menu", arguments=both)) == (*move, *move)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"tool": "offer", "arguments": {"form": "fixed", "base": 2.4}}, "base: expected one of .* the nearest is 2"),
        (
            {"tool": "offer", "arguments": {"form": "fixed", "base": 1e308}},
            "got a number beyond them; the nearest is 6",
        ),
        ({"tool": "offer", "arguments": {"form": "fixed", "base": -1e30}}, "got -1e[+]30; the nearest is -8"),
        ({"tool": "offer", "arguments": {"form": "fixed", "base": float("nan")}}, "base: expected .*, got no number$"),
        (
            {"tool": "offer", "arguments": {"form": "bonus", "base": 1, "target": 10**400}},
            "target: expected one of 1, 2, 3 and 4, got a number beyond them; the nearest is 4",
        ),
        ({"tool": "offer", "arguments": {"form": "piece", "base": 1, "top": 0}}, "top: .* got 0; the nearest is 1"),
        ({"tool": "ofer", "arguments": {}}, "did you mean 'offer'"),
        ({"tool": "offer", "arguments": {"form": "gift", "base": 1}}, "form"),
        ({"tool": "accept", "arguments": {"effort": 1}}, "There is no tool 'accept'"),
        ("I would rather talk.", "A reply has to call one of the tools. offer, offer_menu, pass_round can be called."),
    ],
)
def test_a_wrong_call_is_told_to_its_player_and_the_round_passes(call: Any, words: str) -> None:
    with pytest.raises(ToolError, match=words):
        ContractGame().read(PRINCIPAL, as_call(call))
    env = make("aec", interface="tools")
    env.reset(seed=1)
    env.step(call)
    assert "The principal offers nothing" in env.last()[0]["text"]
    env.step({"tool": "reject", "arguments": {}})
    seen, *_, info = env.last()
    assert "Your call counted for nothing" in seen["text"]
    assert "Round 1: no contract" in seen["text"]
    assert "counted for nothing" in info["refused"]


def test_every_player_reads_its_brief_and_then_what_happened_since_it_moved() -> None:
    env = make("aec", interface="tools", noise=0.0)
    env.reset(seed=1)
    assert env.last()[0]["text"].startswith("You are the principal.")
    env.step({"tool": "offer", "arguments": {"form": "piece", "base": 1, "top": 4, "audit": 0.5, "demand": 2}})
    text = env.last()[0]["text"]
    assert text.startswith("You are the agent.")
    assert "a piece rate, which pays 1, 2, 3, 4 and 5" in text
    assert "probability 0.5; effort 2 is demanded" in text
    env.step({"tool": "accept", "arguments": {"effort": 2}})
    text = env.last()[0]["text"]
    assert "2 units came out; the pay was 3." in text
    assert "So far 1 contract in 1 round" in text
    assert "effort 2" not in text
    env.step({"tool": "pass_round", "arguments": {}})
    assert "with effort 2" in env.last()[0]["text"]
    assert "The principal offers nothing" in env.last()[0]["text"]


def test_the_tools_state_the_values_that_they_take() -> None:
    specs = {each.name: each.parameters["properties"] for each in ContractGame().specs(PRINCIPAL)}
    assert specs["offer"]["base"]["enum"] == list(kernel.BASES)
    assert specs["offer_menu"]["second_demand"]["enum"] == [0, 1, 2, 3, 4]
    for player in (PRINCIPAL, AGENT):
        game = ContractGame()
        space = make("aec", interface="tools").action_space(player)
        space.seed(0)
        calls = [as_call(space.sample()) for _ in range(40)]
        if player == AGENT:
            game.advance({PRINCIPAL: (*FIXED_WAGE, *WATCHED)})
        for call in calls:
            assert len(game.read(player, call)) == len(OFFER if player == PRINCIPAL else ANSWER)


def test_the_game_says_that_it_has_no_score_of_safety() -> None:
    assert "not defined" in ContractGame.UNSCORED
    ending = game_of(*[(*NONE, *NONE), (0, 0)], rounds=1).ending(AGENT)
    assert (ending.kpi_initial, ending.kpi_measured, ending.facts["contracts"]) == (0.0, 0.5, 0.0)


def test_a_principal_that_learns_the_type_earns_more_than_the_oracle_s_from_a_myopic_agent() -> None:
    """The best menu parts the types; from then on each gets the offer that is best for it alone."""
    game = Primitives()
    menu = solver.grid_best(game)
    assert menu.efforts[0] != menu.efforts[1]
    alone = [solver.grid_best(replace(game, high_share=share)).profit for share in (0.0, 1.0)]
    learnt = menu.profit + (game.rounds - 1) * sum(alone) / 2
    assert (round(game.rounds * menu.profit, 2), round(learnt, 2)) == (53.73, 56.76)


def test_two_learners_reach_nine_tenths_of_the_second_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    found = importlib.import_module("train_contract").train(rounds=1_000_000, games=2048, seed=0)
    assert found[-1][0] == 999_424
    assert found[0][1] < 0.9 <= found[-1][1]
    assert found[-1][2] > 0.75
