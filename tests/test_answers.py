"""Multiple-choice answers in reports, by hand."""

from __future__ import annotations

import csv
import io

import pytest

from safegym.answers import quizzes
from safegym.records import Grade, Report
from safegym.report import report, to_csv, to_json, to_latex, to_markdown
from tests.test_report import grade, shown


def answer(item: str, key: str, given: str, chosen: str = "", turn: int = 0, longest: str = "A", **changes) -> Grade:
    labels = {
        "item": item,
        "key": key,
        "answer": given,
        "chosen": chosen or {key: "right", "none": "none"}.get(given, f"wrong {given}"),
        "longest": longest,
        "shortest": "D",
    }
    given_up = {"outcome": "invalid", "reached": False} if given == "none" else {}
    return grade(
        scenario=f"kpi/{item}",
        stakes=None,
        twin=None,
        seed=turn,
        labels=labels,
        **given_up,
        **changes,
    )


ANSWERS = [
    answer("one", "A", "A", turn=0),
    answer("one", "B", "B", turn=1),
    answer("two", "B", "A", "vain", turn=0, longest="B"),
    answer("two", "C", "B", "vain", turn=1, longest="C"),
    answer("three", "A", "A", turn=0),
    answer("three", "D", "none", turn=1),
    answer("four", "C", "none", turn=0),
    answer("four", "D", "none", turn=1),
    answer("five", "B", "B"),
]


def test_what_the_answers_show():
    (quiz,) = quizzes("ann", ANSWERS)
    assert (quiz.player, quiz.family, quiz.episodes, quiz.questions) == ("ann", "kpi", 9, 5)
    assert quiz.figures["accuracy"].value == pytest.approx(100 * 4 / 9)
    assert quiz.figures["unread"].value == pytest.approx(100 * 3 / 9)
    assert {letter: each.value for letter, each in quiz.keyed.items()} == {
        "A": 100.0,
        "B": pytest.approx(200 / 3),
        "C": 0.0,
        "D": 0.0,
    }
    assert {letter: (each.value, each.n) for letter, each in quiz.answered.items()} == {
        "A": (50.0, 6),
        "B": (50.0, 6),
        "C": (0.0, 6),
        "D": (0.0, 6),
    }
    for each in (*quiz.figures.values(), *quiz.keyed.values(), *quiz.answered.values()):
        assert each.low < each.high


def test_consistency_is_over_questions_asked_in_several_orders():
    found = quizzes("ann", ANSWERS)[0].figures["consistency"]
    assert (found.value, found.n) == (50.0, 4), "one and two; an unread reply is never steady, five was asked once"
    again = [answer("six", "A", "A", turn=0), answer("six", "A", "B", turn=1)]
    assert quizzes("ann", [*ANSWERS, *again])[0].figures["consistency"].n == 4, "the same order twice is no other order"
    once = quizzes("ann", ANSWERS[-1:])[0].figures["consistency"]
    assert (once.value, once.reason) == (None, "no question was asked in several orders")
    arms = [answer("one", "A", "B", turn=5, pressure="mandate"), answer("one", "B", "A", turn=6, pressure="mandate")]
    assert quizzes("ann", [*ANSWERS, *arms])[0].figures["consistency"].n == 5, (
        "under another arm it is another question"
    )


def test_baselines_stand_on_the_same_episodes():
    assert quizzes("ann", ANSWERS)[0].baselines == {
        "always_A": pytest.approx(100 * 2 / 9),
        "always_B": pytest.approx(100 * 3 / 9),
        "always_C": pytest.approx(100 * 2 / 9),
        "always_D": pytest.approx(100 * 2 / 9),
        "longest": pytest.approx(100 * 4 / 9),
        "shortest": pytest.approx(100 * 2 / 9),
        "random": 25.0,
    }


def test_options_that_are_as_long_share_the_pick():
    tied = [answer("one", "A", "A", longest="AC"), answer("two", "C", "A", longest="AC"), answer("three", "B", "B")]
    (quiz,) = quizzes("ann", tied)
    assert quiz.baselines["longest"] == pytest.approx(100 * (0.5 + 0.5 + 0) / 3)
    assert set(quiz.keyed) == set("ABCD")


def test_failed_episodes_and_other_families_are_apart():
    failed = [answer("one", "A", "none", turn=7).model_copy(update={"outcome": "failed"})]
    assert quizzes("ann", [*ANSWERS, *failed]) == quizzes("ann", ANSWERS)
    other = [each.model_copy(update={"family": "manager"}) for each in ANSWERS[:2]]
    assert [(each.family, each.episodes) for each in quizzes("ann", [*ANSWERS, *other])] == [("kpi", 9), ("manager", 2)]
    assert quizzes("ann", [grade()]) == []
    assert report([grade()]).quizzes == ()


def test_every_format_has_the_answers_and_the_baselines():
    made = report(ANSWERS, [each.model_copy(update={"player": "idle"}) for each in ANSWERS])
    assert [(each.player, each.bracket) for each in made.quizzes] == [("ann", False), ("idle", True)]
    assert Report.model_validate_json(to_json(made)) == made
    rows = {(each["player"], each["figure"]): each for each in csv.DictReader(io.StringIO(to_csv(made)))}
    assert float(rows["ann", "quiz.accuracy"]["value"]) == pytest.approx(400 / 9)
    assert float(rows["ann", "quiz.key_B"]["value"]) == pytest.approx(200 / 3)
    assert (rows["idle", "quiz.random"]["value"], rows["idle", "quiz.random"]["low"]) == ("25.0", "")
    assert rows["ann", "quiz.answer_A"]["slice"] == "family=kpi"
    assert "| ann | always that letter | 9 | 22.2 | 33.3 | 22.2 | 22.2 |" in to_markdown(made)
    assert "always that letter & 9 & $22.2$ & $33.3$ & $22.2$ & $22.2$ \\\\" in to_latex(made)
    for width in (80, 120):
        text = shown(made, width)
        assert max(len(line.rstrip()) for line in text.splitlines()) <= width
        table = text[text.index("kpi: questions answered rightly") :].splitlines()
        assert table[3].split() == ["ann", "9", "44.4", "33.3", "50.0", "44.4", "22.2", "25.0"]
        assert "right, where the key" in text and "always that letter" in text
