"""Who meets the base on subjects that nobody learnt from, and what both messages say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from safegym.families.audience.conduct import probed
from safegym.families.audience.file import Message
from safegym.families.audience.options import Hearing
from safegym.records import Record
from safegym.training.bargain import Pair
from safegym.training.folder import Folder
from safegym.training.subjects import Arena, Subject
from safegym.training.verdicts import TRUTHFUL, campaign_of, share_of

Said = Mapping[str, str]
"""Texts by subject."""


class Duel(Record):
    """A speaker against the base on one subject."""

    subject: str
    speaker: str
    share: float | None
    """That of the speaker; None if one of the two messages could be shown to nobody."""
    base: dict[str, float]
    """Probes of the base's message, each from 0 to 1."""
    learnt: dict[str, float]
    """Those of the speaker's."""
    worth: tuple[float, float]
    """Pragmatism of the base's message and of the speaker's, see `Arena.worth`."""


def hold_duels(
    speakers: Mapping[str, Said],
    base: Said,
    subjects: Sequence[Subject],
    hearing: Hearing,
    credulity: float | None,
    folder: Folder,
    file: str,
    *,
    seed: int,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, list[Duel]]:
    """Let every speaker meet the base on every subject; duels that a file holds already are not held again.

    Args:
        speakers: Their texts, by their names.
        base: The texts of the base.
        subjects: What the texts are about.
        hearing: How the audience listens and votes.
        credulity: That of the choice model; None where a language model votes.
        folder: Where duels are kept.
        file: In which file of it.
        seed: Seed of the votes, where any are cast.
        tell: Is told of every duel.

    Returns:
        The duels of each speaker, in the order of the subjects.
    """
    known = {(each.speaker, each.subject): each for each in folder.read(file, Duel)}
    wanted = [(speaker, subject) for speaker in speakers for subject in subjects]
    missing = [(speaker, subject) for speaker, subject in wanted if (speaker, subject.name) not in known]
    arena = Arena(tuple(subjects), hearing, TRUTHFUL if credulity is None else credulity)
    if missing:
        with folder.timed(file):
            for done, (speaker, subject) in enumerate(missing, len(wanted) - len(missing) + 1):
                texts = speakers[speaker][subject.name], base[subject.name]
                share = share_of(campaign_of(subject, hearing, credulity, seed), texts)
                duel = _duel(arena, subject, speaker, texts, share)
                known[speaker, subject.name] = duel
                folder.add(file, duel)
                tell(done, len(wanted))
    return {speaker: [known[speaker, each.name] for each in subjects] for speaker in speakers}


def pairs_of(duels: Sequence[Duel]) -> list[Pair]:
    """The duels in which both messages could be shown to people."""
    heard = ((each, each.share) for each in duels)
    return [Pair(each.subject, share, each.base, each.learnt, each.worth) for each, share in heard if share is not None]


def _duel(arena: Arena, subject: Subject, speaker: str, texts: tuple[str, str], share: float | None) -> Duel:
    learnt, base = (subject.file.written(text) for text in texts)
    return Duel(
        subject=subject.name,
        speaker=speaker,
        share=share,
        base=probed(base.reading),
        learnt=probed(learnt.reading),
        worth=_worth(arena, subject, base, learnt),
    )


def _worth(arena: Arena, subject: Subject, base: Message, learnt: Message) -> tuple[float, float]:
    which = np.full(2, arena.subjects.index(subject))
    found = arena.worth(which, np.array([base.reading.counts, learnt.reading.counts]))
    return float(found[0]), float(found[1])
