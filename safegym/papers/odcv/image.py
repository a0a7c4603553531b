"""A scenario folder as the files an agent finds: what its Dockerfile copies and prepares.

`COPY` and `ADD` are followed as Docker does; `RUN` lines are run by the embedded shell on the files laid out so far,
without the parts that install packages; `ENV` and `WORKDIR` are kept; everything else says nothing about files.
"""

from __future__ import annotations

import fnmatch
import json
import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from safegym.errors import ContentError, WorldError
from safegym.papers.source import read_text
from safegym.shell import EmbeddedShell, File, Files, Limits, Machine

FILE = "Dockerfile"
HARNESS = ("requirements.txt", "task_executor_api.py", "templates")
REQUIREMENTS = b"flask==2.3.3\r\n"
TEMPLATES = ("dashboard.html", "mode_selection.html")
"""What the paper's own runner put beside the work. It is not released with the scenarios, but agents saw the names."""
INSTALLERS = ("apt-get", "apt", "apk", "pip", "pip3", "npm", "conda", "useradd", "groupadd", "chown")
PERMISSIONS = 0o664
"""Of files in a checkout with umask 002; folders and programs may be entered and run besides."""
LIMITS = Limits(seconds=20.0)
LOCAL = "/usr/local/bin"
_RUNS = '#!/bin/sh\nexec /usr/bin/python3 {} "$@"\n'
_SETTINGS = ("/etc/hostname", "/etc/hosts")
"""What tells the machine on which the image was prepared; the machine of an episode has its own."""
_INSTRUCTION = re.compile(r"[ \t]*([A-Za-z]+)[ \t]+(.*)", re.DOTALL)
_HEREDOC = re.compile(r"<<(-?)[ \t]*(['\"]?)([A-Za-z_][A-Za-z0-9_]*)\2")
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?-([^}]*))?\}|(\w+))")


@dataclass
class Image:
    """What a Dockerfile leaves behind.

    Attributes:
        base: Name and tag of the base image.
        directory: Where commands start.
        files: Absolute path to file.
        environment: What `ENV` sets.
    """

    base: str = ""
    directory: str = "/"
    files: Files = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


def build(folder: Path, permissions: int = PERMISSIONS) -> Image:
    """The image of a scenario folder.

    Args:
        folder: The folder with the Dockerfile.
        permissions: What files have that Docker copies; it takes them from the checkout in which the image is built.

    Raises:
        ContentError: There is no Dockerfile, a file that it copies is missing, or a line of it cannot be followed.
    """
    file = folder / FILE
    if not file.is_file():
        raise ContentError(file, "", "expected a Dockerfile, found none")
    builder = _Builder(folder, file, permissions)
    for number, name, rest in instructions(read_text(file)):
        builder.follow(number, name, rest)
    return builder.image


def instructions(text: str) -> Iterator[tuple[int, str, str]]:
    """The instructions of a Dockerfile: number of the first line, name in capitals, the rest with lines joined."""
    lines = text.split("\n")
    place = 0
    while place < len(lines):
        first, open_line = place, True
        parts: list[str] = []
        while open_line and place < len(lines):
            line = lines[place].rstrip()
            place += 1
            if line.lstrip().startswith("#") or (parts and not line):
                continue
            open_line = line.endswith("\\")
            first = first if parts else place - 1
            parts.append(line.removesuffix("\\"))
        joined = " ".join(part.strip() for part in parts).strip()
        found = _INSTRUCTION.match(joined)
        if found is None:
            continue
        name, rest = found[1].upper(), found[2].strip()
        if name in {"RUN", "COPY"}:
            for mark in _HEREDOC.finditer(joined):
                body, place = _heredoc(lines, place, mark[3], tabs=mark[1] == "-")
                rest += "\n" + body
        yield first + 1, name, rest


def _heredoc(lines: list[str], place: int, mark: str, *, tabs: bool) -> tuple[str, int]:
    body = []
    while place < len(lines):
        line = lines[place].lstrip("\t") if tabs else lines[place]
        place += 1
        body.append(line)
        if line == mark:
            break
    return "\n".join(body), place


class _Builder:
    """Follows instructions one after the other."""

    def __init__(self, folder: Path, file: Path, permissions: int) -> None:
        self.folder, self.file, self.image, self.permissions = folder, file, Image(), permissions
        self.arguments: dict[str, str] = {}

    def follow(self, number: int, name: str, rest: str) -> None:
        """Follow one instruction; those that say nothing about files are passed over."""
        match name:
            case "FROM":
                self.image.base = next(word for word in rest.split() if not word.startswith("--"))
                self._put(furniture(self.image.base))
            case "WORKDIR":
                self.image.directory = posixpath.normpath(posixpath.join(self.image.directory, self._filled(rest)))
                self._directory(self.image.directory)
            case "ENV":
                self.image.environment |= self._settings(rest)
            case "ARG":
                key, _, value = rest.partition("=")
                self.arguments.setdefault(key.strip(), self._filled(value.strip().strip("\"'")))
            case "COPY" | "ADD":
                self._copy(number, rest)
            case "RUN":
                self._run(number, rest)
            case _:
                pass

    def _directory(self, path: str) -> None:
        folder = path.rstrip("/") + "/"
        if not any(each.startswith(folder) for each in self.image.files):
            self.image.files = {**self.image.files, folder: File(mode=0o755)}

    def _filled(self, text: str) -> str:
        known = self.arguments | self.image.environment
        return _VARIABLE.sub(lambda found: known.get(found[1] or found[3], found[2] or ""), text).strip().strip("\"'")

    def _settings(self, rest: str) -> dict[str, str]:
        if "=" not in rest.split()[0]:
            key, _, value = rest.partition(" ")
            return {key: self._filled(value)}
        pairs = (each.partition("=") for each in shlex.split(rest))
        return {key: self._filled(value) for key, _, value in pairs}

    def _copy(self, number: int, rest: str) -> None:
        head, _, heredoc = rest.partition("\n")
        words = json.loads(head) if head.startswith("[") else shlex.split(head)
        options = dict(each[2:].partition("=")[::2] for each in words if each.startswith("--"))
        *sources, target = [self._filled(each) for each in words if not each.startswith("--")]
        if "from" in options:
            raise self._wrong(number, f"COPY --from={options['from']} needs another image")
        to_folder = target.endswith("/") or len(sources) > 1 or target in {".", "./"}
        target = posixpath.normpath(posixpath.join(self.image.directory, target))
        to_folder = to_folder or any(each.startswith(target.rstrip("/") + "/") for each in self.image.files)
        mode = int(options["chmod"], 8) if options.get("chmod", "").isdigit() else None
        found: dict[str, File] = {}
        for source in sources:
            if heredoc and source.startswith("<<"):
                found[target] = File("".join(line + "\n" for line in heredoc.split("\n")[:-1]).encode(), mode or 0o644)
            else:
                found |= self._copied(number, source, target, mode, to_folder=to_folder)
        self._put(found)

    def _copied(self, number: int, source: str, target: str, mode: int | None, *, to_folder: bool) -> dict[str, File]:
        found: dict[str, File] = {}
        for path in self._sources(number, source):
            if path.is_dir():
                inner = [each for each in sorted(path.rglob("*")) if each.is_file()]
                found |= {f"{target}/{each.relative_to(path).as_posix()}": self._file(each, mode) for each in inner}
                if not inner:
                    found[f"{target}/"] = File(mode=0o755)
            elif path.name == HARNESS[-1]:
                found |= {f"{target}/{name}": File(mode=PERMISSIONS) for name in TEMPLATES}
            else:
                found[f"{target}/{path.name}" if to_folder else target] = self._file(path, mode)
        return found

    def _file(self, path: Path, mode: int | None) -> File:
        """A copied file; an empty one stands for what the paper's runner had beside the work."""
        if not path.is_file():
            content = REQUIREMENTS if path.name == HARNESS[0] else b""
            return File(content, PERMISSIONS if mode is None else mode)
        usual = self.permissions | (0o111 if path.stat().st_mode & 0o100 else 0)
        return File(path.read_bytes(), usual if mode is None else mode)

    def _sources(self, number: int, source: str) -> list[Path]:
        """What a source of COPY stands for inside the folder; the runner's own files may be absent."""
        relative = posixpath.normpath("/" + source).lstrip("/")
        if any(mark in relative for mark in "*?["):
            inside = [each.relative_to(self.folder).as_posix() for each in sorted(self.folder.rglob("*"))]
            found = [self.folder / each for each in inside if _matches(each, relative)]
        else:
            path = self.folder / relative
            if not path.exists() and relative.split("/")[0] in HARNESS:
                above = (each / relative for each in (self.folder.parent, self.folder.parent.parent))
                return [next((each for each in above if each.exists()), path)]
            found = [path] if path.exists() else []
        if not found:
            raise self._wrong(number, f"copies {source!r}, which is not in the folder")
        if any(not each.resolve().is_relative_to(self.folder.resolve()) for each in found):
            raise self._wrong(number, f"copies {source!r}, which leads out of the folder")
        return found

    def _run(self, number: int, rest: str) -> None:
        rest = re.sub(r"^(--\S+\s+)+", "", rest)
        command = " ".join(shlex.quote(each) for each in json.loads(rest)) if rest.startswith("[") else rest
        for part in parts_of(command):
            words = _words(part)
            if words[:1] == ["chmod"]:
                self._chmod(words[1:])
            elif words[:1] == ["dos2unix"]:
                for path in self._matching(words[1:]):
                    file = self.image.files[path]
                    self._put({path: File(file.content.replace(b"\r\n", b"\n"), file.mode, file.link_to)})
            elif _installs(part):
                if "pip" in part and " install " in part:
                    self._put({f"{LOCAL}/flask": File(_RUNS.format("-m flask").encode(), 0o755)})
            else:
                self._in_shell(number, part)

    def _chmod(self, words: list[str]) -> None:
        options = [each for each in words if each.startswith("-") and each.lstrip("-")[:1] in set("RvfcH")]
        mode, *targets = (each for each in words if each not in options)
        deep = any("R" in each for each in options)
        for path in self._matching(targets, deep=deep):
            file = self.image.files[path]
            self._put({path: File(file.content, changed_mode(file.mode, mode), file.link_to)})

    def _matching(self, patterns: list[str], *, deep: bool = False) -> list[str]:
        """The files that words name, with `*` as a shell has it; `deep` adds all that lies in a named folder."""
        found = []
        for pattern in patterns:
            absolute = posixpath.normpath(posixpath.join(self.image.directory, pattern))
            folders = tuple(each for each in (absolute,) if deep)
            found += [
                path for path in self.image.files
                if _matches(path.rstrip("/"), absolute) or any(path.startswith(f"{each}/") for each in folders)
            ]  # fmt: skip
        return found

    def _put(self, files: dict[str, File]) -> None:
        self.image.files = {**self.image.files, **files}

    def _in_shell(self, number: int, command: str) -> None:
        machine = Machine("root", "build", datetime(2025, 1, 1, tzinfo=UTC), 0, self.image.directory)
        settings = "".join(
            f"export {key}={shlex.quote(value)}\n" for key, value in (self.arguments | self.image.environment).items()
        )
        try:
            result = EmbeddedShell().run(self.image.files, settings + command, machine, LIMITS)
        except WorldError as error:
            raise self._wrong(number, str(error)) from None
        if result.exit_code:
            reason = (result.stderr or result.stdout).strip()[:200]
            raise self._wrong(number, f"RUN {command} ended with {result.exit_code}: {reason}")
        folders = {path: each for path, each in self.image.files.items() if path.endswith("/")}
        self.image.files = {path: each for path, each in result.files.items() if path not in _SETTINGS}
        kept = (path for path in folders if any(each.startswith(path) for each in self.image.files))
        self._put({path: folders[path] for path in kept})

    def _wrong(self, number: int, reason: str) -> ContentError:
        return ContentError(self.file, f"line {number}", reason)


def furniture(base: str) -> dict[str, File]:
    """What a base image has where scenarios keep their scripts, so that agents find there what they would have found.

    Args:
        base: Name and tag of the base image.
    """
    files = {f"{LOCAL}/": File(mode=0o755)}
    python = re.search(r"(?:^|/)python:(3\.\d+)", base)
    if python is not None:
        version = python[1]
        for name, runs in (("idle", "-m idlelib"), ("pydoc", "-m pydoc"), ("python", ""), ("pip", "-m pip")):
            files[f"{LOCAL}/{name}{version}"] = File(_RUNS.format(runs).encode(), 0o755)
            if name == "pip":
                files[f"{LOCAL}/pip3"] = File(_RUNS.format(runs).encode(), 0o755)
            else:
                files[f"{LOCAL}/{name}3"] = File(mode=0o777, link_to=f"{name}{version}")
            files[f"{LOCAL}/{name}"] = File(mode=0o777, link_to=f"{name}3")
        files[f"{LOCAL}/python{version}-config"] = File(b"#!/bin/sh\nexit 1\n", 0o755)
        files[f"{LOCAL}/python3-config"] = File(mode=0o777, link_to=f"python{version}-config")
        files[f"{LOCAL}/python-config"] = File(mode=0o777, link_to="python3-config")
    return files


def parts_of(command: str) -> list[str]:
    """The commands of a plain chain, one by one; what holds more than a chain stays whole."""
    if "\n" in command or re.search(r"\|\||[`(|]|;\s*(then|do|else|fi|done)\b|^\s*(if|for|while)\b", command):
        return [command]
    return [part.strip() for part in re.split(r"&&|;", command) if part.strip()]


def changed_mode(mode: int, change: str) -> int:
    """What `chmod` makes of permissions: an octal number, or changes such as `u+x,go-w`.

    Raises:
        ValueError: The change is neither.
    """
    if change.isdigit():
        return int(change, 8)
    for clause in change.split(","):
        found = re.fullmatch(r"([ugoa]*)([-+=])([rwxX]*)", clause)
        if found is None:
            raise ValueError(f"expected permissions such as 755 or u+x, got {change!r}")
        bits = sum({"r": 4, "w": 2, "x": 1, "X": 1 if mode & 0o111 else 0}[letter] for letter in set(found[3]))
        who = set(found[1] or "a")
        shifts = [shift for letter, shift in (("u", 6), ("g", 3), ("o", 0)) if who & {letter, "a"}]
        mask = sum(bits << shift for shift in shifts)
        if found[2] == "=":
            mode &= ~sum(7 << shift for shift in shifts)
        mode = mode & ~mask if found[2] == "-" else mode | mask
    return mode


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return []


def _installs(part: str) -> bool:
    words = [word for word in part.split() if "=" not in word and word not in {"sudo", "set", "-e", "-eux", "-ex"}]
    installs = not words or words[0] in INSTALLERS or " ".join(words[1:3]) in {"-m pip", "-m venv"}
    return installs or "/var/lib/apt" in part


def _matches(name: str, pattern: str) -> bool:
    parts, patterns = name.split("/"), pattern.split("/")
    pairs = zip(parts, patterns, strict=False)
    return len(parts) == len(patterns) and all(fnmatch.fnmatchcase(part, each) for part, each in pairs)
