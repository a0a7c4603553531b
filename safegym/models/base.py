"""What every model backend takes and gives: one request, one reply, and what a caller must know beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from pydantic import JsonValue

from safegym.errors import ModelError
from safegym.records import ParseStatus, Served, ToolCall, ToolSpec, Usage

Message: TypeAlias = Mapping[str, Any]
"""A chat message as Hugging Face templates take it: `role` (system, user, assistant, tool) and `content`.

An assistant message may carry `tool_calls`, a list of `{"id", "type": "function", "function": {"name", "arguments"}}`
whose arguments are an object (endpoints that want a JSON string convert it); a tool message carries `tool_call_id`
and `name`.
"""


class TransientModelError(ModelError):
    """A request that failed although the model may answer the next one; the backend has already tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One reply asked of a model.

    Attributes:
        messages: The conversation so far.
        tools: The tools that may be called.
        tool_choice: `auto` leaves the choice, `required` demands a call, `none` forbids one.
        dialect: How calls are to be written, a name of `safegym.dialects.DIALECTS`; empty: as the model was taught.
        constrained: Whether calls must follow the tools' schemas, token by token; backends that cannot do it refuse.
        max_tokens: The most new tokens, reasoning included.
        temperature: 0 takes the likeliest token.
        seed: Below 2**31; two requests that are equal in everything get the same reply.
        session: Requests of one session extend each other; a backend may keep what it computed. Empty: none.
        call_bias: Added to the logits of tokens that open a call, on the first token of a constrained reply.
        max_string: The most characters of a constrained string whose schema sets no bound; None: any number.
        options: Whole replies to be scored; if there are any, nothing is generated.
    """

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: Literal["auto", "required", "none"] = "auto"
    dialect: str = ""
    constrained: bool = False
    max_tokens: int = 256
    temperature: float = 0.0
    seed: int = 0
    session: str = ""
    call_bias: float = 0.0
    max_string: int | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply:
    """What a model answered.

    Attributes:
        text: The reply without its reasoning, markup of calls included.
        reasoning: What it thought before, where the model tells the two apart.
        calls: The calls, from a backend that parses them itself; None where `text` is still to be parsed.
        status: How a backend that parses calls itself has read them; None where that is still to be told.
        finish: `length` if `max_tokens` cut the reply.
        usage: Tokens of the prompt and of the reply, and their price.
        prompt_ids: Token ids of the prompt, empty where the backend does not tell.
        completion_ids: Token ids of the reply, without the token that ended it.
        logprobs: Log-probability of every token of the reply by the model's own logits, see `records.TokenTrace`;
            empty where the backend does not tell.
        scores: Log-probability of each of the request's options, its end included.
        served: How it was computed.
    """

    text: str
    reasoning: str = ""
    calls: tuple[ToolCall, ...] | None = None
    status: ParseStatus | None = None
    finish: Literal["stop", "length"] = "stop"
    usage: Usage = field(default_factory=Usage)
    prompt_ids: tuple[int, ...] = ()
    completion_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()
    served: Served = field(default_factory=Served)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTraits:
    """What a caller must know of a model to speak with it.

    Attributes:
        native_tools: Whether the model is shown `request.tools` in its own way; otherwise the messages must list them.
        dialect: How calls are written in `ModelReply.text`, a name of `safegym.dialects.DIALECTS`.
        context: The most tokens of prompt and reply together.
        control: Texts that would be read as structure of the conversation, to be kept out of what a world says.
        can_constrain: Whether `constrained` requests are possible.
        can_score: Whether requests with `options` are possible.
    """

    native_tools: bool = True
    dialect: str = "json"
    context: int = 4096
    control: tuple[str, ...] = ()
    can_constrain: bool = False
    can_score: bool = False


class Model(Protocol):
    """A model backend; any number of `complete` calls may be in flight, and batching is the backend's affair."""

    @property
    def name(self) -> str:
        """What people call the model."""

    @property
    def digest(self) -> str:
        """Hash of what is computed (weights, tokenizer, template), or the name where that is all one can know."""

    @property
    def traits(self) -> ModelTraits:
        """What a caller must know."""

    @property
    def describe(self) -> dict[str, JsonValue]:
        """Engine, device, dtype, batch size: recorded, never part of an identity."""

    def count(self, request: ModelRequest) -> int:
        """Tokens of the request's prompt; an estimate where the backend cannot tell."""

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Answer one request.

        Raises:
            TransientModelError: This request failed; others may succeed.
            ModelError: The model has stopped answering.
        """

    def close(self) -> None:
        """Free what the model holds; requests in flight fail with a `ModelError`."""
