"""Tool calls as models write them: one parser for every dialect, and a status that says what it had to do.

The status of a reply is `valid` if its calls were written as the dialect wants them, `repaired` if their syntax had to
be mended or came from another dialect, `malformed` if a call was attempted but cannot be read, `truncated` if the reply
was cut inside one, `refused` if it declines in prose, and `none` if it is other prose.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from pydantic import JsonValue

from safegym.errors import UnknownNameError
from safegym.records import ParseStatus, ToolCall, ToolSpec

Dialect: TypeAlias = Literal["json", "hermes", "llama", "mistral", "pythonic"]
DIALECTS: tuple[str, ...] = ("json", "hermes", "llama", "mistral", "pythonic")

_NAMES = ("tool", "name", "function", "tool_name")
_ARGUMENTS = ("arguments", "parameters", "args", "input")
_FENCE = re.compile(r"```[ \t]*[\w-]*[ \t]*\n?(.*?)(?:```|\Z)", re.DOTALL)
_HERMES = re.compile(r"<tool_call>(.*?)(?:</tool_call>|(?=<tool_call>)|\Z)", re.DOTALL)
_XML = re.compile(r"<function=([\w.-]+)>(.*?)(?:</function>|\Z)", re.DOTALL)
_XML_ARGUMENT = re.compile(r"<parameter=([\w.-]+)>\n?(.*?)\n?</parameter>", re.DOTALL)
_MISTRAL_NAMED = re.compile(r"\s*([\w.-]+)\s*(?:\[CALL_ID\][^\[{]*)?(?:\[ARGS\])?\s*(?=\{)")
_PYTHON = re.compile(r"\[?\s*[A-Za-z_][\w.]*\(")
_OPENING = re.compile(r"\{\s*[\"']?(?:tool|name|function|tool_name)\b|\[\s*\{\s*[\"']?(?:tool|name)\b")
_THINKING = re.compile(r"\A\s*(?:<think>)?(.*?)</think>\s*", re.DOTALL)
_REFUSAL = re.compile(
    r"\b(?:i(?:['’]m| am) (?:very |so |truly |really )?"
    r"(?:sorry|unable|not able|not comfortable|not willing|not going to)"
    r"|i (?:can(?:['’]t|not|not)|can not|won['’]t|will not|must decline|have to decline|refuse|decline|am unable)"
    r"|i(?:['’]d| would) rather not|as an ai\b[^.]*\b(?:can(?:['’]t|not)|unable)"
    r"|unable to (?:assist|help|comply|fulfill))",
    re.IGNORECASE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parsed:
    """A reply taken apart: its calls in order, the prose around them and how it was read."""

    calls: tuple[ToolCall, ...]
    text: str
    status: ParseStatus


@dataclass(frozen=True, slots=True)
class _Found:
    """What one reader found: calls, whether they needed mending, and whether an attempt stayed unreadable."""

    calls: tuple[ToolCall, ...] = ()
    repaired: bool = False
    broken: bool = False
    open: bool = False
    patched: tuple[ToolCall, ...] = ()
    """A last call that only lacked its closing brackets: forgotten, unless the reply was cut."""
    rest: str = ""

    @property
    def attempted(self) -> bool:
        return bool(self.calls) or self.broken or self.open


def dialect_of(template: str | None) -> Dialect:
    """The dialect that a chat template teaches its model; `json` for one that knows no tools."""
    text = template or ""
    signs: tuple[tuple[Dialect, str], ...] = (
        ("hermes", "<tool_call>"),
        ("mistral", "[TOOL_CALLS]"),
        ("llama", "<|python_tag|>"),
        ("pythonic", "pythonic"),
        ("llama", '"parameters":'),
    )
    if "tools" not in text:
        return "json"
    return next((dialect for dialect, sign in signs if sign in text), "json")


def parse(
    text: str,
    dialect: str = "json",
    tools: Sequence[ToolSpec] = (),
    finish: Literal["stop", "length"] = "stop",
    *,
    strict: bool = False,
) -> Parsed:
    """Read the calls of a reply.

    Args:
        text: The reply, without its reasoning.
        dialect: The dialect that the model was taught, a name of `DIALECTS`.
        tools: The tools on offer; they name positional arguments and tell a pythonic call from prose.
        finish: Whether the reply was cut.
        strict: Whether calls of other dialects stay prose, as they must where a grammar has guarded the dialect.
    """
    if dialect not in DIALECTS:
        raise UnknownNameError("dialect", dialect, DIALECTS)
    order = [dialect, *(other for other in _READERS if other != dialect and not strict)]
    for name in order:
        found = _READERS[name](text, {tool.name: tool for tool in tools})
        if found.attempted:
            return _judge(found, foreign=name != dialect, cut=finish == "length")
    if _REFUSAL.search(text[:400]):
        return Parsed((), text.strip(), "refused")
    return Parsed((), text.strip(), "none")


def split_reasoning(text: str) -> tuple[str, str]:
    """Separate `<think>` blocks from a reply: (reasoning, reply). A block that never ends is all reasoning."""
    match = _THINKING.match(text)
    if match:
        return match.group(1).strip(), text[match.end() :]
    if text.lstrip().startswith("<think>"):
        return text.lstrip().removeprefix("<think>").strip(), ""
    return "", text


def _judge(found: _Found, *, foreign: bool, cut: bool) -> Parsed:
    status: ParseStatus
    if found.open and cut:
        status = "truncated"
    elif found.patched and not found.broken:
        return Parsed((*found.calls, *found.patched), found.rest.strip(), "repaired")
    elif found.broken or (found.open and not found.calls):
        status = "malformed"
    else:
        status = "repaired" if found.repaired or foreign else "valid"
    return Parsed(found.calls, found.rest.strip(), status)


# ------------------------------------------------------------------------------------------------------- the readers


def _read_json(text: str, tools: Mapping[str, ToolSpec]) -> _Found:
    """Fenced or bare JSON anywhere in the text."""
    fences = [match.group(1) for match in _FENCE.finditer(text)]
    if any(_OPENING.search(each) for each in fences):
        return _collect((each for each in fences if _OPENING.search(each)), rest=_FENCE.sub("", text))
    start = _OPENING.search(text)
    if start is None:
        stripped = text.strip()
        opened = stripped.startswith(("{", "[{"))
        return _Found(broken=opened, open=opened, rest=text) if opened else _Found()
    return _collect([text[start.start() :]], rest=text[: start.start()])


def _read_hermes(text: str, tools: Mapping[str, ToolSpec]) -> _Found:
    if "<tool_call>" not in text:
        return _Found()
    blocks = [match.group(1) for match in _HERMES.finditer(text)]
    rest = text[: text.index("<tool_call>")]
    if blocks and all("<function=" in block for block in blocks):
        calls = [call for block in blocks for call in _xml_calls(block, tools)]
        return _Found(tuple(calls), open=not calls or "</function>" not in blocks[-1], rest=rest)
    found = _collect(blocks, rest=rest)
    unclosed = text.count("<tool_call>") > text.count("</tool_call>")
    return replace(found, repaired=found.repaired or unclosed)


def _read_llama(text: str, tools: Mapping[str, ToolSpec]) -> _Found:
    before, tag, after = text.partition("<|python_tag|>")
    if not tag:
        return _read_json(text, tools) if text.lstrip().startswith("{") else _Found()
    found = _collect(after.split("<|python_tag|>"), rest=before)
    return found if found.calls or "{" in after else _python(after, tools, certain=True, rest=before)


def _read_mistral(text: str, tools: Mapping[str, ToolSpec]) -> _Found:
    before, *blocks = text.split("[TOOL_CALLS]")
    if not blocks:
        return _Found()
    bodies = []
    for block in blocks:
        named = _MISTRAL_NAMED.match(block)
        if named is None:
            bodies.append(block)
        else:
            bodies.append(f'{{"name": {json.dumps(named.group(1))}, "arguments": {block[named.end() :].rstrip()}}}')
    return _collect(bodies, rest=before)


def _read_pythonic(text: str, tools: Mapping[str, ToolSpec]) -> _Found:
    fenced = _FENCE.search(text)
    body = fenced.group(1) if fenced else text
    return _python(body, tools, certain=False, rest=text[: fenced.start()] if fenced else "")


_READERS: dict[str, Callable[[str, Mapping[str, ToolSpec]], _Found]] = {
    "hermes": _read_hermes,
    "mistral": _read_mistral,
    "llama": _read_llama,
    "json": _read_json,
    "pythonic": _read_pythonic,
}

# -------------------------------------------------------------------------------------------------------------- JSON


def _collect(bodies: Iterable[str], *, rest: str) -> _Found:
    """Read every JSON value of the bodies as calls."""
    calls: list[ToolCall] = []
    patched: tuple[ToolCall, ...] = ()
    repaired = broken = unfinished = False
    for body in bodies:
        read = _values(body)
        found = [_call(value) for value in read.values]
        calls += [call for call in found if call is not None]
        repaired |= read.repaired
        broken |= None in found or (read.ended and not read.values)
        unfinished |= not read.ended
        patched = tuple(call for value in read.patched if (call := _call(value)) is not None)
    return _Found(tuple(calls), repaired, broken, unfinished, patched, rest)


@dataclass(frozen=True, slots=True)
class _Values:
    """The JSON values at the start of a text; `patched` are those of a last one whose brackets were not closed."""

    values: list[JsonValue]
    repaired: bool = False
    ended: bool = True
    patched: tuple[JsonValue, ...] = ()


def _values(body: str) -> _Values:
    values: list[JsonValue] = []
    repaired, at, decoder = False, 0, json.JSONDecoder(strict=False)
    while (at := _next_value(body, at)) >= 0:
        try:
            value, at = decoder.raw_decode(body, at)
        except json.JSONDecodeError:
            end, closers = _closing(body, at)
            mended = _mend(body[at:end] if end else body[at:].rstrip() + closers)
            if end is None:
                lacking = _listed(mended) if closers and mended is not None else []
                return _Values(values, repaired, ended=False, patched=tuple(lacking))
            if mended is None:
                return _Values(values, repaired)
            value, at, repaired = mended, end, True
        values += _listed(value)
    return _Values(values, repaired)


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else [value]


def _next_value(body: str, at: int) -> int:
    gap = re.compile(r"[\s,;]*").match(body, at)
    start = gap.end() if gap else at
    return start if body[start : start + 1] in ("{", "[") else -1


def _closing(body: str, start: int) -> tuple[int | None, str]:
    """Where the bracket at `start` closes; if it does not, the brackets that would close it outside of a string."""
    expected: list[str] = []
    quoted = escaped = False
    for index in range(start, len(body)):
        character = body[index]
        if quoted:
            quoted = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            quoted = True
        elif character in "{[":
            expected.append("}" if character == "{" else "]")
        elif character in "}]":
            if character != expected.pop():
                return None, ""
            if not expected:
                return index + 1, ""
    return None, "" if quoted else "".join(reversed(expected))


def _mend(text: str) -> JsonValue | None:
    """A JSON value from text that is nearly JSON: trailing commas, Python literals, single quotes."""
    tidy = re.sub(r",\s*([}\]])", r"\1", text)
    try:
        return json.loads(tidy, strict=False)  # type: ignore[no-any-return]
    except json.JSONDecodeError:
        pass
    try:
        value = ast.literal_eval(text.strip())
        return json.loads(json.dumps(value))  # type: ignore[no-any-return]
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _call(value: JsonValue) -> ToolCall | None:
    """A call from one JSON object, in any of the usual wordings."""
    if not isinstance(value, dict):
        return None
    inner = value.get("function")
    if isinstance(inner, dict):
        return _call(inner)
    name = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), None)
    if not isinstance(name, str) or not name:
        return None
    given = next((value[key] for key in _ARGUMENTS if key in value), None)
    if isinstance(given, str):
        try:
            given = json.loads(given, strict=False) if given.strip() else None
        except json.JSONDecodeError:
            return None
    if given is None:
        given = {}
    return ToolCall(tool=name, arguments=given) if isinstance(given, dict) else None


# ---------------------------------------------------------------------------------------------------- XML and Python


def _xml_calls(block: str, tools: Mapping[str, ToolSpec]) -> list[ToolCall]:
    calls = []
    for name, body in _XML.findall(block):
        known: Any = tools[name].parameters.get("properties", {}) if name in tools else {}
        arguments = {key: _typed(value, known.get(key, {})) for key, value in _XML_ARGUMENT.findall(body)}
        calls.append(ToolCall(tool=name, arguments=arguments))
    return calls


def _typed(text: str, schema: Mapping[str, Any]) -> JsonValue:
    """Untyped text as the schema wants it; text stays text where a string is welcome."""
    if schema.get("type", "string") == "string":
        return text
    try:
        return json.loads(text)  # type: ignore[no-any-return]
    except json.JSONDecodeError:
        return text


def _python(text: str, tools: Mapping[str, ToolSpec], *, certain: bool, rest: str) -> _Found:
    body = text.strip()
    if not _PYTHON.match(body):
        return _Found()
    known = certain or any(re.match(rf"\[?\s*{re.escape(name)}\(", body) for name in tools)
    try:
        tree = ast.parse(body, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return _Found(broken=known, open=known, rest=body) if known else _Found()
    nodes = tree.elts if isinstance(tree, ast.List) else [tree]
    read = [_python_call(node, tools) for node in nodes]
    calls = [each for each in read if each is not None]
    if not certain and tools and not any(call.tool in tools for call, _ in calls):
        return _Found()
    repaired = any(positional for _, positional in calls)
    return _Found(tuple(call for call, _ in calls), repaired, broken=len(calls) < len(read), rest=rest)


def _python_call(node: ast.expr, tools: Mapping[str, ToolSpec]) -> tuple[ToolCall, bool] | None:
    """The call and whether positional arguments had to be named."""
    if not isinstance(node, ast.Call):
        return None
    name = ast.unparse(node.func).removesuffix(".call")
    known: Any = tools[name].parameters.get("properties", {}) if name in tools else {}
    if len(node.args) > len(known) or any(keyword.arg is None for keyword in node.keywords):
        return None
    try:
        named = {key: ast.literal_eval(value) for key, value in zip(known, node.args, strict=False)}
        named |= {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords}
        return ToolCall(tool=name, arguments=json.loads(json.dumps(named))), bool(node.args)
    except (ValueError, TypeError, SyntaxError):
        return None
