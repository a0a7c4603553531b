"""The words between an agent and the engine: what is rewritten on the way in, and put right on the way out."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterable
from datetime import datetime

from safegym.shell.clock import formatted

_MOST_UNPACKED = 32 * 1024 * 1024
_NAME = re.compile("bashkit", re.IGNORECASE)
# In `(( $(echo "$a > $b" | bc) ))` the engine drops the quotes and takes `>` for a redirection; a backslash in front
# keeps it a word. The change is undone wherever the text comes back.
_ARITHMETIC = re.compile(r"(?<![$(])\(\((?=[^\n]*?(?:\$\(|`))[^\n]*?\)\)(?!\))")
_PLAIN_STRING = re.compile(r'"([^"\\`\n]*[<>][^"\\`\n]*)"')
_MARKED_STRING = re.compile(r'"((?:[^"\\`\n]|\\[<>|&;()* ])*\\[<>](?:[^"\\`\n]|\\[<>|&;()* ])*)"')
_TIMES = re.compile(r"""(?<=-printf )(?:'[^']*'|"[^"]*")""")
_CLOCK_FORMAT = re.compile(r"%\(([^()%]*(?:%[^()]*)?)\)T")
_PRINTF = re.compile(r"""\bprintf\s+(?:-v\s+\w+\s+)?(?:'[^']*%\([^']*'|"[^"]*%\([^"]*")(?!\s+['"]?\d)""")

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
        (r"^(user|sys)\tunavailable$", r"\1\t0m0.000s"),
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


def says_name(command: str, contents: Iterable[bytes]) -> bool:
    """Say whether the engine's name is among the agent's own words."""
    return "bashkit" in command.lower() or any(b"bashkit" in each.lower() for each in contents)


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


def dated(content: bytes, epoch: int) -> bytes:
    """Set the times inside a tar archive, which the engine takes from the host; leave anything else alone."""
    if content[257:262] == b"ustar":
        return _dated_tar(content, epoch)
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        inner = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(content, _MOST_UNPACKED)
    except zlib.error:
        return content
    return gzip.compress(_dated_tar(inner, epoch), mtime=0) if inner[257:262] == b"ustar" else content


def _dated_tar(archive: bytes, epoch: int) -> bytes:
    data, at = bytearray(archive), 0
    while data[at + 257 : at + 262] == b"ustar":
        data[at + 136 : at + 148] = b"%011o\0" % epoch
        data[at + 148 : at + 156] = b" " * 8
        data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
        size = data[at + 124 : at + 136].strip(b"\0 ")
        at += 512 + (int(size, 8) + 511) // 512 * 512 if size.isdigit() else len(data)
    return bytes(data)


class Wording:
    """What one run rewrites, and how to put it back.

    Args:
        now: The moment every clock shows.
        seed: What random things are drawn from.
    """

    def __init__(self, now: datetime, seed: int) -> None:
        self.now, self.seed, self.marked = now, seed, False

    def of_command(self, command: str) -> str:
        """Rewrite what was typed; a here-document keeps its words, as they are a file."""
        head, mark, tail = command.partition("<<")
        return self._mark(self._still(head) + mark + tail)

    def of_script(self, content: bytes) -> bytes:
        """Rewrite a file that may be run as a script."""
        if b"((" not in content:
            return content
        try:
            return self._mark(content.decode()).encode()
        except UnicodeDecodeError:
            return content

    def restored(self, text: str) -> str:
        """Undo what was rewritten in a text that comes back."""
        if not self.marked or "\\" not in text:
            return text
        unmark: Callable[[re.Match[str]], str] = lambda found: re.sub(r"\\([<>|&;()* ])", r"\1", found[0])  # noqa: E731
        return _ARITHMETIC.sub(lambda found: _MARKED_STRING.sub(unmark, found[0]), text)

    def restored_content(self, content: bytes, outspoken: bool) -> bytes:
        """Undo what was rewritten in a file that the command wrote, and date an archive."""
        content = dated(content, int(self.now.timestamp()))
        try:
            text = content.decode()
        except UnicodeDecodeError:
            return content
        return scrubbed(self.restored(text), outspoken).encode()

    def _mark(self, text: str) -> str:
        if "((" not in text:
            return text

        def string(found: re.Match[str]) -> str:
            if "$(" in found[1]:
                return found[0]
            return '"' + re.sub(r"([<>|&;()* ])", r"\\\1", found[1]) + '"'

        marked = _ARITHMETIC.sub(lambda found: _PLAIN_STRING.sub(string, found[0]), text)
        self.marked = self.marked or marked != text
        return marked

    def _still(self, text: str) -> str:
        """Stop the clocks and dice that only the command's own text can reach."""
        epoch = int(self.now.timestamp())
        if "EPOCH" in text or "SRANDOM" in text:
            text = re.sub(r"\$\{?EPOCHSECONDS\}?", str(epoch), text)
            text = re.sub(r"\$\{?EPOCHREALTIME\}?", f"{epoch}.{self.now.microsecond:06d}", text)
            text = re.sub(r"\$\{?SRANDOM\}?", "$RANDOM", text)
        if "-printf" in text:
            text = _TIMES.sub(lambda found: self._times(found[0]), text)
        if "find" in text and "-ls" in text:
            listing = f"-printf '%8i %6k %M %3n %-8u %-8g %8s {formatted('%b %e %H:%M', self.now)} %p\\n'"
            text = re.sub(r"(\bfind\b[^\n|;&]*) -ls\b", lambda found: f"{found[1]} {listing}", text)
        if "%(" in text:
            text = _PRINTF.sub(lambda found: self._dated(found[0]), text)
        if "awk" in text:
            text = re.sub(r"\bsystime\(\s*\)", str(epoch), text)
            text = re.sub(r"\bsrand\(\s*\)", f"srand({self.seed % 2**31})", text)
            text = re.sub(r"\bstrftime\(\s*(\"[^\"]*\")\s*\)", rf"strftime(\1, {epoch})", text)
        if "jq" in text:
            text = re.sub(r"(\bjq\b[^'\n|;]*')([^']*)(?=')", lambda found: found[1] + self._now(found[2]), text)
            text = re.sub(r"(\bjq -n\w* )now\b", rf"\g<1>{epoch}", text)
        return re.sub(r"\bsort (?:-R|--random-sort)\b", "shuf", text) if "sort -" in text else text

    def _now(self, program: str) -> str:
        return re.sub(r"(?<![.\w$\"])now\b(?!\")", str(int(self.now.timestamp())), program)

    def _times(self, form: str) -> str:
        form = re.sub(r"%[TAC]@", f"{self.now.timestamp():.10f}", form)
        form = re.sub(r"%[tac](?![A-Za-z])", formatted("%a %b %e %T.0000000000 %Y", self.now), form)
        return re.sub(r"%[TAC]([A-Za-z+])", lambda found: formatted("%" + found[1], self.now), form)

    def _dated(self, text: str) -> str:
        # `%.0s` swallows the argument that stood for the time.
        return _CLOCK_FORMAT.sub(lambda each: "%.0s" + formatted(each[1], self.now).replace("%", "%%"), text)
