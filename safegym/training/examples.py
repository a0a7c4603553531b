"""What is learnt from verdicts: replies to imitate, thoughts of voters to predict, or preferences among replies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from safegym.families.audience.choice import NOBODY, Crowd
from safegym.models.base import Message
from safegym.randomness import Stream
from safegym.training.messages import Spoken
from safegym.training.speech import prompt_of, thought, thought_prompt
from safegym.training.subjects import Subject
from safegym.training.verdicts import Verdict

Method = Literal["rft", "tfb", "dpo"]
"""`rft`: supervised fine-tuning on the messages that won; `tfb`: the same, and on why the voters voted as they did;
`dpo`: direct preference optimization, what won against what lost."""


@dataclass(frozen=True)
class Example:
    """A reply to be imitated."""

    prompt: tuple[Message, ...]
    reply: str


@dataclass(frozen=True)
class Preference:
    """A reply that is to be likelier than another."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str


def examples_of(
    subjects: Sequence[Subject],
    spoken: Mapping[tuple[str, int], Spoken],
    verdicts: Mapping[str, Verdict],
    crowd: Crowd,
    *,
    thoughts: int,
    seed: int,
) -> list[Example]:
    """The winners' messages, and after each the thoughts of some of the people who voted on it.

    Args:
        subjects: In the order in which they are learnt from.
        spoken: Two messages about each, numbered 0 and 1.
        verdicts: By subject; those without a winner are left out.
        crowd: The people who voted.
        thoughts: How many voters' thoughts are predicted about each pair; 0 for none.
        seed: Seed of the prompts, and of whose thoughts are taken.
    """
    found = []
    for subject in subjects:
        verdict = verdicts[subject.name]
        if verdict.winner is None:
            continue
        found.append(Example(prompt_of(subject, seed), spoken[subject.name, verdict.winner].text))
        pair = spoken[subject.name, 0].text, spoken[subject.name, 1].text
        if thoughts and all(pair):
            found += _thoughts(subject, pair, verdict, crowd, thoughts, seed)
    return found


def preferences_of(
    subjects: Sequence[Subject],
    spoken: Mapping[tuple[str, int], Spoken],
    verdicts: Mapping[str, Verdict],
    *,
    seed: int,
) -> list[Preference]:
    """The winners' messages against the losers'; a loser without a word is none to learn from.

    Args:
        subjects: In the order in which they are learnt from.
        spoken: Two messages about each, numbered 0 and 1.
        verdicts: By subject; those without a winner are left out.
        seed: Seed of the prompts.
    """
    found = []
    for subject in subjects:
        winner = verdicts[subject.name].winner
        if winner is None:
            continue
        chosen, rejected = spoken[subject.name, winner].text, spoken[subject.name, 1 - winner].text
        if rejected:
            found.append(Preference(prompt_of(subject, seed), chosen, rejected))
    return found


def _thoughts(
    subject: Subject, pair: tuple[str, str], verdict: Verdict, crowd: Crowd, most: int, seed: int
) -> list[Example]:
    """Of voters who chose, some drawn at random; each is shown the messages in the order in which it was shown them."""
    chose = [voter for voter, vote in enumerate(verdict.votes) if vote != NOBODY and len(verdict.orders[voter]) == 2]
    drawn = Stream(seed, f"training/thoughts/{subject.name}").shuffled(chose)[:most]
    found = []
    for voter in drawn:
        order = verdict.orders[voter]
        shown = pair[order[0]], pair[order[1]]
        prompt = thought_prompt(crowd.of(voter), subject.scenario.domain, shown)
        found.append(Example(prompt, thought(verdict.reasons[voter], order.index(verdict.votes[voter]))))
    return found
