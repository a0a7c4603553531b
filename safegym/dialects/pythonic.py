"""Calls as Python: `[f(a=1), g()]`, Llama 3.2 and 4, Gemma 3 by prompt, ToolACE, Olmo 3.

Format: Meta's prompt formats for Llama 3.2 and Llama 4 ("zero-shot function calling"), where `<|python_start|>` and
`<|python_end|>` may stand around the list; the chat template of allenai/Olmo-3-7B-Instruct, where each call has a line
of its own between `<function_calls>` and `</function_calls>`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import JsonValue

from safegym.dialects.base import Block, Dialect, Form, Found, Literals, Tools, read_blocks, without
from safegym.dialects.values import dumps, literal, make_call, parse_python, tool_name
from safegym.records import ToolCall

_MARK = re.compile(r"(?=\[\s*[A-Za-z_][\w.]*\()|(?:^|<function_calls>)[ \t]*(?=[A-Za-z_][\w.]*\()", re.MULTILINE)
_NAME = re.compile(r"\[?\s*([A-Za-z_][\w.]*)\(")
_BEGUN = re.compile(r"\A\s*(?:```\w*\s*)?\[\s*\w*\Z")
_FRAMED = re.compile(r"<function_calls>\s*\w*\Z")
_FENCES = re.compile(r"```\w*\s*(?:```|\Z)")
_FRAME = ("<|python_start|>", "<|python_end|>", "<function_calls>", "</function_calls>")
_ERRORS = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)
LITERALS = Literals("{key}=", '"{key}": ', ", ", '"', True, ("True", "False", "None"))


def read(text: str, tools: Tools) -> Found:
    """Lists of calls, and calls that have a line of their own; only of tools on offer unless they begin the reply."""
    found = read_blocks(text, _MARK, _block, tools, frame=_FRAME, bare=True)
    if found.attempted:
        return replace(found, rest=_FENCES.sub("", found.rest))
    return Found(open=True) if _BEGUN.match(without(text, _FRAME)) or _FRAMED.search(text) else Found()


def write(calls: Sequence[ToolCall]) -> str:
    """One list."""
    return "[" + ", ".join(f"{call.tool}({_written(call.arguments)})" for call in calls) + "]"


def read_at(text: str, at: int, tools: Tools) -> Block | None:
    """The calls that an expression at a place of a text makes; None if there is none."""
    if not _NAME.match(text, at):
        return None
    end, closers = _closing(text, at)
    source = text[at:] if end is None else text[at:end]
    if end is None:
        patched = _calls(source + closers, tools) if closers else None
        return Block(len(text), open=True, patched=patched[0] if patched else ())
    read = _calls(source, tools)
    if read is None:
        return Block(end, broken=True)
    return Block(end, read[0], read[1])


def _block(mark: re.Match[str], tools: Tools) -> Block | None:
    text, at = mark.string, mark.end()
    named = _NAME.match(text, at)
    if named is None:
        return None
    listed, first = named[0].startswith("["), not without(text[:at], _FRAME).strip("`\n\t python")
    name = tool_name(named[1].removesuffix(".call"))
    if tools and name not in tools and not (listed and first):
        return None
    return read_at(text, at, tools)


def _calls(source: str, tools: Tools) -> tuple[tuple[ToolCall, ...], bool] | None:
    """The calls of an expression, and whether something had to be mended."""
    tree, mended = _parsed(source.strip())
    nodes = tree.elts if isinstance(tree, ast.List) else [tree]
    read = [_call(node, tools) for node in nodes]
    calls = [call for call in read if call is not None]
    if len(calls) < len(read):
        return None
    positional = any(node.args for node in nodes if isinstance(node, ast.Call))
    return tuple(calls), mended or positional


def _parsed(source: str) -> tuple[ast.expr | None, bool]:
    for mended, text in enumerate((source, source.replace("\n", "\\n"))):
        try:
            return parse_python(text), bool(mended)
        except _ERRORS:
            continue
    return None, True


def _call(node: ast.expr | None, tools: Tools) -> ToolCall | None:
    if not isinstance(node, ast.Call) or any(keyword.arg is None for keyword in node.keywords):
        return None
    try:
        name = tool_name(ast.unparse(node.func).removesuffix(".call"))
        known: Any = tools[name].parameters.get("properties", {}) if name in tools else {}
        if len(node.args) > len(known):
            return None
        named = {key: literal(value) for key, value in zip(known, node.args, strict=False)}
        return make_call(name, named | {str(each.arg): literal(each.value) for each in node.keywords})
    except _ERRORS:
        return None


def _closing(text: str, at: int) -> tuple[int | None, str]:
    """Where the first bracket at or behind a place closes; else what would close it, empty in a string."""
    expected: list[str] = []
    quote, index = "", at
    pairs = {"(": ")", "[": "]", "{": "}"}
    while index < len(text):
        character = text[index]
        if quote:
            if character == "\\":
                index += 1
            elif text.startswith(quote, index):
                index += len(quote) - 1
                quote = ""
        elif character in "\"'":
            quote = character * 3 if text.startswith(character * 3, index) else character
            index += len(quote) - 1
        elif character in pairs:
            expected.append(pairs[character])
        elif character in pairs.values():
            if not expected or character != expected.pop():
                return index + 1, ""
            if not expected:
                return index + 1, ""
        index += 1
    return None, "" if quote else "".join(reversed(expected))


def _written(arguments: dict[str, JsonValue]) -> str:
    return ", ".join(f"{key}={_literal(value)}" for key, value in arguments.items())


def _literal(value: JsonValue) -> str:
    match value:
        case str():
            return dumps(value)
        case list():
            return "[" + ", ".join(map(_literal, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{dumps(key)}: {_literal(each)}" for key, each in value.items()) + "}"
    return repr(value)


PYTHONIC = Dialect(
    name="pythonic",
    signs=("[func_name1(", "[func_name(", "pythonic", "<function_calls>"),
    marks=("<|python_start|>", "<function_calls>"),
    read=read,
    write=write,
    forms=(Form("[{name}(", ")]", LITERALS),),
)
