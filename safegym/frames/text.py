"""Text that cannot act on the terminal, and text that is folded after some lines.

Models and worlds write whatever they like, so their words only ever become `rich.text.Text`, after everything that
could move the cursor, turn the reading direction or hide has been made visible.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from math import ceil

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

TAB = 4
REVEALED = "magenta"
"""The colour of characters that would not have been seen."""

_ACTING = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ud800-\udfff]"
)
_JOINERS = frozenset({"\u200c", "\u200d", *map(chr, range(0xFE00, 0xFE10))})
_MARKS = re.compile(r"[^\x00-\u02ff]+")
_MOST_MARKS = 3


def visible(text: str) -> str:
    """The text with every control, bidirectional and invisible character shown as a symbol or as its code point.

    Line ends stay, tabs become spaces. Joiners and variation selectors, which only shape emoji, are dropped, and of
    accents heaped on one letter the first three are kept.
    """
    lines = text.replace("\r\n", "\n").expandtabs(TAB)
    return _MARKS.sub(_few_marks, _ACTING.sub(_symbol, lines))


def inline(text: str, most: int = 300) -> str:
    """The same for a text that has to stay on its line and in its bounds."""
    shown = visible(text[: most + 1]).replace("\n", "␊")
    return shown if len(text) <= most else shown[:most] + "…"


def told(text: str, style: str = "") -> Text:
    """Words of a model or a world as a text in which what was made visible stands out."""
    shown = Text(visible(text), style=style, overflow="fold", tab_size=TAB)
    shown.highlight_regex(r"[␀-␡]|⟨U\+[0-9A-F]{4,6}⟩", REVEALED)
    return shown


def _symbol(match: re.Match[str]) -> str:
    character = match.group()
    if character in _JOINERS:
        return ""
    code = ord(character)
    if code < 0x20 or code == 0x7F:
        return "␡" if code == 0x7F else chr(0x2400 + code)
    return f"⟨U+{code:04X}⟩"


def _few_marks(match: re.Match[str]) -> str:
    kept, heaped = [], 0
    for character in match.group():
        heaped = heaped + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        if heaped <= _MOST_MARKS:
            kept.append(character)
    return "".join(kept)


@dataclass(frozen=True)
class Folded:
    """A text of which only the first lines are drawn, with the number of those left out; 0 draws all of them."""

    text: str
    lines: int = 0
    style: str = ""
    first: str = ""
    """What stands before the first line; the others are indented as far."""
    rest: str | None = None
    """What stands before every other line of the text as written; spaces if it is None."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        first, indent = self.first, cell_len(self.first)
        if indent > options.max_width * 2 / 3:
            yield Text(first, style="bold cyan", overflow="fold")
            first, indent = "  ", 2
        drawn, missing = self._wrapped(console, max(options.max_width - indent, 1))
        for number, (line, continues) in enumerate(drawn):
            before = self.rest if number else first
            if before is None or continues:
                before = " " * indent
            yield Text.assemble((before, "bold cyan" if before.strip() else ""), line)
        if missing:
            noun = "line" if missing == 1 else "lines"
            yield Text(f"{' ' * indent}... {missing:,} more {noun}", style="dim italic")

    def _wrapped(self, console: Console, width: int) -> tuple[list[tuple[Text, bool]], int]:
        """The drawn lines, each with whether it continues the one before, and the number of those left out."""
        written = self.text.replace("\r\n", "\n").strip("\n").split("\n")
        # Wrapping takes long: of a line, little more is wrapped than can be drawn.
        most = width * (self.lines + 2) if self.lines else max(map(len, written))
        drawn: list[tuple[Text, bool]] = []
        cut = 0
        while written and (not self.lines or len(drawn) <= self.lines + 1):
            source = written.pop(0).rstrip()
            lines = told(source[:most], self.style).wrap(console, width, tab_size=TAB, overflow="fold")
            drawn += [(line, number > 0) for number, line in enumerate(lines or [Text()])]
            cut += ceil(len(source[most:]) / width)
        # A fold that hides one line would take as much room as the line.
        if not cut and (not self.lines or (not written and len(drawn) <= self.lines + 1)):
            return drawn, 0
        hidden = len(drawn) - self.lines + cut + sum(ceil(len(line) / width) or 1 for line in written)
        return drawn[: self.lines], hidden
