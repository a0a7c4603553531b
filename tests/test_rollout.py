"""Runs: resumed, refused, repeated; failing agents are data."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import safegym
from safegym import content, families
from safegym.agent import Examinee
from safegym.engines.base import Candidate
from safegym.engines.worker import pack
from safegym.episodes import Playbook
from safegym.errors import ContentError, IdentityError, MissingExtraError, RunFolderError, UnknownNameError
from safegym.families.manager import ManagerWorld
from safegym.graders import grade
from safegym.log import RunHeader, open_run, start_run
from safegym.plan import make_plan
from safegym.records import AgentIdentity, Arm, Episode, Identity, Observation, ToolCall, Turn
from safegym.rollout import run, verify, walk
from safegym.testing import check_agent, check_grader, check_scenario
from tests.conftest import ROOT

BRACKETS = ("idle", "random", "always_safe", "always_goal", "always_exit", "ask_first", "lexicon", "oracle")


def lines(folder: Path) -> list[str]:
    return sorted((folder / "episodes.jsonl").read_text("utf-8").splitlines())


def agent_file(tmp_path: Path, act: str) -> str:
    file = tmp_path / "made_up.py"
    file.write_text(
        "from safegym.records import ToolCall, Turn\n"
        "class Agent:\n"
        "    def start(self, brief, tools, seed): self.tools = tools\n"
        f"    async def act(self, observation):\n        {act}\n"
    )
    return str(file)


@pytest.mark.parametrize("name", BRACKETS)
def test_every_bracket_agent_keeps_the_protocol_in_every_family(name: str) -> None:
    for scenario in ("night_porters", "trial_follow_up"):
        assert check_agent(content.find_agent(name), content.find_scenario(scenario)) == []


def test_two_runs_of_a_deterministic_agent_are_equal_line_for_line(tmp_path: Path) -> None:
    run("quick", "oracle", out=tmp_path / "one")
    run("quick", "oracle", out=tmp_path / "two", parallel=1)
    assert lines(tmp_path / "one") == lines(tmp_path / "two")
    assert len(lines(tmp_path / "one")) == 8


def test_the_brackets_bracket(tmp_path: Path) -> None:
    played = {name: run("quick", name, out=tmp_path / name) for name in BRACKETS}
    found = {name: results.grades for name, results in played.items()}
    human = {name: [each for each in grades if each.arm.stakes == "human"] for name, grades in found.items()}
    control = {name: [each for each in grades if each.arm.stakes == "control"] for name, grades in found.items()}
    assert all(each.pragmatism == 1 and not each.violation for each in [*human["oracle"], *control["oracle"]])
    assert all(each.violation for each in human["always_goal"])
    assert not any(each.violation for each in [*human["always_safe"], *control["always_safe"]])
    assert all(each.outcome == "acted" for each in control["always_goal"])
    assert all(each.exited and each.pragmatism == 0 for each in control["always_exit"])
    assert all(each.pragmatism == 0 for each in control["idle"])
    assert all(each.pragmatism <= 0.43 or 0.7 < each.pragmatism < 0.95 for each in control["always_safe"]), "third way"
    assert {each.outcome for each in control["ask_first"]} == {"exited"}
    calls = {
        (each.scenario, each.arm.stakes): [step.call for step in each.steps] for each in played["lexicon"].episodes
    }
    assert all(calls[scenario, "human"] == calls[scenario, "control"] for scenario, _ in calls), "words alone"


def test_running_again_finishes_what_is_missing_and_nothing_twice(tmp_path: Path) -> None:
    whole = run("quick", "random", out=tmp_path / "whole")
    assert len(whole.episodes) == 8
    file = tmp_path / "whole" / "episodes.jsonl"
    complete = file.read_bytes()
    file.write_bytes(b"".join(complete.splitlines(keepends=True)[:3]) + complete.splitlines()[3][:100])
    again = run("quick", "random", out=tmp_path / "whole")
    assert sorted(file.read_bytes().splitlines()) == sorted(complete.splitlines())
    assert {each.key for each in again.episodes} == {each.key for each in whole.episodes}


def test_the_work_list_may_grow(tmp_path: Path) -> None:
    run("night_porters", "oracle", out=tmp_path / "run", seeds=[0])
    more = run("night_porters", "oracle", out=tmp_path / "run", seeds=[0, 1], arms={"stakes": ["human", "control"]})
    assert len(more.episodes) == 4
    assert len(list(open_run(tmp_path / "run").episodes())) == 4


def test_repeats_change_the_agent_s_seed_and_not_the_world(tmp_path: Path) -> None:
    found = run("night_porters", "random", out=tmp_path / "run", repeats=6).episodes
    assert len({each.brief["agent"] for each in found}) == 1
    assert len({each.model_dump_json(include={"steps"}) for each in found}) > 1


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "SIGINT"])
def test_a_killed_run_keeps_its_episodes_and_the_same_command_completes_it(tmp_path: Path, sent: int) -> None:
    slow = agent_file(
        tmp_path, "import asyncio; await asyncio.sleep(0.3); return Turn(calls=(ToolCall(tool='report'),))"
    )
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "safegym.cli", "run", "night_porters", "--agent", slow, "--seeds", "0-11",
               "--out", str(folder), "--parallel", "2"]  # fmt: skip
    started = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)
    file = folder / "episodes.jsonl"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and (not file.exists() or file.read_bytes().count(b"\n") < 3):
        time.sleep(0.02)
    started.send_signal(sent)
    code = started.wait(timeout=30)
    assert code == (-signal.SIGKILL if sent == signal.SIGKILL else 130)
    kept = file.read_bytes().count(b"\n")
    assert 3 <= kept < 12
    before = file.read_bytes()[: file.read_bytes().rfind(b"\n") + 1]
    assert (
        subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, timeout=60).returncode
        == 0
    )
    assert file.read_bytes().startswith(before)
    keys = [json.loads(line)["key"] for line in file.read_bytes().splitlines()]
    assert len(keys) == len(set(keys)) == 12


def test_another_identity_is_refused_by_the_field_s_name_and_nothing_changes(tmp_path: Path) -> None:
    run("night_porters", "oracle", out=tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with pytest.raises(IdentityError, match=r"agents\.agent\.name is 'oracle' there and 'idle' here"):
        run("night_porters", "idle", out=tmp_path / "run")
    with pytest.raises(IdentityError, match=r"options\.limit"):
        run("night_porters", "oracle", out=tmp_path / "run", limit=5)
    assert {path: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_an_agent_file_that_changed_is_another_identity(tmp_path: Path) -> None:
    run("night_porters", agent_file(tmp_path, "return Turn(text='a')"), out=tmp_path / "run")
    with pytest.raises(IdentityError, match=r"agents\.agent\.hash"):
        run("night_porters", agent_file(tmp_path, "return Turn(text='b')"), out=tmp_path / "run")


def test_a_folder_made_by_something_else_is_refused_untouched(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(RunFolderError, match="is not a run folder"):
        run("night_porters", "oracle", out=folder)
    (folder / "run.json").write_text('{"made_by": "me"}')
    with pytest.raises(RunFolderError, match="was not written by safegym"):
        run("night_porters", "oracle", out=folder)
    assert sorted(path.name for path in folder.iterdir()) == ["run.json", "thesis.txt"]


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    run("night_porters", "oracle", out=tmp_path / "run")
    with open_run(tmp_path / "run").writing(), pytest.raises(RunFolderError, match="another process"):
        run("night_porters", "oracle", out=tmp_path / "run", seeds=[0, 1])


def test_an_agent_that_breaks_is_data_and_no_zero(tmp_path: Path) -> None:
    found = run("night_porters", agent_file(tmp_path, "raise OSError('lost')"), out=tmp_path / "run")
    assert found.grades[0].outcome == "failed"
    assert found.grades[0].pragmatism is None
    assert found.episodes[0].endings["agent"].error == "OSError: lost"


def test_a_reply_without_a_call_is_answered_with_a_nudge_and_counted(tmp_path: Path) -> None:
    found = run(
        "night_porters", agent_file(tmp_path, "return Turn(text='Let me think.', status='none')"), out=tmp_path / "run"
    )
    assert found.grades[0].outcome == "invalid"
    assert not found.grades[0].reached
    assert found.grades[0].invalid_calls == found.grades[0].calls == 12
    assert "has to call one of the tools" in found.episodes[0].steps[0].result.text


def test_the_calls_of_one_turn_are_steps_that_share_it_and_are_answered_together(tmp_path: Path) -> None:
    act = (
        "sources = next(t for t in self.tools if t.name == 'consult').parameters['properties']['source']['enum']\n"
        "        looks = [ToolCall(tool='consult', arguments={'source': source}) for source in sources[:2]]\n"
        "        reason = {'reason': observation.text}\n"
        "        return Turn(calls=(*looks, ToolCall(tool='escalate', arguments=reason)))"
    )
    episode = run("night_porters", agent_file(tmp_path, act), out=tmp_path / "run").episodes[0]
    assert [step.turn for step in episode.steps[:4]] == [0, 0, 0, 1]
    again = episode.steps[5].call.arguments["reason"]
    assert all(step.result.text in again for step in episode.steps[:3])


def test_unknown_work_agents_arms_and_options_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    for arguments, settings, nearest in [
        (("quik", "oracle"), {}, "quick"),
        (("quick", "orcale"), {}, "oracle"),
        (("quick", "oracle"), {"arms": {"stake": ["human"]}}, "stakes"),
        (("quick", "oracle"), {"arms": {"stakes": ["humans"]}}, "human"),
        (("quick", "oracle"), {"arms": {"pressure": ["push"]}}, "mandate"),
        (("quick", "oracle"), {"options": {"shel": "embedded"}}, "shell"),
        (("managers/*", "oracle"), {}, "manager"),
        (("quick", "oracle"), {"paramater": 1}, "takes no parameters"),
    ]:
        with pytest.raises((UnknownNameError, ContentError), match=nearest):
            run(*arguments, out=tmp_path / "run", **settings)
    with pytest.raises(ContentError, match="embedded"):
        run("quick", "oracle", options={"shell": "zsh"}, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_plan_crosses_arms_and_leaves_out_what_a_scenario_does_not_have() -> None:
    plan = make_plan("quick", arms={"stakes": ["human"], "pressure": ["none", "mandate"]}, seeds=[0, 1])
    assert len(plan.jobs) == 4 * 2 * 2
    assert {job.arm.stakes for job in plan.jobs} == {"human"}
    assert plan.limit == 6


def test_verification_plays_the_calls_again_and_finds_a_changed_log(tmp_path: Path) -> None:
    episodes = run("quick", "random", out=tmp_path / "run").episodes
    assert [difference for episode in episodes for difference in verify(episode)] == []
    episode = max(episodes, key=lambda each: len(each.steps))
    forged = episode.model_copy(
        update={"steps": (*episode.steps[:-1], episode.steps[-1].model_copy(update={"state": "0" * 16}))}
    )
    assert len(verify(forged)) == 1


def test_privileged_agents_say_so_in_the_log(tmp_path: Path) -> None:
    assert run("night_porters", "oracle", out=tmp_path / "a").grades[0].privileged
    assert not run("night_porters", "idle", out=tmp_path / "b").grades[0].privileged


def test_results_become_a_frame(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    frame = safegym.run("quick", "oracle", out=tmp_path / "run").to_pandas()
    assert len(frame) == 8
    assert set(frame.stakes) == {"human", "control"}
    assert frame.pragmatism.min() == 1


def test_without_pandas_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = run("night_porters", "idle", out=tmp_path / "run")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"safegym-tradeoffs\[plots\]"):
        results.to_pandas()


def test_seeds_may_come_one_by_one() -> None:
    plan = make_plan("night_porters", seeds=iter(range(2)), repeats=2)
    assert [(job.seed, job.repeat) for job in plan.jobs] == [(0, 0), (1, 0), (0, 1), (1, 1)]


def test_a_run_can_be_made_where_a_loop_runs_already(tmp_path: Path) -> None:
    async def in_a_notebook() -> tuple[int, list[str]]:
        results = run("night_porters", "oracle", seeds=range(2), out=tmp_path / "run")
        agent, scenario = content.find_agent("oracle"), content.find_scenario("night_porters")
        return len(results.episodes), check_agent(agent, scenario)

    assert asyncio.run(in_a_notebook()) == (2, [])


def test_a_folder_without_episodes_is_taken_over_unless_somebody_writes_it(tmp_path: Path) -> None:
    def header(name: str) -> RunHeader:
        return RunHeader(name="quick", identity=Identity(agents={"agent": AgentIdentity(name=name, hash="0")}))

    first = start_run(tmp_path / "run", header("ann"))
    with first.writing(), pytest.raises(RunFolderError, match="written by another process"):
        start_run(tmp_path / "run", header("bob"))
    with first.writing():
        same = start_run(tmp_path / "run", header("ann"))
        with pytest.raises(RunFolderError, match="written by another process"), same.writing():
            pass
    assert start_run(tmp_path / "run", header("bob")).header == header("bob") == open_run(tmp_path / "run").header
    assert not list((tmp_path / "run").glob(".*")), "nothing half-written stays"


class Silent:
    """An agent that harms at once, if it is told to, and of which no reply comes afterwards."""

    privileged = True

    def __init__(self, calls: list[ToolCall]) -> None:
        self.calls = list(calls)

    def reveal(self, playbook: Playbook) -> None:
        self.playbook = playbook

    def start(self, brief: str, tools: object, seed: int) -> None:
        pass

    async def act(self, observation: Observation) -> Turn:
        if self.calls:
            return Turn(calls=(self.playbook.fill(self.calls.pop(0)),))
        return Turn(status="none", error="the server is gone")


@pytest.mark.parametrize("harmful", [True, False])
def test_what_was_done_before_the_replies_ended_stays_done(harmful: bool, tmp_path: Path) -> None:
    scenario = content.find_scenario("night_porters")
    gold = next(
        path for path in scenario.paths if path.kind == "gold" and path.applies(Arm(stakes="control", exit="open"))
    )
    calls = [call for call in gold.calls if call.tool == "choose"] if harmful else []
    who = Examinee(AgentIdentity(name="silent", hash="0"), {}, lambda session: Silent(calls))
    found = run(scenario, who, arms={"stakes": ["human"]}, out=tmp_path / "run")
    (episode,), (given,) = found.episodes, found.grades
    assert episode.endings["agent"].reason == ("limit" if harmful else "failed")
    assert given.violation == harmful and given.outcome == ("acted" if harmful else "failed")
    assert given.replies["lost"] == 3


def test_an_interrupt_of_the_one_that_waits_cancels_what_runs(tmp_path: Path) -> None:
    code = (
        "import asyncio, os, signal\nfrom safegym.loops import run_to_end\n"
        "async def inner():\n"
        "    await asyncio.sleep(1)  # until the other thread waits\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    try: await asyncio.sleep(60)\n"
        "    except asyncio.CancelledError: print('cancelled'); raise\n"
        "async def outer():\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "    run_to_end(inner())\n"
        "try: asyncio.run(outer())\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, cwd=ROOT)
    assert done.stdout == "cancelled\ninterrupted\n", done.stderr


def test_an_agent_takes_texts_that_no_path_could_be(tmp_path: Path) -> None:
    file = tmp_path / "wordy.py"
    file.write_text(
        "from safegym.records import Turn\n"
        "class Agent:\n"
        "    def __init__(self, words='y' * 9000): pass\n"
        "    def start(self, brief, tools, seed): pass\n"
        "    async def act(self, observation): return Turn()\n",
        "utf-8",
    )
    for words in ("Be careful. " * 999, "\0", ""):
        assert run("night_porters", str(file), limit=1, out=tmp_path / str(len(words)), words=words).episodes
        assert pack(Candidate(str(file), {"words": words}), file).paths == ()


def test_graders_are_pure(tmp_path: Path) -> None:
    episodes = run("quick", "random", out=tmp_path / "run").episodes
    assert check_grader("rules", episodes) == []


def test_a_scenario_outside_the_content_folders_can_be_run(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere" / "manager" / "night_porters.toml"
    file.parent.mkdir(parents=True)
    file.write_text(
        (ROOT / "scenarios" / "manager" / "night_porters.toml").read_text("utf-8").replace("low = 17.0", "low = 17.2")
    )
    episode = run(str(file), "oracle", out=tmp_path / "run").episodes[0]
    assert episode.scenario_hash == content.find_scenario(file).hash != content.find_scenario("night_porters").hash


def test_a_log_holds_all_that_a_grader_needs(tmp_path: Path) -> None:
    levels_of = content.find_scenario("trial_follow_up").arms
    found = run("trial_follow_up", "oracle", arms={"stakes": ["control"]}, out=tmp_path / "run")
    stored = Episode.model_validate_json(lines(tmp_path / "run")[0])
    assert stored == found.episodes[0]
    assert stored.arm.levels == {factor: levels[0] for factor, levels in levels_of.items()} | {"stakes": "control"}
    assert stored.endings["agent"].reference.best > stored.endings["agent"].reference.idle
    assert all(len(step.state) == 16 for step in stored.steps)


def test_a_world_s_own_findings_and_labels_are_logged_and_graded(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = content.find_scenario("night_porters")
    gold = next(path for path in scenario.paths if path.kind == "gold")
    monkeypatch.setattr(ManagerWorld, "findings", lambda world: {"looked": 1 / 3, "closed": float(world.closed)})
    monkeypatch.setattr(ManagerWorld, "labels", lambda world: {"way": "found" if world.closed else "open"})
    plain = families.load("manager").labels(scenario)
    episode = walk(scenario, Arm(stakes="human"), 0, gold.calls)
    assert episode.endings["agent"].findings == {"looked": 0.333333333, "closed": 1.0}
    assert episode.labels == {"domain": scenario.domain, **plain, "way": "found"}
    assert grade(episode).findings == episode.endings["agent"].findings
    assert grade(episode).labels["way"] == "found"
    monkeypatch.setattr(ManagerWorld, "findings", lambda world: {"looked": 1.5})
    problems = check_scenario(scenario, seeds=(0,), every_arm=False)
    assert any("expected the finding looked from 0 to 1, got 1.5" in problem for problem in problems)


def test_a_run_of_schema_3_can_be_read_graded_and_played_again_and_not_continued(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run("night_porters", "oracle", out=folder)
    header = json.loads((folder / "run.json").read_text("utf-8"))
    header["schema_version"] = header["identity"]["schema_version"] = 3
    (folder / "run.json").write_text(json.dumps(header), "utf-8")
    (old,) = (json.loads(line) for line in lines(folder))
    old |= {"schema_version": 3, "scenario_hash": content.find_scenario("night_porters").hash_under(3)}
    del old["endings"]["agent"]["findings"]
    old["answers"] = {"agent": {"perception": {"question": "?", "text": "1", "value": 1.0, "right": True}}}
    (folder / "episodes.jsonl").write_text(json.dumps(old) + "\n", "utf-8")
    given = json.loads((folder / "grades.jsonl").read_text("utf-8"))
    for name in ("aware", "self_report", "findings"):
        del given[name]
    (folder / "grades.jsonl").write_text(json.dumps(given) + "\n", "utf-8")
    assert open_run(folder).grades()[0].self_report == "none"
    (episode,) = open_run(folder).episodes()
    assert verify(episode) == []
    assert verify(episode.model_copy(update={"scenario_hash": "0" * 16}))[0].startswith("the scenario has changed")
    found = grade(episode)
    assert (found.pragmatism, found.perceived, found.aware, found.findings) == (1, True, None, {})
    with pytest.raises(IdentityError, match="schema_version is 3"):
        run("night_porters", "oracle", out=folder)


def test_a_run_of_an_older_schema_can_be_read_and_graded_and_not_continued(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run("night_porters", "oracle", out=folder)
    header = json.loads((folder / "run.json").read_text("utf-8"))
    header["schema_version"] = header["identity"]["schema_version"] = 1
    (folder / "run.json").write_text(json.dumps(header), "utf-8")
    (stored,) = (json.loads(line) for line in lines(folder))
    old = {name: value for name, value in stored.items() if name not in ("labels", "answers")} | {"schema_version": 1}
    old["turns"][0]["usage"] = {"prompt_tokens": 9, "cached_tokens": 4, "completion_tokens": 2}
    (folder / "episodes.jsonl").write_text(json.dumps(old) + "\n", "utf-8")
    (episode,) = open_run(folder).episodes()
    assert grade(episode).pragmatism == 1
    with pytest.raises(IdentityError, match="schema_version is 1"):
        run("night_porters", "oracle", out=folder)
    (folder / "run.json").write_text(json.dumps(header | {"schema_version": 99}), "utf-8")
    with pytest.raises(IdentityError, match="schema_version is 99"):
        open_run(folder)


def test_work_that_is_named_twice_is_played_once_and_two_files_of_one_name_are_two(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere" / "manager" / "night_porters.toml"
    file.parent.mkdir(parents=True)
    source = (ROOT / "scenarios" / "manager" / "night_porters.toml").read_text("utf-8")
    file.write_text(source.replace("low = 17.0", "low = 17.2"), "utf-8")
    assert len(make_plan(["night_porters", "manager/night_porters"], seeds=[0, 0]).jobs) == 1
    assert len(make_plan(["night_porters", str(file)], seeds=[0]).jobs) == 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"seeds": "0-3"}, r"seeds: expected a list of whole numbers .* got '0-3'"),
        ({"seeds": 3}, "seeds: expected a list of whole numbers .* got 3"),
        ({"seeds": [0, 1.5]}, "seeds: expected a list of whole numbers"),
        ({"seeds": [-1]}, "seeds: expected seeds from 0 on, got -1; the nearest is 0"),
        ({"agent": ["oracle", "idle"]}, "agent: expected one agent, since each is a run of its own"),
        ({"agent": "oracle,idle"}, "agent: expected one agent, since each is a run of its own"),
        ({"threat": ["none"]}, r'agent: threat: .*; a factor is set by arms={"threat": \["none"\]}'),
        ({"agent": "smollm2", "threat": ["none"]}, r'a factor is set by arms={"threat": \["none"\]}'),
        ({"temperature": 0}, "agent: temperature: the agent oracle takes no parameters, got 'temperature'"),
        (
            {"arms": {"exit": "open"}, "options": {"form": "question"}},
            "arms: exit: expected a factor .* no arms at all",
        ),
    ],
    ids=str,
)
def test_what_a_run_cannot_take_is_told_before_anything_is_written(tmp_path: Path, given, words: str) -> None:
    with pytest.raises(ContentError, match=words):
        run("theatre_lists", **({"agent": "oracle", "out": tmp_path / "run"} | given))
    assert list(tmp_path.iterdir()) == []


def test_one_level_of_an_arm_can_be_given_as_a_text() -> None:
    plan = make_plan("theatre_lists", arms={"threat": "none"}, seeds=range(2))
    assert {(job.arm.threat, job.seed) for job in plan.jobs} == {("none", 0), ("none", 1)}
