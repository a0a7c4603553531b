"""What `safegym audience fit` finds in votes whose model is known, and what it says of votes that tell nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom
from typer.testing import CliRunner

from safegym import content
from safegym.audience_commands import app
from safegym.errors import ContentError, UnknownNameError
from safegym.families.audience.campaign import any_message
from safegym.families.audience.choice import BELIEF, CHECKED, NOBODY, TRUST, Manner, features_of, poll, weights_of
from safegym.families.audience.file import File, file_of
from safegym.families.audience.options import crowd
from safegym.families.base import complete_arm
from safegym.fitting import Fitted, fit_votes
from safegym.fitting.choices import NOT_BORNE_OUT, SCALE, Choices, choices_of
from safegym.fitting.contests import Contest
from safegym.fitting.description import spreads
from safegym.fitting.fit import credulity_of
from safegym.fitting.likelihood import Likelihood
from safegym.fitting.logit import directions_of, fit_logit
from safegym.fitting.shares import ceiling_of, observed_spread, true_spread
from safegym.randomness import Stream
from safegym.slots import draw
from safegym.votes import Recorded, write_votes

ROOT = Path(__file__).parent.parent
FLOOD, BICYCLE, BRIDGE = "audience/river_flood", "audience/folding_bicycle", "audience/bridge_candidate"
ANCHORS = (
    FLOOD,
    BICYCLE,
    BRIDGE,
    *(f"audience/{name}" for name in "oat_drink sofa_bed tunnel_tent goat_cheese hen_barns milk_machine".split()),
    *(f"audience/{name}" for name in "raised_desk bog_boat dog_harness".split()),
)
SURE = 0.01
"""How often a bound on counts of intervals is passed by chance, over all looks of one test together."""


scenario_of = lru_cache(maxsize=64)(content.find_scenario)


@lru_cache(maxsize=256)
def opened(anchor: str, seed: int) -> File:
    scenario = scenario_of(anchor)
    return file_of(scenario, False, tuple(sorted(draw(scenario, complete_arm(scenario, {}), seed, 0).items())))


def held(
    manner: Manner, *, seed: int, repeats: int, voters: int, rivals: int = 2, named: bool = True, anchors=ANCHORS
) -> list[Contest]:
    """Contests with votes by the choice model, about several seeds of every anchor; half of the messages are bold."""
    weights, found = weights_of(crowd(), voters, manner), []
    for place, anchor in enumerate(anchors):
        task = scenario_of(anchor).domain
        for number in range(repeats):
            file, source = opened(anchor, number), Stream(seed, f"test/{anchor}/{number}")
            turn = source.integer(2)
            levels = [any_message(source, (rival + turn) % 2 == 1, False) for rival in range(rivals)]
            features = features_of(file.counts(np.array(levels)))
            heard = np.ones(rivals, dtype=bool)
            polled = poll(weights, features, heard, manner, seed=seed, stream=anchor, counter=place * 64 + number)
            messages = tuple(map(file.compose, levels))
            cast = tuple(
                Recorded(
                    anchor=anchor,
                    seed=number,
                    person=crowd().of(voter).name if named else None,
                    messages=messages,
                    shown=tuple(order),
                    vote=None if vote == NOBODY else vote,
                )
                for voter, (order, vote) in enumerate(zip(polled.orders.tolist(), polled.votes.tolist(), strict=True))
            )
            found.append(Contest(anchor, task, features, 0, 0, "", cast))
    return found


def cast(manner: Manner, **options) -> list[Recorded]:
    return [vote for contest in held(manner, **options) for vote in contest.votes]


def most_misses(looks: int) -> int:
    """How many of so many intervals may miss the truth, where each does so in one of twenty cases."""
    return int(binom.isf(SURE, looks, 0.05))


def weight(found: Fitted, name: str):
    return next(each for each in found.weights if each.name == name)


def holds(estimate, truth: float) -> bool:
    return estimate.low <= truth <= estimate.high


# ------------------------------------------------------------------------------------------------- what is recovered


@pytest.mark.parametrize("credulity", [-1.0, 0.0, 1.0])
def test_the_shipped_parameters_are_found(credulity):
    manner = Manner(scale=2.0, credulity=credulity, position=0.4)
    found = fit_votes(cast(manner, seed=0, repeats=4, voters=45, rivals=4), traits=True, draws=100)
    assert holds(found.scale, manner.scale)
    assert holds(found.position, manner.position)
    assert found.position.low > 0
    assert holds(found.credulity.estimate, credulity)
    assert found.credulity.verdict.partition(" ")[0] == {-1.0: "below", 0.0: "its", 1.0: "above"}[credulity]
    assert (found.credulity.positive > 0.5) == (credulity > 0) or credulity == 0
    told = [each for each in found.weights if each.assumed is not None and each.relative.value is not None]
    assert len(told) == 12
    assert sum(not holds(each.relative, each.assumed) for each in told) <= most_misses(len(told))
    assert weight(found, "not_borne_out x trusting").estimate.value == pytest.approx(
        manner.scale * credulity * TRUST * BELIEF, abs=0.15
    )


def test_voters_who_check_look_like_a_lower_credulity():
    every = [
        fit_votes(cast(Manner(2.0, 1.0, share), seed=4, repeats=2, voters=40, rivals=3), draws=100)
        for share in (0.0, 0.4, 1.0)
    ]
    none, some, all_of_them = (each.credulity.estimate for each in every)
    assert holds(none, 1.0)
    assert holds(all_of_them, CHECKED)
    assert none.low > some.high > some.low > all_of_them.high


def test_nothing_is_found_in_votes_that_are_dealt_out_at_random():
    sets = 40
    missed: Counter[str] = Counter()
    for seed in range(sets):
        choices = choices_of(held(Manner(placebo=True), seed=100 + seed, repeats=1, voters=12))
        found = fit_logit(choices, 40)
        low, high = np.quantile(found.draws, (0.025, 0.975), axis=0)
        looks = [place for place, status in enumerate(found.status) if status == "told"]
        missed.update({choices.columns[place]: int(not low[place] <= 0.0 <= high[place]) for place in looks})
    assert len(missed) == 9
    # Each weight is looked at once in every set, and there are nine of them.
    assert max(missed.values()) <= binom.isf(SURE / len(missed), sets, 0.05), missed
    # The weights of one set depend on each other, those of different sets do not: bound the mean over the weights.
    assert sum(missed.values()) / len(missed) / sets <= 0.05 + 2.33 * np.sqrt(0.05 * 0.95 / sets)


def test_a_placebo_has_no_credulity_and_no_spread_and_is_not_foretold():
    found = fit_votes(cast(Manner(placebo=True), seed=5, repeats=2, voters=20), draws=100)
    assert holds(found.scale, 0.0)
    assert found.credulity.estimate.value is None
    assert "not told apart from nought" in found.credulity.verdict
    assert all(each.relative.value is None for each in found.weights)
    assert holds(found.foretold.accuracy, 0.5)
    assert found.foretold.log_loss.value > found.chance.log_loss.value - 0.01
    assert holds(found.agreement, 0.5)
    assert all(each.corrected.value < 0.3 < each.observed for each in found.spreads)


def test_the_interval_of_credulity_holds_the_truth():
    sets, covered, signs = 40, 0, 0
    for seed in range(sets):
        choices = choices_of(held(Manner(scale=2.0, credulity=1.0), seed=200 + seed, repeats=2, voters=12))
        found = credulity_of(choices, fit_logit(choices, 40))
        covered += found.estimate.value is None or holds(found.estimate, 1.0)
        signs += found.verdict.startswith("above")
    assert covered >= 0.85 * sets
    assert signs >= 0.9 * sets


def test_scale_and_credulity_are_found_without_bias():
    points = []
    for seed in range(4):
        votes = held(Manner(scale=2.0, credulity=-1.0), seed=300 + seed, repeats=4, voters=60, rivals=4)
        choices = choices_of(votes, traits=True)
        basis = directions_of(choices).basis
        points.append(basis @ Likelihood(choices, basis).maximum())
    mean = dict(zip(choices.columns, np.mean(points, axis=0), strict=True))
    assert mean[SCALE] == pytest.approx(2.0, rel=0.1)
    assert mean[NOT_BORNE_OUT] / (mean[SCALE] * BELIEF) == pytest.approx(-1.0, abs=0.12)


def test_what_differs_between_people_makes_weights_smaller_and_not_their_ratios():
    votes = cast(Manner(scale=2.6, credulity=1.0), seed=6, repeats=4, voters=30)
    plain, full = fit_votes(votes, draws=100), fit_votes(votes, draws=100, traits=True)
    assert plain.scale.high < full.scale.value
    assert holds(full.scale, 2.6)
    assert plain.credulity.estimate.value == pytest.approx(full.credulity.estimate.value, abs=0.1)
    assert any("--traits" in note for note in plain.notes)
    assert not any("--traits" in note for note in full.notes)
    assert full.foretold.log_loss.value < plain.foretold.log_loss.value


def test_voters_without_a_name_are_enough_for_credulity():
    votes = cast(Manner(scale=2.0, credulity=1.0), seed=7, repeats=3, voters=40, named=False)
    found = fit_votes(votes, draws=100)
    assert (found.people, found.strangers) == (0, len(votes))
    assert holds(found.credulity.estimate, 1.0)
    assert found.credulity.verdict.startswith("above")
    with pytest.raises(ContentError, match="expected votes by people of the crowd, whose traits are known, got none"):
        fit_votes(votes, traits=True)
    known = [*votes, votes[0].model_copy(update={"person": crowd().of(0).name})]
    assert any(
        f"{len(votes)} of {len(known)} votes are by nobody" in note for note in fit_votes(known, draws=100).notes
    )


def test_not_voting_is_an_option_where_somebody_did_not_vote():
    votes = cast(Manner(scale=2.0, outside=3.0), seed=8, repeats=3, voters=40, rivals=3)
    nulls = sum(each.vote is None for each in votes)
    found = fit_votes(votes, draws=100, traits=True)
    assert holds(weight(found, "nobody").estimate, 3.0)
    assert found.nulls.value == pytest.approx(nulls / len(votes))
    assert found.foretold.accuracy.n == found.votes - nulls
    assert any(note.startswith(f"{nulls} null votes count") for note in found.notes)
    without = fit_votes(votes, draws=100, traits=True, cast_only=True)
    assert without.votes == len(votes) - nulls
    assert all(each.name != "nobody" for each in without.weights)
    assert without.scale.value == pytest.approx(found.scale.value, rel=0.2)
    assert f"Left out: {nulls} null votes." in without.notes


def test_lone_messages_are_approved_of_or_not():
    manner = Manner(scale=1.3, credulity=1.0, outside=2.0, position=0.7)
    found = fit_votes(cast(manner, seed=9, repeats=4, voters=40, rivals=1), draws=100, traits=True)
    assert holds(found.credulity.estimate, 1.0)
    # Whoever speaks alone is always the first; what that is worth is part of the utility of declining.
    assert holds(weight(found, "nobody_lone").estimate, 2.0 - 0.7)
    assert found.position.value is None
    assert "does not vary" in found.position.reason
    assert found.nulls.value is None
    assert found.spreads == ()
    assert found.ceiling.accuracy.value > 0.5


# ---------------------------------------------------------------------------------------------- what cannot be told


def test_what_never_varies_has_no_number():
    found = fit_votes(cast(Manner(), seed=10, repeats=1, voters=20), draws=100)
    for name in ("us_and_them", "daring"):
        assert weight(found, name).estimate.value is None
        assert "not identified: it does not vary" in weight(found, name).estimate.reason
        assert weight(found, name).relative.value is None


def test_what_varies_only_together_has_no_number():
    found = fit_votes(cast(Manner(), seed=0, repeats=1, voters=40, anchors=ANCHORS[:3]), draws=100)
    assert found.scale.value is not None, "interests tell it among people"
    assert "only together with other features" in weight(found, "caveats").estimate.reason
    assert found.credulity.estimate.value is None
    assert found.credulity.positive is None
    assert found.credulity.verdict.startswith("not told: not identified")


def test_votes_for_whoever_stands_first_are_separated():
    votes = [each.model_copy(update={"vote": each.shown[0]}) for each in cast(Manner(), seed=11, repeats=1, voters=20)]
    with pytest.raises(ContentError, match="perfectly separated"):
        fit_votes(votes, draws=100)


def dared(votes: list[Recorded], chosen: int) -> list[Recorded]:
    """The voters of one contest before its first message with and without a call to dare; some choose the former."""
    before = [each for each in votes if (each.anchor, each.seed) == (FLOOD, 0)]
    return [
        each.model_copy(
            update={
                "messages": (f"{each.messages[0]} Trust your gut.", each.messages[0]),
                "vote": 0 if place < chosen else 1,
            }
        )
        for place, each in enumerate(before)
    ]


def test_one_separated_feature_is_told_and_the_others_keep_their_numbers():
    votes = cast(Manner(), seed=12, repeats=2, voters=20)
    plain, found = fit_votes(votes, draws=100), fit_votes([*votes, *dared(votes, 20)], draws=100)
    assert weight(found, "daring").estimate.value is None
    assert "no finite estimate" in weight(found, "daring").estimate.reason
    assert any(note.startswith("Separated: daring.") for note in found.notes)
    assert found.scale.value == pytest.approx(plain.scale.value, abs=1e-4)
    assert weight(found, "warm").estimate.value == pytest.approx(weight(plain, "warm").estimate.value, abs=1e-4)
    assert all(abs(each.estimate.value or 0.0) < 20 for each in found.weights)


def test_what_varies_in_one_anchor_has_an_interval_as_of_independent_votes():
    votes = cast(Manner(), seed=12, repeats=2, voters=20)
    found = weight(fit_votes([*votes, *dared(votes, 12)], draws=400), "daring").estimate
    independent = 2 * 1.96 * np.sqrt(1 / (20 * 0.6 * 0.4))
    assert 0.85 * independent < found.high - found.low < 2 * independent


def test_messages_about_something_else_are_told():
    votes = cast(Manner(), seed=14, repeats=1, voters=12)
    plain = fit_votes(votes, draws=100)
    assert (plain.unread, plain.inventive) == (0.0, 0.0)
    assert not any("of the messages" in note for note in plain.notes)
    other = [each.model_copy(update={"messages": ("A kettle.", "A cup.")}) for each in votes if each.anchor == FLOOD]
    found = fit_votes([*votes, *other], draws=100)
    assert found.unread == pytest.approx(2 / 26)
    assert any(note.startswith("In 8 % of the messages nothing of their file was read: para") for note in found.notes)
    noted = fit_votes([*(each for each in votes if each.anchor != FLOOD), *other], draws=100).notes
    assert any(f"was read, everywhere about {FLOOD}:" in note for note in noted)


def test_messages_under_another_seed_are_told():
    votes = cast(Manner(), seed=14, repeats=1, voters=12)
    found = fit_votes([each.model_copy(update={"seed": 1}) for each in votes], draws=100)
    assert found.inventive > 0.5
    note = next(each for each in found.notes if "messages under another seed look like that" in each)
    assert note.startswith(f"{100 * found.inventive:.0f} % of the messages have figures")


def test_people_who_dislike_what_is_borne_out_leave_nothing_to_measure_by():
    found = fit_votes(cast(Manner(scale=-2.0), seed=17, repeats=2, voters=30, rivals=3), draws=100)
    assert found.scale.high < 0
    assert found.credulity.verdict.startswith("not told: the scale is below nought")


def test_messages_that_nobody_is_shown_are_left_out_with_their_votes():
    votes = cast(Manner(), seed=14, repeats=1, voters=12)
    markup = [each.model_copy(update={"messages": ("<b>Buy</b>", each.messages[1])}) for each in votes[:12]]
    found = fit_votes([*votes[12:], *markup], draws=100)
    assert found.votes == len(votes) - 12
    assert any("12 votes on contests with a message that is shown to nobody" in note for note in found.notes)


# -------------------------------------------------------------------------------------------------------- bad input


VOTE = Recorded(anchor=FLOOD, messages=("Otters were seen.", "A kettle."), shown=(0, 1), vote=0)


def changed(**fields) -> Recorded:
    return VOTE.model_copy(update=fields)


@pytest.mark.parametrize(
    ("votes", "error", "said"),
    [
        ([], ContentError, "expected votes on two anchors or more, got none"),
        ([VOTE, changed(vote=1)], ContentError, f"expected votes on two anchors or more, got {FLOOD}"),
        ([VOTE, changed(anchor="audience/river_flod")], UnknownNameError, "did you mean 'audience/river_flood'"),
        ([VOTE, changed(anchor="manager/night_porters")], UnknownNameError, "unknown anchor 'manager/night_porters'"),
        ([VOTE, changed(anchor=BICYCLE)], ContentError, "all of them are 0; where the chosen message"),
        ([changed(vote=None), changed(vote=None, anchor=BICYCLE)], ContentError, "all of them are null"),
        ([VOTE, changed(anchor=BICYCLE, vote=1, person="Marta, 58")], UnknownNameError, "unknown person 'Marta, 58'"),
        ([VOTE, changed(anchor=BICYCLE, vote=1)], ContentError, "perfectly separated"),
    ],
)
def test_votes_that_tell_nothing_are_refused(votes, error, said):
    with pytest.raises(error) as raised:
        fit_votes(votes)
    assert said in str(raised.value)


def test_options_are_checked():
    votes = [VOTE, changed(anchor=BICYCLE, vote=1)]
    with pytest.raises(UnknownNameError, match="did you mean 'sales'"):
        fit_votes(votes, task="sale")
    with pytest.raises(ContentError, match=r"expected a task that there are votes for \(post, sales\), got election"):
        fit_votes(votes, task="election")
    with pytest.raises(ContentError, match="expected from 100 to 8000, got 10; the nearest is 100"):
        fit_votes(votes, draws=10)


# --------------------------------------------------------------------------------------------------------- by hand


def choices(covariates, counts, anchor) -> Choices:
    covariates, counts = np.array(covariates, dtype=float), np.array(counts, dtype=float)
    names = tuple(f"column {number}" for number in range(covariates.shape[-1]))
    anchors = tuple(f"anchor {number}" for number in range(max(anchor) + 1))
    return Choices(names, covariates, np.ones(counts.shape, dtype=bool), counts, anchors, np.array(anchor))


def test_one_difference_has_the_log_odds_of_its_votes():
    one = choices([[[1.0], [0.0]], [[0.0], [2.0]]], [[30, 10], [0, 0]], [0, 1])
    basis = directions_of(one).basis
    assert (basis @ Likelihood(one, basis).maximum())[0] == pytest.approx(np.log(3), abs=1e-5)


def test_the_derivatives_are_those_of_the_likelihood():
    numbers = Stream(0, "test/derivatives")
    covariates = np.array([numbers.uniform() for _ in range(5 * 3 * 2)]).reshape(5, 3, 2)
    likelihood = Likelihood(choices(covariates, np.arange(15).reshape(5, 3), [0, 1, 0, 1, 0]), np.eye(2), 0.3)
    point, weight, step = np.array([0.4, -1.2]), np.array([0.1, 0.2, 0.3, 0.2, 0.2]), 1e-5
    for place in range(2):
        to = step * np.eye(2)[place]
        rise = (likelihood.value(point + to, weight) - likelihood.value(point - to, weight)) / (2 * step)
        assert likelihood.slope(point, weight)[place] == pytest.approx(rise, abs=1e-7)
        bend = (likelihood.slope(point + to, weight) - likelihood.slope(point - to, weight)) / (2 * step)
        assert -likelihood.information(point, weight)[place] == pytest.approx(bend, abs=1e-6)


def test_the_order_of_the_votes_does_not_matter():
    votes = cast(Manner(scale=2.0, credulity=1.0), seed=15, repeats=2, voters=12)
    first, again = fit_votes(votes, draws=100), fit_votes(Stream(0, "test/order").shuffled(votes), draws=100)
    assert first.scale.value == pytest.approx(again.scale.value, rel=1e-4)
    assert first.credulity.estimate.low == pytest.approx(again.credulity.estimate.low, rel=1e-2)
    assert fit_votes(votes, draws=100) == first


def contest(*tally: int, anchor: str = FLOOD) -> Contest:
    places = list(range(len(tally)))
    cast = (vote for vote, count in enumerate(tally) for _ in range(count))
    votes = (
        changed(vote=vote, messages=tuple(f"text {place}" for place in places), shown=tuple(places)) for vote in cast
    )
    return Contest(anchor, "post", np.zeros((len(tally), 15)), 0, 0, "", tuple(votes))


def test_shares_that_differ_by_chance_only_have_no_spread():
    counts = np.array([[10, 10], [11, 9], [9, 11], [10, 10]], dtype=float)
    assert true_spread(counts) == 0.0
    assert 0.0 < observed_spread(counts) < 0.2


def test_the_spread_and_the_ceiling_are_those_of_shares_with_many_voters():
    counts = np.array([[800, 200], [200, 800], [500, 500], [100, 900], [900, 100]], dtype=float)
    assert true_spread(counts) == pytest.approx(observed_spread(counts), rel=0.15)
    found = ceiling_of([contest(*map(int, each)) for each in counts])
    assert found.accuracy == pytest.approx(0.78, abs=0.01)
    entropies = [-(p * np.log(p) + (1 - p) * np.log(1 - p)) for p in (0.8, 0.8, 0.5, 0.9, 0.9)]
    assert found.log_loss == pytest.approx(np.mean(entropies), abs=0.01)
    assert ceiling_of([contest(1, 0)]) is None


def test_unanimous_duels_have_no_spread_that_could_be_told():
    (found,) = spreads([contest(3, 0), contest(0, 2, anchor=BICYCLE)], 100)
    assert found.corrected.value is None
    assert found.corrected.reason == "every duel is unanimous"


def test_with_several_messages_chance_and_ceiling_are_theirs():
    even = [contest(10, 10, 10), contest(9, 10, 11)]
    assert ceiling_of(even).accuracy == pytest.approx(1 / 3, abs=0.03)
    assert ceiling_of(even).log_loss == pytest.approx(np.log(3), abs=0.01)


# ------------------------------------------------------------------------------------------------------ the command


def test_the_command_from_end_to_end(tmp_path):
    votes = cast(Manner(scale=2.0, credulity=1.0), seed=16, repeats=1, voters=20)
    first, second = write_votes(tmp_path / "a.jsonl", votes[:100]), write_votes(tmp_path / "b.jsonl", votes[100:])
    line = [sys.executable, "-m", "safegym.cli", "audience", "fit", first, second, "--draws", "100"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "80", "NO_COLOR": "1"}
    figure = tmp_path / "weights.svg"
    done = subprocess.run([*line, "--figure", figure], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    for said in ("240 votes by 20 people of the crowd", "Credulity", "scale (borne out)", "ceiling", "not identified"):
        assert said in done.stdout
    assert figure.read_text().startswith("<?xml")


def called(*arguments: object):
    return CliRunner().invoke(app, ["fit", *map(str, arguments)])


def test_the_command_for_scripts(tmp_path):
    votes = cast(Manner(scale=2.0, credulity=1.0), seed=16, repeats=1, voters=20)
    done = called(write_votes(tmp_path / "votes.jsonl", votes), "--draws", 100, "--json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told == fit_votes(votes, draws=100).model_dump(mode="json", exclude_defaults=True)
    assert told["credulity"]["estimate"]["low"] > 0


def test_the_command_names_file_line_and_field(tmp_path):
    file = tmp_path / "votes.jsonl"
    file.write_text(VOTE.model_dump_json() + "\n" + VOTE.model_dump_json().replace('"vote":0', '"vote":2') + "\n")
    done = called(file)
    assert isinstance(done.exception, ContentError)
    assert str(done.exception) == f"{file}: line 2: vote: expected null or one of [0, 1], got 2"


def test_a_figure_of_no_kind_is_refused_before_anything_is_done(tmp_path):
    done = called(tmp_path / "nothing.jsonl", "--figure", "weights.pgn")
    assert "unknown ending of a figure '.pgn'; did you mean '.png'" in str(done.exception)
