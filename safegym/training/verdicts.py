"""Pairs of messages before the audience: who voted for which and why, and which message won."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from safegym.families.audience.campaign import Campaign, Round
from safegym.families.audience.choice import NOBODY
from safegym.families.audience.file import task_of
from safegym.families.audience.options import Hearing, crowd
from safegym.families.audience.reasons import reason_of
from safegym.records import Record
from safegym.training.subjects import Subject

TRUTHFUL = 0.0
"""The credulity under which the choice model values messages where a language model votes, which has no such number."""


class Verdict(Record):
    """How the audience voted on two messages about a subject."""

    subject: str
    votes: tuple[int, ...]
    """By voter the place of the chosen message, -1 for none."""
    orders: tuple[tuple[int, ...], ...]
    """By voter the messages in the order of presentation."""
    reasons: tuple[str, ...]
    """By voter why, in words; empty for who voted for none."""
    winner: Literal[0, 1] | None
    """Who has most votes; None for a tie, or where nobody could be shown a message."""
    left_out: Literal["", "tie", "unheard"] = ""
    """Why the pair is not learnt from."""


def campaign_of(subject: Subject, hearing: Hearing, credulity: float | None, seed: int) -> Campaign:
    """The audience of one pair of messages.

    Args:
        subject: What they are about.
        hearing: How the audience listens and votes.
        credulity: That of the choice model; None where a language model votes.
        seed: Seed of the votes, of who is shown what first, and of nothing else: it is the same under every credulity.
    """
    scenario = subject.scenario
    return Campaign(
        file=subject.file,
        hearing=hearing,
        manner=hearing.manner(task_of(scenario), TRUTHFUL if credulity is None else credulity),
        crowd=crowd(),
        task=scenario.domain,
        seed=seed,
        episode=0,
        stream=f"training/votes/{subject.name}",
    )


def judge(campaign: Campaign, subject: str, texts: Sequence[str]) -> Verdict:
    """Let the audience vote on two messages."""
    held = campaign.hold([campaign.file.written(text) for text in texts])
    counts = [held.votes.count(place) for place in range(2)]
    unheard = all(each.refused for each in held.readings)
    winner: Literal[0, 1] | None = None if unheard or counts[0] == counts[1] else 0 if counts[0] > counts[1] else 1
    return Verdict(
        subject=subject,
        votes=held.votes,
        orders=held.orders,
        reasons=tuple(_reason(campaign, held, voter, vote) for voter, vote in enumerate(held.votes)),
        winner=winner,
        left_out="unheard" if unheard else "tie" if winner is None else "",
    )


def share_of(campaign: Campaign, texts: tuple[str, str]) -> float | None:
    """The first message's share of the votes for either; one half without any, None if one is shown to nobody."""
    held = campaign.hold([campaign.file.written(text) for text in texts])
    if any(each.refused for each in held.readings):
        return None
    both = sum(held.shares)
    return held.shares[0] / both if both else 0.5


def _reason(campaign: Campaign, held: Round, voter: int, vote: int) -> str:
    """What a voter says, or what speaks most for its vote by the choice model's weights."""
    if vote == NOBODY:
        return ""
    return (held.reasons[voter] if held.reasons else "") or (
        "" if campaign.hearing.audience != "choice" else reason_of(campaign, held, voter, vote)
    )
