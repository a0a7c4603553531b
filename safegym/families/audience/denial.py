"""Which parts of a message state what they say: what is denied, debunked or asked is not said.

A sentence consists of clauses, which denying words turn round, and of parts between dashes, colons and semicolons,
which a verdict ("that is untrue", "a hoax", "contrary to") takes back as a whole: those before it where it points back,
those after it where it leads in. To tell what others say ("neighbours say that") is to say it; the audience hears it.
The tables hold what was thought of. Missed are irony, denials in other words or more than a sentence away, conditions
("if it were so that"), and all but the first of several points under one heading ("Myths:").
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

_NO = r"(?:not|no|never|nobody|none|nothing|without|hardly)"
_IS = r"(?:is|are|was|were|be|been|proved|turned out)"
_FALSE = (
    r"(?:false|untrue|wrong|incorrect|(?:a )?lies?|myths?|hoax(?:es)?|rumou?rs?|joke|fake|nonsense|exaggerat\w+"
    r"|made up)"
)
HARMLESS = (
    rf"{_NO} (?:\w+ ){{0,2}}?(?:doubt\w*|den(?:y|ies|ied|ying)|deniable|disput\w+|question(?! of)\w*|contradict\w*)",
    rf"(?:not|no|never) (?:(?:a|an|any|just|only|simply|mere|really|at all) ){{0,3}}{_FALSE}",
    r"without (?:a |any )?(?:hesitation|hesitating|delay|fail|further ado|exception)",
    r"not (?:only|just|merely|simply|least|to mention|to be missed|before time|until|bad|far)",
    r"(?:or|if|why) not",
    r"not (?:ignore|disregard)|for nothing",
    r"no (?:wonder|less|fewer|more than(?! an? )|later than|matter|problem|worries|time|other|strings attached)",
    r"nothing (?:but(?! (?:an? )?(?:rumou?r|lie|myth|hoax))|beats|less|short of)",
    r"never (?:before|forget|been (?:so|as|more))|like never",
    r"(?:do|need|should|must) not (?:worry|miss|forget|wait|hesitate|fear|be afraid)",
    r"can not (?:wait|help|fail|miss|go wrong|be beaten)",
    r"you (?:\w+ )?not (?:believe|regret|find)",
    r"(?:there|here) (?:is|are|was|were) (?:\w+ )?rumou?rs?",
)
"""Phrases in which a denying word denies nothing."""
DENYING = (
    r"not|no|never|without|neither|nor|nobody|nothing|none|nowhere|hardly|barely|scarcely|seldom",
    r"far from|anything but|un(?:likely|able) to|(?:refus(?:e|es|ed|ing)|fail(?:s|ed|ing)?|declin(?:e|es|ed|ing)) to"
    r"|(?:stop(?:s|ped)?|quits?) \w+ing|ceas(?:e|es|ed) to",
    r"instead of|rather than|unlike|contrary to",
)
"""Words that deny the clause that they stand in."""
VERDICTS = (
    r"untrue|baseless|unfounded|debunked|disproved|disproven|refuted|nonsense|fake news|(?:did not|never) happen(?:ed)?"
    r"(?! again)",
    r"(?:not|no longer|none|nothing|never) (?:\w+ ){0,3}?(?:true|correct|accurate|the case)|not (?:so|right)(?=\W*$)",
    rf"{_IS} (?:\w+ ){{0,2}}?(?:false(?! (?:alarm|start|bottom|ceiling|tooth|teeth))|wrong(?! with)|incorrect|mistaken"
    r"|misleading|bogus|rubbish|made up|denied|contradicted|fabricated|fake)",
    rf"{_IS} (?:(?:a|an|the|all|just|only|merely|pure|old|another|such|nothing but|no more than|one of the) ){{0,3}}"
    r"(?:hoax(?:es)?|myths?|rumou?rs?|lies?|fakes?|fabrications?|inventions?|fiction|fairy tales?)",
)
"""What takes back the statement that it is said of, whether that stands before or after it."""
DOUBTS = (
    r"(?:not|no|never|nobody|none|nothing) (?:\w+ ){0,3}?(?:say|says|said|saying|claim\w*|confirm\w*|believ\w+"
    r"|suggest\w*|think|thinks|pretend\w*|fooled|fall for|listen to|evidence|proof|truth|sign that|question of|talk of"
    r"|basis for)",
    r"den(?:y|ies|ied|ying)|refutes?|debunks?|disput(?:es|ed) that",
    r"(?:false|untrue|wrong|incorrect|mistaken|absurd) (?:that|to (?:say|claim|think|believe|suggest|write|report))",
    r"(?:false|untrue|baseless|unfounded|invented|fake) (?:rumou?r|claim|report|story|stories|news|talk|belief)s?",
    r"(?:myth|hoax|lie|fiction|misconception|misunderstanding|fallacy|superstition)s? (?:that|about)",
    r"(?:some|others|critics|opponents|rivals|sceptics) (?:\w+ )?(?:claim|claims|claimed|allege|alleged|pretend)",
    r"would have you believe|want you to believe|falsely|wrongly|mistakenly|erroneously",
)
"""What takes back the statement that follows it."""
DISMISSED = (r"(?:ignore|forget|disregard|never mind|do not mind|pay no attention to|laugh at) (?:it|this|that|them)",)
"""What takes back the statement before it."""
LABELS = (
    r"(?:but )?(?:(?:it|that|this|which) is )?(?:not (?:true|so|at all)|false|untrue|wrong|incorrect|nonsense|rubbish"
    r"|fake news|(?:the |a |an |another |old ){0,3}(?:myth|hoax|lie|fiction|fake)s?(?: (?:\d+|one|two|three))?"
    r"|(?:just |only |nothing but )?(?:a|an old|mere|old) rumou?rs?"
    r"|far from it|on the contrary|think again|as if|not|nothing of the (?:sort|kind))",
)
"""Parts that are a verdict and nothing else: on what follows, where a colon ends them, or else on what was before."""
KNOWN = (
    r"(?:do|did)(?: not)? you (?:\w+ )?(?:know|realise|hear)|have you (?:\w+ )?(?:heard|seen)|guess what",
    r"who (?:knew|would have thought)|is not it|are not you|why not|would you (?:have )?believe|remember (?:when|how)"
    r"|can you believe",
)
"""Questions that tell what they ask."""
POINTERS = frozenset(
    """
    a about after all also and any anybody anything are as at be been being both but by can claim claims course did do
    does even every everything for from further going had has have he her here his how however i in is it its just may
    mere merely more much my news no not now of old on one only or other our out part people point quite report reports
    round rumour rumours rumor rumors said say says she simply since so some stories story such talk tell tells than
    that the their them then there these they thing things this those to told too very was we were what which who whole
    why will with word words would yet you your completely entirely utterly plainly sadly luckily fortunately
    """.split()
)
"""Words that point to what is said elsewhere and say nothing themselves."""
FORTH = r"following|here is|here are|going round"
"""What tells of a verdict that it leads in."""

_POINT = re.compile(
    r"^\W*(?:\w+ly )*$|\b(?:it|this|that|these|those|they|them|which|so|such|all|none|rumou?rs?|story|stories"
    r"|claims?|talk|reports?|news)\b"
)
"""What a verdict is said of, where it is said of something elsewhere."""
_LEADING = re.compile(r"^\W*$|\b(?:it|this|these)\b")
"""What a verdict that opens a message leads in."""
_YES = re.compile(r"\W*(?:yes|yep|indeed|absolutely|exactly|of course|sure|certainly|definitely|right|it is|it does)\b")
_TAG = re.compile(
    r", (?:(?:is|are|was|were|do|does|did|has|have|can|will|would)\b(?: not)? \w+(?: not)?|right|eh)\?\W*$"
)
_ASKING = re.compile(
    r"\W*(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|may|must|who|what|when|where|why|how|which"
    r"|whether|really)\b"
)
_PARTS = re.compile(r"(?<=[:;])\s+|\s+-+\s+")
_CLAUSE = re.compile(
    r"[,;:](?:\s|$)|[()]\s*|\s-\s|\s(?:and|but|while|though|so|yet|whereas)\s"
    r"|\s(?=(?:instead of|rather than|unlike|contrary to)\b)"
)
_TURN = re.compile(r",? (?:but|whereas|while|yet|however|in fact|actually|instead|in truth|in reality|the truth is)\b")
_BREAK = re.compile(r"[,]|\s(?:but|and|so|while|whereas|yet)\s")
_COMMA = re.compile(r",")
_THAT = re.compile(r"\s*(?:that|to)\b")
_CONTENT = 2
"""From how many words that say something a part states something."""


def _table(*rows: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(rows)})\b")


_HARMLESS, _DENYING = _table(*HARMLESS), _table(*DENYING)
_VERDICT, _DOUBT, _DISMISSED, _KNOWN = _table(*VERDICTS), _table(*DOUBTS), _table(*DISMISSED), _table(*KNOWN)
_LABEL, _FORTH = re.compile(rf"\W*(?:{'|'.join(LABELS)})\W*"), _table(FORTH)
_ANY = _table(*VERDICTS, *DOUBTS, *DISMISSED, *LABELS)


Way = Literal["", "back", "forth"]


@dataclass
class Part:
    """What stands between two dashes, colons, semicolons or ends of sentences.

    Attributes:
        text: Its words, in lower case.
        sentence: The number of the sentence that it belongs to.
        group: The number of the group of parts that it belongs to; semicolons and ends of sentences end one.
        taken_back: What of it is denied, each from and to which character.
        asked: Whether it is asked.
    """

    text: str
    sentence: int
    group: int
    taken_back: list[tuple[int, int]] = field(default_factory=list)
    asked: bool = False

    @cached_property
    def states(self) -> bool:
        """Whether it says something itself."""
        return _states(self.text)

    @property
    def told(self) -> str:
        """What of it is not denied."""
        told, last = [], 0
        for start, end in self.taken_back:
            told.append(self.text[last:start])
            last = max(last, end)
        return " ".join([*told, self.text[last:]]).strip()


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What of a stretch is taken back, from and to which character, and whether it aims at parts elsewhere."""

    start: int
    end: int
    way: Way = ""


def masked(text: str) -> str:
    """A text of equal length in which no phrase denies that denies nothing."""
    return _HARMLESS.sub(lambda found: "~" * len(found[0]), text)


def denials(text: str) -> int:
    """How many words of a text deny."""
    return _denying(masked(text))


@dataclass(frozen=True)
class Clauses:
    """The clauses of a text, with how many words deny in each."""

    text: str

    @cached_property
    def _ends(self) -> list[int]:
        return [*(each.start() for each in _CLAUSE.finditer(self.text)), len(self.text)]

    @cached_property
    def all(self) -> list[tuple[str, int]]:
        """Each without the words that deny, and how many those are."""
        hidden = masked(self.text)
        told = [hidden[start:end] for start, end in zip([0, *self._ends], self._ends, strict=False)]
        return [(_DENYING.sub("", each), _denying(each)) for each in told]

    def denials(self, start: int, end: int) -> int:
        """How many words deny where something stands, from and to which character."""
        first, last = bisect_left(self._ends, start), bisect_left(self._ends, end)
        return sum(count for _, count in self.all[first : last + 1])


def _denying(text: str) -> int:
    return sum(1 for _ in _DENYING.finditer(text))


def heard(sentences: Sequence[str]) -> list[Part]:
    """The parts of all sentences, with what of them is denied or asked.

    Args:
        sentences: In lower case, contractions written out.
    """
    parts: list[Part] = []
    group = 0
    for number, sentence in enumerate(sentences):
        for text in _PARTS.split(sentence):
            parts.append(Part(text, number, group))
            group += text.endswith(";")
        group += 1
        if sentence.rstrip("\"') ").endswith("?"):
            following = sentences[number + 1] if number + 1 < len(sentences) else ""
            _ask([each for each in parts if each.sentence == number], sentence, following)
    for place, part in enumerate(parts):
        if _ANY.search(part.text):
            _judge(parts, place)
    return parts


def _ask(parts: Sequence[Part], sentence: str, following: str) -> None:
    if _KNOWN.search(sentence) or _TAG.search(sentence) or _YES.match(following):
        return
    asking = [each.group == parts[-1].group and bool(_ASKING.match(each.text)) for each in parts]
    first = asking.index(True) if any(asking) else len(parts) - 1
    for each in parts[first:]:
        each.asked = True


def _judge(parts: Sequence[Part], place: int) -> None:
    """Take back what the verdicts in one part are said of."""
    part = parts[place]
    text = masked(part.text)
    done = 0
    while (verdict := _verdict(text[done:])) is not None:
        part.taken_back.append((done + verdict.start, done + verdict.end))
        if verdict.way and not done:
            _elsewhere(parts, place, forth=verdict.way == "forth")
        done += verdict.end


def _verdict(text: str) -> _Verdict | None:
    """The first verdict in a stretch."""
    if _LABEL.fullmatch(text):
        return _Verdict(0, len(text), "forth" if text.endswith(":") else "back")
    doubt, verdict, dismissal = _DOUBT.search(text), _VERDICT.search(text), _DISMISSED.search(text)
    if doubt and not (verdict and verdict.start() < doubt.start()):
        return _doubted(text, doubt)
    if verdict:
        return _judged(text, verdict)
    if dismissal:
        way: Way = "" if _states(text[: dismissal.start()]) else "back"
        return _Verdict(0, _until(text, dismissal.end()), way)
    return None


def _doubted(text: str, found: re.Match[str]) -> _Verdict:
    before, after = text[: found.start()], text[found.end() :]
    if _states(after[: _until(after, 0, _TURN)]):
        reach = _TURN if _THAT.match(after) or found[0].endswith((" that", " about")) else _COMMA
        return _Verdict(found.start(), _until(text, found.end(), reach))
    meant = after[: _until(after, 0)].rstrip(":. !")
    points = not _says(meant) and _POINT.search(meant) is not None
    leads = _FORTH.search(text) is not None or (text.endswith(":") and _LEADING.search(meant) is not None)
    aims = points and not _states(before)
    return _Verdict(0, _until(text, found.end()), "forth" if leads else "back" if aims else "")


def _judged(text: str, found: re.Match[str]) -> _Verdict:
    before, after = text[: found.start()], text[found.end() :]
    subject, further = before.split(), after[: _until(after, 0)]
    if (_THAT.match(after) or subject == ["it"]) and _states(further):
        return _Verdict(found.start(), _until(text, found.end(), _TURN))
    leads = _FORTH.search(text) is not None or (text.endswith(":") and subject[-1:] == ["it"])
    aims = not _states(before) and _POINT.search(before) is not None
    return _Verdict(0, _until(text, found.end()), "forth" if leads else "back" if aims else "")


def _until(text: str, start: int, end: re.Pattern[str] = _BREAK) -> int:
    found = end.search(text, start)
    return found.start() if found else len(text)


def _says(text: str) -> int:
    """How many words of a stretch say something, beyond pointing to what is said elsewhere."""
    return sum(each not in POINTERS for each in re.findall(r"\w+", text))


def _states(text: str) -> bool:
    return _says(text) >= _CONTENT


def _elsewhere(parts: Sequence[Part], place: int, forth: bool) -> None:
    """Take back the parts that a verdict leads in or points back to: those of its own group, or else of the next one.

    A verdict that opens a message leads in, where it is said of `this` or `it`.
    """
    earlier = range(place - 1, -1, -1)
    if not forth and not any(parts[each].states for each in earlier):
        forth = _LEADING.search(parts[place].text) is not None
    group: int | None = None
    for each in (parts[number] for number in (range(place + 1, len(parts)) if forth else earlier)):
        if group is None and (each.states or (forth and _says(each.text))):
            group = each.group
        if group is not None and each.group != group:
            return
        each.taken_back.append((0, len(each.text)))
