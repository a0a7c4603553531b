"""The shell's clock: `date` and `strftime` at a moment that the episode fixes."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_DIRECTIVE = re.compile(r"%([-_0^#]*)(\d*)(::?z|[A-Za-z%+])")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MOST_UNPACKED = 32 * 1024 * 1024
_SECONDS = {"sec": 1, "second": 1, "min": 60, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_WORDS = {"now": 0, "today": 0, "yesterday": -1, "tomorrow": 1}
_PATTERNS = {
    "epoch": re.compile(r"@(-?\d+(?:\.\d+)?)"),
    "day": re.compile(r"(\d{4})[-/](\d\d?)[-/](\d\d?)(?:t(?=\d))?"),
    "compact": re.compile(r"(\d{4})(\d\d)(\d\d)\b"),
    "american": re.compile(r"(\d\d?)/(\d\d?)/(\d{4})\b"),
    "twelve": re.compile(r"(\d\d?)(?::(\d\d))?(?::(\d\d))? ?([ap])m\b"),
    "time": re.compile(r"(\d\d?):(\d\d)(?::(\d\d)(?:\.\d+)?)?"),
    "zone": re.compile(r"(?:utc|gmt|z)\b"),
    "offset": re.compile(r"([+-])(\d\d):?(\d\d)\b"),
    "month": re.compile(r"(?:(\d\d?) )?(" + "|".join(_MONTHS) + r")[a-z]*\.?(?: (\d\d?)(?!\d)(?!:))?,?(?: (\d{4}))?"),
    "step": re.compile(r"(next|last|[+-]? ?\d+)? ?(sec|second|min|minute|hour|day|week|month|year)s?\b( ago)?"),
    "weekday": re.compile(r"(next |last )?(" + "|".join(_WEEKDAYS) + r")[a-z]*,?"),
    "word": re.compile(r"(now|today|yesterday|tomorrow)\b"),
}


def moment(text: str, now: datetime) -> datetime | None:
    """Read a date as `date -d` does; None for what it would not understand."""
    rest, when = " ".join(text.lower().split()), now
    if rest == "":
        return _midnight(now)
    dated = timed = False
    steps: list[tuple[float, str]] = []
    while rest:
        match = next(((kind, found) for kind, each in _PATTERNS.items() if (found := each.match(rest))), None)
        if match is None or not match[1].group():
            return None
        kind, found = match
        try:
            if kind == "step":
                steps.append(_step(found))
            elif kind in {"time", "twelve"}:
                when, timed = _at(when, found, kind == "twelve"), True
            elif kind == "word":
                steps.append((_WORDS[found[1]], "day"))
            else:
                dated = dated or kind in {"day", "compact", "american", "month", "weekday"}
                when, timed = _READERS[kind](when, found), timed or kind == "epoch"
        except (ValueError, OverflowError):
            return None
        rest = rest[found.end() :].lstrip(" ,")
    when = when if timed or not dated else _midnight(when)
    try:
        for amount, unit in steps:
            when = _move(when, amount, unit)
    except (ValueError, OverflowError):
        return None
    return when


def _midnight(when: datetime) -> datetime:
    return when.replace(hour=0, minute=0, second=0, microsecond=0)


def _at(when: datetime, found: re.Match[str], twelve: bool) -> datetime:
    hour = int(found[1])
    if twelve:
        hour = hour % 12 + (12 if found[4] == "p" else 0)
    return when.replace(hour=hour, minute=int(found[2] or 0), second=int(found[3] or 0), microsecond=0)


def _step(found: re.Match[str]) -> tuple[float, str]:
    text = (found[1] or "1").replace(" ", "")
    amount = {"next": 1, "last": -1}.get(text) or int(text)
    return (-amount if found[3] else amount), found[2]


def _move(when: datetime, amount: float, unit: str) -> datetime:
    if unit in _SECONDS:
        return when + timedelta(seconds=amount * _SECONDS[unit])
    months = when.year * 12 + when.month - 1 + int(amount) * (12 if unit == "year" else 1)
    return when.replace(year=months // 12, month=months % 12 + 1, day=1) + timedelta(days=when.day - 1)


def _named_month(when: datetime, found: re.Match[str]) -> datetime:
    day = int(found[1] or found[3] or 1)
    return when.replace(year=int(found[4] or when.year), month=_MONTHS.index(found[2]) + 1, day=day)


def _weekday(when: datetime, found: re.Match[str]) -> datetime:
    ahead = (_WEEKDAYS.index(found[2]) - when.weekday()) % 7
    if found[1]:
        ahead = ahead or 7 if found[1] == "next " else ahead - 7
    return when + timedelta(days=ahead)


def _offset(when: datetime, found: re.Match[str]) -> datetime:
    minutes = int(found[2]) * 60 + int(found[3])
    return when - timedelta(minutes=minutes if found[1] == "+" else -minutes)


_READERS: dict[str, Callable[[datetime, re.Match[str]], datetime]] = {
    "epoch": lambda when, found: datetime.fromtimestamp(float(found[1]), UTC),
    "day": lambda when, found: when.replace(year=int(found[1]), month=int(found[2]), day=int(found[3])),
    "compact": lambda when, found: when.replace(year=int(found[1]), month=int(found[2]), day=int(found[3])),
    "american": lambda when, found: when.replace(year=int(found[3]), month=int(found[1]), day=int(found[2])),
    "zone": lambda when, found: when,
    "offset": _offset,
    "month": _named_month,
    "weekday": _weekday,
}
_EXTRAS: dict[str, Callable[[datetime], str]] = {
    "s": lambda when: str(int(when.timestamp())),
    "N": lambda when: f"{when.microsecond:06d}000",
    "e": lambda when: f"{when.day:2d}",
    "k": lambda when: f"{when.hour:2d}",
    "l": lambda when: f"{(when.hour - 1) % 12 + 1:2d}",
    "F": lambda when: f"{when.year:04d}-{when.month:02d}-{when.day:02d}",
    "T": lambda when: f"{when:%H:%M:%S}",
    "R": lambda when: f"{when:%H:%M}",
    "D": lambda when: f"{when:%m/%d/%y}",
    "r": lambda when: f"{when:%I:%M:%S %p}",
    "c": lambda when: f"{when:%a %b} {when.day:2d} {when:%H:%M:%S %Y}",
    "P": lambda when: f"{when:%p}".lower(),
    "q": lambda when: str((when.month + 2) // 3),
    "h": lambda when: f"{when:%b}",
    "C": lambda when: f"{when.year // 100:02d}",
    "+": lambda when: f"{when:%F+%T}",
    "z": lambda when: "+0000",
    ":z": lambda when: "+00:00",
    "::z": lambda when: "+00:00:00",
    "Z": lambda when: "UTC",
    "n": lambda when: "\n",
    "t": lambda when: "\t",
    "%": lambda when: "%",
}
_PLAIN = set("aAbBdgGHIjmMpSuUVwWxXyY")


def formatted(form: str, when: datetime) -> str:
    """Write a moment in a format of `date`, with its flags and widths."""
    return _DIRECTIVE.sub(lambda found: _directive(found, when), form)


def _directive(found: re.Match[str], when: datetime) -> str:
    flags, width, name = found.groups()
    if name in _EXTRAS:
        text = _EXTRAS[name](when)
    elif name in _PLAIN:
        text = when.strftime("%" + name)
    else:
        return found[0]
    if name == "N" and width:
        return text[: int(width)]
    if "-" in flags:
        text = text.lstrip("0 ") or "0"
    elif "_" in flags and text.isdigit():
        text = (text.lstrip("0") or "0").rjust(len(text))
    elif "0" in flags:
        text = text.replace(" ", "0")
    return (text.upper() if "^" in flags or "#" in flags else text).rjust(min(int(width or 0), 99), "0")


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
