"""The commands the shell answers itself, because its engine's own would show the host's clock, chance or owner."""

from __future__ import annotations

import math
import re
import stat as modes
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from safegym.shell.builtins import (
    Answer,
    Call,
    Command,
    Entry,
    Room,
    StopError,
    absolute,
    entries,
    inode,
    look,
    options,
    owner,
)
from safegym.shell.calculator import calculate
from safegym.shell.clock import formatted, moment

_MOST_UNPACKED = 1024 * 1024
_MOST_SHUFFLED = 100_000


def date(call: Call, room: Room) -> Answer:
    """Show the machine's clock."""
    argv = [f"-I{word[11:] or 'date'}" if word.startswith("--iso-8601") else word for word in call.argv]
    iso = next((word for word in argv if word.startswith(("-I", "-uI"))), None)
    given, operands = options([word for word in argv if word != iso], "uR", "drfs", "date reference set file")
    text = given.get("d", given.get("--date"))
    reference = given.get("r", given.get("--reference"))
    if "s" in given or "--set" in given:
        raise StopError("cannot set date: Operation not permitted")
    when = moment(text, room.now) if text is not None else room.now
    if reference is not None:
        when = room.modified(_need(call, reference, "").modified)
    if when is None:
        raise StopError(f"invalid date ‘{text}’")
    form = operands[0] if operands else ""
    if form and not form.startswith("+"):
        raise StopError(f"invalid date ‘{form}’")
    return Answer(formatted(form[1:] or _date_form(given, iso), when) + "\n")


def _date_form(given: dict[str, str], iso: str | None) -> str:
    if iso is not None:
        kind = iso.partition("I")[2]
        times = {"h": "T%H%:z", "m": "T%H:%M%:z", "s": "T%H:%M:%S%:z", "n": "T%H:%M:%S,%N%:z"}
        return "%Y-%m-%d" + times.get(kind[:1], "")
    if "--rfc-3339" in given:
        return "%Y-%m-%d" + {"s": " %H:%M:%S%:z", "n": " %H:%M:%S.%N%:z"}.get(given["--rfc-3339"][:1], "")
    if "R" in given or "--rfc-email" in given or "--rfc-2822" in given:
        return "%a, %d %b %Y %H:%M:%S %z"
    return "%a %b %e %H:%M:%S %Z %Y"


def _need(call: Call, path: str, doing: str) -> Entry:
    entry = look(call.fs, path, absolute(path, call.cwd), follow=True)
    if entry is None:
        raise StopError(f"{doing}{path}: No such file or directory")
    return entry


def bc(call: Call, room: Room) -> Answer:
    """Calculate."""
    given, operands = options(call.argv, "lqisw", "", "")
    if "--version" in given:
        return Answer("bc 1.07.1\n")
    texts = [_read(call, operand) for operand in operands]
    result = calculate("\n".join([*texts, call.stdin or ""]), library="l" in given or "--mathlib" in given)
    return Answer(result.stdout, result.stderr)


def _read(call: Call, path: str) -> str:
    _need(call, path, "")
    content: bytes = call.fs.read_file(absolute(path, call.cwd))
    return content.decode(errors="replace")


def stat(call: Call, room: Room) -> Answer:
    """Describe files."""
    given, operands = options(call.argv, "Lt", "c", "format printf")
    if "f" in given or "--file-system" in given:
        raise StopError("cannot read file system information")
    if not operands:
        raise StopError("missing operand\nTry 'stat --help' for more information.")
    form = given.get("c", given.get("--format"))
    form = form + "\n" if form is not None else given.get("--printf", _STAT).replace("\\n", "\n").replace("\\t", "\t")
    shown, missing = [], []
    for name in operands:
        entry = look(call.fs, name, absolute(name, call.cwd), follow="L" in given)
        if entry is None:
            missing.append(f"stat: cannot statx '{name}': No such file or directory\n")
        else:
            shown.append(_described(form, room.seen(entry), room))
    return Answer("".join(shown), "".join(missing), 1 if missing else 0)


_STAT = (
    "  File: %N\n  Size: %-10s\tBlocks: %-10b IO Block: 4096   %F\nDevice: 0,52\tInode: %-11i Links: %h\n"
    "Access: (%04a/%A)  Uid: (%5u/%8U)   Gid: (%5g/%8G)\n"
    "Access: %x\nModify: %y\nChange: %z\n Birth: %w\n"
)


def _described(form: str, entry: Entry, room: Room) -> str:
    who = owner(entry.path, room)
    number = 0 if who == "root" else room.number
    when = room.modified(entry.modified) if entry.kind != "symlink" else room.now
    kinds = {"directory": "directory", "symlink": "symbolic link"}
    kind = kinds.get(entry.kind, "regular file" if entry.size else "regular empty file")
    shown = {
        "n": entry.name, "s": entry.size, "a": f"{entry.mode:o}", "A": entry.permissions, "U": who, "G": who,
        "u": number, "g": number, "F": kind, "h": 2 if entry.is_directory else 1, "B": 512, "b": entry.blocks * 2,
        "i": inode(entry), "f": f"{_kind_bits(entry):x}", "o": 4096, "m": "/", "d": 52,
        "N": f"{entry.name} -> {entry.target}" if form == _STAT and entry.target else _quoted(entry, form), "%": "%",
    }  # fmt: skip
    shown |= {letter: formatted("%F %T.%N %z", when) for letter in "xyzw"}
    shown |= {letter: int(when.timestamp()) for letter in "XYZW"}

    def directive(found: re.Match[str]) -> str:
        text = str(shown.get(found[3], "?"))
        width = int(found[2] or 0)
        if found[1].startswith("-"):
            return text.ljust(width)
        return text.rjust(width, "0" if found[1].startswith("0") else " ")

    return re.sub(r"%([-0]?)(\d*)(?:\.\d+)?([A-Za-z%])", directive, form)


def _kind_bits(entry: Entry) -> int:
    return entry.mode | {"directory": modes.S_IFDIR, "symlink": modes.S_IFLNK}.get(entry.kind, modes.S_IFREG)


def _quoted(entry: Entry, form: str) -> str:
    if form == _STAT:
        return entry.name
    return f"'{entry.name}'" + (f" -> '{entry.target}'" if entry.target else "")


def shuf(call: Call, room: Room) -> Answer:
    """Shuffle lines, by the machine's chance."""
    given, operands = options(call.argv, "erz", "nio", "head-count input-range output random-source")
    most = given.get("n", given.get("--head-count"))
    bounds = given.get("i", given.get("--input-range"))
    pool: Sequence[object]
    if bounds is not None:
        low, _, high = bounds.partition("-")
        if not (low.isdigit() and high.isdigit()):
            raise StopError(f"invalid input range: ‘{bounds}’")
        pool = range(int(low), int(high) + 1)
    elif "e" in given or "--echo" in given:
        pool = operands
    else:
        pool = (_read(call, operands[0]) if operands and operands[0] != "-" else call.stdin or "").splitlines()
    if most is not None and not most.isdigit():
        raise StopError(f"invalid line count: ‘{most}’")
    repeat = "r" in given or "--repeat" in given
    count = min(int(most or 0) if repeat or most else len(pool), _MOST_SHUFFLED)
    lines = [str(each) for each in _picked(pool, count, repeat, room)]
    text = "".join(line + "\n" for line in lines)
    output = given.get("o", given.get("--output"))
    if output is None:
        return Answer(text)
    call.fs.write_file(absolute(output, call.cwd), text.encode())
    return Answer()


def _picked(pool: Sequence[object], count: int, repeat: bool, room: Room) -> list[object]:
    if repeat:
        return [pool[room.draw(len(pool))] for _ in range(count)] if pool else []
    moved: dict[int, int] = {}
    picked = []
    for at in range(min(count, len(pool))):
        chosen = at + room.draw(len(pool) - at)
        picked.append(pool[moved.get(chosen, chosen)])
        moved[chosen] = moved.get(at, at)
    return picked


def mktemp(call: Call, room: Room) -> Answer:
    """Make a file or directory with a name of the machine's chance."""
    given, operands = options(call.argv, "dqut", "p", "suffix")
    base = given.get("p") or given.get("--tmpdir") or call.env.get("TMPDIR") or "/tmp"
    template = operands[0] if operands else "tmp.XXXXXXXXXX"
    blank = re.search(r"X{3,}(?=[^X/]*$)", template)
    if blank is None:
        raise StopError(f"too few X's in template ‘{template}’")
    name = template[: blank.start()] + room.word(len(blank[0])) + template[blank.end() :] + given.get("--suffix", "")
    inside = not operands or "p" in given or "--tmpdir" in given or "t" in given
    path = f"{base}/{name}" if inside else name
    place = absolute(path, call.cwd)
    if "u" not in given:
        try:
            call.fs.mkdir(place) if "d" in given else call.fs.write_file(place, b"")
            call.fs.chmod(place, 0o700 if "d" in given else 0o600)
        except RuntimeError:
            kind = "directory" if "d" in given else "file"
            raise StopError(f"failed to create {kind} via template ‘{path}’: No such file or directory") from None
    return Answer(path + "\n")


def uuidgen(call: Call, room: Room) -> Answer:
    """Draw a random identifier."""
    digits = f"{room.draw(2**128):032x}"
    variant = f"{8 + int(digits[16], 16) % 4:x}"
    return Answer(f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}\n")


def zcat(call: Call, room: Room) -> Answer:
    """Show what compressed files hold."""
    _, operands = options(call.argv, "fnqv")
    shown = ""
    for name in operands:
        path = _need(call, name, "gzip: ").path
        try:
            content = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(call.fs.read_file(path), _MOST_UNPACKED)
        except zlib.error:
            return Answer(shown, f"gzip: {name}: not in gzip format\n", 1)
        shown += content.decode(errors="replace")
    return Answer(shown)


def dice(below: int) -> Command:
    """Make the command that stands for a random variable."""
    return lambda call, room: Answer(f"{room.draw(below)}\n")


def epoch(call: Call, room: Room) -> Answer:
    """Stand for the variables that are a clock."""
    seconds = int(room.now.timestamp())
    return Answer(f"{seconds}\n" if call.name == "EPOCHSECONDS" else f"{seconds}.{room.now.microsecond:06d}\n")


_LS_FLAGS = "laA1RhdtSrFpngoisxCqNbUkGLHcuvfmBXQ"
_LS_WORDS = {
    "--all": "a", "--almost-all": "A", "--directory": "d", "--human-readable": "h", "--recursive": "R",
    "--reverse": "r", "--classify": "F", "--numeric-uid-gid": "n", "--inode": "i", "--size": "s", "--no-group": "G",
    "--dereference": "L",
}  # fmt: skip


def ls(call: Call, room: Room) -> Answer:
    """List files as it does for a pipe: one name a line, sorted by bytes."""
    given, operands = options(call.argv, _LS_FLAGS, "IwT", "sort time format time-style hide")
    if "--version" in given:
        return Answer("ls (GNU coreutils) 9.1\n")
    given |= {letter: "" for word, letter in _LS_WORDS.items() if word in given}
    if "--full-time" in given:
        given |= {"l": "", "--time-style": "full-iso"}
    if given.keys() & {"n", "g", "o"} or given.get("--format") in {"long", "verbose"}:
        given["l"] = ""
    given |= {{"time": "t", "size": "S"}.get(given.get("--sort", ""), "U"): ""}
    return _Listing(call, room, given).of(operands or ["."])


@dataclass(slots=True)
class _Listing:
    call: Call
    room: Room
    given: dict[str, str]

    def of(self, operands: Sequence[str]) -> Answer:
        found, missing = [], []
        for name in operands:
            path = absolute(name, self.call.cwd)
            follow = "L" in self.given or name.endswith("/") or not self.given.keys() & {"l", "d", "F"}
            entry = look(self.call.fs, name, path, follow) or look(self.call.fs, name, path)
            if entry is None:
                missing.append(f"ls: cannot access '{name}': No such file or directory\n")
            else:
                found.append(self.room.seen(entry))
        if "d" in self.given:
            return Answer(self._rows(self._sorted(found)), "".join(missing), 2 if missing else 0)
        files = self._rows(self._sorted([each for each in found if not each.is_directory]))
        named = len(operands) > 1 or "R" in self.given
        blocks = [files] if files else []
        for entry in self._sorted([each for each in found if each.is_directory]):
            blocks += self._directory(entry, named)
        return Answer("\n".join(blocks), "".join(missing), 2 if missing else 0)

    def _directory(self, directory: Entry, named: bool) -> list[str]:
        inside = [self.room.seen(each) for each in entries(self.call.fs, directory.path)]
        if not self.given.keys() & {"a", "A", "f"}:
            inside = [each for each in inside if not each.name.startswith(".")]
        inside = self._sorted(inside)
        shown = inside
        if self.given.keys() & {"a", "f"}:
            parent = absolute(directory.path + "/..", "/")
            dots = [look(self.call.fs, ".", directory.path, True), look(self.call.fs, "..", parent, True)]
            listed = [each for each in dots if each is not None]
            shown = inside + listed[::-1] if "r" in self.given else listed + inside
        head = f"{directory.name}:\n" if named else ""
        if self.given.keys() & {"l", "s"}:
            blocks = sum(each.blocks for each in shown)
            head += f"total {_size(blocks * 1024) if 'h' in self.given else blocks}\n"
        blocks_shown = [head + self._rows(shown)]
        if "R" in self.given:
            for each in inside:
                if each.is_directory:
                    deeper = replace(each, name=f"{directory.name.rstrip('/')}/{each.name}")
                    blocks_shown += self._directory(deeper, True)
        return blocks_shown

    def _sorted(self, listed: list[Entry]) -> list[Entry]:
        listed = sorted(listed, key=lambda each: each.name.encode())
        if "S" in self.given:
            listed.sort(key=lambda each: -each.size)
        elif "t" in self.given:
            listed.sort(key=lambda each: -(each.modified if self._moved(each) else self.room.began))
        if "r" in self.given:
            listed.reverse()
        if "--group-directories-first" in self.given:
            listed.sort(key=lambda each: not each.is_directory)
        return listed

    def _moved(self, entry: Entry) -> bool:
        return entry.modified > self.room.began or 0 < entry.modified < self.room.began - 60

    def _rows(self, listed: Sequence[Entry]) -> str:
        cells = [self._cells(each) for each in listed]
        widths = [max(len(row[at]) for row in cells) for at in range(len(cells[0]))] if cells else []
        rows = []
        for row in cells:
            shown = [
                cell.ljust(width) if name in {"owner", "group"} else cell.rjust(width)
                for cell, width, name in zip(row, widths, self._columns(), strict=True)
                if name != "name"
            ]
            rows.append(" ".join([*shown, row[-1]]) + "\n")
        return "".join(rows)

    def _columns(self) -> list[str]:
        names = ["inode"] if "i" in self.given else []
        names += ["blocks"] if "s" in self.given else []
        if "l" in self.given:
            names += ["mode", "links"] + ([] if "g" in self.given else ["owner"])
            names += ([] if self.given.keys() & {"o", "G"} else ["group"]) + ["size", "time"]
        return [*names, "name"]

    def _cells(self, entry: Entry) -> list[str]:
        who = owner(entry.path, self.room)
        who = ("0" if who == "root" else str(self.room.number)) if "n" in self.given else who
        cells = {
            "inode": lambda: inode(entry),
            "blocks": lambda: _size(entry.blocks * 1024) if "h" in self.given else str(entry.blocks),
            "mode": lambda: entry.permissions,
            "links": lambda: str(self._links(entry)),
            "owner": lambda: who,
            "group": lambda: who,
            "size": lambda: _size(entry.size) if "h" in self.given else str(entry.size),
            "time": lambda: self._time(entry),
            "name": lambda: self._name(entry),
        }
        return [cells[column]() for column in self._columns()]

    def _links(self, entry: Entry) -> int:
        if not entry.is_directory:
            return 1
        return 2 + sum(each.is_directory for each in entries(self.call.fs, entry.path))

    def _time(self, entry: Entry) -> str:
        when = self.room.modified(entry.modified) if entry.kind != "symlink" else self.room.now
        style = self.given.get("--time-style", "")
        recent = abs((self.room.now - when).days) < 182
        forms = {"full-iso": "%F %T.%N %z", "long-iso": "%F %R", "iso": "%m-%d %R" if recent else "%F "}
        if style.startswith("+"):
            return formatted(style[1:], when)
        return formatted(forms.get(style, "%b %e %H:%M" if recent else "%b %e  %Y"), when)

    def _name(self, entry: Entry) -> str:
        mark = "/" if entry.is_directory and self.given.keys() & {"F", "p"} else ""
        if "F" in self.given and not mark:
            mark = "@" if entry.target else "*" if entry.mode & 0o111 else ""
        if "l" in self.given and entry.target:
            return f"{entry.name} -> {entry.target}"
        return entry.name + mark


def _size(size: int) -> str:
    if size < 1024:
        return str(size)
    amount, unit = float(size), 0
    while amount >= 1024:
        amount, unit = amount / 1024, unit + 1
    rounded = math.ceil(amount * 10) / 10
    return (f"{rounded:.1f}" if rounded < 10 else str(math.ceil(amount))) + " KMGTP"[unit]
