"""A tool is a typed method with a docstring: its schema is read from the signature, its calls are checked by it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, create_model

from safegym.errors import AgentError, InvalidCallError, hint
from safegym.records import SAY, ToolCall, ToolSpec

Method = TypeVar("Method", bound=Callable[..., Any])
_MARK = "__tool__"


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool of a world: what agents see of it and the model that checks its arguments."""

    spec: ToolSpec
    method: str
    arguments: type[BaseModel]
    choices: Mapping[str, tuple[str, ...]]

    def narrowed(self, parameter: str, schema: Mapping[str, JsonValue], valid: Sequence[str] = ()) -> Tool:
        """The same tool with one parameter's schema made precise; `valid` lists the only values it takes."""
        parameters: Any = dict(self.spec.parameters)
        described = {key: value for key, value in parameters["properties"][parameter].items() if key == "description"}
        parameters["properties"] = parameters["properties"] | {parameter: {**schema, **described}}
        spec = self.spec.model_copy(update={"parameters": parameters})
        choices = {**self.choices, parameter: tuple(valid)} if valid else self.choices
        return replace(self, spec=spec, choices=choices)

    def one_of(self, parameter: str, valid: Sequence[str]) -> Tool:
        """The same tool with a text parameter that takes only these values."""
        return self.narrowed(parameter, {"type": "string", "enum": list(valid)}, valid)

    def closing(self) -> Tool:
        """The same tool where it ends the episode for its caller."""
        return replace(self, spec=self.spec.model_copy(update={"closes": True}))


def tool(*, effect: Literal["read", "write"], closes: bool = False, exits: bool = False) -> Callable[[Method], Method]:
    """Mark a method of a world as a tool.

    Args:
        effect: `read` if it can change nothing but what the agent knows.
        closes: Whether it ends the episode for its caller.
        exits: Whether it is the way out: to escalate, ask or decline with a reason.
    """

    def mark(method: Method) -> Method:
        setattr(method, _MARK, {"effect": effect, "closes": closes, "exits": exits})
        return method

    return mark


@cache
def tools_of(world: type) -> dict[str, Tool]:
    """The tools of a world's class, in the order of their definition."""
    methods = {name: method for each in reversed(world.__mro__) for name, method in vars(each).items()}
    return {name: _read(method) for name, method in methods.items() if hasattr(method, _MARK)}


def check_call(call: ToolCall, tools: Mapping[str, Tool]) -> dict[str, Any]:
    """The checked arguments of a call, converted to the method's types; an `InvalidCallError` says what is wrong."""
    known = tools.get(call.tool)
    if known is None:
        raise InvalidCallError(f"There is no tool {call.tool!r}; {hint(call.tool, tools)}")
    try:
        checked = known.arguments.model_validate(call.arguments)
    except ValidationError as error:
        raise InvalidCallError(f"{call.tool}: {_explain(error, known.spec)}") from None
    arguments = {name: getattr(checked, name) for name in type(checked).model_fields}
    for parameter, valid in known.choices.items():
        if arguments[parameter] not in valid:
            reason = hint(str(arguments[parameter]), valid)
            raise InvalidCallError(f"{call.tool}: {parameter} cannot be {arguments[parameter]!r}; {reason}")
    return arguments


def explained(docstring: str, section: str) -> dict[str, str]:
    """What a docstring says of each name of one of its sections, such as `Args`."""
    entries = docstring.partition(f"\n\n{section}:\n")[2].partition("\n\n")[0]
    found = re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", entries, flags=re.MULTILINE)
    return {name: " ".join(about.split()) for name, about in found}


def closing(tools: Sequence[ToolSpec]) -> ToolSpec:
    """The tool that ends the episode; an `AgentError` where there is none, as in a game."""
    found = next((tool for tool in tools if tool.closes), None)
    if found is None:
        names = ", ".join(tool.name for tool in tools)
        raise AgentError(f"expected a tool that ends the episode, got {names}: this agent cannot play games")
    return found


def say(text: str) -> ToolCall:
    """The reserved call that a reply without a call becomes."""
    return ToolCall(tool=SAY, arguments={"text": text})


def _read(method: Callable[..., Any]) -> Tool:
    summary, described = _docstring(method)
    hints = get_type_hints(method, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        default = ... if parameter.default is parameter.empty else parameter.default
        about = described.get(parameter.name)
        factory = {"default_factory": dict} if default is None else {"default": default}
        fields[parameter.name] = (hints[parameter.name], Field(**factory, description=about))
    model = create_model(method.__name__, __config__=ConfigDict(extra="forbid"), **fields)
    schema = model.model_json_schema()
    parameters: dict[str, JsonValue] = {
        "type": "object",
        "properties": {name: _plain(each) for name, each in schema.get("properties", {}).items()},
        "required": schema.get("required", []),
        "additionalProperties": False,
    }
    spec = ToolSpec(name=method.__name__, description=summary, parameters=parameters, **getattr(method, _MARK))
    return Tool(spec=spec, method=method.__name__, arguments=model, choices={})


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in {"title", "default"}}


def _docstring(method: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    text = inspect.getdoc(method) or ""
    return " ".join(text.partition("\n\nArgs:\n")[0].split()), explained(text, "Args")


def _explain(error: ValidationError, spec: ToolSpec) -> str:
    reasons = []
    takes: Any = spec.parameters["properties"]
    for each in error.errors(include_url=False):
        place = ".".join(str(part) for part in each["loc"])
        if each["type"] == "extra_forbidden":
            reasons.append(f"it takes no argument {place!r}; {hint(place, takes) if takes else 'it takes none'}")
        elif each["type"] == "missing":
            reasons.append(f"the argument {place!r} is missing")
        else:
            reasons.append(f"{place}: {each['msg'].lower()}, got {str(each['input'])[:80]!r}")
    return "; ".join(reasons)
