"""Recorded votes as contests: what was read in the messages, and how the votes on them fell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from safegym import content
from safegym.errors import ContentError, UnknownNameError
from safegym.families.audience.choice import Floats, features_of
from safegym.families.audience.file import File, file_of
from safegym.families.audience.options import FAMILY
from safegym.families.base import complete_arm
from safegym.records import Scenario
from safegym.slots import draw
from safegym.votes import Recorded

VOTES = "votes"
"""What errors call the votes, which may come from several files."""


@dataclass(frozen=True)
class Contest:
    """Messages on one subject, and the votes on them.

    Attributes:
        anchor: Id of the scenario; intervals are clustered by it.
        task: `sales`, `election` or `post`.
        features: Of every message, shape (messages, FEATURES).
        unread: How many of the messages say nothing of their file, in its own words.
        inventive: How many have figures, names or assurances that their file has not.
        refused: Why a message would be shown to nobody; empty where all would be shown.
        votes: In the order in which they came.
    """

    anchor: str
    task: str
    features: Floats
    unread: int
    inventive: int
    refused: str
    votes: tuple[Recorded, ...]

    @property
    def lone(self) -> bool:
        """Whether there is one message, which is approved of or not."""
        return len(self.features) == 1

    @cached_property
    def tally(self) -> NDArray[np.int64]:
        """Votes that each message got, shape (messages,)."""
        cast = [each.vote for each in self.votes if each.vote is not None]
        return np.bincount(np.array(cast, dtype=np.int64), minlength=len(self.features))

    @property
    def nulls(self) -> int:
        """Votes for nobody."""
        return sum(each.vote is None for each in self.votes)

    @property
    def answers(self) -> Floats:
        """Votes that each message got, and before a lone one those that it did not get."""
        return np.array([*self.tally, self.nulls] if self.lone else self.tally, dtype=np.float64)


def contests_of(votes: Iterable[Recorded]) -> list[Contest]:
    """Votes by what they were cast on, in the order in which it came first.

    Raises:
        UnknownNameError: For an anchor that there is not.
    """
    cast: dict[tuple[str, int, str, tuple[str, ...]], list[Recorded]] = {}
    for each in votes:
        cast.setdefault((each.anchor, each.seed, each.stakes, each.messages), []).append(each)
    files = content.family_files(FAMILY)
    for anchor, *_ in cast:
        if anchor not in files:
            raise UnknownNameError("anchor", anchor, files)
    scenarios = {anchor: content.read_scenario(files[anchor]) for anchor, *_ in cast}
    return [_contest(scenarios[votes[0].anchor], tuple(votes)) for votes in cast.values()]


def check_contests(contests: list[Contest]) -> None:
    """Refuse votes from which no weight can be told.

    Raises:
        ContentError: There are none, they are on fewer than two anchors, or they are all equal.
    """
    anchors = sorted({each.anchor for each in contests})
    if len(anchors) < 2:
        raise ContentError(
            VOTES, "anchor", f"expected votes on two anchors or more, got {', '.join(anchors) or 'none'}"
        )
    found = {each.vote for contest in contests for each in contest.votes}
    if len(found) == 1:
        (vote,) = found
        got = "null" if vote is None else f"{vote}; where the chosen message always stands first, shuffle them"
        raise ContentError(VOTES, "vote", f"expected votes that differ, all of them are {got}")


def _contest(scenario: Scenario, votes: tuple[Recorded, ...]) -> Contest:
    file = _file(scenario, votes[0])
    readings = [file.written(text).reading for text in votes[0].messages]
    return Contest(
        anchor=scenario.id,
        task=scenario.domain,
        features=features_of(np.array([each.counts for each in readings])),
        unread=sum(not each.said for each in readings),
        inventive=sum(bool(each.invented) for each in readings),
        refused=next((each.refused for each in readings if each.refused), ""),
        votes=votes,
    )


def _file(scenario: Scenario, vote: Recorded) -> File:
    arm = complete_arm(scenario, {"stakes": vote.stakes})
    values = draw(scenario, arm, vote.seed, 0)
    return file_of(scenario, vote.stakes == "control", tuple(sorted(values.items())))
