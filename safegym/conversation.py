"""What a model is shown of an episode: the brief, whole, and as much of what followed as its context holds."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Self

from safegym.models.base import Message, ModelTraits, TransientModelError
from safegym.models.prompts import EXAMPLE, REMINDER, neutralise, tool_prompt
from safegym.records import ToolCall, ToolSpec

OMITTED = "\n\n(The oldest messages are left out.)"
_KEPT = 0.75
"""Once something has to go, this share of the context is what is left: the cache of a prompt lasts longer then."""
_HEAD = 160
"""The characters that an older result keeps."""
_EXCHANGES = 3
"""So many exchanges stay as long as they fit at all."""


class ContextError(TransientModelError):
    """A brief and its newest message that the context cannot hold."""


class Conversation:
    """The messages of one episode.

    What a world says is stripped of what a chat template reads as structure. When the context runs out, the oldest
    results are cut to their beginning, with a note; then the oldest exchanges are left out; then the newest message
    loses its middle. `shortened` counts the messages that were cut or left out, both where both happened.

    Args:
        traits: What the model is like.
        system: A system prompt; for models without native tools, the list of tools follows it.
    """

    def __init__(self, traits: ModelTraits, system: str = "") -> None:
        self.traits, self.system = traits, system
        self.tools: tuple[ToolSpec, ...] = ()
        self.shortened = 0
        self._brief = ""
        self._history: list[Message] = []
        self._whole = 0
        """Messages before this one have been shortened."""
        self._omitted = False

    def start(self, brief: str, tools: tuple[ToolSpec, ...]) -> None:
        """Begin with a brief."""
        self._brief, self.tools, self.shortened = self._clean(brief), tools, 0
        self._history, self._whole, self._omitted = [], 0, False

    def fork(self) -> Self:
        """A copy that goes its own way."""
        twin = copy.copy(self)
        twin._history = list(self._history)
        return twin

    def show(self, text: str) -> None:
        """Add what the world says; at the beginning that is the brief, which is there already."""
        text = self._clean(text)
        if not self._history and text == self._brief:
            return
        calls = self._history[-1].get("tool_calls", ()) if self._history else ()
        if not calls:
            self._history.append({"role": "user", "content": text})
        for index, call in enumerate(calls, 1):
            # The newest message answers the whole turn; templates want one message per call.
            content = text if index == len(calls) else "(see the last result)"
            named = {"tool_call_id": call["id"], "name": call["function"]["name"]}
            self._history.append({"role": "tool", "content": content, **named})

    def say(self, text: str, prose: str = "", calls: Sequence[ToolCall] = (), turn: int = 0) -> None:
        """Add a reply.

        Args:
            text: All of it, markup of calls included.
            prose: What stands around the calls.
            calls: The calls that were read from it.
            turn: Number of the turn, from which calls get their ids.
        """
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if calls and self.traits.native_tools:
            wired = [_wire(call, f"call{turn:04d}{index}") for index, call in enumerate(calls)]
            message |= {"content": prose, "tool_calls": wired}
        self._history.append(message)

    def messages(self) -> tuple[Message, ...]:
        """The conversation as chat templates take it."""
        turns: list[Message] = [{"role": "user", "content": self._noted_brief()}, *self._history]
        if self.traits.native_tools:
            return (*_system(self.system), *turns)
        system = "\n\n".join(each for each in (self.system, tool_prompt(self.tools)) if each)
        return (*_system(system), *EXAMPLE, *map(_reminded, turns))

    def asked(self, question: str) -> tuple[Message, ...]:
        """The conversation without its tools, a question at its end."""
        messages: list[Message] = [
            *_system(self.system),
            {"role": "user", "content": self._noted_brief()},
            *self._history,
        ]
        if messages[-1]["role"] == "user":
            last = messages.pop()
            return (*messages, {**last, "content": f"{last['content']}\n\n{question}"})
        return (*messages, {"role": "user", "content": question})

    def fit(self, count: Callable[[], int], budget: int) -> None:
        """Make room where the conversation has become too long.

        Args:
            count: Tokens of the prompt as the conversation stands.
            budget: The most that it may have.

        Raises:
            ContextError: If the brief and the newest message do not fit.
        """
        if count() <= budget:
            return
        while count() > budget * _KEPT and self._shorten_oldest():
            pass
        while count() > budget * _KEPT and self._exchanges() > _EXCHANGES and self._forget_oldest():
            pass
        while (excess := count() - budget) > 0:
            if not self._forget_oldest() and not self._cut_newest(excess):
                raise ContextError(
                    f"expected a context that holds the brief and a reply: {excess} tokens more than there are"
                )

    def _shorten_oldest(self) -> bool:
        """Cut the oldest result that is still whole to its beginning; whether there was one besides the newest."""
        for at in range(self._whole, len(self._history) - 1):
            message = self._history[at]
            text = str(message["content"])
            self._whole = at + 1
            if message["role"] in ("tool", "user") and len(text) > 2 * _HEAD:
                note = f"... [{len(text) - _HEAD} characters of this older result left out]"
                self._history[at] = {**message, "content": text[:_HEAD] + note}
                self.shortened += 1
                return True
        return False

    def _exchanges(self) -> int:
        return sum(message["role"] == "assistant" for message in self._history)

    def _forget_oldest(self) -> bool:
        """Drop the oldest exchange; whether there was one besides the newest message."""
        later = [at for at, message in enumerate(self._history) if message["role"] == "assistant" and at > 0]
        if not later:
            return False
        del self._history[: later[0]]
        self.shortened += later[0]
        self._whole = max(0, self._whole - later[0])
        self._omitted = True
        return True

    def _cut_newest(self, tokens: int) -> bool:
        """Cut the middle out of the newest message; whether there was anything to cut."""
        if not self._history:
            return False
        message = self._history[-1]
        text = str(message["content"])
        keep = len(text) - max(4 * tokens, 200)
        if keep < 0:
            keep = len(text) // 2
        if len(text) < 100:
            return False
        left_out = f"\n[{len(text) - keep} characters left out]\n"
        self._history[-1] = {**message, "content": text[: keep // 2] + left_out + text[len(text) - keep // 2 :]}
        self.shortened += "characters left out]" not in text
        return True

    def _noted_brief(self) -> str:
        return self._brief + (OMITTED if self._omitted else "")

    def _clean(self, text: str) -> str:
        return neutralise(text, self.traits.control)


def _reminded(message: Message) -> Message:
    return {**message, "content": message["content"] + REMINDER} if message["role"] == "user" else message


def _system(text: str) -> tuple[Message, ...]:
    return ({"role": "system", "content": text},) if text else ()


def _wire(call: ToolCall, identifier: str) -> dict[str, Any]:
    return {"id": identifier, "type": "function", "function": {"name": call.tool, "arguments": call.arguments}}
