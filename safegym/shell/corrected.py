"""Commands that the engine answers itself once their words no longer ask for the host's clock or chance."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby

from safegym.shell.builtins import Answer, Call, Command, Room, StopError, absolute
from safegym.shell.clock import dated, formatted, moment

_STRING_OR_NOW = re.compile(r'"(?:\\.|[^"\\])*"|(?<![.\w$@])now\b(?!\s*:)')
_POINTED = re.compile(r'"(?:\\.|[^"\\])*"|([\s:,\[]-?|^-?)(\.\d)')
_SHORT_EXPONENT = re.compile(r"(?<![\w.])(-?\d[\d.]*)e([-+])(\d)(?![\w.])")
_SYSTIME = re.compile(r"\bsystime\s*\(\s*\)")
_SRAND = re.compile(r"\bsrand\s*\(\s*\)")
_STRFTIME = re.compile(r'\bstrftime\s*\(\s*("(?:\\.|[^"\\])*"|\w*)\s*\)')
_CONVERSION = re.compile(r"%(?:%|\(([^()]*)\)T|[-+ #0]*(\*|\d*)(?:\.(?:\*|\d*))?[a-zA-Z])")
_TIME = re.compile(r"%[TAC]([@A-Za-z+])|%[tac]")
_SHOWN_TIME = re.compile("\x01([0-9.]+) (.)\x02")
_ARCHIVE = re.compile(r"\.(?:tar|tgz|tar\.gz)$")
_PAGE_HEAD = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d(?=  )", re.MULTILINE)


def awk(call: Call, room: Room) -> Answer:
    """Run a program whose clock and dice are the machine's."""
    argv, _ = _with_program(call, ("-f", "--file"), "vF", lambda program: _still_awk(program, room))
    return room.engine(call, argv)


def _still_awk(program: str, room: Room) -> str:
    epoch = int(room.now.timestamp())
    program = _SYSTIME.sub(str(epoch), program)
    program = _SRAND.sub(f"srand({room.seed % 2**31})", program)
    return _STRFTIME.sub(lambda found: "strftime({}, {})".format(found[1] or '"%c"', epoch), program)


def jq(call: Call, room: Room) -> Answer:
    """Run a filter in which it is the machine's time, on numbers that may begin with their point."""
    given = call.stdin or ""
    argv, operands = _with_program(call, ("-f", "--from-file"), "", lambda program: _still_jq(program, room))
    files = [each for each in argv[operands:] if not each.startswith("-") and call.fs.exists(absolute(each, call.cwd))]
    if files:
        given = "\n".join(_text(call, each) for each in files)
    pointed = _POINTED.sub(lambda found: f"{found[1]}0{found[2]}" if found[2] else found[0], given)
    if pointed == given:
        answer = room.engine(call, argv)
    else:
        kept = [*argv[:operands], *(each for each in argv[operands:] if each not in files)]
        answer = room.engine(call, kept, pointed)
    return replace(answer, stdout=_SHORT_EXPONENT.sub(r"\1e\g<2>0\3", answer.stdout))


def _still_jq(program: str, room: Room) -> str:
    epoch = str(int(room.now.timestamp()))

    def still(found: re.Match[str]) -> str:
        if not found[0].startswith('"'):
            return epoch
        return re.sub(r"(\\\([^()\"]*)\bnow\b", lambda inner: inner[1] + epoch, found[0])

    return _STRING_OR_NOW.sub(still, program)


def _with_program(
    call: Call, files: tuple[str, str], valued: str, correct: Callable[[str], str]
) -> tuple[list[str], int]:
    """Correct the program of a call, be it typed or in a file; say also where its operands begin."""
    argv, at = list(call.argv), 0
    while at < len(argv):
        word = argv[at]
        if word in files and at + 1 < len(argv):
            argv[at : at + 2] = [correct(_text(call, argv[at + 1]))]
            return argv, at + 1
        if word in {"--arg", "--argjson", "--slurpfile", "--rawfile"}:
            at += 3
        elif len(word) == 2 and word[0] == "-" and word[1] in valued:
            at += 2
        elif word.startswith("-") and len(word) > 1:
            at += 1
        else:
            argv[at] = correct(word)
            return argv, at + 1
    return argv, at


def _text(call: Call, path: str) -> str:
    try:
        content: bytes = call.fs.read_file(absolute(path, call.cwd))
    except RuntimeError:
        raise StopError(f"can't open file {path}: No such file or directory", 2) from None
    return content.decode(errors="replace")


def find(call: Call, room: Room) -> Answer:
    """Look for files, their times being the machine's."""
    argv: list[str] = []
    for at, word in enumerate(call.argv):
        before = call.argv[at - 1] if at else ""
        if before == "-printf":
            argv.append(_TIME.sub(lambda found: f"\x01%T@ {found[1] or found[0][1]}\x02", word))
        elif re.fullmatch(r"-newer[acm]t", before) and (when := moment(word, room.now)) is not None:
            argv.append(f"@{room.on_host(when)}")
        elif word == "-ls":
            argv += ["-printf", "%8i %6k %M %3n %-8u %-8g %8s \x01%T@ l\x02 %p\\n"]
        else:
            argv.append(word)
    answer = room.engine(call, argv)

    def shown(found: re.Match[str]) -> str:
        when, letter = room.modified(float(found[1])), found[2]
        forms = {"@": "%s.%N0", "t": "%a %b %e %T.%N0 %Y", "a": "%a %b %e %T.%N0 %Y", "c": "%a %b %e %T.%N0 %Y"}
        return formatted("%b %e %H:%M" if letter == "l" else forms.get(letter, f"%{letter}"), when)

    return replace(answer, stdout=_SHOWN_TIME.sub(shown, answer.stdout))


def printf(call: Call, room: Room) -> Answer:
    """Print, with the machine's time where a time is asked for."""
    argv = call.argv[1:] if call.argv[:1] == ["--"] else call.argv
    if not argv or argv[0].startswith("-"):
        return room.engine(call, call.argv)
    form, *values = argv

    def conversion(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return found[0]
        if found[1] is None:
            kept.extend(values[: 1 + found[0].count("*")])
            del values[: 1 + found[0].count("*")]
            return found[0]
        value = values.pop(0) if values else "-1"
        when = datetime.fromtimestamp(int(value), UTC) if re.fullmatch(r"\d{1,11}", value) else room.now
        return formatted(found[1] or "%T", when).replace("%", "%%")

    printed, kept = "", list[str]()
    while True:
        left = len(values)
        printed += _CONVERSION.sub(conversion, form)
        if not values or len(values) == left:
            return room.engine(call, ["--", printed, *kept])


def sort(call: Call, room: Room) -> Answer:
    """Sort, or shuffle by the machine's chance: equal lines stay together."""
    flags = [word for word in call.argv if re.fullmatch(r"-[A-Za-z]*R[A-Za-z]*|--random-sort", word)]
    if not flags:
        return room.engine(call, call.argv)
    kept = [word.replace("R", "") if word in flags else word for word in call.argv]
    sorted_ = room.engine(call, [word for word in kept if word not in {"-", "--random-sort"}])
    groups = [list(group) for _, group in groupby(sorted_.stdout.splitlines(keepends=True))]
    for at in range(len(groups) - 1, 0, -1):
        other = room.draw(at + 1)
        groups[at], groups[other] = groups[other], groups[at]
    return Answer("".join(line for group in groups for line in group), sorted_.stderr, sorted_.exit_code)


def touch(call: Call, room: Room) -> Answer:
    """Set times in the machine's time."""
    argv, rest = list[str](), list(call.argv)
    while rest:
        word = rest.pop(0)
        name, _, text = word.partition("=")
        if word in {"-d", "-t", "--date"} and rest:
            name, text = word, rest.pop(0)
        elif re.match(r"-[amc]*[dt].", word) and not word.startswith("--"):
            name, text = re.sub(r"(?<=[dt]).*", "", word), re.sub(r"^-[amc]*[dt]", "", word)
        elif name != "--date":
            argv.append(word)
            continue
        when = _stamp(text, room.now) if name.endswith("t") else moment(text, room.now)
        if when is None:
            raise StopError(f"invalid date format ‘{text}’")
        argv += ["-d", f"@{room.on_host(when)}"]
    return room.engine(call, argv)


def _stamp(text: str, now: datetime) -> datetime | None:
    digits, _, second = text.partition(".")
    if not digits.isdigit() or len(digits) not in {8, 10, 12}:
        return None
    year = {8: str(now.year), 10: f"20{digits[:2]}", 12: digits[:4]}[len(digits)]
    try:
        return datetime.strptime(f"{year}{digits[-8:]}{second or '00'}", "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def pr(call: Call, room: Room) -> Answer:
    """Lay out pages that say the machine's time."""
    answer = room.engine(call, call.argv)
    return Answer(_PAGE_HEAD.sub(formatted("%F %R", room.now), answer.stdout), answer.stderr, answer.exit_code)


def tar(call: Call, room: Room) -> Answer:
    """Pack files, their times being the machine's."""
    answer = room.engine(call, call.argv)
    for name in call.argv:
        path = absolute(name, call.cwd)
        if _ARCHIVE.search(name) and call.fs.exists(path):
            content: bytes = call.fs.read_file(path)
            if (put_right := dated(content, int(room.now.timestamp()))) != content:
                call.fs.write_file(path, put_right)
    return answer


CORRECTED: dict[str, Command] = {
    "awk": awk, "find": find, "jq": jq, "pr": pr, "printf": printf, "sort": sort, "tar": tar,
    "touch": touch,
}  # fmt: skip
