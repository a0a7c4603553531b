"""The command line as a person or a script uses it: real processes, exit codes, JSON, and nothing half-written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

COMMANDS = ("list", "show", "run", "grade", "report", "replay", "check")


def safegym(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "safegym.cli", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "100"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, timeout=120)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    done = safegym("run", "quick", "--agent", "oracle,always_goal,idle", "--out", str(folder), folder=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_help_needs_no_heavy_import() -> None:
    code = (
        "import sys; sys.argv = ['safegym', '--help']\n"
        "from safegym.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'pydantic', 'matplotlib', 'bashkit') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    loaded = json.loads(done.stdout.splitlines()[-1].replace("'", '"'))
    assert not {"torch", "pydantic", "matplotlib", "bashkit"} & set(loaded)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = safegym(command, "--help")
    assert done.returncode == 0
    assert "Example" in done.stdout
    assert f"safegym {command}" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "quik", "--agent", "oracle"), "did you mean 'quick'"),
        (("run", "quick", "--agent", "orakle"), "did you mean 'oracle'"),
        (("run", "quick", "--agent", "oracle", "--arm", "stake=human"), "did you mean 'stakes'"),
        (("run", "quick", "--agent", "oracle", "--arm", "stakes=humn"), "did you mean 'human'"),
        (("run", "quick", "--agent", "oracle", "--arm", "stakes"), "expected name=value"),
        (("run", "quick", "--agent", "oracle", "--set", "shel=embedded"), "did you mean 'shell'"),
        (("run", "quick", "--agent", "oracle", "--seeds", "1-x"), "expected seeds such as"),
        (("run", "quick", "--agent", "oracle", "--model", "x"), "expected an agent that is a TOML file, got oracle"),
        (("show", "night_porter"), "night_porters"),
        (("list", "agentz"), "did you mean 'agents'"),
        (("report", "nowhere"), "is not a run folder"),
        (("replay", "nowhere"), "is not a run folder"),
        (("grade", "nowhere"), "is not a run folder"),
        (("check", "night_porter"), "night_porters"),
        (("report",), "Missing argument"),
        (("run", "quick", "--agent", " ,"), "--agent: expected names or paths, separated by commas, got ' ,'"),
        (("run", "x" * 5000, "--agent", "oracle"), "unknown suite, family, scenario or game"),
        (("run", "self-preservation", "--agent", "idle"), "did you mean 'self_preservation'?"),
        (("show", "paper:tinman"), "unknown paper 'tinman'; did you mean 'tinmen'?"),
        (("check", "tools", "oops"), "expected `tools` alone, got tools oops"),
        (("run", "quick", "--agent", "oracle", "--sedes", "3"), "--seeds"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_input_is_told_in_words_with_exit_code_2_and_nothing_is_written(
    tmp_path: Path, arguments, words: str
) -> None:
    done = safegym(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [("run", "night_porters", "--agent", "oracle"), ("report", "nowhere")])
def test_figures_that_cannot_be_drawn_are_told_before_anything_is_played(tmp_path: Path, command) -> None:
    code = f"import sys; sys.modules['matplotlib'] = None; sys.argv[1:] = {[*command, '--figures', 'figures']}\n"
    done = subprocess.run(
        [sys.executable, "-c", code + "from safegym.cli import main; main()"],
        capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "safegym: drawing figures needs the extra 'plots': pip install 'safegym-tradeoffs[plots]'\n"
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_tells_the_work_and_writes_nothing(tmp_path: Path) -> None:
    done = safegym(
        "run",
        "quick",
        "--agent",
        "oracle,idle",
        "--arm",
        "pressure=none,mandate",
        "--dry-run",
        "--json",
        folder=tmp_path,
    )
    plan = json.loads(done.stdout)
    assert len(plan["jobs"]) == 16
    assert plan["folders"] == ["runs/quick-oracle", "runs/quick-idle"]
    assert list(tmp_path.iterdir()) == []


def test_a_factor_that_is_given_twice_has_the_levels_of_both(tmp_path: Path) -> None:
    arms = ("--arm", "threat=none", "--arm", "threat=restriction, none")
    done = safegym("run", "theatre_lists", "--agent", "oracle", *arms, "--dry-run", "--json", folder=tmp_path)
    assert [job["arm"]["threat"] for job in json.loads(done.stdout)["jobs"]] == ["none", "restriction"]


def test_a_run_prints_its_report_and_where_it_wrote(runs: Path) -> None:
    done = safegym("run", "quick", "--agent", "oracle,always_goal,idle", "--out", str(runs), folder=runs)
    assert done.returncode == 0
    assert "Safety" in done.stdout
    assert "oracle" in done.stdout
    assert str(runs / "quick-idle") in done.stdout
    assert {path.name for path in (runs / "quick-oracle").iterdir()} >= {
        "run.json",
        "episodes.jsonl",
        "grades.jsonl",
        "timings.jsonl",
    }


def test_the_report_comes_in_every_form_and_as_figures(runs: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    folders = [str(path) for path in sorted(runs.glob("quick-*"))]
    found = json.loads(safegym("report", *folders, "--json").stdout)
    rows = {row["player"]: row["figures"] for row in found["rows"]}
    assert rows["oracle"]["safe_and_useful"]["value"] >= 99
    assert rows["oracle"]["safety"]["value"] == 100
    assert rows["always_goal"]["safety"]["value"] == 0
    assert rows["always_goal"]["safety"]["low"] < rows["always_goal"]["safety"]["high"]
    for form, words in (("markdown", "| "), ("latex", "\\toprule"), ("csv", "player,"), ("table", "oracle")):
        assert words in safegym("report", *folders, "--format", form).stdout
    done = safegym("report", *folders, "--figures", str(tmp_path / "figures"))
    assert done.returncode == 0, done.stderr
    assert all((tmp_path / "figures" / name).stat().st_size > 10_000 for name in ("discrimination.png", "tradeoff.png"))
    assert safegym("report", *folders, "--format", "word").returncode == 2


def test_an_episode_is_replayed_verified_and_drawn(runs: Path, tmp_path: Path) -> None:
    folder = str(runs / "quick-always_goal")
    shown = safegym("replay", folder, "--speed", "0")
    assert shown.returncode == 0, shown.stderr
    assert "executed" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert safegym("replay", folder, "1", "--speed", "0").returncode == 0
    assert "8 episodes played again, 0 differ." in safegym("replay", folder, "--verify").stdout
    picture = tmp_path / "replay.svg"
    assert safegym("replay", folder, "--svg", str(picture)).returncode == 0
    assert picture.read_text("utf-8").startswith("<svg")
    assert json.loads(safegym("replay", folder, "--json").stdout)["grade"]["violation"]


def test_a_forged_log_is_found(runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "forged"
    folder.mkdir()
    for name in ("run.json", "episodes.jsonl"):
        (folder / name).write_bytes((runs / "quick-oracle" / name).read_bytes())
    episodes = [json.loads(line) for line in (folder / "episodes.jsonl").read_text("utf-8").splitlines()]
    episodes[0]["steps"][0]["state"] = "0" * 16
    (folder / "episodes.jsonl").write_text("".join(json.dumps(each) + "\n" for each in episodes))
    done = safegym("replay", str(folder), "--verify")
    assert done.returncode == 1
    assert "8 episodes played again, 1 differ." in done.stdout


def test_grading_again_gives_the_same_grades(runs: Path) -> None:
    file = runs / "quick-oracle" / "grades.jsonl"
    before = file.read_bytes()
    assert safegym("grade", str(runs / "quick-oracle")).returncode == 0
    assert file.read_bytes() == before


def test_listing_and_showing_for_scripts() -> None:
    found = json.loads(safegym("list", "--json").stdout)
    assert {"quick", "standard"} <= {each["name"] for each in found["suites"]}
    assert "oracle" in {each["name"] for each in found["agents"]}
    shown = json.loads(safegym("show", "night_porters", "--arm", "stakes=control", "--sealed", "--json").stdout)
    assert shown["arm"]["stakes"] == "control"
    assert {path["kind"] for path in shown["paths"]} == {"gold", "bad", "innocent"}
    assert "paths" not in json.loads(safegym("show", "night_porters", "--json").stdout)
    assert "scenarios" in safegym("show", "quick").stdout
    assert "class Agent" in safegym("show", "oracle").stdout


def test_a_broken_scenario_is_told_by_file_field_and_reason(tmp_path: Path) -> None:
    file = tmp_path / "scenarios" / "manager" / "mine.toml"
    file.parent.mkdir(parents=True)
    source = (ROOT / "scenarios" / "manager" / "night_porters.toml").read_text("utf-8")
    file.write_text(source.replace("[kpi]", '[limits]\namount = "ten"\n\n[kpi]'))
    done = safegym("run", "mine", "--agent", "oracle", folder=tmp_path)
    assert done.returncode == 2
    assert "mine.toml: limits.amount" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_check_finds_a_broken_promise(tmp_path: Path) -> None:
    file = tmp_path / "scenarios" / "manager" / "mine.toml"
    file.parent.mkdir(parents=True)
    source = (ROOT / "scenarios" / "manager" / "night_porters.toml").read_text("utf-8")
    file.write_text(source.replace("[kpi]", "[limits]\namount = 2\n\n[kpi]"))
    done = safegym("check", "mine", "--json", folder=tmp_path)
    assert done.returncode == 1
    assert any("does not fit into the limits" in problem for problem in json.loads(done.stdout)["problems"])
    file.write_text(source)
    assert safegym("check", "mine", folder=tmp_path).returncode == 0


def test_an_agent_that_breaks_gives_exit_code_1_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "broken.py").write_text(
        "class Agent:\n"
        "    def start(self, brief, tools, seed): pass\n"
        "    async def act(self, observation): raise KeyError('x')\n"
    )
    done = safegym("run", "night_porters", "--agent", "broken", folder=tmp_path)
    assert done.returncode == 1
    assert "1 episodes failed, the first with: KeyError" in done.stderr


def test_options_of_a_family_are_shown_checked_and_refused(tmp_path: Path) -> None:
    shown = json.loads(safegym("show", "night_porters", "--set", "horizon=1", "--json").stdout)
    assert [each["name"] for each in shown["tools"]] == ["choose"]
    assert "You have 1 step." in shown["brief"]
    checked = json.loads(safegym("check", "night_porters", "--set", "horizon=1", "--json").stdout)
    assert (checked["problems"], checked["scenarios"]) == ([], 1)
    refused = safegym("run", "night_porters", "--agent", "oracle", "--set", "horizon=2", folder=tmp_path)
    assert refused.returncode == 2
    assert "horizon: expected 'agentic' or '1', got '2'" in refused.stderr


def test_a_report_is_sliced_by_labels(tmp_path: Path) -> None:
    folder = str(tmp_path / "run")
    assert safegym("run", "night_porters", "dry_hay", "--agent", "oracle", "--out", folder).returncode == 0
    found = json.loads(safegym("report", folder, "--by", "harm,domain", "--json").stdout)
    assert {each["slice"] for each in found["slices"]} == {
        "harm=injury", "harm=eviction", "domain=health", "domain=agriculture",
    }  # fmt: skip
    wrong = safegym("report", folder, "--by", "harms")
    assert wrong.returncode == 2
    assert "did you mean 'harm'" in wrong.stderr
    strange = safegym("report", folder, "--by", "quux")
    assert strange.returncode == 2
    assert all(f"'{name}'" in strange.stderr for name in ("family", "pressure", "harm", "incentive", "domain"))
    assert "more" not in strange.stderr, "every name that works is told"
    told = " ".join(safegym("report", "--help").stdout.split())
    assert "subcategory" in told and "wish" in told


def test_suites_count_what_they_play_and_games_and_papers_are_listed() -> None:
    suites = {each["name"]: each for each in json.loads(safegym("list", "suites", "--json").stdout)["suites"]}
    assert (suites["quick"]["scenarios"], suites["quick"]["episodes"]) == ("4", "8")
    assert int(suites["standard"]["scenarios"]) > 100
    environments = json.loads(safegym("list", "environments", "--json").stdout)["environments"]
    assert {"name": "safegym/contract-v0", "family": "contract", "made by": "pettingzoo"} in environments
    papers = json.loads(safegym("list", "papers", "--json").stdout)["papers"]
    assert {"paper:odcv", "paper:tinmen"} <= {each["name"] for each in papers}
    shown = json.loads(safegym("show", "paper:pacifaist", "--json").stdout)
    assert shown["play"] == "safegym run paper:pacifaist --data FOLDER --agent NAME"
    assert "paper:tinmen" in shown["other papers"]


def test_a_dry_run_counts_before_it_lists(tmp_path: Path) -> None:
    first, *others = safegym("run", "quick", "--agent", "idle", "--dry-run", folder=tmp_path).stdout.splitlines()
    assert first == "8 episodes for each of idle; nothing was written."
    assert len(others) == 8


def test_the_number_of_an_episode_begins_at_one(runs: Path) -> None:
    done = safegym("replay", str(runs / "quick-oracle"), "0")
    assert done.returncode == 2
    assert "expected the number of an episode, from 1 to 8, or a key, got 0" in done.stderr
