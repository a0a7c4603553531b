"""Calls as a name with `<arg_key>` and `<arg_value>` pairs in `<tool_call>` tags: GLM-4.5, 4.6 and 4.7.

Format: the chat template of zai-org/GLM-4.6. GLM-4.7 writes no line break behind the name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from safegym.dialects.base import Block, Dialect, Form, Found, Tags, Tools, read_blocks
from safegym.dialects.marked import unreadable
from safegym.dialects.tagged import Tagged, write_arguments
from safegym.records import ToolCall

_MARK = re.compile("<tool_call>")
_NAME = re.compile(r"\s*([\w.-]+)\s*(?=<arg_key>|</tool_call>|<tool_call>)")
_BEGUN = re.compile(r"\s*[\w.-]*\s*(?:<[/a-z_]*)?\Z")
_TAGGED = Tagged(
    opening=re.compile(r"\s*<arg_key>(.*?)</arg_key>\s*<arg_value>"),
    closing="</arg_value>",
    end="</tool_call>",
    further=re.compile("<tool_call>"),
)
TAGS = Tags("<arg_key>{key}</arg_key>\n<arg_value>", "</arg_value>", "</arg_value>\n")


def read(text: str, tools: Tools) -> Found:
    """Every block."""
    return read_blocks(text, _MARK, _block, tools, stray=("</tool_call>",))


def write(calls: Sequence[ToolCall]) -> str:
    """One block per call."""
    return "\n".join(f"<tool_call>{call.tool}\n{write_arguments(call.arguments, TAGS)}</tool_call>" for call in calls)


def _block(mark: re.Match[str], tools: Tools) -> Block | None:
    text, at = mark.string, mark.end()
    named = _NAME.match(text, at)
    if named is None:
        return Block(len(text), open=True) if _BEGUN.match(text, at) else unreadable(text, at, "</tool_call>")
    return _TAGGED.block(named[1], text, named.end(), tools)


GLM = Dialect(
    name="glm",
    signs=("<arg_key>",),
    marks=("<tool_call>",),
    read=read,
    write=write,
    forms=(Form("<tool_call>{name}\n", "</tool_call>", TAGS),),
)
