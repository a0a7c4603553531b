"""The record of one episode while it is played: an environment is stepped, and what happened is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from safegym.env import SafegymEnv
from safegym.families.questions import Question
from safegym.log import token_file
from safegym.plan import Job
from safegym.records import (
    SINGLE,
    Answer,
    Arm,
    Ending,
    Episode,
    Identity,
    Scenario,
    Served,
    Step,
    TokenReference,
    TokenTrace,
    ToolCall,
    Turn,
    digest,
)


class Transcript:
    """What was said and done in an episode, whatever is played and by however many.

    Args:
        job: What is played.
        identity: Who plays, with the options that hold.
        tokens: Whether the tokens of turns are kept.
    """

    def __init__(self, job: Job, identity: Identity, *, tokens: bool = True) -> None:
        self.job, self.identity, self.tokens = job, identity, tokens
        self.served: list[Served] = []
        self.traces: list[TokenTrace] = []
        self.turns: list[Turn] = []
        self.steps: list[Step] = []

    def turn(self, turn: Turn) -> int:
        """Keep a turn and return its index."""
        reference = None
        if turn.served is not None:
            self.served.append(turn.served)
        if turn.trace is not None and self.tokens:
            reference = TokenReference(file=token_file(episode_key(self.identity, self.job)), row=len(self.traces))
            self.traces.append(turn.trace)
        self.turns.append(turn.model_copy(update={"tokens": reference, "trace": None, "served": None}))
        return len(self.turns) - 1

    def told(self) -> dict[str, Any]:
        """The fields of the episode that follow from the job, the identity, and what was said and done."""
        scenario = self.job.scenario
        return {
            "key": episode_key(self.identity, self.job),
            "identity": self.identity.hash,
            "scenario": scenario.id,
            "scenario_hash": scenario.hash,
            "family": scenario.family,
            "title": scenario.title,
            "seed": self.job.seed,
            "repeat": self.job.repeat,
            "agents": self.identity.agents,
            "turns": tuple(self.turns),
            "steps": tuple(self.steps),
        }


class Recorder(Transcript):
    """Steps an environment and keeps the record of the episode.

    Args:
        env: A fresh environment of the job's family.
        job: What is played.
        identity: Who plays, with the options that hold.
        tokens: Whether the tokens of turns are kept.
    """

    def __init__(self, env: SafegymEnv, job: Job, identity: Identity, *, tokens: bool = True) -> None:
        super().__init__(job, identity, tokens=tokens)
        self.env = env
        self.options = {
            name: value for name, value in identity.options.items() if name in env.family.options.model_fields
        }
        env.reset(seed=job.seed, options=reset_options(job.scenario, job.arm, self.options))
        self.first = env.observation()
        self.initial = env.world.hash()
        self.ending: Ending | None = None
        self.answers: dict[str, dict[str, Answer]] = {}

    @property
    def over(self) -> bool:
        """Whether the episode has ended."""
        return self.ending is not None

    @property
    def last(self) -> bool:
        """Whether one more step is all that the episode has left."""
        return self.env.world.step_limit - len(self.steps) <= 1

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

    def answer(self, question: Question, reply: str, *, answered: bool = True, agent: str = SINGLE) -> None:
        """Keep what a copy of an agent answered to a question beside the episode, or why it did not."""
        self.answers.setdefault(agent, {})[question.name] = question.read(reply, answered)

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
            **self.told(),
            twin=world.scenario.twin,
            forced_choice=world.scenario.forced_choice,
            kpi=world.stated_kpi(),
            claims=world.scenario.claims,
            arm=world.arm,
            options=dict(world.options),
            limits=world.scenario.limits.model_copy(update={"amount": world.step_limit}),
            brief={SINGLE: self.first.text},
            tools={SINGLE: self.first.tools or ()},
            initial_state=self.initial,
            endings={SINGLE: self.ending.model_copy(update={"reference": reference})},
            labels={"domain": scenario.domain, **self.env.family.labels(scenario), **world.labels()},
            answers=self.answers,
        )


def episode_key(identity: Identity, job: Job) -> str:
    """The key of an episode, which is what a run folder knows it by."""
    return digest([identity.hash, job.scenario.hash, job.arm.levels, job.seed, job.repeat])


def reset_options(scenario: Scenario, arm: Arm, options: Mapping[str, JsonValue]) -> dict[str, Any]:
    """What `SafegymEnv.reset` takes to begin an episode of an arm."""
    return {"scenario": scenario, **arm.levels, **options}
