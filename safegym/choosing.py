"""A language model that takes one of a few replies, on many questions at once: by likelihood, or by what it writes.

Where a backend can score whole replies nothing is written: the likeliest reply is taken at temperature 0, otherwise the
one at a quantile of the tempered softmax. Elsewhere the reply is read. The noise of a question follows from its words,
and from how often the same words were asked before it in the same call. So equal questions get equal answers, in a copy
of a world as in the world itself, and a voter who is there twice draws twice.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import cycle
from pathlib import Path

from safegym import content
from safegym.agent import AgentFile, open_model, read_agent_file
from safegym.errors import ContentError
from safegym.families.multiple_choice import read_letter
from safegym.loops import run_to_end
from safegym.models.base import Model, ModelReply, ModelRequest, TransientModelError
from safegym.models.options import shares, take
from safegym.models.prompts import neutralise
from safegym.randomness import uniform
from safegym.records import digest

LOG = logging.getLogger(__name__)
REASON_TOKENS = 60
"""The most new tokens of a reason."""
MOST_KNOWN = 65_536
"""The most answers that are remembered, so that copies and replays of a world cost nothing and differ in nothing."""
YES, NO = "Yes", "No"
Tell = Callable[[int, int], None]
"""Called with how many questions are answered, and how many there are."""

_NEGATION = re.compile(r"\b(?:not|never|neither|nor|cannot|no)\b|n['’]t\b", re.IGNORECASE)
_SENTENCES = re.compile(r"(?<=[.!?;])\s+|\n+")
_SETTLED = re.compile(
    r"^\W*(?:(?:my |the )?(?:final )?answer(?: is)?\W+)?(?P<said>yes|no)\b"
    r"(?=\W*$|\s*[^\w\s'’-]|\s*\n|\s+(?:because|since|as|I|it|this|that)\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ClosedQuestion:
    """A question with a few replies.

    Attributes:
        system: Who the model is to be.
        text: What it is shown and asked.
        replies: What can be answered: letters, or `YES` and `NO`.
        first: What has to be answered in a sentence or two before that; empty: nothing.
    """

    system: str
    text: str
    replies: tuple[str, ...]
    first: str = ""

    @property
    def how(self) -> str:
        """How it is to be answered."""
        kind = "letter" if all(len(each) == 1 for each in self.replies) else "word"
        return f"Answer with one {kind}: {', '.join(self.replies[:-1])} or {self.replies[-1]}."


@dataclass(frozen=True, slots=True)
class Picked:
    """What a model answered.

    Attributes:
        place: That of its reply; None where none could be read, or none came.
        probability: How likely it was among all replies, at temperature 1; None where it was read and not scored.
        reason: What was said before.
        error: Why no reply came; empty if one did.
    """

    place: int | None
    probability: float | None = None
    reason: str = ""
    error: str = ""


class Chooser:
    """A model that answers closed questions.

    Args:
        model: Any backend.
        settings: Its temperature, limits and system prompt; the mode is of no account.
        name: What it is called.
    """

    def __init__(self, model: Model, settings: AgentFile, name: str = "") -> None:
        self.model, self.settings, self.name = model, settings, name or model.name
        self.context = min(settings.context, model.traits.context)
        self._known: OrderedDict[str, Picked] = OrderedDict()

    @property
    def digest(self) -> str:
        """Hash of the model and of how it is asked."""
        return digest([self.settings.asked, self.model.digest])

    def close(self) -> None:
        """Free what the model holds."""
        self.model.close()

    def ask(self, questions: Sequence[ClosedQuestion], tell: Tell = lambda done, total: None) -> list[Picked]:
        """The answers to all questions, in their order; all of them are in flight at once.

        Args:
            questions: Each is a conversation of its own.
            tell: Called after every answer; at temperature 0 equal questions have one answer.

        Raises:
            ModelError: The model has stopped answering. A request that fails alone is an answer without a place.
        """
        found = run_to_end(self._ask_all(questions, tell))
        if failed := [each.error for each in found if each.error]:
            told = f"{len(failed)} of {len(found)} questions got no reply"
            LOG.warning("%s: %s, the first: %s", self.name, told, failed[0])
        return found

    async def _ask_all(self, questions: Sequence[ClosedQuestion], tell: Tell) -> list[Picked]:
        keys = self._keys(questions)
        asked = dict(zip(keys, questions, strict=True))
        done = 0

        async def ask(key: str) -> Picked:
            nonlocal done
            picked = self._known.get(key) or await self._ask(asked[key], key)
            done += 1
            tell(done, len(asked))
            return picked

        tell(0, len(asked))
        found = dict(zip(asked, await asyncio.gather(*map(ask, asked)), strict=True))
        return [found[key] for key in keys]

    def _keys(self, questions: Sequence[ClosedQuestion]) -> list[str]:
        """By question, the digest of its words and, where there is noise, of how many equal ones stand before it."""
        keys, asked = [], Counter[ClosedQuestion]()
        for each in questions:
            keys.append(digest([each.system, each.text, list(each.replies), each.first, asked[each]]))
            asked[each] += self.settings.temperature > 0
        return keys

    async def _ask(self, question: ClosedQuestion, key: str) -> Picked:
        """Ask, and remember what came back; a request that failed may be made again."""
        seed = int(key, 16) >> 33
        try:
            reason = await self._reason(question, seed) if question.first else ""
            picked = await self._reply(question, reason, seed)
        except TransientModelError as error:
            return Picked(None, error=str(error))
        self._known[key] = picked
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return picked

    async def _reason(self, question: ClosedQuestion, seed: int) -> str:
        """What the model says before it answers, on one line."""
        request = self._request(question, seed, f"{question.text}\n\n{question.first}")
        reply = await self._complete(replace(request, max_tokens=min(REASON_TOKENS, self.settings.max_tokens)))
        return " ".join(self._clean(reply.text).split())

    async def _reply(self, question: ClosedQuestion, reason: str, seed: int) -> Picked:
        if reason:
            request = self._request(question, seed, f"{question.text}\n\n{question.first}", reason, question.how)
        else:
            request = self._request(question, seed, f"{question.text}\n\n{question.how}")
        if not self.model.traits.can_score:
            return Picked(read_reply((await self._complete(request)).text, question.replies), reason=reason)
        scores = (await self._complete(replace(request, max_tokens=1, options=question.replies))).scores
        place = take(scores, self.settings.temperature, float(uniform(seed, 0, "reply", 0)))
        return Picked(place, float(shares(scores)[place]), reason)

    def _request(self, question: ClosedQuestion, seed: int, *turns: str) -> ModelRequest:
        """A conversation of turns, of which the user's is the first and the last."""
        system = "\n\n".join(each for each in (self.settings.system, question.system) if each)
        said = zip(cycle(("user", "assistant")), turns, strict=False)
        messages = [{"role": role, "content": self._clean(text)} for role, text in (("system", system), *said)]
        return ModelRequest(
            messages=tuple(messages),
            max_tokens=self.settings.max_tokens,
            temperature=self.settings.temperature,
            seed=seed,
            session=f"choosing/{seed}" if question.first else "",
        )

    async def _complete(self, request: ModelRequest) -> ModelReply:
        room, needed = self.context - request.max_tokens, self.model.count(request)
        if needed > room:
            raise TransientModelError(f"expected a question of at most {room} tokens, got {needed}")
        return await self.model.complete(request)

    def _clean(self, text: str) -> str:
        return neutralise(text, self.model.traits.control)


def open_chooser(name: str, temperature: float | None = None) -> Chooser:
    """The model of an agent file.

    Args:
        name: Name or path of a TOML file of an agent.
        temperature: Another one than the file has.

    Raises:
        UnknownNameError: There is no such agent.
        ContentError: It is a Python file, which names no model, or the file does not say what it must.
        ModelError: The model cannot be loaded.
    """
    file = content.find_agent(name)
    if file.suffix != ".toml":
        raise ContentError(file, "", "expected the agent file of a model, which ends in .toml")
    settings = read_agent_file(file, {} if temperature is None else {"temperature": temperature})
    return Chooser(open_model(settings), settings, Path(name).stem)


def quoted(text: str) -> str:
    """A text every line of which is marked as a quotation, so that nothing in it can pass for what stands around it."""
    return "\n".join(f"> {line}" for line in text.splitlines())


def read_reply(text: str, replies: tuple[str, ...]) -> int | None:
    """The place of the reply that a text gives; None where it gives none, or several.

    A letter may stand at the beginning, see `read_letter`, or be the only one that the text says it chooses ("I would
    vote for candidate B"). Yes and no have to begin it.
    """
    if all(len(each) == 1 for each in replies):
        letter = read_letter(text, "".join(replies)) or _chosen(text, "".join(replies))
        return None if letter is None else replies.index(letter)
    found = _SETTLED.match(text)
    if found is None:
        return None
    words = {each.lower() for each in re.findall(r"\b(?:yes|no)\b", _SENTENCES.split(text.strip())[0], re.IGNORECASE)}
    return replies.index(found["said"].capitalize()) if len(words) == 1 else None


def _chosen(text: str, letters: str) -> str | None:
    """The one letter that follows a word of choosing, sentences with a negation left out."""
    plain = [each for each in _SENTENCES.split(text) if not _NEGATION.search(each)]
    found = {letter for each in plain for letter in _choosing(letters).findall(each)}
    return found.pop() if len(found) == 1 else None


@lru_cache(maxsize=16)
def _choosing(letters: str) -> re.Pattern[str]:
    word = r"(?i:\b(?:choose|chose|pick|prefer|share|support|favou?r|go with|vote for|vote goes to|(?:vote|choice) is))"
    noun = r"(?i:\s+(?:the\s+)?(?:message|text|post|statement|candidate|option|letter))?"
    return re.compile(rf"{word}{noun}[\s:*\"'“(]+([{letters}])(?![\w'’])")
