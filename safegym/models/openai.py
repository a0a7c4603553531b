"""Models behind a server that speaks OpenAI's chat completions: vLLM, SGLang, Ollama, llama.cpp, TGI, hosted ones.

A request is tried again with growing pauses while the server is busy, broken or silent. If it fails for good, that is
a `TransientModelError`; if every request fails, the server counts as gone, and a `ModelError` ends the run, which the
same command finishes later. Keys are read from the environment and never told.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, JsonValue, field_validator

from safegym.errors import ModelError, hint
from safegym.loops import run_to_end
from safegym.models.base import ModelReply, ModelRequest, ModelTraits, TransientModelError
from safegym.models.transport import (
    CHAT,
    LOCAL,
    AttemptFailedError,
    Connections,
    Line,
    Patience,
    TooLongError,
    address,
    check_status,
    events,
    hidden,
    httpx_library,
    key_from,
    parsed,
    read_body,
    secrets_of,
    trusted,
    words,
)
from safegym.models.wire import Assembled, UnreadableReplyError, read_reply, request_body
from safegym.records import Record, Usage, digest

if TYPE_CHECKING:
    import httpx

BASE_URL = "SAFEGYM_BASE_URL"
"""The environment variable that holds the URL of a server, for agents that name none."""
DEFAULT_KEY = "OPENAI_API_KEY"
DEFAULT_CONTEXT = 32768
CHARACTERS = 3.5
"""The characters of a token, before a server has told its own."""
CONTROL = (
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
    "<|eom_id|>", "<|python_tag|>", "<|begin_of_text|>", "<|end_of_text|>", "<start_of_turn>", "<end_of_turn>",
    "<|start|>", "<|channel|>", "<|message|>", "<|call|>", "<|return|>", "<|end|>", "<|user|>", "<|assistant|>",
    "<|system|>", "<|observation|>", "<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>", "[INST]", "[/INST]",
    "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "<tool_call>",
    "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>", "</s>",
)  # fmt: skip
"""What the usual templates read as structure: which one a server has cannot be known."""

_RESERVED = ("model", "messages", "tools", "tool_choice", "stream", "n")
_CONTEXT_FIELDS = ("max_model_len", "context_length", "context_window")
_MOST_OF_AN_ERROR = 1 << 16
_SESSIONS = 4096
_AROUND = 12
"""Characters that a template writes around a message."""
_WITHHELD = ", which is sent over https or to this machine alone: name another one in key_env"
_LONGER = 1.25
"""How much longer a prompt is believed to be after the server has found it too long."""
_PIECES, _SLACK = 8, 64
"""A stream of more pieces than eight for a token, and some, is cut: its server does not stop at `max_tokens`."""


class Compute(Record):
    """Where a model is computed and how it is asked.

    `extra_body` and `omit` change what is computed: they are part of an agent's identity, all else is not.
    """

    base_url: str = ""
    """Where the server is, up to `/v1`; by default `SAFEGYM_BASE_URL`, else http://127.0.0.1:8000/v1."""
    key_env: str = DEFAULT_KEY
    """The environment variable that holds the key, which is sent to `base_url`; without one, none is sent. The default
    one is sent over https or to this machine alone: a server elsewhere without https needs a variable of its own."""
    native_tools: bool = True
    """Whether the server is given the tools; otherwise the prompt lists them, and calls are read from the text."""
    context: int | None = Field(default=None, gt=0)
    """The most tokens of prompt and reply; by default what the server tells, else 32768."""
    extra_body: dict[str, JsonValue] = Field(default_factory=dict)
    """More fields of each request, such as `chat_template_kwargs` or `reasoning_effort`."""
    omit: tuple[str, ...] = ()
    """Fields that the server refuses and that are left out of each request, such as `seed` or `temperature`."""
    limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """The field that bounds a reply; hosted reasoning models want `max_completion_tokens`."""
    stream: bool = False
    """Whether replies are read piece by piece, so that one without end, or one that takes too long, can be cut."""
    logprobs: bool = False
    """Whether log-probabilities are asked for. A run keeps them with token ids alone, which vLLM tells, the one that
    ends a reply included, with `extra_body = { return_token_ids = true }`."""
    concurrency: int = Field(default=32, gt=0)
    """The most requests at once."""
    connect_timeout: float = Field(default=10.0, gt=0)
    """Seconds until a connection stands."""
    read_timeout: float = Field(default=300.0, gt=0)
    """Seconds without anything from the server; what is not streamed comes only when the reply is done."""
    timeout: float = Field(default=600.0, gt=0)
    """Seconds of one attempt as a whole."""
    retries: int = Field(default=5, ge=0)
    """Attempts after the first."""
    backoff: float = Field(default=1.0, ge=0)
    """Seconds before the first retry, doubled for every further one; half of it is jitter."""
    longest_wait: float = Field(default=60.0, ge=0)
    """The most seconds before a retry, whatever the server asks for."""
    give_up: int = Field(default=16, gt=0)
    """Requests that fail in a row, each with all its retries, until the server counts as gone."""
    price_prompt: float = Field(default=0.0, ge=0)
    """Price of a million prompt tokens, in any currency."""
    price_completion: float = Field(default=0.0, ge=0)
    """Price of a million new tokens, in the same currency."""

    @field_validator("extra_body")
    @classmethod
    def _not_reserved(cls, given: dict[str, JsonValue]) -> dict[str, JsonValue]:
        for name in given:
            if name in _RESERVED:
                raise ValueError(f"{name} cannot be set here, as safegym sets it")
        return given


class OpenAIModel:
    """A model behind a server.

    Args:
        model: The name by which the server knows the model.
        compute: Where the server is and how to ask it.

    Raises:
        ModelError: If the server cannot be reached, or refuses the key.
    """

    def __init__(self, model: str, compute: Compute) -> None:
        httpx = httpx_library()
        given = compute.base_url or os.environ.get(BASE_URL) or LOCAL
        url, user, self._shown = address(given)
        default = compute.key_env == DEFAULT_KEY
        withheld = default and not trusted(url)
        key = "" if withheld else key_from(compute.key_env, required=not default)
        self._compute, self._url = compute, url
        self._missing = "" if key else _WITHHELD if withheld else ", which is not set"
        self._secrets = secrets_of(key, user, url)
        waits = httpx.Timeout(compute.read_timeout, connect=compute.connect_timeout, pool=None)
        settings: dict[str, Any] = {
            "headers": {"Authorization": f"Bearer {key}"} if key else {},
            "auth": user or None,
            "timeout": waits,
            "limits": httpx.Limits(max_connections=None),
            "verify": httpx.create_ssl_context(),
        }
        self._connections = Connections(compute.concurrency, settings)
        self._patience = Patience(compute.retries, compute.backoff, compute.longest_wait)
        self._listed = self._list_models(settings)
        self._proven, self._failures = False, 0
        self._ratios: OrderedDict[str, float] = OrderedDict()
        self.name = model
        self.digest = digest([model, compute.extra_body, sorted(compute.omit)])
        self.traits = ModelTraits(
            native_tools=compute.native_tools,
            context=compute.context or _context(self._listed.get(model, {})) or DEFAULT_CONTEXT,
            control=CONTROL,
        )
        self.describe = self._describe()

    def count(self, request: ModelRequest) -> int:
        """An estimate: the characters of messages and tools, by the tokens per character of the session's last request.

        Before a session's first reply a token counts as 3.5 characters. What other sessions were told does not matter,
        so that a prompt is cut alike whatever runs beside it.
        """
        return round(self._characters(request) * self._ratios.get(request.session, 1 / CHARACTERS))

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Answer one request, with as many attempts as it takes and is allowed.

        `served.seconds` count from the asking, so that waiting for a place and pauses are in them.
        """
        if request.constrained or request.options:
            raise ModelError(f"{self.name}: a server can neither constrain replies nor score options")
        started = time.perf_counter()
        try:
            async with self._connections.open() as line:
                reply, attempts = await self._insist(line, request)
        except TooLongError as error:
            self._learn(request, _LONGER * self.count(request))
            raise TooLongError(self._tell(error)) from None
        except ModelError as error:
            raise type(error)(self._tell(error)) from None
        self._proven, self._failures = True, 0
        if reply.usage.prompt_tokens:
            self._learn(request, reply.usage.prompt_tokens)
        served = reply.served.model_copy(
            update={"engine": "openai", "seconds": round(time.perf_counter() - started, 6), "attempts": attempts}
        )
        return replace(reply, usage=self._priced(request, reply), served=served)

    def close(self) -> None:
        """Cut the connections; requests in flight fail with a `ModelError`."""
        self._connections.close()

    async def _insist(self, line: Line, request: ModelRequest) -> tuple[ModelReply, int]:
        """The reply, and how many attempts it took."""
        body = self._body(request)
        attempt = 0
        while True:
            attempt += 1
            try:
                async with line.gate:
                    return await self._attempt(line.client, body, request), attempt
            except AttemptFailedError as failure:
                if self._connections.closed:
                    raise ModelError("the model has been closed") from None
                if attempt > self._compute.retries:
                    self._failures += 1
                    told = f"{attempt} attempts failed, the last one with: {failure}"
                    if self._failures >= self._compute.give_up:
                        raise ModelError(f"the last {self._failures} requests failed; {told}") from None
                    raise TransientModelError(told) from None
                wait = failure.wait
            await line.pause(self._patience.pause(attempt, wait, request.seed, request.session))

    async def _attempt(
        self, client: httpx.AsyncClient, body: dict[str, JsonValue], request: ModelRequest
    ) -> ModelReply:
        httpx = httpx_library()
        pieces = Assembled()
        if self._connections.closed:
            raise AttemptFailedError("closed")
        try:
            async with asyncio.timeout(self._compute.timeout):
                data = await self._exchange(client, body, pieces, _PIECES * request.max_tokens + _SLACK)
        except TimeoutError:
            if not pieces.pieces:
                raise AttemptFailedError(f"no reply within {self._compute.timeout:g} s") from None
            data = pieces.cut()
        except (httpx.HTTPError, httpx.StreamError, RecursionError) as error:
            raise AttemptFailedError(f"{type(error).__name__} {error}".strip()) from None
        try:
            return read_reply(data)
        except (UnreadableReplyError, RecursionError) as error:
            raise AttemptFailedError(words(str(error), self._secrets)) from None

    async def _exchange(
        self, client: httpx.AsyncClient, body: dict[str, JsonValue], pieces: Assembled, most: int
    ) -> object:
        """The JSON of one reply, assembled in `pieces` where it comes as a stream."""
        content, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
        async with client.stream("POST", self._url, content=content, headers=headers) as response:
            if not response.is_success:
                self._check(response.status_code, response.headers, await read_body(response, _MOST_OF_AN_ERROR), body)
            kind = response.headers.get("content-type", "")
            if "event-stream" in kind or (self._compute.stream and "json" not in kind):
                async for told in events(response):
                    if told == b"[DONE]":
                        pieces.finish = pieces.finish or "stop"
                        break
                    event = parsed(told, self._secrets)
                    self._check_event(event, body)
                    pieces.add(event)
                    if pieces.pieces > most:
                        return pieces.cut()
                if pieces.finish is None:
                    raise AttemptFailedError("the stream ended before the reply did")
                return pieces.whole()
            data = parsed(await read_body(response), self._secrets)
            self._check_event(data, body)
            return data

    def _check_event(self, event: object, body: Mapping[str, JsonValue]) -> None:
        """Some servers tell their errors under the status 200, or in mid-stream."""
        error = event.get("error") if isinstance(event, dict) else None
        if error:
            code = error.get("code") if isinstance(error, dict) else None
            status = code if isinstance(code, int) and 400 <= code < 600 else 500
            self._check(status, {}, json.dumps(event).encode(), body)

    def _check(self, status: int, headers: Mapping[str, str], told: bytes, body: Mapping[str, JsonValue]) -> None:
        said = words(told, self._secrets)
        try:
            check_status(status, headers, said, proven=self._proven)
        except TransientModelError:
            raise
        except ModelError as error:
            raise ModelError(f"{error}{self._advice(status, said, body)}") from None

    def _advice(self, status: int, said: str, body: Mapping[str, JsonValue]) -> str:
        if status in (401, 403):
            return f"; the key is read from the environment variable {self._compute.key_env}{self._missing}"
        if status == 404 and self._listed and self.name not in self._listed:
            return f"; of the models that the server lists, {hint(self.name, self._listed)}"
        if status == 404:
            return "; expected a base_url that /chat/completions can follow, such as " + LOCAL
        if status in (400, 422) and "tools" in body and "tool" in said.lower():
            return "; for a server that parses no calls set native_tools = false"
        return ""

    def _tell(self, error: ModelError) -> str:
        return f"{self.name} at {self._shown}: {hidden(str(error), self._secrets)}"

    def _body(self, request: ModelRequest) -> dict[str, JsonValue]:
        compute = self._compute
        body = request_body(self.name, request, native_tools=compute.native_tools, limit=compute.limit_field)
        if compute.logprobs:
            body["logprobs"] = True
        if compute.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        body |= compute.extra_body
        return {name: value for name, value in body.items() if name not in compute.omit}

    def _characters(self, request: ModelRequest) -> int:
        """The length of a prompt, with some for what a template writes around each message."""
        written = sum(
            len(str(message.get("content") or "")) + len(json.dumps(message.get("tool_calls", ""))) + _AROUND
            for message in request.messages
        )
        shown = request.tools if self._compute.native_tools else ()
        return written + sum(len(json.dumps(tool.as_function())) for tool in shown)

    def _learn(self, request: ModelRequest, tokens: float) -> None:
        """Remember how many tokens a session's prompt really had."""
        if request.session:
            self._ratios[request.session] = tokens / max(self._characters(request), 1)
            self._ratios.move_to_end(request.session)
            while len(self._ratios) > _SESSIONS:
                self._ratios.popitem(last=False)

    def _priced(self, request: ModelRequest, reply: ModelReply) -> Usage:
        """The usage, estimated where the server does not tell it, and its cost."""
        written = "".join((reply.text, reply.reasoning, *map(str, reply.calls or ())))
        prompt = reply.usage.prompt_tokens or self.count(request)
        completion = reply.usage.completion_tokens or round(len(written) / CHARACTERS)
        cost = (prompt * self._compute.price_prompt + completion * self._compute.price_completion) / 1e6
        return Usage(prompt_tokens=prompt, completion_tokens=completion, cost=cost)

    def _list_models(self, settings: dict[str, Any]) -> dict[str, dict[str, JsonValue]]:
        """What the server lists, by name; nothing where it lists none."""
        httpx = httpx_library()
        try:
            status, body = run_to_end(self._fetch_models(settings))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ModelError(
                f"no server answers at {self._shown}: {hidden(str(error), self._secrets)}; start one, "
                f"for example with `vllm serve`, or give another base_url or {BASE_URL}"
            ) from None
        except (httpx.HTTPError, TimeoutError):
            return {}
        if status == 401:
            said = words(body, self._secrets)
            raise ModelError(f"{self._shown} refuses requests: 401 {said}{self._advice(401, said, {})}")
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            return {}
        entries = told.get("data") if isinstance(told, dict) else None
        listed = [each for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []
        return {each["id"]: each for each in listed if isinstance(each.get("id"), str)}

    async def _fetch_models(self, settings: dict[str, Any]) -> tuple[int, bytes]:
        """Status and body of the server's list of models, which may take twice as long as a connection."""
        url = self._url.copy_with(path=self._url.path.removesuffix(CHAT) + "/models")
        seconds = self._compute.connect_timeout
        async with (
            asyncio.timeout(2 * seconds),
            httpx_library().AsyncClient(**settings) as client,
            client.stream("GET", url, timeout=seconds) as response,
        ):
            return response.status_code, await read_body(response)

    def _describe(self) -> dict[str, JsonValue]:
        compute = self._compute
        told: dict[str, JsonValue] = {
            "engine": "openai",
            "server": self._shown,
            "extra_body": compute.extra_body,
            "omit": list(compute.omit),
            "stream": compute.stream,
            "concurrency": compute.concurrency,
        }
        owner = self._listed.get(self.name, {}).get("owned_by")
        return told | ({"owner": owner} if isinstance(owner, str) else {})


def load(model: str, compute: Compute) -> OpenAIModel:
    """A model by the name that its server knows."""
    return OpenAIModel(model, compute)


def _context(entry: Mapping[str, JsonValue]) -> int | None:
    """The most tokens of a model as its server lists it; each server has its own name for that."""
    told = (entry.get(name) for name in _CONTEXT_FIELDS)
    return next((each for each in told if isinstance(each, int) and each > 0), None)
