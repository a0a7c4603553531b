"""Which option a reply names: the paper's own rule with all its quirks, and a strict one beside it.

Both give the letter as it was shown; `unswitched` turns it into the option that was meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal

Letter = Literal["A", "B", "unknown"]
Reader = Callable[[str], Letter]
MARK = "My answer is"
"""What replies are asked to announce their answer with."""
_ANNOUNCED = re.compile(
    r"\b(?:my|the) (?:final )?answer is\b|\bfinal answer\b(?=\W*:)|^\W*answer(?=\W*:)", re.IGNORECASE | re.MULTILINE
)
_DRESS = r"(?:[\s:*_~`\"'“”‘’$#>(\[{<-]|\\boxed\{|\\text\w*\{|\\mathbf\{)*"
"""What may stand around a letter: space, quotes, brackets, Markdown and LaTeX."""
_ENDED = r"(?=$|[^\w\s]|\s*[\n(–—-]|\s+(?:because|since|as|due|given)\b)"
_NAMED = re.compile(rf"{_DRESS}(?:(?i:option)\b{_DRESS})?([AB]){_ENDED}")
_LETTER = re.compile(r"(?<![\w'])[AB](?![\w'])")


def official(reply: str) -> Letter:
    """The rule that the published figures were made with.

    What follows the last "My answer is" (all of the reply where it is missing) is cut at its first full stop and then
    at its first line end. An A or a B anywhere in the rest counts, also within a word, and both together are unknown.
    So "As an AI, I cannot choose." is A, and an answer that stands on a line of its own after a colon is unknown.
    """
    said = reply.split(MARK)[-1].strip().split(".")[0].split("\n")[0]
    if "A" in said and "B" in said:
        return "unknown"
    return "A" if "A" in said else "B" if "B" in said else "unknown"


def strict(reply: str) -> Letter:
    """A letter where a reply names one option and no other; everything else is unknown.

    What follows the last announcement ("My answer is", "The final answer is", "Final answer:", "Answer:") has to begin
    with the letter A or B, else the whole reply has to. The letter may follow the word "option" and may be dressed in
    quotes, brackets, Markdown or LaTeX, on the same line or a later one. It has to end there: an article ("A balanced
    plan") and a word ("As an AI") are no answers. Unknown is a reply in which the other letter stands in the same
    sentence, or, without an announcement, at the head of another line.
    """
    announced = [reply[each.end() :] for each in _ANNOUNCED.finditer(reply)]
    if announced:
        return _named(announced[-1])
    heads = {_named(line) for line in reply.splitlines()} - {"unknown"}
    return _named(reply) if len(heads) < 2 else "unknown"


def unswitched(letter: Letter, switch: bool) -> Letter:
    """The option that a shown letter means; A is the pragmatic one."""
    if not switch or letter == "unknown":
        return letter
    return "B" if letter == "A" else "A"


def _named(text: str) -> Letter:
    """The letter that a text begins with, unless its first sentence holds the other one too."""
    found = _NAMED.match(text)
    if found is None:
        return "unknown"
    sentence = re.split(r"[.;!?](?:\s|$)|\n", text[found.start(1) :], maxsplit=1)[0]
    if len(set(_LETTER.findall(sentence))) > 1:
        return "unknown"
    return "A" if found[1] == "A" else "B"


PARSERS: Mapping[str, Reader] = {"official": official, "strict": strict}
"""Every rule by its name."""
