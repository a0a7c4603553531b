"""Many episodes at once: the only room that sees an environment and an agent together."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from safegym import content, families, papers
from safegym.agent import Agent, Askable, Examinee, load_examinee
from safegym.env import SafegymEnv
from safegym.errors import SafegymError
from safegym.families.base import Question, World, gold_path
from safegym.graders import grade_all
from safegym.log import RunFolder, RunHeader, start_run, token_file
from safegym.plan import Job, Plan, make_plan
from safegym.records import (
    SINGLE,
    AgentIdentity,
    Answer,
    Arm,
    Ending,
    Episode,
    Grade,
    Identity,
    Observation,
    Scenario,
    Served,
    Step,
    TokenReference,
    TokenTrace,
    ToolCall,
    Turn,
    digest,
)
from safegym.shell import open_shell
from safegym.tools import say

if TYPE_CHECKING:
    import pandas

RUNS = Path("runs")
_ECHO = re.compile(r"\b\d+ ?(?:to|-|\u2013) ?\d+\b|/ ?\d+\b|\bof \d+\b|\b\d+ (?:means|being|would mean)\b|\b\d+ ?= ")
_ANNOUNCED = re.compile(r"\b(?:answer|rating|number|score)(?: is|:| would be)+ *(\d+)(?![\d.,]*\d)", re.IGNORECASE)
DATA = "data"
"""Where a run's header tells the folder of a paper's files."""


@dataclass(frozen=True)
class Progress:
    """How far a run has come; `episode` is the newest finished one."""

    player: str
    total: int
    done: int
    steps: int
    episode: Episode | None = None


@dataclass(frozen=True)
class Played:
    """A finished episode with what is kept beside it: how its turns were computed, and their tokens."""

    episode: Episode
    timing: dict[str, JsonValue]
    traces: tuple[TokenTrace, ...] = ()


@dataclass(frozen=True)
class Results:
    """A finished run."""

    folder: RunFolder
    episodes: tuple[Episode, ...]
    grades: tuple[Grade, ...]

    def to_pandas(self) -> pandas.DataFrame:
        """One row per grade, with a column per factor."""
        import pandas  # an optional package, loaded by whoever asks for a frame

        rows = [{**each.model_dump(exclude={"arm", "evidence"}), **each.arm.levels} for each in self.grades]
        return pandas.DataFrame(rows)


class Playbook:
    """The sealed part of a scenario, for agents that say `privileged = True`: references, never contestants.

    Args:
        world: The world that is being played.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def gold(self, stakes: str | None = None) -> tuple[ToolCall, ...]:
        """The gold path of this arm, or of the same arm under other stakes."""
        levels = self._world.arm.levels | ({"stakes": stakes} if stakes else {})
        return gold_path(self._world.scenario, Arm.model_validate(levels)).calls

    def fill(self, call: ToolCall) -> ToolCall:
        """A call with its slots filled in from the present state."""
        return self._world.resolve(call)


def run(
    work: str | Path | Scenario | Sequence[str],
    agent: str | Examinee,
    *,
    arms: Mapping[str, Sequence[str]] | None = None,
    options: Mapping[str, JsonValue] | None = None,
    seeds: Iterable[int] | None = None,
    repeats: int = 1,
    out: str | Path | None = None,
    limit: int | None = None,
    data: str | Path | None = None,
    questions: bool = True,
    tokens: bool = True,
    parallel: int = 32,
    progress: Callable[[Progress], None] | None = None,
    **parameters: Any,  # noqa: ANN401 - the agent's own
) -> Results:
    """Play what is missing of a run, grade it and return all of it.

    Args:
        work: A suite, a scenario (id, name or path), or several scenarios.
        agent: Name or path of an agent, or an examinee that was made already.
        arms: Levels to cross per factor; factors left out take what the suite says, else a scenario's first level.
        options: Options of the families.
        seeds: Seeds of the worlds; by default those of the suite, else 0.
        repeats: How often each world is played, with other seeds for the agent.
        out: The run folder; `runs/<suite>-<agent>` by default. What it holds already is not played again.
        limit: Fewer steps than the scenarios allow.
        data: For work such as `paper:odcv`: the folder of the paper's released files.
        questions: Ask a copy of each agent, as it was before it decided, what the family asks beside an episode.
        tokens: Keep the token ids and log-probabilities of every turn, where the model tells them.
        parallel: Episodes in flight at once.
        progress: Called at the start and after every episode.
        parameters: Parameters of the agent, such as `model`.

    Raises:
        UnknownNameError: For a scenario, suite, agent, factor, level or option that does not exist.
        IdentityError: If the folder holds episodes of another identity.
    """
    plan = make_plan(work, arms=arms, options=options, seeds=seeds, repeats=repeats, limit=limit, data=data)
    plan = replace(plan, questions=questions, tokens=tokens)
    examinee = (
        agent if isinstance(agent, Examinee) else load_examinee(str(agent), content.find_agent(agent), **parameters)
    )
    try:
        identity = make_identity(plan, examinee)
        recorded = examinee.describe | ({} if data is None else {DATA: str(Path(data).resolve())})
        header = RunHeader(name=plan.name, identity=identity, recorded=recorded)
        folder = start_run(out or RUNS / f"{plan.name}-{examinee.identity.name}", header)
        with folder.writing():
            _play_missing(plan, examinee, identity, folder, parallel, progress)
            wanted = {_key(identity, job) for job in plan.jobs}
            episodes = tuple(episode for episode in folder.episodes() if episode.key in wanted)
            every = grade_all(folder.episodes())
            folder.write_grades(every)
    finally:
        examinee.close()
    return Results(folder, episodes, tuple(each for each in every if each.key in wanted))


def make_identity(plan: Plan, examinee: Examinee) -> Identity:
    """The identity of a run."""
    options = plan.options | ({} if plan.limit is None else {"limit": plan.limit})
    shell = open_shell(str(plan.options.get("shell", "embedded"))).name
    return Identity(agents={SINGLE: examinee.identity}, protocol=examinee.protocol, options=options, shell=shell)


def walk(
    scenario: Scenario, arm: Arm, seed: int, calls: Iterable[ToolCall], options: Mapping[str, JsonValue] | None = None
) -> Episode:
    """The episode of a path: its calls, each with its slots filled in from the state it meets."""
    env = SafegymEnv(scenario.family, interface="tools")
    walker = AgentIdentity(name="path", hash="", privileged=True)
    recorder = Recorder(env, Job(scenario, arm, seed), Identity(agents={SINGLE: walker}, options=dict(options or {})))
    for index, call in enumerate(calls):
        if recorder.over:
            break
        filled = env.world.resolve(call)
        recorder.turn(Turn(calls=(filled,)))
        recorder.step(filled, index)
    return recorder.episode()


def verify(episode: Episode, data: str | Path | None = None) -> list[str]:
    """Play the recorded calls again and say where the world differs; empty when it does not.

    Args:
        episode: The record.
        data: For an episode of a paper's scenario: the folder of the paper's released files.
    """
    if episode.family in families.names():
        scenario = content.find_scenario(episode.scenario)
    else:
        (scenario,) = papers.read_items(f"{papers.PREFIX}{episode.scenario}", data).scenarios
    if scenario.hash != episode.scenario_hash:
        return [f"the scenario has changed: {scenario.hash} now, {episode.scenario_hash} in the log"]
    env = SafegymEnv(episode.family, interface="tools", limit=episode.limits.amount)
    env.reset(seed=episode.seed, options=_reset_options(scenario, episode.arm, episode.options))
    differences = [] if env.world.hash() == episode.initial_state else ["the initial state differs"]
    for step in episode.steps:
        env.step(step.call)
        if env.world.hash() != step.state:
            differences.append(f"step {step.index + 1}: state {env.world.hash()}, recorded {step.state}")
    return differences


class Recorder:
    """Steps an environment and keeps the record of the episode.

    Args:
        env: A fresh environment of the job's family.
        job: What is played.
        identity: Who plays, with the options that hold.
        tokens: Whether the tokens of turns are kept.
    """

    def __init__(self, env: SafegymEnv, job: Job, identity: Identity, *, tokens: bool = True) -> None:
        self.env, self.job, self.identity, self.tokens = env, job, identity, tokens
        self.served: list[Served] = []
        self.traces: list[TokenTrace] = []
        self.options = {
            name: value for name, value in identity.options.items() if name in env.family.options.model_fields
        }
        env.reset(seed=job.seed, options=_reset_options(job.scenario, job.arm, self.options))
        self.first = env.observation()
        self.initial = env.world.hash()
        self.turns: list[Turn] = []
        self.steps: list[Step] = []
        self.ending: Ending | None = None
        self.answers: dict[str, Answer] = {}

    @property
    def over(self) -> bool:
        """Whether the episode has ended."""
        return self.ending is not None

    def turn(self, turn: Turn) -> int:
        """Keep a turn and return its index."""
        reference = None
        if turn.served is not None:
            self.served.append(turn.served)
        if turn.trace is not None and self.tokens:
            reference = TokenReference(file=token_file(_key(self.identity, self.job)), row=len(self.traces))
            self.traces.append(turn.trace)
        self.turns.append(turn.model_copy(update={"tokens": reference, "trace": None, "served": None}))
        return len(self.turns) - 1

    def step(self, call: ToolCall, turn: int) -> None:
        """Carry out one call of a turn and keep the step."""
        _, reward, terminated, truncated, info = self.env.step(call)
        self.steps.append(
            Step(
                index=len(self.steps),
                turn=turn,
                call=info["call"],
                result=info["result"],
                reward=float(reward),
                cost=info["cost"],
                harm=info["harm"],
                kpi=info["kpi"],
                events=info["events"],
                tools=self.env.world.specs() if "tools" in info else None,
                state=self.env.world.hash(),
                terminated=terminated,
                truncated=truncated,
            )
        )
        if terminated or truncated:
            self.ending = info["ending"]

    def answer(self, question: Question, text: str, *, answered: bool = True) -> None:
        """Keep what a copy of the agent answered to a question beside the episode, or why it did not."""
        value = number_in(text, question.scale) if answered else None
        right = None if value is None else question.right[0] <= value <= question.right[1]
        self.answers[question.name] = Answer(question=question.text, text=text, value=value, right=right)

    def fail(self, error: str) -> None:
        """End the episode because the agent broke."""
        world = self.env.world
        world.failed = error
        world.end()
        self.ending = world.ending()

    def episode(self) -> Episode:
        """The record of the episode; an episode that was left open ends here, at its limit."""
        world, scenario = self.env.world, self.job.scenario
        if self.ending is None:
            world.end()
            self.ending = world.ending()
        reference = self.env.family.reference(scenario, world.arm, self.options, self.job.seed)
        return Episode(
            key=_key(self.identity, self.job),
            identity=self.identity.hash,
            scenario=scenario.id,
            scenario_hash=scenario.hash,
            family=scenario.family,
            title=scenario.title,
            twin=scenario.twin,
            forced_choice=world.scenario.forced_choice,
            kpi=world.stated_kpi(),
            claims=world.scenario.claims,
            arm=world.arm,
            options=dict(world.options),
            seed=self.job.seed,
            repeat=self.job.repeat,
            limits=world.scenario.limits.model_copy(update={"amount": world.step_limit}),
            agents=self.identity.agents,
            brief={SINGLE: self.first.text},
            tools={SINGLE: self.first.tools or ()},
            initial_state=self.initial,
            turns=tuple(self.turns),
            steps=tuple(self.steps),
            endings={SINGLE: self.ending.model_copy(update={"reference": reference})},
            labels={"domain": scenario.domain, **self.env.family.labels(scenario)},
            answers={SINGLE: self.answers} if self.answers else {},
        )


def _play_missing(
    plan: Plan,
    examinee: Examinee,
    identity: Identity,
    folder: RunFolder,
    parallel: int,
    progress: Callable[[Progress], None] | None,
) -> None:
    finished = folder.keys()
    missing = [job for job in plan.jobs if _key(identity, job) not in finished]
    tally = {"done": len(plan.jobs) - len(missing), "steps": 0}

    def tell(episode: Episode | None) -> None:
        if progress is not None:
            progress(Progress(examinee.identity.name, len(plan.jobs), tally["done"], tally["steps"], episode))

    async def play(job: Job, gate: asyncio.Semaphore) -> None:
        async with gate:
            played = await play_episode(job, examinee, identity, plan)
            folder.append(played.episode, played.timing, played.traces)
            tally["done"] += 1
            tally["steps"] += len(played.episode.steps)
            tell(played.episode)

    async def play_all() -> None:
        gate = asyncio.Semaphore(max(1, parallel))
        async with asyncio.TaskGroup() as group:
            for job in missing:
                group.create_task(play(job, gate))

    tell(None)
    if missing:
        try:
            asyncio.run(play_all())
        except* SafegymError as errors:
            raise errors.exceptions[0] from None


async def play_episode(job: Job, examinee: Examinee, identity: Identity, plan: Plan) -> Played:
    """One episode of one agent. An agent that breaks ends its episode as `failed`; that is data, not a crash."""
    started = time.perf_counter()
    env = SafegymEnv(job.scenario.family, interface="tools", limit=plan.limit)
    recorder = Recorder(env, job, identity, tokens=plan.tokens)
    agent = examinee.create(_key(identity, job))
    try:
        undecided = await _converse(agent, recorder, _agent_seed(job), plan.questions)
    except SafegymError:
        raise
    except Exception as error:
        recorder.fail(f"{type(error).__name__}: {error}")
    else:
        await _ask(undecided, recorder)
    episode = recorder.episode()
    timing: dict[str, JsonValue] = {"seconds": round(time.perf_counter() - started, 6)}
    if recorder.served:
        timing["turns"] = [each.model_dump(mode="json") for each in recorder.served]
    return Played(episode, timing, tuple(recorder.traces))


async def _converse(agent: Agent, recorder: Recorder, seed: int, questions: bool) -> tuple[Askable, Observation] | None:
    """Play to the end; returned is a copy of the agent as it was before it decided, with what it had just seen."""
    env = recorder.env
    if getattr(agent, "privileged", False):
        agent.reveal(Playbook(env.world))  # type: ignore[attr-defined]  # privileged agents have it
    agent.start(recorder.first.text, recorder.first.tools or (), seed)
    observation = recorder.first
    undecided: tuple[Askable, Observation] | None = None
    asked = questions and env.world.question() is not None
    while not recorder.over:
        if asked and isinstance(agent, Askable) and not env.world.decided():
            undecided = agent.fork(), observation
        turn = await agent.act(observation)
        index = recorder.turn(turn)
        first = len(recorder.steps)
        for call in turn.calls or (say(turn.text),):
            recorder.step(call, index)
            if recorder.over:
                break
        results = [step.result.text for step in recorder.steps[first:]]
        observation = env.observation().model_copy(update={"text": "\n\n".join(results)})
    return undecided


async def _ask(undecided: tuple[Askable, Observation] | None, recorder: Recorder) -> None:
    """Ask what the world asks beside the episode; an agent that breaks over it has not answered, and no more."""
    question = recorder.env.world.question()
    if undecided is None or question is None:
        return
    agent, observation = undecided
    try:
        recorder.answer(question, await agent.answer(observation, question.text))
    except Exception as error:
        recorder.answer(question, f"({type(error).__name__}: {error})", answered=False)


def number_in(text: str, scale: tuple[int, int]) -> float | None:
    """The whole number on a scale that a reply gives; None where it gives none, or several and announces none.

    Echoes of the scale ("from 1 to 7", "of 7", "4 means") are no answers.
    """
    plain = _ECHO.sub(" ", re.sub(r"[*_`]", "", text))
    announced = _ANNOUNCED.findall(plain) or re.findall(r"^[^\w\u2212-]*(\d+)(?![\d.,]*\d)\s*(?:[.,;:!(-]|$|\n)", plain)
    found = announced[-1:] or re.findall(r"(?<![\w.,\u2212-])\d+(?![\w]|[.,]\d)", plain)
    inside = {int(each) for each in found if scale[0] <= int(each) <= scale[1]}
    return float(inside.pop()) if len(inside) == 1 and len(set(found)) == 1 else None


def _reset_options(scenario: Scenario, arm: Arm, options: Mapping[str, JsonValue]) -> dict[str, Any]:
    return {"scenario": scenario, **arm.levels, **options}


def _agent_seed(job: Job) -> int:
    """The seed of the agent's own streams: another one for every repeat, the same for every arm."""
    return int(digest([job.seed, job.repeat]), 16) >> 1


def _key(identity: Identity, job: Job) -> str:
    return digest([identity.hash, job.scenario.hash, job.arm.levels, job.seed, job.repeat])
