"""Calls as `<function=name>` with one `<parameter=key>` per argument: Qwen3-Coder, Qwen 3.5.

Format: the chat template of Qwen/Qwen3-Coder-30B-A3B-Instruct. A value stands on lines of its own. Llama 3.1's
`<function=name>{json}</function>` (its model card, "user-defined custom tool calling") is read as well.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from safegym.dialects.base import Block, Dialect, Form, Found, Tags, Tools, read_blocks
from safegym.dialects.marked import named_json
from safegym.dialects.tagged import Tagged, write_arguments
from safegym.records import ToolCall

_MARK = re.compile(r"<function=[\"']?([\w.-]+)[\"']?\s*>")
_BEGUN = re.compile(r"<tool_call>\s*(?:<|<f[unctio]*|<function=?[\w.-]*)?\Z")
_TAGGED = Tagged(
    opening=re.compile(r"\s*<parameter=[\"']?([^>\"'\n]+)[\"']?>"),
    closing="</parameter>",
    end="</function>",
    further=re.compile(r"</tool_call>|<tool_call>|<function="),
    stripped=True,
)
TAGS = Tags("<parameter={key}>\n", "</parameter>", "\n</parameter>\n")


def read(text: str, tools: Tools) -> Found:
    """Every function, inside of `<tool_call>` or bare."""
    found = read_blocks(text, _MARK, _block, tools, frame=("<tool_call>", "</tool_call>"), stray=("</function>",))
    if not found.attempted and _BEGUN.search(text):
        return Found(open=True, rest=text.partition("<tool_call>")[0])
    return found


def write(calls: Sequence[ToolCall]) -> str:
    """One block per call."""
    return "\n".join(
        f"<tool_call>\n<function={call.tool}>\n{write_arguments(call.arguments, TAGS)}</function>\n</tool_call>"
        for call in calls
    )


def _block(mark: re.Match[str], tools: Tools) -> Block | None:
    if mark.string[mark.end() :].lstrip().startswith("{"):
        return named_json(mark[1], mark.string, mark.end(), "</function>")
    return _TAGGED.block(mark[1], mark.string, mark.end(), tools)


QWEN_CODER = Dialect(
    name="qwen_coder",
    signs=("<function=",),
    marks=("<tool_call>\n<function=",),
    read=read,
    write=write,
    forms=(Form("<tool_call>\n<function={name}>\n", "</function>\n</tool_call>", TAGS),),
)
