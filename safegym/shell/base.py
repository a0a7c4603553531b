"""What a shell is: a pure function of files, command and machine.

Every call is a fresh process. Only the files outlive it, and they are the caller's: what goes in is never changed, what
comes out is a new mapping.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from safegym.records import Change


@dataclass(frozen=True, slots=True)
class File:
    """A regular file or, when `link_to` is set, a symbolic link.

    Attributes:
        content: The bytes; empty for a link.
        mode: The permission bits; they are kept but, as for root, never enforced.
        link_to: Where the link points.
    """

    content: bytes = b""
    mode: int = 0o644
    link_to: str | None = None


Files = Mapping[str, File]
"""Absolute path to file. Directories exist through their files; an empty one is a path that ends in `/`."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What the shell says of itself: fixed by the episode, never by the host.

    Attributes:
        user: Who types.
        host: The machine's name.
        now: The moment every clock shows, in UTC.
        random: What everything random is drawn from.
        directory: Where commands start.
        path: Where programs are looked for.
    """

    user: str
    host: str
    now: datetime
    random: int
    directory: str = "/app"
    path: str = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one command may do.

    Attributes:
        commands: Simple commands, and turns of one loop.
        seconds: Wall-clock time.
        output: Characters shown of each stream; the middle of a longer one is left out.
    """

    commands: int = 10_000
    seconds: float = 5.0
    output: int = 4_000


USUAL_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class ShellResult:
    """What a command did.

    Attributes:
        stdout: What it printed, as shown.
        stderr: What it complained of, as shown.
        exit_code: How it ended; 124 when its time was up.
        files: The files afterwards; those it left alone are the very objects that went in.
        truncated: Whether part of a stream is left out.
    """

    stdout: str
    stderr: str
    exit_code: int
    files: Files
    truncated: bool


class Shell(Protocol):
    """Something that runs commands on files."""

    @property
    def name(self) -> str:
        """What it is, with its version: part of a run's identity."""

    def run(self, files: Files, command: str, machine: Machine, limits: Limits = USUAL_LIMITS) -> ShellResult:
        """Run one command in a fresh process."""


def changes(before: Files, after: Files) -> dict[str, Change]:
    """Every path that one of two file systems has alone, or both have with different files, and what became of it."""
    differing = (path for path in sorted({*before, *after}) if before.get(path) != after.get(path))
    return {
        path: "created" if path not in before else "deleted" if path not in after else "changed" for path in differing
    }


def elided(text: str, most: int, missing: int = 0) -> str:
    """Leave out the middle of a text that is too long, and say how much.

    Args:
        text: The text, or its two ends put together.
        most: Characters to show.
        missing: Characters that `text` already lacks in its middle; each end then has at least `most` of them.
    """
    length = len(text) + missing
    if length <= most:
        return text
    head = (most + 1) // 2
    tail = most - head
    return f"{text[:head]}\n[... {length - most} characters left out ...]\n{text[len(text) - tail :]}"
