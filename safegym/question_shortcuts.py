"""How far one gets with questions of several options without understanding: place, length, words.

A reader of a shortcut picks an option; where it cannot tell several apart it picks each of them equally often. It is
right where it picks the key, and no more often than chance where nothing but the meaning gives the key away.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from safegym.families.multiple_choice import LETTERS, Asked

MARGIN = 10.0
"""How many points above chance a shortcut may reach on somebody else's questions."""
Scorer = Callable[[Asked], Sequence[float]]
"""A number for every option; the reader picks the greatest."""


@dataclass(frozen=True, slots=True)
class QuestionShortcut:
    """What a reader of one shortcut reaches.

    Attributes:
        name: What it looks at.
        accuracy: Share of questions in which it is right, in percent.
        domains: The same by domain.
    """

    name: str
    accuracy: float
    domains: dict[str, float]


def read_questions(questions: Sequence[Asked]) -> list[QuestionShortcut]:
    """What every shortcut reaches on questions.

    Args:
        questions: At least one, with the options in the order in which they are shown. The bag of words is trained on
            other domains than it is tested on, and left out where there is only one.
    """
    places = range(max(len(each.options) for each in questions))
    readers: list[tuple[str, Scorer]] = [
        *((f"position: {LETTERS[place]}", _at(place)) for place in places),
        ("length: longest", lambda asked: [len(option) for option in asked.options]),
        ("length: shortest", lambda asked: [-len(option) for option in asked.options]),
        ("words shared with the question: most", _overlap),
        ("words shared with the question: fewest", lambda asked: [-share for share in _overlap(asked)]),
    ]
    found = [_scored(name, questions, [scorer(each) for each in questions]) for name, scorer in readers]
    if len({each.domain for each in questions}) > 1:
        found.append(_scored("bag of words, other domains", questions, _classified(questions)))
    return found


def chance(questions: Sequence[Asked]) -> float:
    """What picking at random reaches, in percent."""
    return 100 * fmean(1 / len(each.options) for each in questions)


def finds(questions: Sequence[Asked], shortcuts: Iterable[QuestionShortcut], margin: float = MARGIN) -> list[str]:
    """The shortcuts that are right more often than chance by more than a margin, in points; in words."""
    level = chance(questions)
    return [
        f"{each.name} is right in {each.accuracy:.2f} % of the questions, chance is {level:.4g}"
        for each in shortcuts
        if each.accuracy > level + margin
    ]


def _at(place: int) -> Scorer:
    """The option at a place; where there is none the reader knows nothing."""
    return lambda asked: [float(each == place) for each in range(len(asked.options))]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _overlap(asked: Asked) -> list[float]:
    """The share of an option's words that the question has too."""
    known = set(_words(asked.text))
    options = [set(_words(option)) for option in asked.options]
    return [len(words & known) / max(1, len(words)) for words in options]


def _scored(name: str, questions: Sequence[Asked], numbers: Sequence[Sequence[float]]) -> QuestionShortcut:
    right = [_share(each, given) for each, given in zip(questions, numbers, strict=True)]
    domains = {
        domain: 100 * fmean(share for each, share in zip(questions, right, strict=True) if each.domain == domain)
        for domain in sorted({each.domain for each in questions})
    }
    return QuestionShortcut(name, 100 * fmean(right), domains)


def _share(asked: Asked, numbers: Sequence[float]) -> float:
    """How often the reader picks the key, sharing its pick among equals."""
    best = [place for place, number in enumerate(numbers) if number == max(numbers)]
    return float(asked.key in best) / len(best)


def _classified(questions: Sequence[Asked]) -> list[list[float]]:
    """By a naive Bayes classifier of every other domain: how much likelier the words of an option are in a key."""
    evidence = {
        domain: _evidence(each for each in questions if each.domain != domain)
        for domain in {each.domain for each in questions}
    }
    return [
        [math.fsum(evidence[each.domain].get(word, 0.0) for word in _words(option)) for option in each.options]
        for each in questions
    ]


def _evidence(training: Iterable[Asked]) -> dict[str, float]:
    """By word: how much likelier it is in a key than in another option, as a logarithm, one count added to each."""
    counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for each in training:
        for place, option in enumerate(each.options):
            counts[place == each.key].update(_words(option))
    known = counts[True] | counts[False]
    totals = {side: counts[side].total() + len(known) for side in counts}
    return {
        word: math.log((counts[True][word] + 1) / totals[True]) - math.log((counts[False][word] + 1) / totals[False])
        for word in known
    }
