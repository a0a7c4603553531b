"""Runs: many episodes played, kept and graded; and paths and logs played again, call by call."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from safegym import content, families, papers
from safegym.agent import Examinee
from safegym.engines import open_engine
from safegym.engines.base import Candidate, Engine, Players, Profile
from safegym.env import SafegymEnv
from safegym.episodes import Played, Terms
from safegym.errors import ContentError, MissingExtraError, SafegymError, UnknownNameError
from safegym.families.presets import is_game, scenario_of
from safegym.graders import grade_all
from safegym.log import RunFolder, RunHeader, start_run
from safegym.loops import run_to_end
from safegym.matches import check_player, verify_match
from safegym.plan import Job, Plan, make_plan, shell_of
from safegym.recording import Recorder, episode_key, reset_options
from safegym.records import SINGLE, AgentIdentity, Arm, Episode, Grade, Identity, Scenario, ToolCall, Turn

if TYPE_CHECKING:
    import pandas

RUNS = Path("runs")
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
class Results:
    """A finished run."""

    folder: RunFolder
    episodes: tuple[Episode, ...]
    grades: tuple[Grade, ...]

    def to_pandas(self) -> pandas.DataFrame:
        """One row per grade, with a column per factor.

        Raises:
            MissingExtraError: If pandas is not installed.
        """
        try:
            pandas: Any = importlib.import_module("pandas")
        except ImportError:
            raise MissingExtraError("a frame of grades", "plots") from None
        rows = [{**each.model_dump(exclude={"arm", "evidence"}), **each.arm.levels} for each in self.grades]
        frame: pandas.DataFrame = pandas.DataFrame(rows)
        return frame


def run(
    work: str | Path | Scenario | Sequence[str],
    agent: str | Examinee | Mapping[str, str | Examinee],
    *,
    arms: Mapping[str, str | Sequence[str]] | None = None,
    options: Mapping[str, JsonValue] | None = None,
    seeds: Iterable[int] | None = None,
    repeats: int = 1,
    out: str | Path | None = None,
    limit: int | None = None,
    data: str | Path | None = None,
    questions: bool = True,
    tokens: bool = True,
    parallel: int = 32,
    engine: str = "local",
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    **parameters: Any,  # noqa: ANN401 - the agent's own
) -> Results:
    """Play what is missing of a run, grade it and return all of it.

    Args:
        work: A suite, a scenario (id, name or path), or several scenarios.
        agent: Name or path of an agent, or an examinee that was made already; for a game one for every seat, such as
            `{"principal_0": "smollm2", "agent_0": "oracle"}`.
        arms: Levels to cross per factor, or the one level; factors left out take what the suite says, else a
            scenario's first level.
        options: Options of the families.
        seeds: Seeds of the worlds, such as `range(4)`; by default those of the suite, else 0.
        repeats: How often each world is played, with other seeds for the agent.
        out: The run folder; by default one in `runs` named by suite, agent and, where they were given, model and mode.
            What it holds already is not played again.
        limit: Fewer steps than the scenarios allow.
        data: For work such as `paper:odcv`: the folder of the paper's released files.
        questions: Ask copies of each agent, before it decides and after the end, what families ask beside an episode.
        tokens: Keep the token ids and log-probabilities of every turn, where the model tells them.
        parallel: Episodes in flight at once.
        engine: Where episodes are played: `local`, in this process, or `ray`, on the workers of a Ray cluster.
        workers: How many workers, for `ray`: one per GPU by default, without GPUs one per two processors.
        progress: Called at the start and after every episode.
        parameters: Parameters of the agent, such as `model`; for a game those of a seat as a mapping by its name.

    Raises:
        UnknownNameError: For a scenario, suite, agent, seat, factor, level or option that does not exist.
        ContentError: If a seat of a game has no agent, several agents are named for one run, seeds are no list of whole
            numbers, or no scenario has a factor of the arms.
        AgentError: If an agent cannot play the game that it has a seat in.
        IdentityError: If the folder holds episodes of another identity.
        EngineError: If the engine cannot play the agent, or an episode killed its worker again and again.
    """
    plan = make_plan(work, arms=arms, options=options, seeds=seeds, repeats=repeats, limit=limit, data=data)
    players = _players(plan, agent, parameters)
    with open_engine(engine, players, parallel=parallel, workers=workers) as opened:
        for seat, examinee in opened.examinees.items() if plan.seats else ():
            check_player(plan.jobs[0], plan.options, seat, examinee)
        terms = Terms(make_identity(plan, opened.profiles), plan.limit, questions, tokens)
        recorded = _by_seat({seat: each.describe for seat, each in opened.profiles.items()})
        recorded |= {} if data is None else {DATA: str(Path(data).resolve())}
        header = RunHeader(name=plan.name, identity=terms.identity, recorded=recorded)
        folder = start_run(out or RUNS / _folder_of(plan, players, opened.profiles), header)
        with folder.writing():
            _play_missing(plan, opened, terms, folder, progress)
            wanted = {episode_key(terms.identity, job) for job in plan.jobs}
            episodes = tuple(episode for episode in folder.episodes() if episode.key in wanted)
            every = grade_all(folder.episodes())
            folder.write_grades(every)
    return Results(folder, episodes, tuple(each for each in every if each.key in wanted))


def folder_name(suite: str, agent: str, parameters: Mapping[str, object]) -> str:
    """What a run's folder is called by default: another model, adapter or mode is another run."""
    model, adapter, mode = (parameters.get(each) for each in ("model", "adapter", "mode"))
    told = [Path(str(model)).name.removeprefix("wheel:")] if model else []
    if adapter:
        folder = Path(str(adapter))
        told.append(folder.parent.name if folder.name == "adapter" else folder.name)
    return "-".join([suite, agent, *told, *([str(mode)] if mode else [])])


def game_folder_name(work: str, players: Iterable[tuple[str, Mapping[str, object]]]) -> str:
    """The same for a game: its work, and its agents with their parameters in the order of the seats."""
    return "-".join([work, *(folder_name("", name, given).removeprefix("-") for name, given in players)])


def make_identity(plan: Plan, profiles: Mapping[str, Profile]) -> Identity:
    """The identity of a run."""
    options = plan.options | ({} if plan.limit is None else {"limit": plan.limit})
    return Identity(
        agents={seat: each.identity for seat, each in profiles.items()},
        protocol=_by_seat({seat: each.protocol for seat, each in profiles.items()}),
        options=options,
        shell="" if plan.seats else shell_of(plan.options),
    )


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
    if is_game(episode.family):
        scenario = scenario_of(content.find_preset(episode.scenario))
    elif episode.family in families.names():
        scenario = content.find_scenario(episode.scenario)
    else:
        (scenario,) = papers.read_items(f"{papers.PREFIX}{episode.scenario}", data).scenarios
    now = scenario.hash_under(episode.schema_version)
    if now != episode.scenario_hash:
        return [f"the scenario has changed: {now} now, {episode.scenario_hash} in the log"]
    if is_game(episode.family):
        return verify_match(episode, scenario)
    env = SafegymEnv(episode.family, interface="tools", limit=episode.limits.amount)
    env.reset(seed=episode.seed, options=reset_options(scenario, episode.arm, episode.options))
    differences = [] if env.world.hash() == episode.initial_state else ["the initial state differs"]
    for step in episode.steps:
        env.step(step.call)
        if env.world.hash() != step.state:
            differences.append(f"step {step.index + 1}: state {env.world.hash()}, recorded {step.state}")
    return differences


def _players(
    plan: Plan, agent: str | Examinee | Mapping[str, str | Examinee], parameters: Mapping[str, Any]
) -> dict[str, Candidate | Examinee]:
    """Who plays, by seat; one agent for a world, and one for every seat of a game."""
    several = isinstance(agent, str) and "," in agent and not content.named_path(agent)
    if several or not isinstance(agent, str | Path | Examinee | Mapping):
        raise ContentError("agent", "", f"expected one agent, since each is a run of its own, got {agent!r}")
    if not isinstance(agent, Mapping):
        check_seats(plan, () if plan.seats else None)
        return {SINGLE: agent if isinstance(agent, Examinee) else Candidate(str(agent), dict(parameters))}
    check_seats(plan, agent)
    check_seats(plan, {**agent, **parameters})
    named = {seat: agent[seat] for seat in plan.seats}
    return {
        seat: each if isinstance(each, Examinee) else Candidate(str(each), dict(parameters.get(seat, {})))
        for seat, each in named.items()
    }


def check_seats(plan: Plan, given: Collection[str] | None) -> None:
    """Refuse seats that a game does not have, and a game without an agent in every seat.

    Args:
        plan: What is played.
        given: The seats that have an agent; None if one agent was named without a seat.
    """
    if not plan.seats:
        if given is not None:
            raise ContentError("--agent", "", f"expected agents without seats, since {plan.name} is no game")
        return
    for seat in given or ():
        if seat not in plan.seats:
            raise UnknownNameError("seat", seat, plan.seats)
    missing = [seat for seat in plan.seats if seat not in (given or ())]
    if missing:
        wanted = f"expected an agent for each of {' and '.join(plan.seats)}, as {missing[0]}=NAME"
        raise ContentError("--agent", "", f"{wanted}, got none for {' and '.join(missing)}")


def _by_seat(found: Mapping[str, dict[str, JsonValue]]) -> dict[str, JsonValue]:
    """What is known of every seat; of a single agent without its seat."""
    return dict(found[SINGLE]) if SINGLE in found else dict(found)


def _folder_of(plan: Plan, players: Players, profiles: Mapping[str, Profile]) -> str:
    given = {seat: each.parameters if isinstance(each, Candidate) else {} for seat, each in players.items()}
    if SINGLE in players:
        return folder_name(plan.name, profiles[SINGLE].identity.name, given[SINGLE])
    return game_folder_name(plan.name, ((Path(profiles[seat].identity.name).stem, given[seat]) for seat in players))


def _play_missing(
    plan: Plan, engine: Engine, terms: Terms, folder: RunFolder, progress: Callable[[Progress], None] | None
) -> None:
    finished = folder.keys()
    missing = [job for job in plan.jobs if episode_key(terms.identity, job) not in finished]
    tally = {"done": len(plan.jobs) - len(missing), "steps": 0}

    def tell(episode: Episode | None) -> None:
        if progress is not None:
            name = ", ".join(profile.identity.name for profile in engine.profiles.values())
            progress(Progress(name, len(plan.jobs), tally["done"], tally["steps"], episode))

    def keep(played: Played) -> None:
        folder.append(played.episode, played.timing, played.traces)
        tally["done"] += 1
        tally["steps"] += len(played.episode.steps)
        tell(played.episode)

    tell(None)
    if missing:
        try:
            run_to_end(engine.play(missing, terms, keep))
        except* SafegymError as errors:
            raise errors.exceptions[0] from None
