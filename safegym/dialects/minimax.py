"""Calls as `<invoke>` with one `<parameter>` per argument: MiniMax M2.

Format: the chat template of MiniMaxAI/MiniMax-M2 and the model card's `docs/tool_calling_guide.md`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from safegym.dialects.base import Block, Dialect, Form, Found, Tags, Tools, read_blocks
from safegym.dialects.tagged import Tagged, write_arguments
from safegym.records import ToolCall

_OPENING, _CLOSING = "<minimax:tool_call>", "</minimax:tool_call>"
_MARK = re.compile(r"<invoke name=[\"']?([\w.-]+)[\"']?\s*>")
_BEGUN = re.compile(rf"{_OPENING}\s*(?:<[^>]*)?\Z")
_TAGGED = Tagged(
    opening=re.compile(r"\s*<parameter name=[\"']?([^>\"']+)[\"']?>"),
    closing="</parameter>",
    end="</invoke>",
    further=re.compile(rf"<invoke|{_CLOSING}"),
)
TAGS = Tags('<parameter name="{key}">', "</parameter>", "</parameter>\n")


def read(text: str, tools: Tools) -> Found:
    """Every `<invoke>`, inside of its frame or bare."""
    found = read_blocks(text, _MARK, _block, tools, frame=(_OPENING, _CLOSING), stray=("</invoke>",))
    if not found.attempted and _BEGUN.search(text):
        return Found(open=True, rest=text.partition(_OPENING)[0])
    return found


def write(calls: Sequence[ToolCall]) -> str:
    """One frame around all calls."""
    written = (f'<invoke name="{call.tool}">\n{write_arguments(call.arguments, TAGS)}</invoke>\n' for call in calls)
    return f"{_OPENING}\n{''.join(written)}{_CLOSING}"


def _block(mark: re.Match[str], tools: Tools) -> Block | None:
    return _TAGGED.block(mark[1], mark.string, mark.end(), tools)


MINIMAX = Dialect(
    name="minimax",
    signs=(_OPENING, "minimax:tool_call"),
    marks=(_OPENING,),
    read=read,
    write=write,
    forms=(Form(f'{_OPENING}\n<invoke name="{{name}}">\n', f"</invoke>\n{_CLOSING}", TAGS),),
)
