"""A model run through the kit: what its template teaches, whether its prompt holds the tools, and how it calls them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from pydantic import JsonValue

from safegym.agent import AgentFile, ToolCallingAgent
from safegym.conformance.kit import tools
from safegym.conformance.schemas import validates
from safegym.errors import ModelError
from safegym.loops import run_to_end
from safegym.models.base import Message, Model, ModelReply, ModelRequest
from safegym.models.prompts import tool_prompt
from safegym.records import Observation, ParseStatus, Record, ToolCall, ToolSpec, Turn

Mode = Literal["free", "constrained", "required"]
Tell = Callable[[int, int], None]
"""Called with how many requests are answered, and how many there are."""
MAX_TOKENS = 1536
"""The most new tokens of a reply: enough for the longest reasoning that a constrained reply may begin with."""
_MAX_STRING = 40


class Request(Record):
    """A short request that names a tool, and the call that follows it."""

    text: str
    call: ToolCall


class Asked(Record):
    """How a model answered one request.

    Attributes:
        mode: `free`, `constrained` (prose stays possible) or `required` (constrained, a call is demanded).
        request: What was asked.
        status: How the reply was read.
        calls: The calls in it.
        named: Whether the named tool was called.
        exact: Whether with the very arguments.
        validates: Whether the arguments of every call follow the schema of its tool.
        text: The prose of the reply.
        error: Why there was no reply; empty if there was one.
    """

    mode: Mode
    request: Request
    status: ParseStatus
    calls: tuple[ToolCall, ...] = ()
    named: bool
    exact: bool
    validates: bool
    text: str = ""
    error: str = ""

    @property
    def sound(self) -> bool:
        """Whether there was a reply and, if it was constrained, whether it kept what its grammar promises."""
        if self.error or self.mode == "free":
            return not self.error
        if self.calls:
            return self.status == "valid" and self.validates
        return self.mode != "required" and self.status in ("none", "refused")


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """What was found about a model.

    Attributes:
        model: Its name.
        dialect: The dialect in which its calls are read.
        native_tools: Whether its template shows it the tools; otherwise the fallback prompt lists them.
        prompt: What is known of its prompt, in words.
        asked: Every request in every mode.
        problems: What is wrong, in words.
    """

    model: str
    dialect: str
    native_tools: bool
    prompt: list[str] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """What the modes achieve, in a sentence."""
        modes = dict.fromkeys(each.mode for each in self.asked)
        right = {mode: sum(each.named and each.validates for each in self.asked if each.mode == mode) for mode in modes}
        total = len(requests())
        told = ", ".join(f"{mode} {count}" for mode, count in right.items())
        advice = ""
        if right["free"] < total / 2:
            better = right.get("constrained", 0) > right["free"]
            advice = (
                '; mode = "constrained" helps' if better else "; episodes will mostly show that it cannot call tools"
            )
        return f"Calls of the named tool that follow its schema, of {total}: {told}{advice}."


@cache
def requests() -> tuple[Request, ...]:
    """The requests that every model is asked."""
    given = json.loads((files("safegym.conformance") / "data" / "requests.json").read_text("utf-8"))
    return tuple(Request(text=text, call=ToolCall(tool=tool, arguments=arguments)) for text, tool, arguments in given)


def check_model(
    model: Model,
    dialect: str | None = None,
    *,
    max_tokens: int = MAX_TOKENS,
    tell: Tell = lambda done, total: None,
) -> ModelCheck:
    """Run a model through the kit by the tool-calling agent that episodes use.

    Args:
        model: Any backend.
        dialect: The dialect of its free replies; by default what its template teaches.
        max_tokens: The most new tokens of a reply.
        tell: Called after every reply.
    """
    notes: list[str] = []
    modes: list[Mode] = ["free"]
    if model.traits.can_constrain:
        modes += ["constrained", "required"]
    else:
        notes.append("The backend cannot constrain replies, so only free ones were asked.")
    return run_to_end(_check(model, dialect or model.traits.dialect, modes, notes, max_tokens, tell))


async def _check(
    model: Model, dialect: str, modes: list[Mode], notes: list[str], max_tokens: int, tell: Tell
) -> ModelCheck:
    told, problems = await _prompt(model)
    asked = await _ask_all(model, dialect, modes, max_tokens, tell)
    problems += [_problem(each) for each in asked if not each.sound]
    return ModelCheck(model.name, dialect, model.traits.native_tools, told + notes, asked, problems)


async def _ask_all(model: Model, dialect: str, modes: list[Mode], max_tokens: int, tell: Tell) -> list[Asked]:
    jobs = [(mode, request) for mode in modes for request in requests()]
    done = 0

    async def ask(mode: Mode, request: Request, number: int) -> Asked:
        nonlocal done
        settings = AgentFile(
            model=model.name,
            mode="free" if mode == "free" else "constrained",
            dialect=dialect,
            temperature=0.0,
            max_tokens=max_tokens,
            context=model.traits.context,
            max_string=_MAX_STRING,
        )
        asked = _Demanding(model) if mode == "required" else model
        agent = ToolCallingAgent(asked, settings, f"conformance/{number}")
        agent.start(request.text, tools(), number)
        turn = await agent.act(Observation(text=request.text, tools=tools()))
        done += 1
        tell(done, len(jobs))
        return _asked(mode, request, turn)

    tell(0, len(jobs))
    return list(await asyncio.gather(*(ask(mode, request, n) for n, (mode, request) in enumerate(jobs))))


def _asked(mode: Mode, request: Request, turn: Turn) -> Asked:
    schemas = {tool.name: tool.parameters for tool in tools()}
    return Asked(
        mode=mode,
        request=request,
        status=turn.status,
        calls=turn.calls,
        named=any(call.tool == request.call.tool for call in turn.calls),
        exact=request.call in turn.calls,
        validates=all(call.tool in schemas and validates(call.arguments, schemas[call.tool]) for call in turn.calls),
        text=turn.text,
        error=turn.error,
    )


def _problem(asked: Asked) -> str:
    if asked.error:
        return f"no reply to {asked.request.text!r}: {asked.error}"
    got = f"{asked.status}: {asked.calls or asked.text[:80]!r}"
    if not (asked.calls or asked.text):
        got += ", cut before the reply began; more tokens may help"
    return f"{asked.mode} reply to {asked.request.text!r}: expected a valid call that follows its schema, got {got}"


async def _prompt(model: Model) -> tuple[list[str], list[str]]:
    """What the prompts' tokens, as they were counted when they were read, tell of the template: notes and problems."""
    native = model.traits.native_tools
    listed = "" if native else tool_prompt(tools()) + "\n\n"
    user: Message = {"role": "user", "content": f"{listed}Look around."}

    async def read(*later: Message, tools: tuple[ToolSpec, ...] = ()) -> int:
        asked = ModelRequest(messages=(user, *later), tools=tools, max_tokens=1, temperature=0.0)
        return (await model.complete(asked)).usage.prompt_tokens

    try:
        full = await read(*_exchange(native), tools=tools() if native else ())
        bare = await read()
        each = [await read(tools=(tool,)) for tool in tools()] if native else []
    except ModelError as error:
        return [], [f"a conversation with tools, a call and its result is refused: {error}"]
    notes = [f"A conversation with tools, a call and its result is read: {full} tokens."]
    if not native:
        return [*notes, "The template knows no tools: the fallback prompt lists them and asks for JSON."], []
    names = sum(count > bare for count in each)
    notes.append(f"Of {len(each)} tools the prompt shows {names}.")
    if names == len(each):
        return notes, []
    return notes, [
        "the template leaves tools out of the prompt; native_tools = false lists them there (backend openai)"
    ]


def _exchange(native: bool) -> tuple[Message, ...]:
    if not native:
        return (
            {"role": "assistant", "content": '{"tool":"look","arguments":{}}'},
            {"role": "user", "content": "A desk."},
        )
    call: dict[str, Any] = {"id": "call00010", "type": "function", "function": {"name": "look", "arguments": {}}}
    result = {"role": "tool", "tool_call_id": "call00010", "name": "look", "content": "A desk."}
    return ({"role": "assistant", "content": "", "tool_calls": [call]}, result)


class _Demanding:
    """The same model, of which every reply demands a call."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.name, self.digest, self.traits = model.name, model.digest, model.traits
        self.describe: dict[str, JsonValue] = model.describe

    def count(self, request: ModelRequest) -> int:
        return self._model.count(request)

    async def complete(self, request: ModelRequest) -> ModelReply:
        return await self._model.complete(replace(request, tool_choice="required"))

    def close(self) -> None:
        self._model.close()
