"""How a reply about numbered statements is read: which of them it says are so, and which not.

A reply is cut into answers (yes, no, true, false) and groups of numbers ("4", "1, 3 and 5", "1 to 3", "the rest"). A
line, or a run of lines that hold only the one or only the other, is read in one of two ways: numbers before their
answers if it begins with a number and ends in an answer, answers before their numbers if it is the other way round.
What fits neither is not understood, and then nothing of the whole reply is read: half of an account that was taken for
its opposite would be worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

_LABEL = r"\b(?:the\s+)?(?:following\s+)?(?:statements?|items?|numbers?|questions?)\s*[:#]*\s*"
_NUMBER = r"#?\(?\d{1,2}\)?(?!\w|\s?%|\.\d|,\d{3})"
_FIRST = rf"(?<![\w$€£])(?<!\d[.,])(?<![A-Za-z]-){_NUMBER}"
_RANGE = r"[ \t]*(?:-|\u2013|\b(?:to|through|thru)\b)[ \t]*"
_LIST = r"[ \t]*(?:,?[ \t]*(?:\band\b|&|\bor\b)|,)[ \t]*"
_ENDED = (
    r"(?=\s*(?:$|[^\w\s'-]|['-](?!\w)|\n|#?\(?\d)"
    r"|\s+(?:(?:to|for|on)\s+(?:the|all|#?\(?\d|statements?|items?|numbers?|questions?)"
    r"|(?:statements?|items?|numbers?|questions?)\s*#?\d+"
    r"|I|it|this|that|we|because|since|as)\b)"
)
"""What follows an answer, so that `no` is one and not the `no` of `no one`."""
_TOKEN = re.compile(
    rf"(?<!\w)(?<!\w')(?<![A-Za-z]-)(?P<answer>yes\b|(?:no|true|false)\b{_ENDED})"
    rf"|(?P<label>{_LABEL})?(?P<numbers>{_FIRST}(?:(?:{_RANGE}|{_LIST}){_NUMBER})*)"
    r"|(?P<rest>\b(?:all )?(?:the )?(?:rest|others|remaining(?: ones| statements)?|other (?:ones|statements))\b)"
    r"|(?P<nothing>\b(?:none|nothing)\b)",
    re.IGNORECASE,
)
_EITHER = re.compile(r"\b(?:yes|true)\s*(?:/|\bor\b)\s*(?:no|false)\b", re.IGNORECASE)
"""The two answers as a choice, as in an echo of what was asked."""
_LEADING = frozenset(["and", "but", "for", "to", "on", "as", "then"])
"""Words that may lead to a number without being about it."""
_CLEAN = re.compile(
    r"[ \t]*(?:$|[^\w \t]|(?:yes|no|true|false|is|are|was|were|holds?|apply|applies|do|does|both|all|each|because|since"
    r"|as|only)\b)",
    re.IGNORECASE | re.MULTILINE,
)
"""What follows a number that stands for a statement, and no count of something."""
_TOLD = re.compile(r"[ \t]*(?:[:=]|\b(?:is|are)\b)?[ \t]*(?:yes|no|true|false)\b", re.IGNORECASE)
"""An answer that follows so closely that the number needs not begin a clause."""
_ANSWERED = frozenset(" \t\n\r.,:)](['\"“”=|>-\u2013\u2014\u2192"), {"is", "are", "both", "all", "each"}
"""Signs and words that may stand between a number and its answer side by side."""
_NUMBERED = frozenset(" \t\r:=([|>-\u2013\u2014\u2192"), {"to", "for", "on"}
"""Signs and words that may stand between an answer and its numbers on a line."""
_OPENS = re.compile(r"[^\w\n:]*:\W*(?:$|\d|(?:none|nothing)\b)", re.IGNORECASE)
"""What follows an answer that introduces numbers."""
_COUNTED = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|first|second|third|fourth|fifth|sixth|seventh|last)\b",
    re.IGNORECASE,
)
"""A statement may be named in words, and then nobody knows what the others are."""
_GOES_ON = re.compile(r"[^\w\n]*\w")
_AT_END = re.compile(r"\s*(?:$|[.,;:!)\]\"'])|[ \t]*\n")


@dataclass(frozen=True, slots=True)
class _Item:
    """An answer or a group of numbers, and where it stands.

    Attributes:
        start: Where it begins.
        end: Where it ends.
        answer: Yes or no, of an answer.
        numbers: The statements of a group; None stands for all others.
        plain: Of an answer, whether it is yes or no; of a group, whether no word says that it is one of statements.
        begins: Of a group, what stands before it: a `line`, a `sentence`, a `colon`, an `item`, or `words`. One in the
            midst of words only refers to statements and has no numbers; what follows it says nothing of earlier ones.
    """

    start: int
    end: int
    answer: bool | None = None
    numbers: frozenset[int] | None = frozenset()
    plain: bool = True
    begins: str = ""

    @property
    def kind(self) -> str:
        """Answer or group."""
        return "G" if self.answer is None else "A"


class _NotUnderstoodError(Exception):
    """A form that can be read in two ways."""


@dataclass
class _Reading:
    """What was read so far.

    Attributes:
        said: By statement.
        rest: What was said of those that are not named.
        whole: Whether it can only be meant so if it tells of every statement.
    """

    said: dict[int, set[bool]] = field(default_factory=dict)
    rest: set[bool] = field(default_factory=set)
    whole: bool = False
    bound: int = 0
    """How many answers belong to numbers."""
    ways: set[str] = field(default_factory=set)
    """By which kind its parts begin."""
    orphans: bool = False
    """Whether there are numbers of which nothing is said."""

    def add(self, group: _Item, answers: set[bool]) -> None:
        """Note what was said of a group."""
        self.bound += len(answers)
        if group.numbers is None:
            self.rest |= answers
            return
        for number in group.numbers:
            self.said.setdefault(number, set()).update(answers)


def answers_in(reply: str, statements: Sequence[str]) -> tuple[bool | None, ...]:
    """What a reply says of each numbered statement: so, not so, or None where it says nothing or both.

    Read are numbers with their answers ("1 yes, 2 no", "1-3: no", "Statements 1 and 2: yes"), answers with their
    numbers ("Yes: 1, 4. No: the rest"), lines that begin with a number and hold one answer, also after an echo of the
    statement, and as many bare answers as there are statements, in their order. Of a reply that can be taken in two
    ways nothing is read.
    """
    unmarked = re.sub(r"[*_`~]", "", reply)
    bare = re.findall(r"[^\s,.;:!-]+", unmarked.lower())
    if len(bare) == len(statements) and {*bare} <= {"yes", "no"}:
        return tuple(each == "yes" for each in bare)
    plain = _EITHER.sub(" ", unmarked)
    for statement in statements:
        plain = _echo_of(statement).sub(" ", plain)
    try:
        found = _read(plain, len(statements))
    except _NotUnderstoodError:
        return (None,) * len(statements)
    return tuple(next(iter(each)) if len(each) == 1 else None for each in found)


def _read(text: str, count: int) -> list[set[bool]]:
    """What is said of each statement."""
    reading, kinds = _Reading(), ""
    for items in _blocks(text):
        _bind(text, items, reading)
        kinds += "".join(each.kind for each in items)
    mixed = kinds and kinds[0] != kinds[-1] and reading.ways - {kinds[0]}
    if mixed or (reading.orphans and "A" in reading.ways):
        raise _NotUnderstoodError
    numbers = range(1, count + 1)
    found = [reading.said.get(number, reading.rest) for number in numbers]
    if reading.whole and not all(found):
        raise _NotUnderstoodError
    if reading.rest:
        unsaid = {int(each) for each in re.findall(r"\d+", text)} & {*numbers} - {*reading.said}
        if unsaid or not reading.said or reading.bound < kinds.count("A") or _COUNTED.search(text):
            raise _NotUnderstoodError
    return found


# --------------------------------------------------------------------------------------------------------- cutting


def _blocks(text: str) -> Iterator[list[_Item]]:
    """What is read together: a line with answers and numbers, or neighbouring lines with only the one or the other."""
    waiting: list[_Item] = []
    at = 0
    for line in text.split("\n"):
        items = _items(text, at, at + len(line))
        kinds = {each.kind for each in items}
        joins = kinds == {"G"} or (kinds == {"A"} and len(items) == 1 and _is_heading(text, items[0], at, line))
        if joins:
            waiting += items
        elif line.strip():
            yield waiting
            waiting = []
            yield items
        at += len(line) + 1
    yield waiting


def _is_heading(text: str, answer: _Item, at: int, line: str) -> bool:
    """Whether a line is nothing but an answer, or introduces what follows by one."""
    before, after = text[at : answer.start], text[answer.end : at + len(line)]
    alone = re.fullmatch(r"\W*(?:answer)?\W*", before, re.IGNORECASE) is not None
    return re.fullmatch(r"\W*", after) is not None and (alone or after.rstrip().endswith(":"))


def _items(text: str, start: int, end: int) -> list[_Item]:
    """The answers and groups of a line."""
    found: list[_Item] = []
    for match in _TOKEN.finditer(text, start, end):
        before = found[-1] if found else None
        item = _item(match, text, before, start)
        if item is not None:
            found.append(item)
    return [each for place, each in enumerate(found) if each.kind == "G" or _answers(text, found, place, start)]


def _answers(text: str, items: Sequence[_Item], place: int, start: int) -> bool:
    """Whether an answer is one: yes and no are, true and false where they begin something or stand beside numbers."""
    item = items[place]
    before = items[place - 1] if place else None
    after = items[place + 1] if place + 1 < len(items) else None
    gap = text[before.end if before else start : item.start]
    return (
        item.plain
        or _begins(gap, before) != "words"
        or (before is not None and before.kind == "G" and _is_answered(gap))
        or (after is not None and after.kind == "G" and _is_numbered(text[item.end : after.start]))
    )


def _item(match: re.Match[str], text: str, before: _Item | None, start: int) -> _Item | None:
    """The item that a match is, if it is one."""
    if match["answer"]:
        word = match["answer"].lower()
        return _Item(*match.span(), answer=word in ("yes", "true"), plain=word in ("yes", "no"))
    gap = text[before.end if before else start : match.start()]
    begins = _begins(gap, before)
    if match["nothing"]:
        linked = before is not None and before.kind == "A" and _is_numbered(gap)
        alone = begins == "line" and re.match(r"\W*(?:$|\n)", text[match.end() :])
        return _Item(*match.span(), begins="item") if linked or alone else None
    if match["rest"]:
        return _Item(*match.span(), numbers=None, plain=False, begins=begins) if begins != "words" else None
    end, clean = match.end(), _CLEAN.match(text, match.end()) is not None
    numbers = _numbers(match["numbers"])
    if not clean and len(numbers) > 1 and not match["label"]:
        first = re.match(_NUMBER, match["numbers"])
        assert first is not None
        end, numbers = match.start() + first.end(), _numbers(first[0])
        clean = _CLEAN.match(text, end) is not None
    named = bool(match["label"])
    accepted = (named or clean) and (begins != "words" or _TOLD.match(text, end) is not None)
    if not numbers or not (accepted or named or (clean and len(numbers) > 1)):
        return None
    return _Item(match.start(), end, numbers=numbers if accepted else frozenset(), plain=not named, begins=begins)


def _begins(gap: str, before: _Item | None) -> str:
    """What a group begins, by what stands between it and the item before it on its line."""
    end = max((each.end() for each in re.finditer(r"\w+", gap) if each[0].lower() not in _LEADING), default=None)
    if end is None:
        return "line" if before is None else "item"
    signs = {*gap[end:]}
    return "sentence" if signs & {*".;!?"} else "colon" if ":" in signs else "words"


def _stand_beside(gap: str, allowed: tuple[frozenset[str], set[str]]) -> bool:
    """Whether nothing stands in a gap but some signs, and at most two words."""
    signs, known = allowed
    words = re.findall(r"\w+", gap.lower())
    return len(words) <= 2 and {*words} <= known and {*re.sub(r"\w+", "", gap)} <= signs


def _is_answered(gap: str) -> bool:
    """Whether the answer after a gap is that to the number before it."""
    return _stand_beside(gap, _ANSWERED)


def _is_numbered(gap: str) -> bool:
    """Whether the number after a gap is one that the answer before it is about."""
    return re.search(r"\w", gap) is None if "\n" in gap else _stand_beside(gap, _NUMBERED)


def _numbers(text: str) -> frozenset[int]:
    """The numbers of a list with ranges; none where a range runs backwards or one is no number of a statement."""
    found: set[int] = set()
    values = [(int(each[0]), each.start(), each.end()) for each in re.finditer(r"\d+", text)]
    for value, *_ in values:
        found.add(value)
    for (low, _, end), (high, start, _) in pairwise(values):
        if re.search(r",|&|and|or", text[end:start], re.IGNORECASE) is None:
            found.update(range(low, high + 1)) if low < high else found.add(0)
    return frozenset() if 0 in found else frozenset(found)


# --------------------------------------------------------------------------------------------------------- binding


def _bind(text: str, items: Sequence[_Item], reading: _Reading) -> None:
    """Note which answers belong to which numbers.

    Raises:
        _NotUnderstoodError: They could be taken in two ways.
    """
    kinds = "".join(each.kind for each in items)
    if {*kinds} != {"A", "G"}:
        reading.orphans |= any(each.kind == "G" and each.begins != "words" for each in items)
        return
    if kinds[0] == "G":
        _numbers_first(text, items, reading)
    elif kinds[-1] == "G":
        _answers_first(text, items, reading)
    else:
        first = kinds.index("G")
        gap = text[items[first - 1].end : items[first].start]
        if not re.search(r"[.!\n]|\w", gap) or _is_numbered(gap):
            raise _NotUnderstoodError
        reading.whole = True
        _numbers_first(text, items[first:], reading)


def _numbers_first(text: str, items: Sequence[_Item], reading: _Reading) -> None:
    """`1 yes, 2 no`: to every group the answers up to the next one."""
    places = [place for place, each in enumerate(items) if each.kind == "G"]
    last = places[-1]
    answered = max(place for place, each in enumerate(items) if each.kind == "A")
    reading.ways.add("G")
    if any(_OPENS.match(text, each.end) for each in items if each.kind == "A"):
        raise _NotUnderstoodError
    if answered < last and _is_numbered(text[items[answered].end : items[answered + 1].start]):
        raise _NotUnderstoodError
    for place, following in pairwise([*places, len(items)]):
        group, answers = items[place], items[place + 1 : following]
        if not answers:
            continue
        gap = text[group.end : answers[0].start]
        if _is_answered(gap):
            unlike_a_list = not group.plain or group.begins not in ("line", "item")
            reading.whole |= "." in gap and unlike_a_list
            reading.add(group, {answers[0].answer is True})
        else:
            reading.add(group, _within(text, group.end, answers))


def _within(text: str, start: int, answers: Sequence[_Item]) -> set[bool]:
    """The answers that stand in words about a statement; none where one begins a sentence about something else."""
    found: set[bool] = set()
    words = False
    for each in answers:
        *before, signs = re.split(r"\w+", text[start : each.start])
        words, start = words or bool(before), each.end
        if not each.plain or not _AT_END.match(text, each.end):
            continue
        if words and {*signs} & {*".!?"} and _GOES_ON.match(text, each.end):
            return set()
        words = True
        found.add(each.answer is True)
    return found


def _answers_first(text: str, items: Sequence[_Item], reading: _Reading) -> None:
    """`Yes: 1, 4. No: 2`: to every answer the groups up to the next one, each of which has to follow closely."""
    answer: _Item | None = None
    reading.ways.add("A")
    for before, item in pairwise(items):
        answer = before if before.kind == "A" else answer
        if item.kind == "A" or answer is None or item.begins == "words":
            continue
        gap = text[before.end : item.start]
        close = _is_numbered(gap) if before.kind == "A" else re.fullmatch(r"\W*", gap) or item.begins == "line"
        if not close:
            raise _NotUnderstoodError
        reading.add(item, {answer.answer is True})


@lru_cache(maxsize=64)
def _echo_of(statement: str) -> re.Pattern[str]:
    """The statement as it may be repeated: over several lines, and with another sign at its end."""
    words = map(re.escape, statement.rstrip(" .").split())
    return re.compile(r"\s+".join(words) + r"\b[.:]?", re.IGNORECASE)
