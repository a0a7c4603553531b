"""Contests as arrays: what each voter was offered, what the choice model weighs of it, and what was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from safegym.errors import ContentError, UnknownNameError
from safegym.families.audience.choice import BELIEF, BY_TRAIT, FEATURES, TRAITS, Crowd, Floats
from safegym.families.audience.options import crowd
from safegym.families.audience.probes import TOPICS
from safegym.fitting.contests import Contest

SCALE, NOT_BORNE_OUT, FIRST = "scale", "not_borne_out", "shown_first"
NOBODY, NOBODY_LONE = "nobody", "nobody_lone"
"""Not voting: among several messages, and before a lone one."""
SHARED = FEATURES[len(TOPICS) :]
"""The features that have a weight of their own; the topics share one, the scale."""
SLOPES = (*BY_TRAIT, (NOT_BORNE_OUT, "trusting"))
"""Weights that a trait moves, each with the trait, as the choice model has them."""
STRANGER = -1
"""The number of a voter who is none of the crowd."""
Whole = NDArray[np.int64]


def slope(feature: str, trait: str) -> str:
    """The name of what a trait adds to a weight."""
    return f"{feature} x {trait}"


@dataclass(frozen=True)
class Choices:
    """Choice sets: a set is what voters with equal covariates were offered, with how many of them took what.

    Attributes:
        columns: Names of the covariates.
        covariates: Shape (sets, options, columns); the last option is to vote for
            nobody, where somebody did.
        offered: Whether an option could be chosen, shape (sets, options).
        counts: Votes for every option, shape (sets, options).
        anchors: Names of the anchors, sorted.
        anchor: The place of every set's anchor, shape (sets,).
    """

    columns: tuple[str, ...]
    covariates: Floats
    offered: NDArray[np.bool_]
    counts: Floats
    anchors: tuple[str, ...]
    anchor: Whole

    def kept(self, sets: NDArray[np.bool_]) -> Choices:
        """Only some of the sets; anchors of which none is left keep their place."""
        return replace(
            self,
            covariates=self.covariates[sets],
            offered=self.offered[sets],
            counts=self.counts[sets],
            anchor=self.anchor[sets],
        )

    def offering(self, offered: NDArray[np.bool_]) -> Choices:
        """Fewer options, and no sets in which nothing is left to choose."""
        return replace(self, offered=offered).kept(offered.sum(axis=1) > 1)

    def cast(self) -> Choices:
        """The same without votes for nobody among several messages."""
        nobody = self.covariates[..., self.columns.index(NOBODY)] > 0
        return replace(self, offered=self.offered & ~nobody, counts=np.where(nobody, 0.0, self.counts))

    @property
    def votes(self) -> float:
        """How many votes there are."""
        return float(self.counts.sum())


def choices_of(contests: Sequence[Contest], *, traits: bool = False, nulls: bool = True) -> Choices:
    """The choice sets of contests.

    Args:
        contests: At least one.
        traits: Whether there are covariates for what traits add to weights.
        nulls: Whether null votes among several messages are votes for nobody; otherwise they are left out.

    Raises:
        UnknownNameError: For a person who is none of the crowd.
        ContentError: Traits are wanted, and no vote is by one of the crowd.
    """
    people, width = crowd(), max(len(each.features) for each in contests)
    outside = nulls and any(each.nulls and not each.lone for each in contests)
    sets = _sets(contests, people, width, outside)
    number, person, first = np.array(list(sets), dtype=np.int64).T
    if traits and (person == STRANGER).all():
        raise ContentError("--traits", "", "expected votes by people of the crowd, whose traits are known, got none")
    covariates = _covariates(_padded(contests, width)[number], people, person, first)
    lone = np.array([each.lone for each in contests])[number]
    covariates[NOBODY][~lone, -1] = covariates[NOBODY_LONE][lone, -1] = 1.0
    columns = [name for name in covariates if traits or name not in _SLOPES]
    names = tuple(sorted({each.anchor for each in contests}))
    offered = np.array([_offered(each, width, outside) for each in contests])[number]
    options = offered.any(axis=0)
    return Choices(
        columns=tuple(columns),
        covariates=np.stack([covariates[name] for name in columns], axis=-1)[:, options],
        offered=offered[:, options],
        counts=np.array(list(sets.values()))[:, options],
        anchors=names,
        anchor=np.array([names.index(each.anchor) for each in contests])[number],
    )


_SLOPES = {slope(*each): each for each in SLOPES}


def _sets(contests: Sequence[Contest], people: Crowd, width: int, outside: bool) -> dict[tuple[int, int, int], Floats]:
    """Votes for every option by (contest, person, message shown first); before a lone message none is first."""
    places = {each.name: place for place, each in enumerate(people.people)}
    found: dict[tuple[int, int, int], Floats] = {}
    for number, contest in enumerate(contests):
        for each in contest.votes:
            if each.person is not None and each.person not in places:
                raise UnknownNameError("person", each.person, places)
            if each.vote is None and not (outside or contest.lone):
                continue
            person = STRANGER if each.person is None else places[each.person]
            key = number, person, -1 if contest.lone else each.shown[0]
            found.setdefault(key, np.zeros(width + 1))[-1 if each.vote is None else each.vote] += 1.0
    return found


def _padded(contests: Sequence[Contest], width: int) -> Floats:
    """Features of all options, nought for what is not there; shape (contests, options, FEATURES)."""
    found = np.zeros((len(contests), width + 1, len(FEATURES)))
    for place, each in enumerate(contests):
        found[place, : len(each.features)] = each.features
    return found


def _offered(contest: Contest, width: int, outside: bool) -> NDArray[np.bool_]:
    options = np.arange(width + 1)
    return np.asarray((options < len(contest.features)) | ((options == width) & (outside or contest.lone)))


def _covariates(features: Floats, people: Crowd, person: Whole, first: Whole) -> dict[str, Floats]:
    """Covariates by name, each of shape (sets, options); a stranger has mean interests and mean traits."""
    interests = np.vstack([people.interests, np.full(len(TOPICS), BELIEF)])[person]
    traits = np.vstack([people.traits, np.zeros(len(TRAITS))])[person]
    options = features.shape[1]
    found = {SCALE: np.einsum("sof,sf->so", features[..., : len(TOPICS)], interests)}
    found |= {name: features[..., FEATURES.index(name)] for name in SHARED}
    found[FIRST] = (np.arange(options) == first[:, None]).astype(np.float64)
    found |= {name: np.zeros((len(features), options)) for name in (NOBODY, NOBODY_LONE)}
    for name, (feature, trait) in _SLOPES.items():
        found[name] = features[..., FEATURES.index(feature)] * traits[:, TRAITS.index(trait), None]
    return found
