"""What is said to models whose chat template has no tools, and what is kept out of everybody's prompt.

The wording is short because prompts are dear on a CPU, and was chosen by measuring SmolLM2-135M: the chance that its
first token opens a call is 0.0001 with the list of tools alone, 0.001 with the reminder and 0.3 with the example too.
"""

from __future__ import annotations

from typing import Any, cast

from safegym.models.base import Message
from safegym.records import ToolSpec

REMINDER = "\n\nReply with one JSON call."
EXAMPLE: tuple[Message, ...] = (
    {"role": "user", "content": "Call the tool example with the value 1." + REMINDER},
    {"role": "assistant", "content": '{"tool":"example","arguments":{"value":1}}'},
)
"""Shown before the brief to models whose template has no tools. It names no real tool, so that it favours none."""


def neutralise(text: str, control: tuple[str, ...]) -> str:
    """Text of a world without what a chat template reads as structure, so that it cannot forge turns."""
    before = None
    while before != text:
        before = text
        for token in control:
            text = text.replace(token, "")
    return text


def tool_prompt(tools: tuple[ToolSpec, ...]) -> str:
    """The list of tools for models whose template has none, short enough for the smallest."""
    lines = [f"- {tool.name}({_signature(tool)}): {tool.description}" for tool in tools]
    shape = '{"tool": name, "arguments": {...}}'
    first, last = "You act by calling one tool at a time. Tools:", f"Answer with one call as JSON: {shape}"
    return "\n".join([first, *lines, last])


def _properties(tool: ToolSpec) -> dict[str, Any]:
    return cast(dict[str, Any], tool.parameters.get("properties", {}))


def _signature(tool: ToolSpec) -> str:
    required = cast(list[str], tool.parameters.get("required", []))
    return ", ".join(
        f"{name}{'' if name in required else '?'}: {_kind(schema)}" for name, schema in _properties(tool).items()
    )


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(str(each) for each in schema["enum"])
    return str(schema.get("type", "value"))
