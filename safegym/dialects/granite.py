"""Calls as a list behind `<|tool_call|>`: Granite 3, Phi-4-mini.

Format: the chat template of ibm-granite/granite-3.3-8b-instruct. Granite 4 writes as Hermes does.
Phi-4-mini closes the list with `<|/tool_call|>` (the model card of microsoft/Phi-4-mini-instruct).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from safegym.dialects.base import Dialect, Form, Found, Tools, read_blocks
from safegym.dialects.marked import json_block
from safegym.dialects.values import dumps
from safegym.records import ToolCall

_MARK = re.compile(r"<\|tool_call\|>")
_BLOCK = json_block()


def read(text: str, tools: Tools) -> Found:
    """Every list."""
    return read_blocks(text, _MARK, _BLOCK, tools, frame=("<|/tool_call|>",))


def write(calls: Sequence[ToolCall]) -> str:
    """One list."""
    return "<|tool_call|>" + dumps([{"name": call.tool, "arguments": call.arguments} for call in calls])


GRANITE = Dialect(
    name="granite",
    signs=("<|tool_call|>", "available_tools<|end_of_role|>", "<|start_of_role|>tools<|end_of_role|>"),
    marks=("<|tool_call|>",),
    read=read,
    write=write,
    forms=(Form('<|tool_call|>[{"name": "{name}", "arguments": ', "}]"),),
)
