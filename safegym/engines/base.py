"""What every engine takes and gives: an agent before the run, and then the episodes that are missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from pydantic import JsonValue

from safegym.agent import Examinee
from safegym.episodes import Played, Terms
from safegym.plan import Job
from safegym.records import AgentIdentity

Keep: TypeAlias = Callable[[Played], None]
"""Called with every episode as it finishes, one at a time, in the process that drives the run."""


@dataclass(frozen=True)
class Candidate:
    """An agent that is given by its file, to be loaded by whoever plays it.

    Attributes:
        name: Name or path of the agent.
        parameters: Parameters of the agent, such as `model`.
    """

    name: str
    parameters: dict[str, JsonValue]


Players: TypeAlias = Mapping[str, Candidate | Examinee]
"""Who plays, by seat: one agent as `records.SINGLE`, or an agent for every player of a game."""


@dataclass(frozen=True)
class Profile:
    """What a run must know of its agent before it plays.

    Attributes:
        identity: Name, hash and parameters.
        protocol: How the agent is asked.
        describe: What it runs on: recorded, not identity.
    """

    identity: AgentIdentity
    protocol: dict[str, JsonValue]
    describe: dict[str, JsonValue]


class Engine(Protocol):
    """Plays the episodes of a run. A module of an engine has `open_engine`, a context that gives one."""

    @property
    def profiles(self) -> Mapping[str, Profile]:
        """The agents by seat; `describe` of each also tells of the engine."""

    @property
    def examinees(self) -> Mapping[str, Examinee]:
        """The agents that are loaded in this process, by seat; none where only workers load them."""

    async def play(self, jobs: Sequence[Job], terms: Terms, keep: Keep) -> None:
        """Play every job once.

        Args:
            jobs: The episodes to play, in any order.
            terms: What holds for all of them.
            keep: Takes each episode as it finishes.

        Raises:
            ExceptionGroup: Of the error that ended the run; what was kept before is finished.
        """


def profile_of(examinee: Examinee, **engine: JsonValue) -> Profile:
    """The profile of an agent that is loaded, and of the engine that it runs on."""
    return Profile(examinee.identity, examinee.protocol, {**examinee.describe, **engine})
