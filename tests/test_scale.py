"""Runs on a Ray cluster of two nodes: equal to runs in one process, whatever dies on the way."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safegym import content, errors
from safegym.agent import load_examinee
from safegym.engines import open_engine
from safegym.engines.base import Candidate
from safegym.engines.cluster import QUIET, lay_out
from safegym.engines.worker import Shipment, Worker, pack, portable
from safegym.episodes import Terms
from safegym.errors import ContentError, EngineError, MissingExtraError, ModelError, SafegymError, UnknownNameError
from safegym.log import open_run
from safegym.plan import make_plan, shell_of
from safegym.records import SINGLE
from safegym.rollout import make_identity, run
from safegym.shell.sandbox import SandboxError
from tests.conftest import ROOT

pytestmark = pytest.mark.xdist_group("ray")
STORE = 80_000_000
AGENT = """
import asyncio, os, random, signal
from pathlib import Path
from safegym.errors import ModelError
from safegym.records import TokenTrace, ToolCall, Turn

class Agent:
    def __init__(self, marker="", word="", pause=0.0):
        self.marker, self.word, self.pause = marker, word, pause

    def start(self, brief, tools, seed):
        self.random, self.marked = random.Random(seed), self.word in brief

    async def act(self, observation):
        await asyncio.sleep(self.pause)
        {act}
        ids = tuple(self.random.randrange(100) for _ in range(3))
        trace = TokenTrace(prompt=ids, completion=ids[:2], logprobs=(-0.5, -0.25))
        call = ToolCall(tool="menu", arguments={{"index": self.random.randrange(2)}})
        return Turn(calls=(call,), trace=trace)
"""
DIE = "os.kill(os.getpid(), signal.SIGKILL)"
DIE_ONCE = f"Path(self.marker, 'died').exists() or (Path(self.marker, 'died').touch(), {DIE})"


@pytest.fixture(scope="module")
def cluster():
    os.environ.update(QUIET)
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": STORE}
    nodes = Cluster(initialize_head=True, head_node_args=head)
    nodes.add_node(num_cpus=1, object_store_memory=STORE)
    ray.init(address=nodes.address, log_to_driver=False, logging_level="error")
    yield nodes
    ray.shutdown()
    nodes.shutdown()


def agent_file(folder: Path, act: str = "pass") -> str:
    file = folder / "made_up.py"
    file.write_text(AGENT.format(act=act), "utf-8")
    return str(file)


def lines(folder: Path) -> list[str]:
    return sorted((folder / "episodes.jsonl").read_text("utf-8").splitlines())


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_two_workers_and_one_process_write_the_same_episodes(cluster, tmp_path: Path) -> None:
    for agent in ("oracle", agent_file(tmp_path)):
        here, there = tmp_path / f"here-{Path(agent).stem}", tmp_path / f"there-{Path(agent).stem}"
        run("quick", agent, out=here)
        seen = []
        results = run("quick", agent, out=there, engine="ray", workers=2, progress=seen.append)
        assert lines(here) == lines(there)
        assert [each.done for each in seen] == list(range(9))
        one, other = open_run(here), results.folder
        assert one.header.identity == other.header.identity
        assert one.header.recorded == {"run_engine": "local"}
        assert other.header.recorded.keys() == {"run_engine", "workers", "ray"}
        assert other.header.recorded["workers"] == 2
        assert [one.tokens(each) for each in results.episodes] == [other.tokens(each) for each in results.episodes]
    assert any(trace for each in results.episodes for trace in other.tokens(each))
    timings = [json.loads(line) for line in (there / "timings.jsonl").read_text("utf-8").splitlines()]
    assert all(each["process"] != os.getpid() for each in timings)


def test_a_cluster_without_room_is_told(cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr("safegym.engines.ray.PATIENCE", 1.0)
    others = [ray.remote(num_cpus=1)(Worker).remote() for node in ray.nodes() if node["Alive"]]
    ray.get([each.__ray_ready__.remote() for each in others], timeout=30)
    with pytest.raises(EngineError, match=r"within 1 s: each needs 1 CPU and 0 GPU, and free are none"):
        run("night_porters", "oracle", out=tmp_path / "run", engine="ray")
    for each in others:
        ray.kill(each)


def test_a_run_in_one_process_is_finished_on_workers_and_the_other_way_round(cluster, tmp_path: Path) -> None:
    run("quick", "random", out=tmp_path / "whole")
    for first, second in (("local", "ray"), ("ray", "local")):
        folder = tmp_path / first
        run(["night_porters"], "random", out=folder, limit=6, arms={"stakes": ["control"]}, engine=first)
        before = lines(folder)
        run("quick", "random", out=folder, engine=second)
        assert set(before) <= set(lines(folder))
        assert lines(folder) == lines(tmp_path / "whole")


def test_what_a_killed_worker_held_is_played_by_others_and_once(cluster, tmp_path: Path) -> None:
    work = {"seeds": range(12), "marker": str(tmp_path)}
    results = run(
        "night_porters", agent_file(tmp_path, DIE_ONCE), out=tmp_path / "there", engine="ray", workers=2, **work
    )
    assert (tmp_path / "died").exists()
    run("night_porters", agent_file(tmp_path, DIE_ONCE), out=tmp_path / "here", **work)
    assert len(results.episodes) == 12
    assert lines(tmp_path / "here") == lines(tmp_path / "there")


def test_a_job_that_always_kills_its_worker_is_named_and_the_others_are_kept(cluster, tmp_path: Path) -> None:
    act = f"self.marked and (await asyncio.sleep(0.5), {DIE})"
    work = {"seeds": range(3), "word": "ethics", "engine": "ray", "workers": 2}
    with pytest.raises(EngineError, match=r"kpi/trial_follow_up \(.*seed \d.*\) lost its worker 3 times"):
        run(["night_porters", "trial_follow_up"], agent_file(tmp_path, act), out=tmp_path / "run", **work)
    assert [each.scenario for each in open_run(tmp_path / "run").episodes()] == ["manager/night_porters"] * 3


def test_a_lost_node_and_a_killed_actor_lose_nothing(cluster, tmp_path: Path) -> None:
    import ray

    third = cluster.add_node(num_cpus=1, object_store_memory=STORE)
    plan = make_plan("night_porters", seeds=range(24))
    kept = []
    with open_engine(
        "ray", {SINGLE: Candidate(agent_file(tmp_path), {"pause": 0.1})}, parallel=12, workers=3
    ) as engine:
        terms = Terms(make_identity(plan, engine.profiles))

        def keep(played) -> None:
            kept.append(played.episode.key)
            if len(kept) == 3:
                cluster.remove_node(third, allow_graceful=False)
            if len(kept) == 6:
                ray.kill(next(seat.actor for seat in engine.seats if seat.ready))

        asyncio.run(engine.play(plan.jobs, terms, keep))
    assert len(kept) == len(set(kept)) == 24


def test_a_model_that_stops_reaches_the_user_as_it_does_here(cluster, tmp_path: Path) -> None:
    agent = agent_file(tmp_path, "raise ModelError('the server went away')")
    for engine in ("local", "ray"):
        with pytest.raises(ModelError, match=r"^the server went away$") as raised:
            run("night_porters", agent, out=tmp_path / engine, engine=engine)
        assert type(raised.value) is ModelError


def test_an_error_of_an_agents_own_reaches_the_user_as_the_nearest_of_safegyms(cluster, tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(
        "from safegym.errors import ModelError\n"
        "class LostError(ModelError):\n"
        "    def __init__(self, host, port): super().__init__(f'{host}:{port} went away')\n"
        "class Agent:\n"
        "    def start(self, brief, tools, seed): pass\n"
        "    async def act(self, observation): raise LostError('here', 1)\n",
        "utf-8",
    )
    with pytest.raises(ModelError, match=r"^here:1 went away$"):
        run("night_porters", str(file), out=tmp_path / "run", engine="ray", workers=1)


def test_an_engine_plays_again_and_nothing_in_other_loops(cluster, tmp_path: Path) -> None:
    plan = make_plan("night_porters", seeds=range(4))
    kept = []
    with open_engine(
        "ray", {SINGLE: Candidate(agent_file(tmp_path, "await asyncio.sleep(0.05)"), {})}, parallel=2
    ) as engine:
        terms = Terms(make_identity(plan, engine.profiles))
        for jobs in (plan.jobs[:2], (), plan.jobs[2:]):
            asyncio.run(engine.play(jobs, terms, lambda played: kept.append(played.episode.seed)))
    assert sorted(kept) == [0, 1, 2, 3]


def test_what_is_wrong_with_an_agent_is_told_before_anything_is_written(cluster, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import nothing_of_the_kind", "utf-8")
    for agent, parameters, nearest in (
        (agent_file(tmp_path), {"paus": 1}, "pause"),
        (str(broken), {}, "nothing_of_the_kind"),
        (content.find_agent("smollm2"), {"model": "./none"}, "expected a model folder"),
        (content.find_agent("smollm2"), {"temperatur": 1}, "temperature"),
    ):
        said = []
        for engine in ("local", "ray"):
            with pytest.raises(SafegymError, match=nearest) as raised:
                run("night_porters", agent, out=tmp_path / "run", engine=engine, **parameters)
            said.append((type(raised.value), str(raised.value)))
        assert said[0] == said[1]
    assert not (tmp_path / "run").exists()


def test_workers_that_die_while_they_load_end_the_run(cluster, tmp_path: Path) -> None:
    file = tmp_path / "deadly.py"
    file.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", "utf-8")
    with pytest.raises(EngineError, match="3 workers in a row died while they loaded the agent"):
        run("night_porters", str(file), out=tmp_path / "run", engine="ray")


def test_a_replica_that_differs_is_refused(cluster, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_text("", "utf-8")
    file = tmp_path / "unsteady.py"
    file.write_text(
        "import asyncio\nfrom pathlib import Path\nfrom safegym.records import Turn\n"
        "class Agent:\n"
        "    def __init__(self, weights):\n"
        "        with Path(weights).open('a') as file: file.write('x')\n"
        "    def start(self, brief, tools, seed): pass\n"
        "    async def act(self, observation): await asyncio.sleep(0.2); return Turn()\n",
        "utf-8",
    )
    work = {"seeds": range(12), "weights": str(weights), "engine": "ray", "workers": 2, "parallel": 2}
    with pytest.raises(EngineError, match=r"the workers differ: profile\.identity\.hash is"):
        run("night_porters", str(file), out=tmp_path / "run", **work)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_its_workers_and_keeps_its_episodes(cluster, tmp_path: Path, sent: int) -> None:
    folder, agent = tmp_path / "run", agent_file(tmp_path, "await asyncio.sleep(0.1)")
    command = [sys.executable, "-m", "safegym.cli", "run", "night_porters", "--agent", agent, "--seeds", "0-11",
               "--out", str(folder), "--json"]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT), "RAY_ADDRESS": cluster.address}
    started = subprocess.Popen(
        [*command, "--engine", "ray", "--parallel", "2"], env=environment, stderr=subprocess.PIPE
    )
    file = folder / "episodes.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not file.exists() or file.read_bytes().count(b"\n") < 3):
        time.sleep(0.02)
    started.send_signal(sent)
    _, told = started.communicate(timeout=30)
    assert started.returncode == 130
    assert told.decode().startswith("Interrupted; the finished episodes are kept")
    before = lines(folder)
    assert 3 <= len(before) < 12
    processes = {json.loads(line)["process"] for line in (folder / "timings.jsonl").read_text("utf-8").splitlines()}
    while time.monotonic() < deadline and not all(map(gone, processes)):
        time.sleep(0.05)
    assert all(map(gone, processes))
    done = subprocess.run([*command, "--engine", "ray"], env=environment, capture_output=True, timeout=60)
    assert done.returncode == 0
    assert json.loads(done.stdout)["runs"][0]["episodes"] == 12
    assert set(before) < set(lines(folder))


def test_more_workers_than_the_cluster_holds_are_refused(cluster, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"expected from 1 to \d workers on a cluster of \d processors, got 99"):
        run("night_porters", "oracle", out=tmp_path / "run", engine="ray", workers=99)


def test_engines_are_named_and_refuse_what_they_cannot_play(tmp_path: Path) -> None:
    ready = load_examinee("oracle", content.find_agent("oracle"))
    for settings, error, nearest in (
        ({"agent": "oracle", "engine": "rai"}, UnknownNameError, "did you mean 'ray'"),
        ({"agent": "oracle", "workers": 2}, EngineError, "expected workers with the engine 'ray'"),
        ({"agent": ready, "engine": "ray"}, EngineError, "'oracle' ready made"),
    ):
        with pytest.raises(error, match=nearest):
            run("night_porters", out=tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"safegym-tradeoffs\[scale\]"):
        run("night_porters", "oracle", out=tmp_path / "run", engine="ray")


def test_a_cluster_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    command = [sys.executable, "-m", "safegym.cli", "run", "night_porters", "--agent", "oracle", "--engine", "ray"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "RAY_ADDRESS": "127.0.0.1:1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "safegym: the Ray cluster at '127.0.0.1:1' cannot be reached: " in done.stderr


def test_an_agent_travels_as_bytes_to_a_node_that_has_none_of_its_files(tmp_path: Path) -> None:
    file = Path(agent_file(tmp_path))
    sent = pack(Candidate(str(file), {"word": "x"}), file)
    file.unlink()
    worker = Worker()
    loaded = asyncio.run(worker.load(Shipment(sent.candidate, file, sent.content, tmp_path / "nowhere", sent.paths)))
    plan = make_plan("night_porters")
    played = asyncio.run(worker.play(plan.jobs[0], Terms(make_identity(plan, {SINGLE: loaded.profile}))))
    assert played.episode.steps
    assert played.timing["node"] == loaded.node
    file.write_bytes(sent.content)
    assert load_examinee(str(file), file, word="x").identity == loaded.profile.identity


def test_files_that_parameters_name_and_the_shell_have_to_be_the_same_on_every_node(tmp_path: Path) -> None:
    policy, file = tmp_path / "policy.zip", Path(agent_file(tmp_path))
    policy.touch()
    sent = pack(Candidate("made_up", {"marker": str(policy)}), file)
    policy.unlink()
    worker = Worker()
    missing = asyncio.run(worker.load(sent))
    assert isinstance(missing, ContentError)
    assert "made_up.py: marker: expected" in str(missing)
    policy.touch()
    loaded = asyncio.run(worker.load(sent))
    plan = make_plan("night_porters")
    identity = make_identity(plan, {SINGLE: loaded.profile}).model_copy(update={"shell": "embedded bashkit 0.0.1"})
    other = asyncio.run(worker.play(plan.jobs[0], Terms(identity)))
    assert isinstance(other, EngineError)
    assert f"expected the shell 'embedded bashkit 0.0.1' on every node, found '{shell_of({})}'" in str(other)


def test_workers_share_a_cluster_out() -> None:
    four, gpus = {"CPU": 4.0}, {"CPU": 16.0, "GPU": 2.0}
    shapes = [
        lay_out([four], None, gpu=True),
        lay_out([four, four], 3, gpu=False),
        lay_out([gpus, gpus, four], None, gpu=True),
        lay_out([gpus, four], None, gpu=False),
        lay_out([{"CPU": 1.0}], None, gpu=False),
        lay_out([{"CPU": 2.0, "GPU": 8.0}], None, gpu=True),
    ]
    assert [(each.workers, each.cpus, each.gpus) for each in shapes] == [
        (2, 2, 0), (3, 2, 0), (4, 8, 1), (10, 2, 0), (1, 1, 0), (2, 1, 1)
    ]  # fmt: skip
    with pytest.raises(EngineError, match="from 1 to 2 workers on a cluster of 16 processors and 2 GPUs, got 3"):
        lay_out([gpus], 3, gpu=True)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=1), st.integers(1, 20), st.booleans())
def test_a_layout_fits_on_its_nodes(shape: list[tuple[int, int]], workers: int, gpu: bool) -> None:
    nodes = [{"CPU": cpus, "GPU": gpus} for cpus, gpus in shape]
    try:
        found = lay_out(nodes, workers, gpu=gpu)
    except EngineError:
        using = gpu and any(gpus for _, gpus in shape)
        assert sum(min(cpus, gpus) if using else cpus for cpus, gpus in shape) < workers
        return
    held = [min(cpus // found.cpus, gpus) if found.gpus else cpus // found.cpus for cpus, gpus in shape]
    assert found.cpus >= 1
    assert sum(held) >= found.workers == workers


def test_errors_survive_the_way_from_a_worker() -> None:
    samples = [
        UnknownNameError("agent", "x", ["y"]),
        ContentError("a.toml", "field", "reason"),
        errors.IdentityError("runs/x", "shell", "one", {"two": 2}),
        MissingExtraError("the engine ray", "scale"),
        SandboxError("no bwrap"),
    ]
    plain = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, SafegymError)]
    samples += [each("what happened") for each in plain if each not in {type(sample) for sample in samples}]
    for error in samples:
        assert portable(error) is error
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)


def test_errors_that_would_not_survive_it_become_the_nearest_that_do() -> None:
    class OwnError(ModelError):
        pass

    class NamedError(UnknownNameError):
        pass

    own, named = OwnError("gone"), NamedError("agent", "x", ["y"])
    own.lock = threading.Lock()
    for error, nearest in ((own, ModelError), (named, SafegymError)):
        assert type(portable(error)) is nearest
        assert str(portable(error)) == str(error)
