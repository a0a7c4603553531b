"""The words between an agent and the engine: what is rewritten on the way in, and put right on the way out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from safegym.shell.clock import dated, formatted

_NAME = re.compile("bashkit", re.IGNORECASE)
# In `(( $(echo "$a > $b" | bc) ))` the engine drops the quotes and takes `>` for a redirection; a backslash in front
# keeps it a word.
_ARITHMETIC = re.compile(r"(?<![$(])\(\((?=[^\n]*?(?:\$\(|`))[^\n]*?\)\)(?!\))")
_PLAIN_STRING = re.compile(r'"([^"\\`\n]*[<>][^"\\`\n]*)"')
# Variables that are a clock or dice are read by commands of the same name: the engine's own would show the host's, or
# the same draw in every process.
_NAMES = "S?RANDOM|EPOCHSECONDS|EPOCHREALTIME"
_DYNAMIC = re.compile(rf"\$(?:\{{({_NAMES})\}}|({_NAMES})\b)")
_IN_ARITHMETIC = re.compile(r"\(\([^\n]*?\)\)")
_BARE = re.compile(rf"(?<![\w$({{])(?:{_NAMES})\b(?!\s*=[^=])|(?<=\(\()(?:{_NAMES})\b(?!\s*=[^=])")
_SEEDED = re.compile(r"\bRANDOM=")
_CLOCK_FORMAT = re.compile(r"%\(([^()%]*(?:%[^()%]*)*)\)T")
_PRINTF = re.compile(r"""\bprintf\s+(?:-v\s+\w+\s+)?(?:'[^']*%\([^']*'|"[^"]*%\([^"]*")(?!\s+['"]?\d)""")
_JQ = re.compile(rb"\bjq\b")
_NOW = re.compile(rb"\bnow\b")
_TRAITS: dict[str, Callable[[bytes], object]] = {
    "outspoken": lambda content: b"bashkit" in content.lower(),
    "endless": lambda content: b"/dev/zero" in content,
    "awk": re.compile(rb"systime|strftime|srand").search,
    "find": re.compile(rb"-newer[acm]t|-printf|-ls\b").search,
    "jq": lambda content: _JQ.search(content) and _NOW.search(content),
    "pr": re.compile(rb"\bpr\s").search,
    "printf": re.compile(rb"%\([^()]*\)T").search,
    "printf -v": re.compile(rb"\bprintf\s+-v").search,
    "same age": re.compile(rb"-newer\b|\s-[no]t\s").search,
    "sort": re.compile(rb"\bsort\b[^\n]*-\w*R|--random-sort").search,
    "tar": re.compile(rb"\btar\s").search,
    "touch": re.compile(rb"\btouch\s[^\n]*-").search,
}
_REWRITTEN = (b"((", b"RANDOM", b"EPOCH", b"%(")
_MOST_REMEMBERED = 64 * 1024
_LONGEST_SCRIPT = 1024 * 1024
_BEGINNING = 8 * 1024

_SCRUBS = tuple(
    (re.compile(pattern, re.MULTILINE), replacement)
    for pattern, replacement in (
        (r"^(.*: command not found)\. .*$", r"\1"),
        (r"^(.*): command not found\nDid you mean.*$", r"\1: command not found"),
        (r"GNU Awk (\S+) \(bashkit\)", r"GNU Awk \1"),
        (r"Bashkit \S+ \(virtual (?:ba)?sh interpreter\)", "GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)"),
        (r"^(sed|grep|find|tar|diff) \(bashkit\) 0\.1", r"\1 (GNU \1) 4.9"),
        (r" \(bashkit\)(?: 0\.1)?", " (GNU coreutils) 9.1"),
        (r"^(\w+) 0\.20\.1$", r"\1 (GNU coreutils) 9.1"),
        (r"^(\w+): (?:not a terminal|needs an interactive terminal).*$", r"\1: standard input is not a terminal"),
        (r"option\(s\) not yet implemented in bashkit: ", "unrecognized option "),
        (r" (?:\(?sandbox security\)?)", ""),
        (r" (?:is |are )?not (?:yet )?(?:supported|implemented) in bashkit(?:'s VFS)?", " is not supported"),
        (r"(?:io error: )?filesystem is read-only", "Permission denied"),
        (r"\bio error: ", ""),
        (r"parse error at line (\d+), column \d+: ", r"line \1: "),
        (r"^parse error: ", "syntax error: "),
        (r" \(random UUIDs only\)", ""),
        (r"^\(watch: continuous execution needs a terminal session\)\n", ""),
        (r"^(?:bash: line \d+: )?resource limit exceeded: .*$", "Killed"),
        (r"^(bash: line \d+: )execution error: ", r"\1"),
        (r"^real\t[0-9ms.]+\nuser\tunavailable\nsys\tunavailable$", "real\t0m0.000s\nuser\t0m0.000s\nsys\t0m0.000s"),
        (r'\[5\]="virtual"', '[5]="x86_64-pc-linux-gnu"'),
        (r"^    1  RANDOM=\d+\n", ""),
        (r"bashkit-vfs", "overlay"),
    )
)  # fmt: skip
_TELLTALES = (
    "ashkit", "sandbox", "command not found", "io error", "parse error", "0.20.1", "read-only", "terminal",
    "resource limit", "execution error", "virtual", "unavailable", "1  RANDOM",
)  # fmt: skip


def scrubbed(text: str, outspoken: bool = False) -> str:
    """Take the engine's own words out of a text.

    Args:
        text: What it printed.
        outspoken: Whether the agent or its files said the engine's name first, so that it may be quoted.
    """
    if not any(word in text for word in _TELLTALES):
        return text
    for pattern, replacement in _SCRUBS:
        if not (outspoken and "ashkit" in pattern.pattern):
            text = pattern.sub(replacement, text)
    return text if outspoken else _NAME.sub("bash", text)


def verdict(error: str, exit_code: int) -> tuple[str, int]:
    """Say what stopped a command: the message the agent reads, and the exit code."""
    if "timeout" in error:
        return "Terminated: time limit\n", 124
    if error.startswith("parse error"):
        found = re.match(r"parse error(?: at line (\d+), column \d+)?: (?:syntax error:? )?(.*)", error, re.DOTALL)
        line, reason = (found[1], found[2]) if found else (None, "")
        joint = "" if reason.startswith("near") else ": "
        return f"bash: -c: line {line or 1}: syntax error{joint}{' ' if not joint else ''}{reason}\n", 2
    if "limit exceeded" in error:
        return "Killed: too many steps\n", 137
    return f"bash: line 1: {error}\n", exit_code or 1


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text is to the engine.

    Attributes:
        rewritten: The text as the engine gets it; the same object when nothing is rewritten.
        undo: What was put in, and what it stands for.
        traits: What has to be minded: `outspoken`, it says the engine's name, so that the name may be quoted;
            `endless`, it reads an endless device; `same age`, it compares the ages of files; `printf -v`, it
            has what only the engine's own printf can do; and the names of commands that it may ask for the time or for
            chance.
    """

    rewritten: bytes
    undo: tuple[tuple[str, str], ...]
    traits: frozenset[str]


def read(content: bytes, now: datetime) -> Reading:
    """Look through a text that may be run; what is long or binary is data."""
    if len(content) > _LONGEST_SCRIPT or _is_binary(content):
        return Reading(content, (), frozenset())
    return _read_again(content, now) if len(content) <= _MOST_REMEMBERED else _read(content, now)


def _is_binary(content: bytes) -> bool:
    return b"\0" in content[:_BEGINNING]


def _read(content: bytes, now: datetime) -> Reading:
    rewritten, undo = content, dict[str, str]()
    if any(each in content for each in _REWRITTEN):
        with suppress(UnicodeDecodeError):
            text, undo = _rewritten(content.decode(), now)
            rewritten = text.encode() if undo else content
    return Reading(rewritten, tuple(undo.items()), frozenset(name for name, has in _TRAITS.items() if has(content)))


_read_again = lru_cache(512)(_read)


def _rewritten(text: str, now: datetime) -> tuple[str, dict[str, str]]:
    undo: dict[str, str] = {}

    def put(found: re.Match[str], new: str) -> str:
        if new != found[0]:
            undo[new] = found[0]
        return new

    if "((" in text:
        text = _ARITHMETIC.sub(lambda found: put(found, _PLAIN_STRING.sub(_marked, found[0])), text)
    if ("RANDOM" in text or "EPOCH" in text) and not _SEEDED.search(text):
        text = _DYNAMIC.sub(lambda found: put(found, f"$( {found[1]} )" if found[1] else f"$({found[2]})"), text)
        text = _IN_ARITHMETIC.sub(lambda found: _BARE.sub(lambda name: put(name, f"$({name[0]} )"), found[0]), text)
    if "%(" in text:
        text = _PRINTF.sub(lambda found: put(found, _dated(found[0], now)), text)
    return text, undo


def _marked(found: re.Match[str]) -> str:
    if "$(" in found[1]:
        return found[0]
    return '"' + re.sub(r"([<>|&;()* ])", r"\\\1", found[1]) + '"'


def _dated(text: str, now: datetime) -> str:
    # `%.0s` swallows the argument that stood for the time.
    return _CLOCK_FORMAT.sub(lambda each: "%.0s" + formatted(each[1], now).replace("%", "%%"), text)


class Wording:
    """What one run rewrites, and how to put it back.

    Args:
        now: The moment every clock shows.
        command: What was typed.
        contents: The files.
    """

    def __init__(self, now: datetime, command: str, contents: Iterable[bytes]) -> None:
        self.now = now
        typed = read(command.encode(), now)
        self.command = typed.rewritten.decode()
        self._undo: dict[str, str] = dict(typed.undo)
        self.traits = typed.traits
        for content in contents:
            found = read(content, now)
            self.traits |= found.traits
            if found.undo:
                self._undo.update(found.undo)

    def of_script(self, content: bytes) -> bytes:
        """Rewrite a file that may be run as a script."""
        return read(content, self.now).rewritten

    def restored(self, text: str) -> str:
        """Undo what was rewritten in a text that comes back, and take the engine's own words out of it."""
        for new, old in self._undo.items():
            text = text.replace(new, old)
        return scrubbed(text, "outspoken" in self.traits)

    def restored_content(self, content: bytes) -> bytes:
        """Undo what was rewritten in a file that the command wrote, and date an archive."""
        content = dated(content, int(self.now.timestamp()))
        if _is_binary(content):
            return content
        try:
            return self.restored(content.decode()).encode()
        except UnicodeDecodeError:
            return content
