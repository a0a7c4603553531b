"""A model that replays given texts: for tests, examples and dry runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue

from safegym.errors import ModelError
from safegym.models.base import ModelReply, ModelRequest, ModelTraits
from safegym.records import Record, Usage, digest

Script = Sequence[str | ModelReply | Exception]


class ScriptedModel:
    """Answers the n-th request of every session with the n-th entry of a script; exceptions are raised.

    Args:
        script: Texts, replies or exceptions, or a function from a request to one of them.
        traits: What the model claims about itself.
        truncate: Whether texts longer than `max_tokens` words are cut, as a real model's would be.
        delay: Seconds that a reply takes.
    """

    def __init__(
        self,
        script: Script | Callable[[ModelRequest], str | ModelReply | Exception],
        *,
        traits: ModelTraits | None = None,
        truncate: bool = False,
        delay: float = 0.0,
    ) -> None:
        self.script = script
        self.truncate, self.delay = truncate, delay
        self.name = "scripted"
        self.digest = digest([str(each) for each in script]) if not callable(script) else "scripted"
        self.traits = traits or ModelTraits(native_tools=False, context=100_000, control=("<|im_start|>", "<|im_end|>"))
        self.describe: dict[str, JsonValue] = {"engine": "scripted"}
        self.requests: list[ModelRequest] = []
        self._asked: dict[str, int] = {}

    def count(self, request: ModelRequest) -> int:
        """Words of all messages, and of the tools where the model is shown them."""
        shown = [message.get("content") for message in request.messages]
        if self.traits.native_tools:
            shown += [tool.model_dump_json() for tool in request.tools]
        return sum(len(str(each or "").split()) for each in shown)

    async def complete(self, request: ModelRequest) -> ModelReply:
        """The next entry of the request's session."""
        await asyncio.sleep(self.delay)
        self.requests.append(request)
        entry = self.script(request) if callable(self.script) else self._next(self.script, request.session)
        if isinstance(entry, Exception):
            raise entry
        if isinstance(entry, ModelReply):
            return entry
        words = entry.split(" ")
        cut = self.truncate and len(words) > request.max_tokens
        finish: Literal["stop", "length"] = "length" if cut else "stop"
        text = " ".join(words[: request.max_tokens]) if cut else entry
        usage = Usage(prompt_tokens=self.count(request), completion_tokens=len(text.split(" ")))
        return replace(ModelReply(text=text), finish=finish, usage=usage)

    def close(self) -> None:
        """Nothing is held."""

    def _next(self, script: Script, session: str) -> str | ModelReply | Exception:
        index = self._asked.get(session, 0)
        self._asked[session] = index + 1
        if index >= len(script):
            raise ModelError(f"the script of {len(script)} replies has none left for session {session!r}")
        return script[index]


class Compute(Record):
    """How a script is played; never what."""

    delay: float = Field(default=0.0, ge=0)
    """Seconds that a reply takes, as a real model's would."""


def load(model: str, compute: Compute) -> ScriptedModel:
    """A model that replays a text file, one reply per line."""
    try:
        lines = Path(model).read_text("utf-8").splitlines()
    except OSError as error:
        raise ModelError(f"expected a file of replies, one per line, got {model!r}: {error.strerror}") from None
    return ScriptedModel(lines, delay=compute.delay)
