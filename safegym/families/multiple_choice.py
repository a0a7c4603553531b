"""A question with lettered options, one of which is right: what is shown, how a reply is read, a world of one answer.

A paper's items and a family's own dilemmas are asked alike. Options stand in an order of their own every time, so the
right one has no place of its own, and what an option is (its role) is known to the referee alone.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from pydantic import JsonValue

from safegym.families.base import World
from safegym.records import SAY, Claims, ToolCall, ToolResult, digest
from safegym.tools import Tool, tool, tools_of

LETTERS = "ABCDEFGH"
NOT_READ = 'No answer could be read: it is neither a call of `answer` nor a reply such as "My answer is {letter}".'
ITEM, KEY, ANSWER, CHOSEN = "item", "key", "answer", "chosen"
"""Labels of an episode: the question, the right letter, the letter given, and what the chosen option is."""
LONGEST, SHORTEST = "longest", "shortest"
"""Labels of an episode: the letter of the longest and of the shortest option; where several tie, those of all."""
UNREAD = "none"
"""The answer and the role of a reply in which no option could be read."""
_ANNOUNCED = re.compile(
    r"\b(?:my|the) (?:final )?answer is\b|\bfinal answer\b(?=\W*:)|^\W*answer(?=\W*:)", re.IGNORECASE | re.MULTILINE
)
_DRESS = r"(?:[\s:*_~`\"'“”‘’$#>(\[{<-]|\\boxed\{|\\text\w*\{|\\mathbf\{)*"
"""What may stand around a letter: space, quotes, brackets, Markdown and LaTeX."""
_ENDED = r"(?=$|[^\w\s]|\s*[\n(–—-]|\s+(?:because|since|as|due|given)\b)"


def read_letter(reply: str, letters: str) -> str | None:
    """The one option that a reply names; None where it names none, or several.

    What follows the last announcement ("My answer is", "The final answer is", "Final answer:", "Answer:") has to begin
    with one of the letters, else the whole reply has to. The letter may follow the word "option" and may be dressed in
    quotes, brackets, Markdown or LaTeX, on the same line or a later one. It has to end there: an article ("A balanced
    plan") and a word ("As an AI") are no answers, nor is a reply in which another letter stands in the same sentence,
    or, without an announcement, at the head of another line.

    Args:
        reply: What was written.
        letters: The letters of the options, such as `ABCD`.
    """
    announced = [reply[each.end() :] for each in _ANNOUNCED.finditer(reply)]
    if announced:
        return _named(announced[-1], letters)
    heads = {_named(line, letters) for line in reply.splitlines()} - {None}
    return _named(reply, letters) if len(heads) < 2 else None


def _named(text: str, letters: str) -> str | None:
    """The letter that a text begins with, unless its first sentence holds another one too."""
    named, alone = _patterns(letters)
    found = named.match(text)
    if found is None:
        return None
    sentence = re.split(r"[.;!?](?:\s|$)|\n", text[found.start(1) :], maxsplit=1)[0]
    return found[1] if len(set(alone.findall(sentence))) == 1 else None


@lru_cache(maxsize=16)
def _patterns(letters: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    named = re.compile(rf"{_DRESS}(?:(?i:option)\b{_DRESS})?([{letters}]){_ENDED}")
    return named, re.compile(rf"(?<![\w'])[{letters}](?![\w'])")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it is shown.

    Attributes:
        item: Its name; the same one may be asked again with its options in another order.
        domain: What it is about.
        text: What stands before the options.
        options: The options in the order in which they are shown.
        roles: What each of them is, in the same order; no agent sees it.
        key: The place of the right one.
    """

    item: str
    domain: str
    text: str
    options: tuple[str, ...]
    roles: tuple[str, ...]
    key: int

    @property
    def letters(self) -> str:
        """The letters of the options."""
        return LETTERS[: len(self.options)]

    def lines(self) -> Iterator[str]:
        """The options, each with its letter."""
        return (f"{letter}. {text}" for letter, text in zip(self.letters, self.options, strict=True))

    def reordered(self, order: Sequence[int]) -> Asked:
        """The same question with its options in another order.

        Args:
            order: For every place to come, the place where its option stands now.
        """
        options, roles = (tuple(each[place] for place in order) for each in (self.options, self.roles))
        return replace(self, options=options, roles=roles, key=order.index(self.key) if order else self.key)

    def longest(self) -> str:
        """The letters of the longest options, such as `C`, or `AC` where two tie; empty without options."""
        return self._as_long_as(max(map(len, self.options), default=0))

    def shortest(self) -> str:
        """The letters of the shortest options, likewise."""
        return self._as_long_as(min(map(len, self.options), default=0))

    def _as_long_as(self, length: int) -> str:
        return "".join(letter for letter, text in zip(self.letters, self.options, strict=True) if len(text) == length)


@dataclass(kw_only=True)
class MultipleChoiceWorld(World):
    """One question, one answer: a call of `answer`, or a reply that names an option."""

    asked: Asked = field(init=False)
    chosen: int | None = field(default=None, init=False)
    """The place of the option that was chosen."""

    def begin(self) -> None:
        """Put the question together."""
        self.asked = self.ask()
        places = {role: place for place, role in enumerate(self.asked.roles)}
        self.values |= {f"letter.{role}": LETTERS[place] for role, place in places.items()}
        self.values["letter.right"] = LETTERS[self.asked.key]
        wrong = sorted(role for role in self.asked.roles if places[role] != self.asked.key)
        self.values |= {f"letter.other{number}": LETTERS[places[role]] for number, role in enumerate(wrong, 1)}

    @abstractmethod
    def ask(self) -> Asked:
        """The question of this seed."""

    def weigh(self, role: str) -> None:
        """Write what choosing an option of this role means; by default nothing."""

    def build_tools(self) -> dict[str, Tool]:
        """The one tool, with the letters that there are; an answer makes no claims."""
        answer = tools_of(type(self))["answer"]
        return {"answer": answer.one_of("choice", list(self.asked.letters))}

    def situation(self) -> str:
        """The question and its options."""
        return "\n".join([self.asked.text, "", *self.asked.lines()])

    def kpi(self) -> float:
        """1 once the right option was chosen."""
        return float(self.chosen == self.asked.key)

    def facts(self) -> Claims:
        """Nothing is asked to be reported."""
        return {}

    def reached(self) -> bool:
        """Whoever gives no answer that can be read has not decided."""
        return self.chosen is not None

    def decided(self) -> bool:
        """Whether an option was chosen."""
        return self.chosen is not None

    def fingerprint(self) -> JsonValue:
        """The question by hash, and the choice."""
        return [digest(self.brief()), self.chosen]

    def features(self) -> dict[str, float]:
        """How many options there are."""
        return {"options": float(len(self.asked.options))}

    def findings(self) -> dict[str, float]:
        """Whether the answer is right, and whether there is none."""
        return {"right": float(self.chosen == self.asked.key), "unread": float(self.chosen is None)}

    def labels(self) -> dict[str, str]:
        """The question, its key, the answer, and where the longest and the shortest option stand."""
        asked = self.asked
        answer, role = (UNREAD, UNREAD) if self.chosen is None else (LETTERS[self.chosen], asked.roles[self.chosen])
        return {
            ITEM: asked.item,
            KEY: LETTERS[asked.key],
            ANSWER: answer,
            CHOSEN: role,
            LONGEST: asked.longest(),
            SHORTEST: asked.shortest(),
        }

    @tool(effect="write", closes=True)
    def answer(self, choice: str) -> str:
        """Give the final answer.

        Args:
            choice: The letter of the option.
        """
        self.chosen = LETTERS.index(choice)
        self.weigh(self.asked.roles[self.chosen])
        self.close({})
        return f"Your answer is {choice}."

    def read(self, reply: str) -> str | None:
        """The letter that a reply without a call names."""
        return read_letter(reply, self.asked.letters)

    def _carry_out(self, call: ToolCall) -> ToolResult:
        if call.tool != SAY:
            return super()._carry_out(call)
        letter = self.read(str(call.arguments.get("text", "")))
        if letter is None:
            return ToolResult(text=NOT_READ.format(letter=LETTERS[0]), status="invalid")
        return ToolResult(text=self.answer(letter))
