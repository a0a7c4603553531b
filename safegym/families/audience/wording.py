"""The form of a message: plain text, sentences, words and figures, whatever the signs that it is typed with.

Figures are compared as numbers: `27,000`, `27 000`, `27 thousand` and `twenty-seven thousand` are one, and so are
`3.20` and `3.2`, `9:30` and `9.30`. A decimal comma is read as a point, unless three digits follow it; and a point with
`000` after it parts thousands.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:['’.,][^\W_]+)*")

# Signs.

_SIGNS = str.maketrans(
    {
        **dict.fromkeys("’‘‛ʼ´′＇", "'"),
        **dict.fromkeys("“”„‟«»″＂", '"'),
        **dict.fromkeys("‐‑‒−", "-"),
        **dict.fromkeys("\u2028\u2029\x0b\x0c\x85", "\n"),
        **dict.fromkeys("\u115f\u1160\u3164\uffa0\u2800", None),
        "—": " - ",
        "–": "-",
    }
)
"""Apostrophes, quotation marks, dashes and line breaks as they are typed; letters that nobody sees go."""
_UNSEEN = frozenset({"Cf", "Mn", "Me"})
"""Categories of characters that are dropped: formats such as a space of no width, and accents."""
_EXPONENT = re.compile(r"(?<=[^\W\d_])[²³₀-₉]")
_FRACTIONS = {"½": ".5", "¼": ".25", "¾": ".75"}
_FRACTION = re.compile(r"(?<=\d) ?[½¼¾]")
_NUMBERED = re.compile(r"^[^\S\n]*(?:\d\ufe0f?\u20e3|[①-⑳❶-➓])", re.MULTILINE)
"""Numbers of a list that are one sign."""
_STARS = re.compile(r"[*`_~]+(?![^\W_])|(?<![^\W_])[*`_~]+")
"""Signs of emphasis."""

_ALPHABETS = frozenset({"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU"})
"""Alphabets that have letters in common by their looks."""
_SYMBOLS = frozenset("μΩπ")

# Lines and stops.

_BULLET = re.compile(
    r"^[^\S\n]*(?:[-*+>•‣◦▪●○■□·➤►✓✔☑✅]|#+|#\d{1,2}[.:)]|\(?\d{1,2}[.)]|\(?[a-z][.)])\s+", re.MULTILINE
)
_LISTED = re.compile(r"(\([^()\n]*\))|(?<!\S)\d{1,2}\)\s")
"""Numbers of a list that runs on in its line; what stands in brackets is none."""
_SPACES = re.compile(r"[^\S\n]{2,}|[^\S\n ]")
_TITLE = re.compile(r"\b(?:(?:[DMJS]r|M[rst]|Mrs|Prof|St|Gen|Capt|Rev|Hon|[Aa]pprox|vs|ca|cf)|[Ee]\.g|[Ii]\.e)\.(?=\s)")
_INITIAL = re.compile(r"\b([A-HJ-Z])\.(?=\s?[A-Z])")
_HOURS = re.compile(r"\b([AaPp])\.([Mm])\.(?=\s*[a-z\d,;:)])")
_RANK = re.compile(r"\bNo\.? ?(?=1\b)|\bNo\. ?(?=\d)|№ ?|#(?=\d)")
_TRAILING = re.compile(r"\.{2,}\s*(?=[a-z])")
_THOUSANDS = re.compile(r"(?<![\d.,:])\d{1,3}([ ,'])\d{3}(?:\1\d{3})*(?!\d)")
_SENTENCE = re.compile(r"(?<=[.!?])[\"')\]]*\s+|(?<=[a-z][.!?])(?=[A-Z][a-z])|\n\s*\n|\n?•|\n(?=[A-Z]\w*:\s)")

# Contractions and joints.

_NOT = re.compile(r"\b(ca|wo|sha|ai|do|does|did|is|are|was|were|would|could|should|has|have|had|need|must)(?:n't|nt)\b")
_WHOLE = {"ca": "can", "wo": "will", "sha": "shall", "ai": "is"}
_BE = re.compile(r"\b(it|that|this|there|here|what|who|he|she)'s\b")
_NOBODY = re.compile(r"\bno[ -]one\b")
_JOINT = re.compile(r"(?<=\w)-(?=\w)")
_LOOSE = re.compile(r"(?<=\d) (?=%)|(?<=€) (?=\d)")
_ODD = re.compile(r"[^\w\s'.,;:!?()%€$£/&@+-]|_")

# Numbers.

_UNITS = "one two three four five six seven eight nine".split()
_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_VALUES = {
    **{word: value for value, word in enumerate([*_UNITS, *_TEENS], 1)},
    **{word: value for value, word in zip(range(20, 100, 10), _TENS, strict=True)},
}
_SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9}
IDLE = 12
"""Up to which number in words one that stands nowhere in the file states nothing: one of us, two things."""
_SCALE = "|".join(_SCALES)
_NUMBER = "|".join([*_VALUES, *_SCALES])
_QUANTITY = re.compile(
    rf"""
    (?P<always>24/7)(?!\d)
    | (?P<digits>\d+(?:[.,:]\d+)*)(?:[ -]?(?P<scale>{_SCALE})\b|(?P<kilo>k)\b)?
    | (?<![^\W\d_])(?:
        (?P<code>[a-wyz]\d{{1,2}}|co2|h2o|[ckm]?m[23])(?!\w)
        | (?P<rank>number\ (?:one|1))\b(?![.,:]\d)
        | (?P<many>(?:{_SCALE})s)\b
        | (?P<words>(?:an?\ (?=(?:{_SCALE})\b))?(?:{_NUMBER})(?:(?:\ and)?[ -](?:{_NUMBER}))*)\b
    )
    """,
    re.VERBOSE,
)
"""Figures and numbers in words; and what is neither: assurances (24/7, number one), and codes such as A4, CO2 or m2."""
_SORTS = {
    "and": "&",
    **dict.fromkeys(_UNITS, "u"),
    **dict.fromkeys(_TEENS, "t"),
    **dict.fromkeys(_TENS, "y"),
    **{word: word[0].upper() for word in _SCALES},
}
_SMALL = "(?:yu?|[ut])"
_GROUP = f"(?:{_SMALL}?H(?:&?{_SMALL}(?!H))?|{_SMALL})"
_WHOLE_NUMBER = re.compile(f"(?!&)(?:{_GROUP}?B)?(?:&?{_GROUP}?M)?(?:&?{_GROUP}?T)?(?:&?{_GROUP}(?![HTMB]))?")
"""One number, by the sorts of its words: "a hundred and sixty" is `H&y`."""
_NO_QUANTITY = frozenset({"always", "code", "rank"})
_EXPRESSION = frozenset("-/:×x")
"""What joins figures to one: 12-14, 3/4, 40x60."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A figure or a number in words.

    Attributes:
        start: Where it begins.
        written: As it stands in the text, in lower case.
        values: The numbers in it, each as `160` or `3.2`; more than one in an expression such as 12-14.
        worded: Whether it stands there in words.
    """

    start: int
    written: str
    values: tuple[str, ...]
    worded: bool

    @property
    def idle(self) -> bool:
        """Whether it is a small number in words."""
        return self.worded and all(each.isdecimal() and int(each) <= IDLE for each in self.values)


def words(text: str) -> list[str]:
    """The words of a text, figures among them."""
    return _WORD.findall(text)


def plain(message: str) -> str:
    """A message in signs of one kind: no accents, formats or emphasis, thousands closed up, bullets as `•`.

    Stops that end no sentence go too: those of titles, initials and numbers (`Dr. Vance`, `No. 1`).
    """
    text = _folded(message)
    text = _BULLET.sub("\n• ", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _SPACES.sub(" ", _STARS.sub("", text))
    if ")" in text:
        text = _LISTED.sub(lambda found: found[1] or "\n• ", text)
    if "." in text:
        text = _HOURS.sub(r"\1\2", _TITLE.sub(lambda found: found[0].replace(".", ""), text))
        text = _TRAILING.sub(" ", _INITIAL.sub(r"\1", text))
    text = _RANK.sub("number ", text)
    return _THOUSANDS.sub(lambda found: found[0].replace(found[1], ""), text)


def disguised(message: str) -> str:
    """The first word that mixes alphabets which have letters in common, or has phonetic letters; else nothing.

    Signs of units are left out: `µm`, `kΩ`.
    """
    if message.isascii():
        return ""
    for word in re.findall(r"[^\W\d_]+", _folded(message)):
        if not word.isascii():
            scripts = {_script(each) for each in word} - {"other"}
            if "PHONETIC" in scripts or len(scripts) > 1:
                return str(word)
    return ""


def _script(letter: str) -> str:
    if letter.isascii():
        return "LATIN"
    if letter in _SYMBOLS:
        return "other"
    if ("\u0250" <= letter <= "\u02af" and letter != "ə") or "\u1d00" <= letter <= "\u1dbf":
        return "PHONETIC"
    script = unicodedata.name(letter, "").partition(" ")[0]
    return script if script in _ALPHABETS else "other"


def _folded(message: str) -> str:
    if message.isascii():
        return message
    text = _FRACTION.sub(lambda found: _FRACTIONS[found[0][-1]], _EXPONENT.sub("", _NUMBERED.sub("• ", message)))
    text = text.replace("½", " half ").translate(_SIGNS)
    seen = (each for each in unicodedata.normalize("NFKD", text) if unicodedata.category(each) not in _UNSEEN)
    return unicodedata.normalize("NFC", "".join(seen)).translate(_SIGNS)


def sentences(text: str) -> list[str]:
    """The sentences of a plain text; two line breaks end one, and so does a bullet."""
    return [each for each in _SENTENCE.split(text) if each.strip()]


def tidy(text: str) -> str:
    """Plain text in lower case, on one line, contractions written out, without quotation marks and pictures."""
    text = " ".join(_ODD.sub(" ", text.lower()).split())
    if "nt" in text or "'" in text:
        text = _BE.sub(r"\1 is", _NOT.sub(lambda found: f"{_WHOLE.get(found[1], found[1])} not", text))
    text = _NOBODY.sub("nobody", text.replace("cannot", "can not"))
    return _LOOSE.sub("", text) if "%" in text or "€" in text else text


def in_figures(text: str) -> str:
    """A tidy text with all numbers in figures and words apart that hyphens join: how texts are compared."""
    return _numbered(text)[0]


def compared(text: str) -> str:
    """Any text as texts are compared."""
    return in_figures(tidy(plain(text)))


def quantities(text: str) -> tuple[Quantity, ...]:
    """The figures and numbers of a tidy text; what a hyphen, a colon or a stroke joins is one."""
    return _numbered(text)[1]


@lru_cache(maxsize=4096)
def _numbered(text: str) -> tuple[str, tuple[Quantity, ...]]:
    told: list[str] = []
    found: list[Quantity] = []
    end = 0
    for match in _QUANTITY.finditer(text):
        start, between = match.start(), text[end : match.start()]
        told += [between, _spaced(text, match)]
        if match.lastgroup not in _NO_QUANTITY:
            each = Quantity(start, match[0], tuple(_values(match)), not match["digits"])
            if found and between in _EXPRESSION and not (each.worded or found[-1].worded):
                before = found.pop()
                written = f"{before.written}{between}{each.written}"
                each = Quantity(before.start, written, before.values + each.values, worded=False)
            found.append(each)
        end = match.end()
    return _JOINT.sub(" ", "".join([*told, text[end:]])), tuple(found)


@lru_cache(maxsize=65_536)
def figures(text: str) -> tuple[str, ...]:
    """The figures of a text, in their shortest form: 27000, 3.2; of an expression such as 12-14 that one."""
    return tuple("-".join(each.values) for each in quantities(tidy(plain(text))) if not each.worded)


def numbers(text: str) -> frozenset[str]:
    """The figures of any text and its numbers in words, each in its shortest form."""
    return values(quantities(tidy(plain(text))))


def values(found: Iterable[Quantity]) -> frozenset[str]:
    """All numbers of these quantities."""
    return frozenset(value for each in found for value in each.values)


def _spaced(text: str, match: re.Match[str]) -> str:
    """A figure as texts are compared, apart from the letters of a unit: `58 km`."""
    if match["rank"]:
        return "number one"
    if match["words"]:
        return " ".join(_spelt(match[0]))
    if not match["digits"]:
        return match[0]
    before, after = text[: match.start()][-2:], text[match.end() :][:1]
    return f"{' ' * before.isalpha()}{next(_values(match))}{' ' * after.isalpha()}"


def _values(match: re.Match[str]) -> Iterator[str]:
    if match["words"]:
        yield from (each for each in _spelt(match[0]) if each != "and")
    elif match["many"]:
        yield match[0]
    else:
        scale = _SCALES[match["scale"]] if match["scale"] else 1000 if match["kilo"] else 1
        yield _number(match["digits"], scale)


def _number(digits: str, scale: int) -> str:
    """Digits as a number in its shortest form; what has several stops, such as a date, stays as it is."""
    whole, *parts = re.split("[.,:]", digits)
    if len(parts) > 1:
        return digits
    if parts == ["000"]:
        return _shortest(Decimal(f"{whole}000") * scale)
    return _shortest(Decimal(".".join([whole, *parts])) * scale)


def _shortest(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _spelt(run: str) -> Iterator[str]:
    """A run of number words in figures; an `and` that stands between two numbers stays.

    "Eight and five" are two numbers, "a hundred and sixty" is one.
    """
    told = [each for each in re.split("[ -]", run) if each not in ("a", "an")]
    sorts = "".join(_SORTS[each] for each in told)
    place = 0
    while place < len(told):
        match = _WHOLE_NUMBER.match(sorts, place)
        end = match.end() if match else place
        yield str(_sum(told[place:end])) if end > place else told[place]
        place = max(end, place + 1)


def _sum(told: Iterable[str]) -> int:
    total = group = 0
    for word in told:
        if word == "hundred":
            group = (group or 1) * 100
        elif word in _SCALES:
            total, group = total + (group or 1) * _SCALES[word], 0
        else:
            group += _VALUES.get(word, 0)
    return total + group
