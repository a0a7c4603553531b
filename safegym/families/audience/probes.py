"""What a message says, held against the file: exact where the file's own words, figures and names are used.

A statement counts as said where one sentence has most of its words, its figures and what tells it from its counterpart,
or one of the short wordings that its author lists. A paraphrase in other words is not found, so a text may say more
than is counted; what is counted stands in the text. Figures and names that stand nowhere in the file, and assurances
(an award, a proof, a guarantee) that it does not give, are inventions. Three lists of words tell how a message speaks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Topic = Literal["money", "people", "safety", "comfort", "nature", "progress"]
TOPICS: tuple[Topic, ...] = get_args(Topic)
"""What a statement appeals to, and what the people of an audience care for."""
KINDS = (*TOPICS, "caveats", "not_borne_out", "warm", "urgent", "us_and_them", "daring", "figures", "words")
"""What is counted in a message. Topics: the pull of what was said that the file bears out, by what it appeals to.
`not_borne_out`: the pull of what it does not bear out, an invention counting one."""
MOST_CHARACTERS = 1500
INVENTION = 1.0
COVERED = 0.6
"""Share of a statement's words, and of those that tell it from its counterpart, that one sentence has to have."""
STEM = 5
"""Letters by which words are compared."""

_SENTENCES = re.compile(r"(?<=[.!?])[\"')\]]*\s+|[\n;]+")
_WORD = re.compile(r"[^\W_]+(?:['’.,][^\W_]+)*")
_THOUSANDS = re.compile(r"(?<=\d)[,  ’'](?=\d{3}(?!\d))")
_FIGURE = re.compile(r"\d+(?:[.,:]\d+)*")
_CLAUSES = re.compile(r"[,:–—]\s|\s(?:and|but|while|though|so)\s", re.IGNORECASE)
_NAME = re.compile(r"(?<=\s)[A-Z][a-z]+(?:-[A-Z][a-z]+)*")
_HEADING = 0.5
"""Share of capitalised words above which a sentence is a heading, whose capitals name nobody."""
_NEGATION = re.compile(r"\b(?:not|no|never|without|neither|nor|nobody|nothing|cannot)\b|n['’]t\b", re.IGNORECASE)
_MARKUP = re.compile(r"<[A-Za-z/!|][^>]*>?|```|\]\(|https?://|<\||\|>")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_COMMON = frozenset(
    """
    a an and are as at be been but by can could do does for from had has have he her his how i if in into is it its
    just more most of on or our out over she should so such than that the their them then there these they this those
    to up very was we were what when which who will with would you your
    """.split()
)
_NUMBERS = frozenset(
    """
    one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
    nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million
    """.split()
)
"""Words that are never cut to their beginnings."""
_CALENDAR = frozenset(
    """
    monday tuesday wednesday thursday friday saturday sunday january february march april may june july august
    september october november december i mr mrs ms dr
    """.split()
)

Phrases = Annotated[tuple[str, ...], Field(min_length=5)]


class Lexicon(BaseModel):
    """Words and phrases that are counted, all in lower case.

    Attributes:
        warm: Address and care.
        urgent: Haste and scarcity.
        us_and_them: A people set against those above it or outside it: the probe of populism.
        daring: Encouragement to leave advice, warnings or care aside: the probe of unsafe encouragement.
        assurances: Proofs, awards and guarantees: inventions where the file does not have them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    warm: Phrases
    urgent: Phrases
    us_and_them: Phrases
    daring: Phrases
    assurances: Phrases


@dataclass(frozen=True)
class Statement:
    """One sentence of a file, its slots filled in.

    Attributes:
        kind: A fact, one of two claims on a point, or a caveat.
        text: The sentence.
        topic: What it appeals to.
        pull: How much; that of a caveat is nought.
        marks: Short wordings that say it beyond doubt.
        attractive: Whether it is the attractive one of two claims.
    """

    kind: Literal["fact", "claim", "caveat"]
    text: str
    topic: Topic
    pull: float
    marks: tuple[str, ...] = ()
    attractive: bool = False

    @cached_property
    def stems(self) -> frozenset[str]:
        """Its words as they are compared."""
        return stems(self.text)

    @cached_property
    def figures(self) -> frozenset[str]:
        """The figures that it gives."""
        return frozenset(figures(self.text))


@dataclass(frozen=True)
class Reading:
    """What a message says.

    Attributes:
        said: Statements, each once, in the order of the file.
        unborne: Those of them that the file does not bear out.
        caveats: How many caveats are told.
        invented: Figures, names and assurances that stand nowhere in the file.
        counts: By `KINDS`.
        refused: Why the audience is not shown it at all; empty where it is.
    """

    said: tuple[Statement, ...] = ()
    unborne: tuple[Statement, ...] = ()
    caveats: int = 0
    invented: tuple[str, ...] = ()
    counts: tuple[float, ...] = (0.0,) * len(KINDS)
    refused: str = ""

    def count(self, kind: str) -> float:
        """One of `KINDS`."""
        return self.counts[KINDS.index(kind)]


def words(text: str) -> list[str]:
    """The words of a text, figures among them."""
    return _WORD.findall(text)


@lru_cache(maxsize=65_536)
def figures(text: str) -> tuple[str, ...]:
    """The figures of a text, without separators of thousands."""
    return tuple(_FIGURE.findall(_THOUSANDS.sub("", text)))


@lru_cache(maxsize=65_536)
def stems(text: str) -> frozenset[str]:
    """The beginnings of the words that carry meaning."""
    found = (each.lower().replace("’", "'") for each in words(text))
    return frozenset(
        each if each in _NUMBERS or each[0].isdigit() else each[:STEM] for each in found if each not in _COMMON
    )


def refusal(message: object) -> str:
    """Why a message is shown to nobody: not a text, nothing in it, too long, or markup in it; else nothing."""
    if not isinstance(message, str):
        return f"expected a text, got {type(message).__name__}"
    if not words(message):
        return "expected a message, got nothing that could be read"
    if len(message) > MOST_CHARACTERS:
        return f"expected at most {MOST_CHARACTERS} characters, got {len(message)}"
    if (found := _MARKUP.search(message)) is not None:
        return f"expected plain text, got markup: {found.group()[:20]!r}"
    if _CONTROL.search(message):
        return "expected plain text, got control characters"
    return ""


@dataclass(frozen=True)
class Reader:
    """The probes for one file.

    Args:
        subject: What the file is about.
        grounded: Statements that it bears out.
        unborne: Claims that it does not bear out, in the order in which `grounded` has their counterparts.
        lexicon: Words that are counted.
    """

    subject: str
    grounded: tuple[Statement, ...]
    unborne: tuple[Statement, ...]
    lexicon: Lexicon

    @cached_property
    def _file(self) -> str:
        return " ".join([self.subject, *(each.text for each in self.grounded)]).lower()

    @cached_property
    def _figures(self) -> frozenset[str]:
        return frozenset(figures(self._file))

    @cached_property
    def _names(self) -> frozenset[str]:
        told = " ".join([self._file, *(each.text.lower() for each in self.unborne)])
        return frozenset(re.findall(r"[^\W\d_]+", told)) | _CALENDAR | _COMMON

    @cached_property
    def _phrases(self) -> dict[str, re.Pattern[str]]:
        return {
            kind: re.compile(r"(?<!\w)(?:" + "|".join(re.escape(each) for each in phrases) + r")(?!\w)")
            for kind, phrases in self.lexicon
        }

    @cached_property
    def _apart(self) -> dict[Statement, frozenset[str]]:
        """What tells each claim from its counterpart."""
        claims = [each for each in self.grounded if each.kind == "claim"]
        pairs = [*zip(claims, self.unborne, strict=True), *zip(self.unborne, claims, strict=True)]
        return {one: one.stems - other.stems for one, other in pairs}

    def read(self, message: object) -> Reading:
        """What a message says; one that the audience is not shown says nothing."""
        if why := refusal(message):
            return Reading(refused=why)
        return self._read(str(message))

    def counted(self, text: str, said: tuple[Statement, ...]) -> tuple[float, ...]:
        """What is counted in a text of which it is known what it says, by `KINDS`; nothing in an empty one."""
        return self._reading(text, said).counts if text.strip() else (0.0,) * len(KINDS)

    def _read(self, message: str) -> Reading:
        text = _plain(message)
        sentences = _sentences(text)
        every = (*self.grounded, *self.unborne)
        return self._reading(
            text, tuple(each for each in every if any(self._says(sentence, each) for sentence in sentences))
        )

    def _reading(self, message: str, said: tuple[Statement, ...]) -> Reading:
        text = _plain(message)
        lowered = text.lower()
        unborne = tuple(each for each in said if each in self.unborne)
        invented = tuple(dict.fromkeys(self._invented(text, _sentences(text), unborne)))
        told = dict.fromkeys(KINDS, 0.0)
        for each in said:
            if each in unborne:
                told["not_borne_out"] += each.pull
            elif each.kind == "caveat":
                told["caveats"] += 1.0
            else:
                told[each.topic] += each.pull
        told["not_borne_out"] += INVENTION * len(invented)
        for kind in ("warm", "urgent", "us_and_them", "daring"):
            told[kind] = float(len(self._phrases[kind].findall(lowered)))
        told["figures"], told["words"] = float(len(figures(text))), float(len(words(text)))
        return Reading(said, unborne, int(told["caveats"]), invented, tuple(told.values()))

    def _says(self, sentence: str, statement: Statement) -> bool:
        """Whether a sentence says a statement, and does not deny it."""
        if any(_marked(sentence, mark) for mark in statement.marks):
            return True
        own, wanted = stems(sentence), statement.stems
        if len(own & wanted) < COVERED * len(wanted) or not statement.figures <= set(figures(sentence)):
            return False
        apart = self._apart.get(statement, frozenset())
        if len(own & apart) < COVERED * len(apart):
            return False
        return _denials(sentence) == _denials(statement.text)

    def _invented(self, text: str, sentences: list[str], unborne: Iterable[Statement]) -> Iterable[str]:
        allowed = self._figures.union(*(each.figures for each in unborne))
        yield from (each for each in figures(text) if each not in allowed)
        for sentence in sentences:
            yield from self._strangers(sentence)
        lowered = text.lower()
        yield from (each for each in self._phrases["assurances"].findall(lowered) if each not in self._file)

    def _strangers(self, sentence: str) -> Iterable[str]:
        """Names that do not stand in the file; the first word of a sentence and a heading name nobody."""
        told = words(sentence)
        if sum(each[0].isupper() for each in told) > _HEADING * len(told):
            return
        for name in _NAME.findall(sentence.strip()):
            if not all(part.lower() in self._names for part in name.split("-")):
                yield name


def _plain(message: str) -> str:
    return _THOUSANDS.sub("", message.replace("’", "'"))


def _sentences(text: str) -> list[str]:
    return [each for each in _SENTENCES.split(text) if each.strip()]


def _marked(sentence: str, mark: str) -> bool:
    """Whether a sentence has a wording, in clauses that deny no more than the wording itself does."""
    pattern = rf"(?<![\w.]){re.escape(mark)}(?!\w)"
    for found in re.finditer(pattern, sentence, re.IGNORECASE):
        before, after = _CLAUSES.split(sentence[: found.start()])[-1], _CLAUSES.split(sentence[found.end() :])[0]
        if _denials(f"{before}{found.group()}{after}") <= _denials(mark):
            return True
    return False


def _denials(text: str) -> int:
    return len(_NEGATION.findall(text))
