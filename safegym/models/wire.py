"""The chat-completions format: a request as JSON, and whatever a server sends back as a `ModelReply`.

The format is that of `POST /chat/completions` as OpenAI documents it and as vLLM, SGLang, llama.cpp, Ollama and TGI
speak it. Nothing of a reply is taken for granted: what has the wrong shape is left out, mended or told by its status.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from safegym.dialects import parse, split_reasoning
from safegym.dialects.values import make_call
from safegym.models.base import Message, ModelReply, ModelRequest
from safegym.records import ParseStatus, Served, ToolCall, Usage

_CUT = {"length", "max_tokens", "model_length"}
_FILTERED = "content_filter"
_FAILED = "error"
_THOUGHTS = {"thinking", "reasoning"}
NO_REPLY = "(no reply)"
"""What stands for an assistant's message without words and calls, which some servers refuse."""
_LARGEST_ID = 2**31
_LARGEST_COUNT = 2**53


class UnreadableReplyError(Exception):
    """A reply that holds no message, or one that broke off with an error."""


# -------------------------------------------------------------------------------------------------------- the request


def request_body(model: str, request: ModelRequest, *, native_tools: bool, limit: str) -> dict[str, JsonValue]:
    """The JSON of a request.

    Args:
        model: The name by which the server knows the model.
        request: What is asked.
        native_tools: Whether the tools are sent as such; otherwise the messages list them.
        limit: The field that bounds the reply, `max_tokens` or `max_completion_tokens`.
    """
    body: dict[str, JsonValue] = {
        "model": model,
        "messages": [_message(each) for each in request.messages],
        "temperature": request.temperature,
        limit: request.max_tokens,
        "seed": request.seed,
    }
    if native_tools and request.tools:
        body["tools"] = [tool.as_function() for tool in request.tools]
        if request.tool_choice != "auto":  # the default everywhere, and some servers refuse to be told
            body["tool_choice"] = request.tool_choice
    return body


def _message(message: Message) -> dict[str, JsonValue]:
    sent: dict[str, JsonValue] = {"role": message["role"], "content": message.get("content") or ""}
    if calls := message.get("tool_calls"):
        sent |= {"content": sent["content"] or None, "tool_calls": [_sent_call(each) for each in calls]}
    elif message["role"] == "assistant":
        sent["content"] = sent["content"] or NO_REPLY
    if message["role"] == "tool":
        sent["tool_call_id"] = message.get("tool_call_id", "")
    return sent


def _sent_call(call: Mapping[str, Any]) -> dict[str, JsonValue]:
    function = call["function"]
    arguments = json.dumps(function["arguments"], ensure_ascii=False)
    return {"id": call["id"], "type": "function", "function": {"name": function["name"], "arguments": arguments}}


# ---------------------------------------------------------------------------------------------------------- the reply


def read_reply(data: object) -> ModelReply:
    """The reply in a server's JSON; usage that the server does not tell is 0.

    Calls that the server has parsed are taken as they are, mended where their arguments are nearly JSON, and otherwise
    kept in the text with the status `malformed`, or `truncated` where the reply was cut. Without any, `calls` is None,
    and the text is still to be parsed. A reply that was filtered, or that is a `refusal`, has the status `refused`.

    Raises:
        UnreadableReplyError: If there is no message in it, or the server says that it broke off.
    """
    whole = _mapping(data)
    choice = _choice(whole)
    finish, message = choice.get("finish_reason"), choice.get("message")
    if finish == _FAILED or choice.get("error"):
        raise UnreadableReplyError(f"the reply broke off: {_dumped(choice.get('error') or finish)}")
    if not isinstance(message, dict):
        if finish != _FILTERED:
            raise UnreadableReplyError(f"expected a message in the first choice, got {_short(message)}")
        message = {}
    cut = isinstance(finish, str) and finish in _CUT
    text, reasoning = _words(message)
    read = _read_calls(message.get("tool_calls"), cut=cut)
    refusal = _sound(message.get("refusal"))
    status: ParseStatus | None = read.status(cut=cut)
    if status is None and (finish == _FILTERED or refusal):
        text, status = text or refusal, "refused"
    return ModelReply(
        text="\n".join(each for each in (text, *read.unreadable) if each),
        reasoning=reasoning,
        calls=None if status is None else tuple(read.calls),
        status=status,
        finish="length" if cut else "stop",
        served=Served(cached_tokens=_count(_mapping(whole.get("usage")).get("prompt_tokens_details"), "cached_tokens")),
        usage=_usage(whole.get("usage")),
        **_tokens(whole, choice),
    )


def _choice(whole: Mapping[str, Any]) -> dict[str, Any]:
    choices = whole.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise UnreadableReplyError(f"expected a list of choices, got {_short(choices)}")
    return choices[0]


def _words(message: Mapping[str, Any]) -> tuple[str, str]:
    """What a message says and what it thought."""
    text, thought = _prose(message.get("content"))
    told = (_sound(message.get(key)) for key in ("reasoning_content", "reasoning"))
    reasoning = next((each for each in told if each), thought)
    if reasoning:
        return text, reasoning.strip()
    reasoning, text = split_reasoning(text)
    return text, reasoning


def _prose(content: object) -> tuple[str, str]:
    """Text and thoughts of a content, which may be a list of parts."""
    if not isinstance(content, list):
        return _sound(content), ""
    said, thought = "", ""
    for part in content:
        fields = part if isinstance(part, dict) else {"text": part}
        if _sound(fields.get("type")) in _THOUGHTS:
            inner = fields.get("thinking", fields.get("text"))
            thought += "".join(_sound(_mapping(each).get("text", each)) for each in _listed(inner))
        else:
            said += _sound(fields.get("text"))
    return said, thought


# ---------------------------------------------------------------------------------------------------------- its calls


@dataclass(slots=True)
class _ReadCalls:
    calls: list[ToolCall] = field(default_factory=list)
    repaired: bool = False
    unreadable: list[str] = field(default_factory=list)

    def status(self, *, cut: bool) -> ParseStatus | None:
        """How the calls were read; None without any."""
        if self.unreadable:
            return "truncated" if cut else "malformed"
        if self.calls:
            return "repaired" if self.repaired else "valid"
        return None


def _read_calls(given: object, *, cut: bool) -> _ReadCalls:
    read = _ReadCalls()
    for each in _listed(given):
        function = _mapping(_mapping(each).get("function"))
        name, raw = _sound(function.get("name")), function.get("arguments")
        arguments, repaired = _arguments(raw, cut=cut) if name else (None, False)
        call = None if arguments is None else make_call(name, arguments)
        if call is None:
            read.unreadable.append(_attempt(name, raw))
        else:
            read.calls.append(call)
            read.repaired |= repaired
    return read


def _arguments(raw: object, *, cut: bool) -> tuple[dict[str, Any] | None, bool]:
    """The arguments of a call and whether they had to be mended; None where they cannot be read."""
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        return {}, False
    if isinstance(raw, dict):
        return raw, False
    if not isinstance(raw, str):
        return None, False
    try:
        value = json.loads(raw, strict=False)
        if isinstance(value, str):  # encoded twice
            return _object(json.loads(value, strict=False)), True
        return _object(value), False
    except (ValueError, RecursionError):
        mended = parse(f'{{"tool": "mended", "arguments": {raw}}}', finish="length" if cut else "stop", strict=True)
        usable = len(mended.calls) == 1 and mended.status in ("valid", "repaired")
        return (mended.calls[0].arguments if usable else None), True


def _attempt(name: str, raw: object) -> str:
    """A call that cannot be read, as a text that shows it."""
    given = _sound(raw) if isinstance(raw, str) else _dumped(raw)
    return f'{{"tool": {json.dumps(name, ensure_ascii=False)}, "arguments": {given}}}'


# -------------------------------------------------------------------------------------------------- tokens and counts


def _usage(given: object) -> Usage:
    return Usage(prompt_tokens=_count(given, "prompt_tokens"), completion_tokens=_count(given, "completion_tokens"))


def _count(given: object, name: str) -> int:
    value = _mapping(given).get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST_COUNT else 0


def _tokens(whole: Mapping[str, Any], choice: Mapping[str, Any]) -> dict[str, Any]:
    """Token ids and log-probabilities, as far as the server tells them and they fit each other."""
    ids = _ids(choice.get("token_ids"))
    entries = _listed(_mapping(choice.get("logprobs")).get("content"))
    logprobs = tuple(_mapping(each).get("logprob") for each in entries)
    sound = all(isinstance(each, int | float) and math.isfinite(each) for each in logprobs)
    if not sound or (ids and len(ids) != len(logprobs)):
        logprobs = ()
    return {"prompt_ids": _ids(whole.get("prompt_token_ids")), "completion_ids": ids, "logprobs": logprobs}


def _ids(given: object) -> tuple[int, ...]:
    found = _listed(given)
    return tuple(found) if all(isinstance(each, int) and 0 <= each < _LARGEST_ID for each in found) else ()


# --------------------------------------------------------------------------------------------------------- the stream


@dataclass(slots=True)
class Assembled:
    """A reply that arrives in pieces.

    Attributes:
        finish: Why it ended; None while it has not.
        pieces: How many pieces held something of the reply, each a token or more.
        characters: How long it is so far, reasoning and arguments included.
    """

    finish: str | None = None
    pieces: int = 0
    characters: int = 0
    _words: dict[str, str] = field(default_factory=dict)
    _error: object = None
    _calls: list[dict[str, Any]] = field(default_factory=list)
    _whole: dict[str, Any] = field(default_factory=dict)
    _token_ids: list[Any] = field(default_factory=list)
    _logprobs: list[Any] = field(default_factory=list)

    def add(self, event: object) -> None:
        """Take in one event of the stream."""
        told = _mapping(event)
        self._whole |= {key: told[key] for key in ("usage", "prompt_token_ids") if told.get(key)}
        choices = [_mapping(each) for each in _listed(told.get("choices"))]
        for choice in (each for each in choices if each.get("index", 0) == 0):
            before = self.characters
            self._take(_mapping(choice.get("delta")))
            self.pieces += self.characters > before
            self._token_ids += _listed(choice.get("token_ids"))
            self._logprobs += _listed(_mapping(choice.get("logprobs")).get("content"))
            self._error = choice.get("error") or self._error
            if isinstance(choice.get("finish_reason"), str):
                self.finish = choice["finish_reason"]

    def cut(self) -> dict[str, Any]:
        """The reply as far as it came, ended as one that was too long."""
        self.finish = "length"
        return self.whole()

    def whole(self) -> dict[str, Any]:
        """The reply as a server sends it that does not stream."""
        message = {**self._words, "tool_calls": [{"function": each} for each in self._calls]}
        choice = {"message": message, "finish_reason": self.finish, "error": self._error, "token_ids": self._token_ids}
        return {**self._whole, "choices": [{**choice, "logprobs": {"content": self._logprobs}}]}

    def _take(self, delta: Mapping[str, Any]) -> None:
        said, thought = _prose(delta.get("content"))
        words = {"content": said, "reasoning": thought, "refusal": _sound(delta.get("refusal"))}
        words["reasoning"] += _sound(delta.get("reasoning_content")) or _sound(delta.get("reasoning"))
        for key, text in words.items():
            if text:
                self._words[key] = self._words.get(key, "") + text
                self.characters += len(text)
        for piece in _listed(delta.get("tool_calls")):
            self._take_call(_mapping(piece))

    def _take_call(self, piece: Mapping[str, Any]) -> None:
        function = _mapping(piece.get("function"))
        name, given = _sound(function.get("name")), function.get("arguments")
        call = self._slot(piece, opens=bool(name))
        call["name"] = call["name"] or name
        added = given if isinstance(given, str) else "" if given is None else _dumped(given)
        call["arguments"] += added
        self.characters += len(added)

    def _slot(self, piece: Mapping[str, Any], *, opens: bool) -> dict[str, Any]:
        """The call that a piece belongs to; some servers leave out the index, or give every call the same one."""
        index, identifier = piece.get("index"), piece.get("id")
        slot = next((each for each in reversed(self._calls) if each["index"] == index), None)
        another = slot is not None and opens and (identifier != slot["id"] if identifier else index is None)
        if slot is None or another:
            slot = {"index": index, "id": identifier, "name": "", "arguments": ""}
            self._calls.append(slot)
        return slot


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _object(value: object) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _sound(value: object) -> str:
    """A text that can be encoded; nothing where the value is none."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else ""


def _dumped(value: object) -> str:
    try:
        return _sound(json.dumps(value, ensure_ascii=False))
    except (ValueError, RecursionError):
        return "..."


def _short(value: object) -> str:
    return _dumped(value)[:80]
