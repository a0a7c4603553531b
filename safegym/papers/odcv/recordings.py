"""The released logs: `messages_record.txt`, a numbered list of messages with the tool calls as Python literals."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safegym.errors import ContentError
from safegym.papers.source import read_text

FILE = "messages_record.txt"
VARIANTS = ("incentivized", "mandated")
TIMED_OUT = "Command timed out"
_STEP = re.compile(r"^== Step (\d+) ==[ \t]*\n(?=role:)", re.MULTILINE)
_ROLE = re.compile(r"role:[ \t]*(\w+)[ \t]*\n?")
_CALL = re.compile(r"^call:[ \t]*", re.MULTILINE)
_REASON = re.compile(r"^reason:[ \t]?", re.MULTILINE)
_NONE = {"None", "No explanation"}


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A tool call as the model wrote it; `arguments` is empty where they were not a JSON object."""

    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One step of a log."""

    step: int
    role: str
    content: str
    reason: str = ""
    calls: tuple[RecordedCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Execution:
    """A command of a log and what it answered; `returncode` is -1 for one that ran out of time."""

    step: int
    command: str
    stdout: str
    stderr: str
    returncode: int


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One recorded run."""

    file: Path
    model: str
    variant: str
    scenario: str
    messages: tuple[Message, ...]

    def executions(self) -> Iterator[Execution]:
        """The commands in order, each with its recorded answer; calls without one are left out."""
        waiting: list[RecordedCall] = []
        for message in self.messages:
            if message.role == "assistant":
                waiting = list(message.calls)
            elif message.role == "tool" and waiting:
                call, answer = waiting.pop(0), _json(message.content)
                command = call.arguments.get("command")
                if call.tool == "bash" and isinstance(command, str) and isinstance(answer.get("returncode"), int):
                    stdout, stderr = (str(answer.get(name) or "") for name in ("stdout", "stderr"))
                    yield Execution(message.step, command, stdout, stderr, answer["returncode"])


def find_recordings(root: Path) -> list[Path]:
    """Every log under a folder, in order."""
    return sorted(root.rglob(FILE))


def read_recording(path: Path) -> Trajectory:
    """Read one log; model, variant and scenario are told by its folders.

    Raises:
        ContentError: The file is not such a log, or a call in it cannot be read.
    """
    text = read_text(path)
    blocks = _blocks(text)
    if not blocks or text[: text.index("== Step")].strip():
        raise ContentError(path, "", f"expected '== Step 1 ==' and 'role:' at the start, got {text[:40]!r}")
    messages = [_message(path, step, block) for step, block in blocks]
    run = next((each.name for each in path.parents if each.name.endswith(VARIANTS)), "")
    model, _, variant = run.rpartition("-")
    return Trajectory(path, model or run, variant, path.parent.name, tuple(messages))


def _blocks(text: str) -> list[tuple[int, str]]:
    """The numbered blocks; a heading that a message quotes does not count on from the one before."""
    heads: list[re.Match[str]] = []
    for each in _STEP.finditer(text):
        if not heads or int(each[1]) > int(heads[-1][1]):
            heads.append(each)
    ends = [each.start() for each in heads[1:]] + [len(text)] * bool(heads)
    return [(int(head[1]), text[head.end() : end]) for head, end in zip(heads, ends, strict=True)]


def read_calls(text: str) -> tuple[RecordedCall, ...]:
    """Read tool calls from a Python literal, from the `repr` of a client's objects, or from JSON; nothing is run.

    Raises:
        ValueError: It is none of them.
    """
    try:
        written = _plain(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        try:
            written = json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError(f"expected a Python list of tool calls ({error})") from None
    listed = written if isinstance(written, list | tuple) else [] if written is None else [written]
    return tuple(_call(each) for each in listed)


def _plain(node: ast.expr) -> Any:  # noqa: ANN401 - a literal
    """The value of a literal; `Name(field=value)`, as objects print themselves, is read as the dict of its fields."""
    match node:
        case ast.Call(args=[], keywords=fields) if all(each.arg for each in fields):
            return {str(each.arg): _plain(each.value) for each in fields}
        case ast.List(elts=values) | ast.Tuple(elts=values):
            return [_plain(each) for each in values]
        case ast.Dict(keys=keys, values=values) if None not in keys:
            return {_plain(key): _plain(value) for key, value in zip(keys, values, strict=True) if key is not None}
        case ast.Name(id=("true" | "false" | "null") as name):
            return json.loads(name)
        case _:
            return ast.literal_eval(node)


def _call(written: Any) -> RecordedCall:  # noqa: ANN401 - a literal
    if not isinstance(written, dict):
        raise ValueError(f"expected a tool call with a function, got {written!r}"[:120])
    function = written.get("function", written)
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise ValueError(f"expected a tool call with a function's name, got {written!r}"[:120])
    arguments = function.get("arguments")
    return RecordedCall(function["name"], arguments if isinstance(arguments, dict) else _json(arguments))


def _json(text: object) -> dict[str, Any]:
    try:
        value = json.loads(str(text), strict=False)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _message(path: Path, step: int, block: str) -> Message:
    found = _ROLE.match(block)
    if found is None:
        raise ContentError(path, f"step {step}", f"expected 'role:' and a name, got {block[:40]!r}")
    role, body = found[1], block[found.end() :]
    calls: tuple[RecordedCall, ...] = ()
    if role != "assistant":
        return Message(step, role, _content(body))
    body, written = _split_last(body, _CALL)
    if written is not None:
        try:
            calls = read_calls(written)
        except ValueError as error:
            raise ContentError(path, f"step {step}, call", str(error)) from None
    body, reason = _split_last(body, _REASON)
    reason = (reason or "").strip()
    return Message(step, role, _content(body), "" if reason in _NONE else reason, calls)


def _content(body: str) -> str:
    text = body.strip().removeprefix("content:").strip()
    return "" if text in _NONE else text


def _split_last(body: str, mark: re.Pattern[str]) -> tuple[str, str | None]:
    """What stands before and after the last line that begins with a mark."""
    places = list(mark.finditer(body))
    if not places:
        return body, None
    return body[: places[-1].start()], body[places[-1].end() :]
