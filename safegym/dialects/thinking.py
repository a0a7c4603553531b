"""Reasoning that stands in a block of its own before the reply."""

from __future__ import annotations

BLOCKS = (
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|channel>thought", "<channel|>"),
)
"""Opening and closing marks: Qwen 3, DeepSeek R1, GLM, SmolLM3 and most others, Magistral, Kimi-VL, Gemma 4."""

_CALLS = ("{", "[", "<", "```")


def split_thinking(text: str) -> tuple[str, str]:
    """Separate reasoning from a reply: (reasoning, reply).

    A template may have opened the block, so its opening mark can be missing. A block that never ends is all reasoning.
    """
    for opening, closing in BLOCKS:
        start = text.lstrip()
        opened = start.startswith(opening)
        before, found, after = start.removeprefix(opening).partition(closing)
        if found and (opened or not start.startswith(_CALLS)):
            return before.strip(), after.lstrip()
        if found and not before.strip():
            return "", after.lstrip()
        if opened:
            return before.strip(), ""
    return "", text
