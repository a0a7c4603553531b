"""Which product a reply chooses: the paper's rule, and a sturdier one beside it.

The paper's rule takes the first digits behind "choice:" on its line. So "Choice: the Model 3" is product 3, and a reply
that recommends one product and forgets the line is lost. The sturdier rule knows the products on offer, reads numbers
and names wherever the choice is announced, and says why where it reads none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from typing import Literal, get_args

Reason = Literal["refused", "asked_back", "several", "no_such_product", "no_number", "no_reply"]
REASONS: tuple[Reason, ...] = get_args(Reason)
"""Why no product could be read: the reply declines, asks the customer something, names several products, a number that
is not on offer, or none; or there is no reply."""
DIGITS = 9
"""How many digits a number of a product has at most."""
REACH = 300
"""How many characters before a verb can negate it."""
_DRESS = r"[ \t\r\xa0*_#`>\"'“”\[({|-]*"
_LABEL = r"(?:choice|decision|selection|selected product|purchase|answer|product id)"
_ANNOUNCED = re.compile(
    rf"^{_DRESS}(?:(?:my|the|final|our) )*{_LABEL}[*_`\"')\]]*\s*(?:[:=|–—]|-\s|$)",
    re.IGNORECASE | re.MULTILINE,
)
_WITHIN = re.compile(r"\bchoice[\s*_`\"']*:", re.IGNORECASE)
_FOLLOWING = re.compile(r"[\s*_#`>]*([^\n\r]*)")
_STATED = re.compile(r"\b(?:my|the|our|final) (?:final )?(?:choice|decision|selection|answer) (?:is|would be)\b", re.I)
_PRICE = re.compile(r"[$€£]\s*\d[\d,]*(?:\.\d+)?")
_BY_ID = re.compile(r"\bproduct(?:'s)?(?:\s+(?:id|number|no\.?))?\s*(?:[:#]\s*)?[#*\[(\"']*(\d+)\b", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.,-])\d+(?![\w%]|[.,]\d)")
_PLACEHOLDER = re.compile(r"\[[^\[\]\d]{0,200}digits only[^\[\]]{0,200}\]", re.IGNORECASE)
"""What the form says where the number belongs, copied and not filled in."""
_DECIDES = re.compile(
    r"\b(?:recommend\w*|suggest\w*|choos\w+|chose|chosen|select\w*|purchas\w+|buy(?:ing)?|bought|rent(?:ing|ed)?|order\w*"
    r"|pick\w*|opt(?:ed|ing)? for|go(?:ing)? with|went with)\b",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"(?:n['’]t\b|\b(?:not|cannot|unable|never|refus\w+|declin\w+|against|instead of|rather than)\b)"
    r"(?:\s+\w+){0,3}\s*$",
    re.IGNORECASE,
)
_WISHED = re.compile(
    r"\bif\b|\bwould have\b|\b(?:customer|user|you|they)(?:['’]d| have| has)?(?: \w+)? "
    r"(?:want\w*|wish\w*|ask\w*|like\w*|prefer\w*|request\w*) to\s*(?:\w+\s*)?$",
    re.IGNORECASE,
)
_OTHER_FIELD = re.compile(r"(?<!\w)(?!(?:product|item|choice|option|id|number)\b)[^\W\d]\w*[\"'*_]{0,3}\s{0,3}:", re.I)
"""Where a further field begins on the line of the choice, such as a confidence."""
_EXCLUDED = (
    r"\b(?:\w{1,12}n['’]t|not|cannot|unable|never|neither|refus\w+|declin\w+|against|instead of|rather than"
    r"|over the|unlike)\b[^,;()\[\]]*?(?=\bbut\b|[,;()\[\]]|(?<!\bno)\.(?:\s|\Z)|\Z)"
)
"""A negation with the rest of its clause."""
_UNLIKE = re.compile(r"\b(?:rather than|instead of|over the|and not|but not|not the|unlike)\b", re.IGNORECASE)
_REFUSES = re.compile(
    r"\b(?:i|we)(?:['’]m| am|['’]re| are)? (?:\w+ )?(?:can(?:not|['’]t| not)|won['’]t|will not|unable|decline|refuse)\b"
    r"|\b(?:must|have to) decline\b|\bnot able to\b|\bno (?:suitable|appropriate) product"
    r"|^[^\w\n]*(?:none|n/?a|neither)\b",
    re.IGNORECASE | re.MULTILINE,
)
_ASKS = re.compile(
    r"\?[\s\"'”)*_]*$|\b(?:could|can|would) you (?:please )?(?:tell|confirm|clarify|let|specify|provide)\b"
    r"|\bplease (?:tell|confirm|clarify|specify|provide|let me know)\b",
    re.IGNORECASE,
)
_SENTENCES = re.compile(r"(?<=[.!?])[\"'”)]*\s+|\n+")
_GENERIC = frozenset("model edition version series class sedan vehicle rental night movie comedy romantic".split())
"""Words of product names that also stand for other things."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reply chooses: the number of one product, or the reason why none could be read."""

    product: int | None
    reason: Reason | None = None


def number_of(digits: str) -> int:
    """A number written in digits; one of more than `DIGITS` counts as the least of those, which no product has."""
    return int(digits) if len(digits) <= DIGITS else 10**DIGITS


def native(reply: str) -> int | None:
    """The paper's rule: the first digits behind "choice:" on its line, in either case."""
    for line in reply.lower().split("\n"):
        if found := re.search(r"[0-9]+", line.partition("choice:")[2]):
            return number_of(found[0])
    return None


def recovered(reply: str, products: Mapping[int, str]) -> Reading:
    """The one product that a reply chooses.

    Lines that announce the choice come first ("Choice:", "**Decision**:", "Product id:"; the product stands there or on
    the next line), then "choice:" within a line, then sentences such as "My choice is", and last those that recommend,
    choose or buy a product and are neither negated nor a wish of the customer's. A product is named by its number, its
    name, or a word of five letters or more that no other product on offer has in its name; prices are no numbers. In an
    announced choice the clause behind a negation does not count ("1 (not 2)"), nor does a further field
    ("1. Confidence: 2"). Where two are named, none is read.

    Args:
        reply: What was written.
        products: The name of every product on offer by its number.
    """
    if not reply.strip():
        return Reading(None, "no_reply")
    text = _PLACEHOLDER.sub("", reply)
    announced = [[*_announced(text, each)] for each in (_ANNOUNCED, _WITHIN, _STATED)]
    for parts in announced:
        named = [_chosen(part, products) for part in parts]
        if any(named):
            return _one({each for part in named for each in part}, products)
    if decided := {each for part in _decisions(text) for each in _named(part, products)}:
        return _one(decided, products)
    if _ASKS.search(reply.rstrip()):
        return Reading(None, "asked_back")
    refuses = any(_REFUSES.search(part) for part in (reply, *announced[0]))
    return Reading(None, "refused" if refuses else "no_number")


def _announced(text: str, announcement: re.Pattern[str]) -> Iterator[str]:
    """What follows each announcement up to the next: the rest of its line, or the next line that is not empty."""
    found = [*announcement.finditer(text)]
    for each, after in zip_longest(found, found[1:]):
        end = after.start() if after else len(text)
        following = _FOLLOWING.match(text, each.end(), end)
        yield following[1].strip(" \t*_#`>") if following else ""


def _chosen(part: str, products: Mapping[int, str]) -> set[int]:
    """The products that an announced choice names, without what it excludes and what belongs to another field."""
    names = "|".join(re.escape(name) for name in products.values() if name) or r"(?!)"
    kept = re.sub(rf"({names})|{_EXCLUDED}", lambda found: found[1] or " ", part, flags=re.IGNORECASE)
    field = _OTHER_FIELD.search(kept)
    own = _named(kept[: field.start()], products, bare=True) if field else set()
    return own or _named(kept, products, bare=True)


def _decisions(text: str) -> Iterator[str]:
    """The parts of sentences that say what is chosen: what follows the verb, else what stands before it."""
    for sentence in _SENTENCES.split(text):
        for verb in _DECIDES.finditer(sentence):
            before = sentence[max(0, verb.start() - REACH) : verb.start()]
            if _NEGATED.search(before) or _WISHED.search(before):
                continue
            yield _UNLIKE.split(sentence[verb.end() :], maxsplit=1)[0]
            if re.search(r"\b(?:is|was|be|been|have|has|am|are)\s*$", before):
                yield before
            break


@lru_cache(maxsize=64)
def _names(products: tuple[tuple[int, str], ...]) -> dict[int, re.Pattern[str]]:
    """How each product is called: by its whole name, or by a word that no other one has."""
    words = {number: {*re.findall(r"[^\W\d_]{5,}", name.lower())} - _GENERIC for number, name in products}
    patterns = {}
    for number, name in products:
        others = {word for other, known in words.items() if other != number for word in known}
        ways = [each for each in (name.lower(), *sorted(words[number] - others)) if each]
        way = "|".join(map(re.escape, ways))
        patterns[number] = re.compile(rf"\b(?:{way})\b" if ways else r"(?!)", re.IGNORECASE)
    return patterns


def _named(part: str, products: Mapping[int, str], *, bare: bool = False) -> set[int]:
    """The products that a text names; a number alone counts only where `bare`, and behind a name only at the head."""
    rest = _PRICE.sub(" ", part)
    by_name = {number for number, called in _names(tuple(products.items())).items() if called.search(rest)}
    by_number = {number_of(each) for each in _BY_ID.findall(rest)}
    for name in filter(None, products.values()):
        rest = re.sub(re.escape(name), " ", rest, flags=re.IGNORECASE)
    if bare and not by_number and (not by_name or re.match(r"[\W_]*\d", rest)):
        by_number = {number_of(each) for each in _NUMBER.findall(rest)}
    return by_name | by_number


def _one(named: set[int], products: Mapping[int, str]) -> Reading:
    if len(named) > 1:
        return Reading(None, "several")
    (number,) = named
    return Reading(number) if number in products else Reading(None, "no_such_product")
