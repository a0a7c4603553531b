"""Calls as messages to functions on the commentary channel: gpt-oss.

Format: "OpenAI harmony response format" (the openai-harmony package's guide) and the chat template of
openai/gpt-oss-20b. The recipient stands behind the channel or behind the role; the analysis channel is reasoning, the
final channel the reply. The token that ends a reply, `<|call|>` or `<|return|>`, may be missing, and so may all tokens
where the server has decoded the reply without them: `analysis...assistantcommentary to=functions.look json{}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from safegym.dialects.base import Block, Dialect, Form, Found, Json, Tools, read_blocks
from safegym.dialects.marked import named_json
from safegym.dialects.thinking import split_thinking
from safegym.dialects.values import dumps, read_values
from safegym.records import ToolCall

_BEFORE = "<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>"
_TO = r"(?<!\s)\s*to="
_HEADER = rf"(?:(?:{_TO}[^<\s]{{0,200}}\s*)?(?:<\|(?:start|channel|constrain)\|>[^<]*){{1,4}}|{_TO}[^<]{{0,200}})"
_MESSAGE = re.compile(rf"({_HEADER})<\|message\|>(.*?)(?=<\|(?:end|call|return|start|channel)\|>|\Z)", re.DOTALL)
_CUT = re.compile(rf"{_HEADER}(?:<\|?[a-z]*\|?)?\Z")
_RECIPIENT = re.compile(r"to=(?:functions\.)?([\w.-]+)")
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")
_ENDS = re.compile(r"<\|(?:end|call|return)\|>")
_UNMARKED = re.compile(r"(?:\A\s*|assistant)commentary\s+to=functions\.([\w.-]+?)\s*(?:json)?\s*(?=\{)")
_UNMARKED_REPLY = re.compile(r"assistant(?:final|(?=commentary\s+to=functions\.))")
_OPENED = ("<|channel|>", "<|start|>", "to=functions.")


@dataclass(frozen=True, slots=True)
class _Message:
    channel: str
    recipient: str
    content: str
    start: int
    end: int
    last: bool


def speaks(text: str) -> bool:
    """Whether a reply begins like one of this dialect."""
    return text.lstrip().startswith(_OPENED)


def read(text: str, tools: Tools) -> Found:
    """Every message with a recipient."""
    if not any(mark in text for mark in ("<|channel|>", "<|message|>", "to=functions.")):
        return Found()
    if "<|message|>" not in text and _UNMARKED.search(text):
        return read_blocks(text, _UNMARKED, _unmarked, tools)
    calls: list[ToolCall] = []
    prose, at = [], 0
    repaired = broken = False
    patched: tuple[ToolCall, ...] = ()
    opened = False
    for message in _messages(text):
        prose.append(text[at : message.start])
        at = message.end
        if not message.recipient:
            prose += [message.content, "\n\n"] if message.channel != "analysis" else []
            continue
        block = named_json(message.recipient, message.content, 0)
        ended = block.open and not message.last
        calls += block.calls + (block.patched if ended else ())
        opened, patched = block.open and message.last, () if ended else block.patched
        repaired |= block.repaired or message.channel == "analysis" or (ended and bool(message.content.strip()))
        broken |= block.broken or (ended and not block.patched)
    tail = _CUT.search(text, at)
    opened |= tail is not None and "final" not in tail[0] and "analysis" not in tail[0]
    prose.append(text[at : tail.start() if tail else len(text)])
    rest = _ENDS.sub("", "".join(prose))
    return Found(tuple(calls), repaired, broken, opened, patched, rest) if calls or broken or opened else Found()


def write(calls: Sequence[ToolCall]) -> str:
    """One message per call, as a reply that `<|start|>assistant` precedes."""
    return "<|start|>assistant".join(
        f"{_BEFORE.replace('{name}', call.tool)}{dumps(call.arguments, compact=True)}<|call|>" for call in calls
    )


def reasoning(text: str) -> tuple[str, str]:
    """The analysis channel, and the rest: the text itself where there is no call, its messages as they are else."""
    if not speaks(text):
        return _unmarked_reasoning(text)
    messages = list(_messages(text))
    thoughts = [each.content.strip() for each in messages if each.channel == "analysis" and not each.recipient]
    replies = [each for each in messages if each.channel != "analysis" or each.recipient]
    cut = _CUT.search(text, messages[-1].end if messages else 0)
    tail = cut[0] if cut and "analysis" not in cut[0] else ""
    if not messages and not tail:
        return "", text
    if tail or any(each.recipient for each in replies):
        rest = "".join(_ENDS.sub("", text[each.start : each.end]) + "<|end|>" for each in replies[:-1])
        rest += "".join(text[each.start : each.end] for each in replies[-1:])
        return "\n\n".join(thoughts), rest + tail
    return "\n\n".join(thoughts), "\n\n".join(each.content.strip() for each in replies)


def _unmarked(mark: re.Match[str], tools: Tools) -> Block:
    return replace(named_json(mark[1], mark.string, mark.end()), repaired=True)


def _unmarked_reasoning(text: str) -> tuple[str, str]:
    reply = _UNMARKED_REPLY.search(text)
    if reply is None or not text.startswith("analysis"):
        return split_thinking(text)
    thoughts = text[len("analysis") : reply.start()].split("assistantanalysis")
    return "\n\n".join(each.strip() for each in thoughts), text[reply.start() :].removeprefix("assistantfinal")


def _messages(text: str) -> Iterator[_Message]:
    at = 0
    while match := _MESSAGE.search(text, at):
        recipient, channel = _RECIPIENT.search(match[1]), _CHANNEL.search(match[1])
        named = recipient[1] if recipient and recipient[1] not in ("assistant", "user") else ""
        end = match.end()
        whole = read_values(text, match.start(2), most=1)
        if named and whole.values:
            end = max(end, whole.end)  # text in arguments may hold marks
        ended = _ENDS.match(text, end)
        at = ended.end() if ended else end
        content = text[match.start(2) : end]
        yield _Message(channel[1] if channel else "", named, content, match.start(), at, end == len(text))


HARMONY = Dialect(
    name="harmony",
    signs=("<|channel|>",),
    marks=("<|channel|>commentary to=functions.", "<|start|>assistant"),
    read=read,
    write=write,
    forms=(Form(_BEFORE, "", Json(",", ":")),),
    reasoning=reasoning,
    thought=("<|channel|>analysis<|message|>", "<|end|><|start|>assistant"),
    thinks=True,
    prose="<|channel|>final<|message|>",
)
