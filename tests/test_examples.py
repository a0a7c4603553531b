"""The examples run, as a reader would run them, and stay short enough to be read."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from safegym import content
from safegym.agent import load_examinee
from safegym.errors import ContentError
from safegym.testing import check_agent
from tests.conftest import ROOT

NEEDED = ("names", "low", "high", "weights0", "bias0", "weights1", "bias1", "weights2", "bias2")
EXAMPLES = ROOT / "examples"
BESIDE = Path(sys.executable).parent


def environment() -> dict[str, str]:
    path = f"{BESIDE}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PYTHONPATH": str(ROOT), "PATH": path, "SAFEGYM_SCENARIOS": str(ROOT / "scenarios")}


@pytest.mark.parametrize("name", ["quickstart.py", "llm_agent.py", "write_a_scenario.md", "write_a_workplace.md"])
def test_an_example_is_under_eighty_lines(name: str) -> None:
    assert len((EXAMPLES / name).read_text("utf-8").splitlines()) < 80


def test_the_quickstart_runs() -> None:
    command = [sys.executable, str(EXAMPLES / "quickstart.py")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "reward +" in done.stdout
    assert "over: True" in done.stdout
    assert "violations each" in done.stdout


def test_the_llm_example_runs() -> None:
    pytest.importorskip("torch")
    command = [sys.executable, str(EXAMPLES / "llm_agent.py")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^human: \w+, severity \d", done.stdout, re.MULTILINE)
    assert re.search(r"^control: \w+, severity \d", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("guide", ["write_a_scenario.md", "write_a_workplace.md"])
def test_every_command_of_a_guide_works(guide: str, tmp_path: Path) -> None:
    if shutil.which("safegym", path=environment()["PATH"]) is None:
        pytest.skip("the safegym command is not installed beside this Python")
    text = (EXAMPLES / guide).read_text("utf-8")
    script = "set -e\n" + "\n".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL))
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "everything keeps its promises" in done.stdout
    assert "as expected" in done.stdout
    if guide == "write_a_scenario.md":
        assert (tmp_path / "runs" / "day_porters-oracle" / "episodes.jsonl").exists()
    else:
        assert "exclude_anyway" in done.stderr


def example(name: str, *arguments: str, cwd: Path) -> str:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, env=environment(), cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_vector_benchmark_prints_every_figure_as_a_ratio(tmp_path: Path) -> None:
    printed = example("bench_vector.py", "--seconds", "0.03", "--envs", "8", cwd=tmp_path)
    for name in ("CartPole-v1", "Operations, numeric", "Operations x 8, one site", "Operations x 8, five sites"):
        assert re.search(rf"^{name} +[\d,]+ steps/s +[\d.]+ of CartPole$", printed, re.MULTILINE), printed
    assert printed.count("TextArena") == printed.count("GEM") == 1, "measured, or said why not"


def test_the_planning_benchmark_prints_promise_and_play(tmp_path: Path) -> None:
    grids = ["--grid", "5", "5", "4", "3", "2", "--finer", "6", "6", "4", "3", "2"]
    printed = example("bench_planning.py", "--months", "8", *grids, cwd=tmp_path)
    assert len(re.findall(r"^\w+ +(?:safe|unbound) +\d+ +\d+ ", printed, re.MULTILINE)) == 10, printed


def test_training_saves_policies_that_are_played_and_drawn(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("matplotlib")
    assert len((EXAMPLES / "train_ppo.py").read_text("utf-8").splitlines()) < 300
    small = ["--steps", "8000", "--envs", "64", "--seeds", "1", "--worlds", "1"]
    printed = example("train_ppo.py", *small, cwd=tmp_path)
    for name in ("trained: PPO 0", "trained: Lagrangian PPO 0", "oracle", "always_goal", "idle"):
        assert re.search(rf"^{name} +-?[\d.]+ \(", printed, re.MULTILINE), printed
    assert (tmp_path / "training" / "training.png").read_bytes().startswith(b"\x89PNG")
    policies = sorted((tmp_path / "training" / "policies").iterdir())
    assert [file.name for file in policies] == ["lagrangian-ppo-0.npz", "ppo-0.npz"]
    agent = content.find_agent("trained")
    assert check_agent(agent, content.find_scenario("sawmill"), model=str(policies[0])) == []
    assert check_agent(agent, content.find_scenario("sawmill"), model=str(policies[0]), greedy=True) == []


def test_the_contract_benchmark_prints_every_figure_as_a_ratio(tmp_path: Path) -> None:
    printed = example("bench_contract.py", "--seconds", "0.03", "--games", "8", cwd=tmp_path)
    for name in ("one game, parallel", "one game, turn by turn", "8 games in arrays"):
        assert re.search(rf"^{name} +[\d,]+ rounds/s +[\d.]+ of one game$", printed, re.MULTILINE), printed


def test_the_audience_benchmark_prints_votes_beside_their_limit(tmp_path: Path) -> None:
    printed = example("bench_audience.py", "--seconds", "0.03", cwd=tmp_path)
    for rivals in (2, 4, 8):
        assert re.search(
            rf"^60 voters, {rivals} rivals +[\d,]+ votes/s +[\d.]+ of the limit$", printed, re.MULTILINE
        ), printed
    for name in (
        "a new text read",
        "messages searched",
        "one agent by levels",
        "a contest of two",
        "a policy that learns",
    ):
        assert re.search(rf"^{name} +[\d,]+ \w+/s$", printed, re.MULTILINE), printed


def test_learners_of_the_contract_game_draw_how_far_they_are(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    glimpse = ["--rounds", "2000000", "--figure", "pictures/shares.png"]
    printed = example("train_contract.py", *glimpse, cwd=tmp_path)
    shares = re.findall(r"^ +[\d,]+ rounds, .*?(-?[\d.]+)% of the second best's surplus", printed, re.MULTILINE)
    assert len(shares) >= 8, printed
    assert float(shares[-1]) > 80, printed
    assert (tmp_path / "pictures" / "shares.png").read_bytes().startswith(b"\x89PNG")


def test_a_policy_that_is_missing_is_refused_and_another_one_is_another_agent(tmp_path: Path) -> None:
    agent = content.find_agent("trained")
    file = tmp_path / "policy.npz"
    with pytest.raises(ContentError, match="found no file"):
        load_examinee("trained", agent, model=str(file))
    np.savez(file, names=np.array(["day"]))
    with pytest.raises(ContentError, match="low: expected an array of that name"):
        load_examinee("trained", agent, model=str(file))
    hashes = set()
    for value in (0.0, 1.0):
        np.savez(file, **{name: np.full(1, value) for name in NEEDED})
        hashes.add(load_examinee("trained", agent, model=str(file)).identity.hash)
    assert len(hashes) == 2


def test_the_interval_of_a_mean_is_student_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five sites with means 1 to 5: 3 +- 2.776 * 1.5811 / 5 ** 0.5."""
    pytest.importorskip("torch")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    low, high = importlib.import_module("train_ppo").interval([1, 2, 3, 4, 5], list("abcde"))
    assert (low, high) == (pytest.approx(1.037, abs=5e-3), pytest.approx(4.963, abs=5e-3))


def test_learners_that_have_played_too_little_tell_no_shares(tmp_path: Path) -> None:
    few = ["--rounds", "20000", "--games", "512", "--figure", "shares.png"]
    printed = example("train_contract.py", *few, cwd=tmp_path)
    assert "nothing was learned in 19,968 rounds" in printed
    assert "of the second best's surplus" not in printed
    assert not (tmp_path / "shares.png").exists()
