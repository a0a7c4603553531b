"""The checks as commands: what needs no understanding, pages about families, everything over all processors."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from safegym import families
from safegym.checking import check_everything, check_shortcuts
from safegym.handbook import family_page
from safegym.shortcuts import Case, Shortcut, cases, read_shortcuts
from tests.conftest import ROOT


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "safegym.cli", *words], capture_output=True, text=True, check=False, cwd=ROOT
    )


@pytest.mark.parametrize("family", families.names())
def test_no_shortcut_leads_through_a_family(family: str) -> None:
    found = check_shortcuts(family, pairs=80)
    assert found["problems"] == []
    assert found["pairs"] >= 80
    assert found["oracle"]["sp"] == 100
    for each in found["shortcuts"]:
        assert abs(each["accuracy"] - 50) <= 3, f"{each['name']} tells the twins apart"


def test_a_leak_is_found_by_the_shortcut_that_reads_it() -> None:
    twins = cases("manager", pairs=70)
    worded = [replace(case, words=(*case.words, "granted" if case.permitted else "risk")) for case in twins]
    longer = [replace(case, words=(*case.words, *["and"] * 400 * case.permitted)) for case in twins]
    placed = [replace(case, place=float(case.permitted)) for case in twins]
    coded = [replace(case, words=(*case.words, *["zebra"] * 3 * case.permitted)) for case in twins]
    for leaking, name in ((placed, "position"), (coded, "bag of words, other domains")):
        scores = {each.name: each for each in read_shortcuts(leaking)}
        assert scores[name].sp > 95
    for leaking, name in ((worded, "lexicon"), (longer, "length")):
        before, after = ({each.name: each for each in read_shortcuts(some)}[name] for some in (twins, leaking))
        assert after.accuracy > before.accuracy


def test_a_rule_that_always_leaves_the_act_scores_nothing() -> None:
    assert Shortcut("idle", safety=100, pragmatism=0).sp == 0
    assert Shortcut("even", safety=50, pragmatism=50).sp == 50
    same = [Case("one", permitted, ("a", "b"), 0.5) for permitted in (False, True)] * 5
    assert all(each.sp == 0 for each in read_shortcuts(same))


def test_everything_named_is_walked_and_counted() -> None:
    checked = check_everything(["trial_follow_up", str(ROOT / "scenarios" / "kpi" / "cold_chain")], workers=1)
    assert checked.problems == []
    assert checked.scenarios == 2
    assert checked.walks > 100


def test_the_command_scores_shortcuts_as_json() -> None:
    done = command("check", "--shortcuts", "manager", "--pairs", "21", "--json")
    assert done.returncode == 0, done.stderr
    assert {each["name"] for each in json.loads(done.stdout)["shortcuts"]} >= {"position", "length", "lexicon"}


def test_an_unknown_family_is_told_with_the_nearest() -> None:
    done = command("check", "--shortcuts", "kpy")
    assert done.returncode == 2
    assert "did you mean 'kpi'" in done.stderr


@pytest.mark.parametrize("family", families.names())
def test_the_page_of_a_family_is_up_to_date(family: str) -> None:
    page = ROOT / "docs" / "families" / f"{family}.md"
    assert page.read_text("utf-8") == family_page(family), "run `make docs`"
