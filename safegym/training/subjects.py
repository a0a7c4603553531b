"""What is learnt on: subjects with their files, some of them held out, and an audience for many of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from safegym.errors import ContentError, UnknownNameError
from safegym.families.audience.campaign import any_message
from safegym.families.audience.choice import Crowd, Floats, Manner, Poll, features_of, poll, weights_of
from safegym.families.audience.file import TASKS, File, counted, file_of, messages_of, task_of
from safegym.families.audience.opening import anchors_of
from safegym.families.audience.options import Hearing, crowd
from safegym.families.base import complete_arm
from safegym.randomness import Stream
from safegym.records import Scenario
from safegym.slots import draw


@dataclass(frozen=True)
class Subject:
    """One anchor under one seed.

    Attributes:
        scenario: The exam paper.
        file: What is borne out of its subject, and what is not.
        values: What its slots stand for.
    """

    scenario: Scenario
    file: File
    values: dict[str, str]

    @property
    def name(self) -> str:
        """The id of the scenario; figures are clustered by it."""
        return self.scenario.id


@dataclass(frozen=True)
class Split:
    """Subjects to learn on, and others to measure on."""

    training: tuple[Subject, ...]
    held_out: tuple[Subject, ...]


def subjects_of(task: str, seed: int = 0, *, control: bool = False) -> tuple[Subject, ...]:
    """All subjects of a task, in the order of their names.

    Args:
        task: `sales`, `election` or `post`.
        seed: Seed of the slots.
        control: Whether the attractive claims are borne out.
    """
    if task not in TASKS:
        raise UnknownNameError("task", task, TASKS)
    return tuple(_subject(each, seed, control) for each in anchors_of(task))


def split(subjects: Sequence[Subject], held_out: float, seed: int, most: int | None = None) -> Split:
    """Deal subjects out at random.

    Args:
        subjects: At least two.
        held_out: Share that is not learnt on, more than 0 and less than 1.
        seed: Seed of the dealing.
        most: How many are dealt out altogether; all by default.
    """
    if not 0.0 < held_out < 1.0:
        raise ContentError("--held-out", "", f"expected a share between 0 and 1, got {held_out:g}")
    if most is not None and not 2 <= most <= len(subjects):
        nearest = min(max(most, 2), len(subjects))
        reason = f"expected from 2 to {len(subjects)} subjects, got {most}; the nearest is {nearest}"
        raise ContentError("--anchors", "", reason)
    if len(subjects) < 2:
        raise ContentError("--anchors", "", f"expected at least two subjects, got {len(subjects)}")
    dealt = Stream(seed, "training/split").shuffled(list(subjects))[:most]
    kept = min(max(round(len(dealt) * held_out), 1), len(dealt) - 1)
    return Split(tuple(dealt[kept:]), tuple(dealt[:kept]))


@dataclass(frozen=True)
class Arena:
    """Subjects before one audience: what any number of messages about them brings, all at once.

    Args:
        subjects: At least one, all of one task.
        hearing: How the audience listens and votes.
        credulity: Weight on what is not borne out, where that on what is borne out is 1.
        control: Whether the attractive claims are borne out in the subjects' files.
    """

    subjects: tuple[Subject, ...]
    hearing: Hearing
    credulity: float
    control: bool = False

    def __post_init__(self) -> None:
        if not self.subjects:
            raise ContentError("subjects", "", "expected at least one, got none")

    @cached_property
    def manner(self) -> Manner:
        """How the choice model votes."""
        return self.hearing.manner(task_of(self.subjects[0].scenario), self.credulity)

    @cached_property
    def crowd(self) -> Crowd:
        """The people that the audience is made of."""
        return crowd()

    @cached_property
    def weights(self) -> Floats:
        """Of every voter, shape (voters, features)."""
        return weights_of(self.crowd, self.hearing.voters, self.manner)

    @cached_property
    def pieces(self) -> Floats:
        """What is counted in every piece of every subject's messages, shape (subjects, pieces, kinds)."""
        return np.array([each.file.pieces for each in self.subjects])

    @cached_property
    def frozen(self) -> NDArray[np.int64]:
        """An honest message on every subject that never changes, shape (subjects, components)."""
        drawn = (any_message(Stream(0, f"training/frozen/{each.name}"), False, self.control) for each in self.subjects)
        return np.array(list(drawn), dtype=np.int64)

    def counts(self, which: NDArray[np.int64], levels: NDArray[np.int64]) -> Floats:
        """What is counted in messages, shape (contests, rivals, kinds).

        Args:
            which: The subject of each contest, shape (contests,).
            levels: Shape (contests, rivals, components).
        """
        return counted(levels, self.pieces[which][:, None])

    @cached_property
    def best(self) -> Floats:
        """On every subject the greatest expected share that an honest message has before the frozen one."""
        levels = messages_of("safe", self.control)
        found = []
        for place, subject in enumerate(self.subjects):
            own = subject.file.counts(levels)
            rival = np.broadcast_to(subject.file.counts(self.frozen[place]), own.shape)
            found.append(float(self.shares(np.stack([own, rival], axis=1))[:, 0].max()))
        return np.array(found)

    def worth(self, which: NDArray[np.int64], counts: Floats) -> Floats:
        """The pragmatism of messages, from 0 to 1: their expected share before the frozen one, as part of the best.

        Args:
            which: The subject of each message, shape (messages,).
            counts: Shape (messages, kinds).
        """
        rival = self.counts(which, self.frozen[which][:, None])[:, 0]
        shares = self.shares(np.stack([counts, rival], axis=1))[:, 0]
        return np.asarray(np.minimum(shares / self.best[which], 1.0))

    def held(
        self, counts: Floats, *, seed: int = 0, stream: str = "training", counter: int = 0, cast: bool = True
    ) -> Poll:
        """One vote on every contest.

        Args:
            counts: Shape (contests, rivals, kinds); a message without words is not heard.
            seed: Seed of the votes.
            stream: Name of their stream.
            counter: Tells the votes of one stream apart, below 2**16.
            cast: Whether votes are cast; otherwise there are only expected shares.
        """
        contests = np.arange(len(counts), dtype=np.uint64) + (np.uint64(counter) << np.uint64(16))
        return poll(
            self.weights,
            features_of(counts),
            counts[..., -1] > 0,
            self.manner,
            seed=seed,
            stream=stream,
            counter=contests,
            draw=cast,
        )

    def shares(self, counts: Floats) -> Floats:
        """Expected shares of every contest, shape (contests, rivals)."""
        return self.held(counts, cast=False).expected

    def duels(self, counts: Floats) -> Floats:
        """Expected share of the first of two messages, (contests,), where everybody votes and no vote is dealt out.

        So that a policy against itself has one half before any audience: also where learning had a lone speaker, votes
        for none, or the placebo. Of two messages that are not heard each has one half.
        """
        manner = replace(self.manner, outside=None, placebo=False)
        heard = counts[..., -1] > 0
        expected = poll(self.weights, features_of(counts), heard, manner, draw=False).expected[:, 0]
        return np.where(heard.any(axis=-1), expected, 0.5)


def _subject(scenario: Scenario, seed: int, control: bool) -> Subject:
    arm = complete_arm(scenario, {"stakes": "control" if control else "human"})
    values = draw(scenario, arm, seed, 0)
    return Subject(scenario, file_of(scenario, control, tuple(sorted(values.items()))), values)
