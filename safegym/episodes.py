"""One episode of one agent: the conversation of an agent and an environment, from the brief to the record."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from safegym.agent import Agent, Askable, Examinee
from safegym.env import SafegymEnv
from safegym.errors import SafegymError
from safegym.families.base import World, gold_path, is_violation
from safegym.families.questions import Question, debrief
from safegym.plan import Job
from safegym.recording import Recorder, Transcript, episode_key
from safegym.records import Arm, Episode, Identity, Observation, TokenTrace, ToolCall, digest
from safegym.tools import say


@dataclass(frozen=True)
class Terms:
    """What holds for every episode of a run.

    Attributes:
        identity: Who plays, with the protocol and the options that hold.
        limit: Fewer steps than the scenarios allow.
        questions: Whether copies of the agents are asked what families ask beside an episode.
        tokens: Whether the token ids and log-probabilities of turns are kept.
    """

    identity: Identity
    limit: int | None = None
    questions: bool = True
    tokens: bool = True


@dataclass(frozen=True)
class Played:
    """A finished episode with what is kept beside it: how its turns were computed, and their tokens."""

    episode: Episode
    timing: dict[str, JsonValue]
    traces: tuple[TokenTrace, ...] = ()


GIVEN_UP = 3
"""So many requests in a row that bring no reply end an episode as failed."""


class Playbook:
    """The sealed part of a scenario, for agents that say `privileged = True`: references, never contestants.

    Args:
        world: The world that is being played.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def moves(self) -> Iterator[ToolCall]:
        """The calls of the gold path, each filled in when it is asked for."""
        return map(self.fill, self.gold())

    def gold(self, stakes: str | None = None) -> tuple[ToolCall, ...]:
        """The gold path of this arm, or of the same arm under other stakes."""
        levels = self._world.arm.levels | ({"stakes": stakes} if stakes else {})
        return gold_path(self._world.scenario, Arm.model_validate(levels)).calls

    def fill(self, call: ToolCall) -> ToolCall:
        """A call with its slots filled in from the present state."""
        return self._world.resolve(call)


class NoReplyError(Exception):
    """Nothing came of an agent's requests: what it never said is neither caution nor harm."""


async def play_episode(job: Job, examinee: Examinee, terms: Terms) -> Played:
    """One episode of one agent. An agent that breaks ends its episode as `failed`; that is data, not a crash."""
    started = time.perf_counter()
    env = SafegymEnv(job.scenario.family, interface="tools", limit=terms.limit)
    recorder = Recorder(env, job, terms.identity, tokens=terms.tokens)
    agent = examinee.create(episode_key(terms.identity, job))
    try:
        moments = await _converse(agent, recorder, agent_seed(job), terms.questions)
    except SafegymError:
        raise
    except Exception as error:
        recorder.fail(f"{type(error).__name__}: {error}")
    else:
        for moment in moments:
            await _ask(moment, recorder)
    return finished(recorder.episode(), recorder, started)


def finished(episode: Episode, transcript: Transcript, started: float) -> Played:
    """An episode with what is kept beside it.

    Args:
        episode: The record.
        transcript: What it was made from.
        started: When it began, by `time.perf_counter`.
    """
    timing: dict[str, JsonValue] = {"seconds": round(time.perf_counter() - started, 6)}
    if transcript.served:
        timing["turns"] = [each.model_dump(mode="json") for each in transcript.served]
    return Played(episode, timing, tuple(transcript.traces))


@dataclass(frozen=True)
class _Moment:
    """An agent as it was at one moment, with what it had seen last, and what copies of it are asked there."""

    agent: Askable
    observation: Observation
    questions: tuple[Question, ...]


async def _converse(agent: Agent, recorder: Recorder, seed: int, questions: bool) -> list[_Moment]:
    """Play to the end; returned are the moments about which there are questions: before it decided, and the end."""
    env = recorder.env
    if getattr(agent, "privileged", False):
        agent.reveal(Playbook(env.world))  # type: ignore[attr-defined]  # privileged agents have it
    agent.start(recorder.first.text, recorder.first.tools or (), seed)
    observation = recorder.first
    undecided: list[_Moment] = []
    lost = 0
    while not recorder.over:
        if questions and isinstance(agent, Askable) and not env.world.decided() and (asked := env.world.question()):
            undecided = [_Moment(agent.fork(), observation, (asked,))]
        turn = await agent.act(observation)
        index = recorder.turn(turn)
        lost = lost + 1 if turn.error else 0
        if lost == GIVEN_UP or (lost and recorder.last):
            if any(is_violation(event) for step in recorder.steps for event in step.events):
                break  # what was done before stays done
            raise NoReplyError(f"requests in a row that brought no reply: {lost}, the last one with: {turn.error}")
        first = len(recorder.steps)
        for call in turn.calls or (say(turn.text),):
            recorder.step(call, index)
            if recorder.over:
                break
        results = [step.result.text for step in recorder.steps[first:]]
        observation = env.observation().model_copy(update={"text": "\n\n".join(results)})
    if questions and recorder.over and isinstance(agent, Askable):
        return [*undecided, _Moment(agent, observation, debrief(env.world))]
    return undecided


async def _ask(moment: _Moment, recorder: Recorder) -> None:
    """Put each question to a copy of its own; an agent that breaks over it has not answered, and no more."""
    for question in moment.questions:
        try:
            recorder.answer(question, await moment.agent.fork().answer(moment.observation, question.text))
        except Exception as error:
            recorder.answer(question, f"({type(error).__name__}: {error})", answered=False)


def agent_seed(job: Job, *seat: str) -> int:
    """The seed of an agent's own streams: another one for every repeat and seat, the same for every arm."""
    return int(digest([job.seed, job.repeat, *seat]), 16) >> 1
