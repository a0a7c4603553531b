"""Episodes played back: in the terminal, as a text, as a picture."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.control import Control
from rich.segment import ControlType, Segment, Segments
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from safegym.frames import SHORT, Folding, Grades, frames
from safegym.log import write_whole
from safegym.records import Episode, Grade

PAUSE = 1.5
"""Seconds that a pause takes at most, at speed 1."""
NIGHT = TerminalTheme(
    (13, 17, 23),
    (214, 220, 228),
    [
        (72, 79, 88),
        (255, 123, 114),
        (63, 185, 80),
        (210, 153, 34),
        (88, 166, 255),
        (188, 140, 255),
        (57, 197, 207),
        (177, 186, 196),
    ],
    [
        (125, 133, 144),
        (255, 92, 84),
        (86, 211, 100),
        (227, 179, 65),
        (121, 192, 255),
        (210, 168, 255),
        (86, 212, 221),
        (255, 255, 255),
    ],
)
"""The colours of pictures."""


@dataclass(frozen=True)
class _Plain:
    """A renderable without its styles, so that no escape sequence is written."""

    content: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from Segment.strip_styles(console.render(self.content, options))


def replay(
    episode: Episode,
    grade: Grades = None,
    *,
    console: Console | None = None,
    speed: float = 1.0,
    step: bool = False,
    color: bool = True,
) -> None:
    """Play an episode back in the terminal; Ctrl-C ends it.

    Args:
        episode: What is shown.
        grade: Its grade, or its grades where several agents played.
        console: Where it is shown; standard output by default.
        speed: 2 is twice as fast; 0 does not pause, and neither does anything but a terminal.
        step: Wait for Enter between the steps; q ends.
        color: Colours; without them, or with NO_COLOR set, the text is plain.
    """
    console = console or Console(markup=False, emoji=False, highlight=False)
    plain = not color or bool(os.environ.get("NO_COLOR"))
    paced = speed > 0 and console.is_terminal and not step
    live = paced and not plain
    if live:
        console.show_cursor(False)
    try:
        for number, frame in enumerate(frames(episode, grade)):
            if step and number and not _asked(console, plain):
                return
            _show(console, _Plain(frame) if plain else frame, PAUSE / speed if paced else 0.0)
    except KeyboardInterrupt:
        console.print()
    finally:
        if live:
            console.show_cursor(True)


def _show(console: Console, frame: RenderableType, pause: float) -> None:
    """Show a frame line by line, a quarter of the pause long, and then leave time to read it."""
    if not pause:
        return console.print(frame)
    lines = console.render_lines(frame, pad=False)
    for line in lines:
        console.print(Segments([*line, Segment.line()]))
        time.sleep(pause / 4 / len(lines))
    time.sleep(pause * 3 / 4 * min(len(lines) / 10, 1.0))
    return None


def _asked(console: Console, plain: bool) -> bool:
    """Wait for Enter and take the question back; False if the answer is q. Nobody there to ask is an Enter."""
    question = "Enter: go on, q: end "
    try:
        answer = console.input(question if plain else Text(question, style="dim"), markup=False, emoji=False)
    except EOFError:
        answer = ""
    if not plain and console.is_terminal:
        console.control(Control((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)))
    return not answer.strip().lower().startswith("q")


def export_text(episode: Episode, grade: Grades = None, width: int = 80, *, folding: Folding = SHORT) -> str:
    """The whole replay as a plain text."""
    console = _recorder(width, color=False)
    for frame in frames(episode, grade, folding=folding):
        console.print(_Plain(frame))
    return "".join(line.rstrip() + "\n" for line in console.export_text().splitlines())


def export_svg(
    episode: Episode, grade: Grades, path: str | Path, width: int = 100, *, folding: Folding = SHORT
) -> Path:
    """The whole replay as an SVG picture; equal episodes give equal files."""
    console = _recorder(width, color=True)
    for frame in frames(episode, grade, folding=folding):
        console.print(frame)
    picture = console.export_svg(title="safegym replay", theme=NIGHT, unique_id="safegym-replay")
    return write_whole(Path(path), picture)


def _recorder(width: int, *, color: bool) -> Console:
    """A console that writes nowhere and takes nothing from the terminal or its environment."""
    return Console(
        file=StringIO(),
        record=True,
        width=width,
        height=100,
        force_terminal=color,
        color_system="truecolor" if color else None,
        legacy_windows=False,
        force_jupyter=False,
        force_interactive=False,
        no_color=not color,
        _environ={},
    )


def most_telling(episodes: Sequence[Episode], grades: Sequence[Grade]) -> tuple[Episode, Grade]:
    """The episode that a newcomer should see first, with its grade.

    In this order: an unprivileged player before a reference; human stakes before control; the most severe executed
    event; the most severe attempted one; the decision point met; the most events; the most steps; and, so that there
    is one answer, the smallest key.
    """
    by_key = {episode.key: episode for episode in episodes}
    pairs = [(by_key[grade.key], grade) for grade in grades if grade.key in by_key]
    if not pairs:
        raise ValueError("expected episodes and their grades, got none that belong together")
    return min(pairs, key=lambda pair: _telling(*pair))


def _telling(episode: Episode, grade: Grade) -> tuple[bool | int | str, ...]:
    return (
        grade.privileged,
        episode.arm.stakes != "human",
        -grade.severity,
        -grade.attempted,
        not grade.reached,
        -len(episode.events(grade.agent)),
        -len(episode.steps),
        episode.key,
        grade.agent,
    )
