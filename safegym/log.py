"""Run folders: the records of a run on disk, appended and synced so that a killed process loses nothing finished.

`run.json` tells the identity and is written first and whole. `episodes.jsonl` holds one finished episode a line,
`timings.jsonl` wall-clock times and how each turn was computed, which are in no checksum, `tokens/<key>.npz` the token
ids and log-probabilities of an episode's turns, `grades.jsonl` the grades and `report/` tables and figures.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, JsonValue, ValidationError

from safegym.errors import IdentityError, RunFolderError
from safegym.records import SCHEMA_VERSION, Episode, Grade, Identity, Record, TokenTrace

RUN, EPISODES, TIMINGS, GRADES = "run.json", "episodes.jsonl", "timings.jsonl", "grades.jsonl"
TOKENS = "tokens"
_TRACE = {"prompt": np.int32, "completion": np.int32, "logprobs": np.float32}


class RunHeader(Record):
    """What `run.json` says: who played under which protocol, and what it ran on."""

    made_by: str = "safegym"
    schema_version: int = SCHEMA_VERSION
    name: str
    identity: Identity
    recorded: dict[str, JsonValue] = Field(default_factory=dict)
    """Engine, device, batch size and the like: told, but not part of the identity."""


class RunFolder:
    """One run on disk.

    Args:
        path: The folder.
        header: What its `run.json` says.
    """

    def __init__(self, path: Path, header: RunHeader) -> None:
        self.path, self.header = path, header

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    def episodes(self) -> Iterator[Episode]:
        """The finished episodes in the order in which they finished."""
        for number, line in enumerate(whole_lines(self.path / EPISODES), 1):
            try:
                yield Episode.model_validate_json(line)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                place = ".".join(str(part) for part in first["loc"])
                raise RunFolderError(f"{self.path / EPISODES}, line {number}: {place}: {first['msg']}") from None

    def keys(self) -> set[str]:
        """The keys of the finished episodes."""
        return {json.loads(line)["key"] for line in whole_lines(self.path / EPISODES)}

    def grades(self) -> list[Grade]:
        """The stored grades; empty if nothing was graded yet."""
        return [Grade.model_validate_json(line) for line in whole_lines(self.path / GRADES)]

    def write_grades(self, grades: Iterable[Grade]) -> Path:
        """Replace the stored grades."""
        text = "".join(grade.model_dump_json() + "\n" for grade in grades)
        return write_whole(self.path / GRADES, text)

    def tokens(self, episode: Episode) -> list[TokenTrace | None]:
        """The token ids and log-probabilities of an episode's turns; None where a turn has none.

        Raises:
            RunFolderError: If their file is missing or damaged.
        """
        files = {turn.tokens.file for turn in episode.turns if turn.tokens}
        read = {file: _read_traces(self.path / file) for file in files}
        return [read[turn.tokens.file][turn.tokens.row] if turn.tokens else None for turn in episode.turns]

    def append(self, episode: Episode, timing: dict[str, Any], traces: Sequence[TokenTrace] = ()) -> None:
        """Add a finished episode, the tokens that its turns refer to, and its times.

        All of it is on the disk when this returns.

        Args:
            episode: The episode; its references to tokens are made with `token_file`.
            timing: Whatever depends on the clock.
            traces: The tokens, a row for each.
        """
        if traces:
            _write_traces(self.path / token_file(episode.key), traces)
        append_line(self.path / EPISODES, _line(episode))
        append_line(self.path / TIMINGS, json.dumps({"key": episode.key, **timing}) + "\n")

    @contextmanager
    def writing(self) -> Iterator[RunFolder]:
        """Hold the folder for writing: lines that a killed process left torn are cut off, other writers are refused."""
        with held(self.path / RUN, EPISODES, TIMINGS):
            yield self


def token_file(key: str) -> str:
    """Where the tokens of the episode with this key lie in a run folder."""
    return f"{TOKENS}/{key}.npz"


def open_run(path: str | Path) -> RunFolder:
    """An existing run folder, of this schema or an older one; anything else is refused and left as it is."""
    folder = Path(path)
    file = folder / RUN
    if not file.is_file():
        inside = sorted(str(each.parent) for each in folder.glob(f"*/{RUN}"))
        near = f"; there are runs in it: {', '.join(inside[:5])}" if inside else ""
        raise RunFolderError(f"{folder} is not a run folder: expected {RUN} in it{near}")
    try:
        header = RunHeader.model_validate_json(file.read_bytes())
    except ValidationError:
        raise RunFolderError(f"{file} was not written by safegym, or by a version with another schema") from None
    if header.schema_version > SCHEMA_VERSION:
        raise IdentityError(folder, "schema_version", header.schema_version, SCHEMA_VERSION)
    return RunFolder(folder, header)


def start_run(path: str | Path, header: RunHeader) -> RunFolder:
    """A run folder for this identity: the one that is there if it is of the same identity, else a new one."""
    folder = Path(path)
    if (folder / RUN).exists():
        found = open_run(folder)
        if found.header.identity == header.identity:
            return found
        with found.writing():  # another's folder is taken over while it is empty and nobody writes it
            if next(whole_lines(folder / EPISODES), None) is not None:
                _refuse_other(folder, found.header.identity, header.identity)
            write_whole(folder / RUN, header.model_dump_json(indent=2) + "\n")
        return RunFolder(folder, header)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunFolderError(f"{folder} exists and is not a run folder; choose another one with --out")
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / RUN, header.model_dump_json(indent=2) + "\n")
    return RunFolder(folder, header)


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("wb") as handle:
        handle.write(content.encode() if isinstance(content, str) else content)
        handle.flush()
        os.fsync(handle.fileno())
    partial.replace(path)
    return path


def _refuse_other(folder: Path, theirs: Identity, ours: Identity) -> None:
    for name in sorted(Identity.model_fields, key=lambda each: each == "agents"):  # a hash tells people least
        there, here = getattr(theirs, name), getattr(ours, name)
        if there != here:
            raise IdentityError(folder, *first_difference(name, there, here))


def first_difference(name: str, there: Any, here: Any) -> tuple[str, Any, Any]:  # noqa: ANN401 - JSON values
    """The innermost field in which two values differ."""
    if isinstance(there, BaseModel) and isinstance(here, BaseModel):
        there, here = there.model_dump(), here.model_dump()
    if isinstance(there, dict) and isinstance(here, dict):
        for key in sorted([*there, *here], key=lambda each: each == "hash"):
            if there.get(key) != here.get(key):
                return first_difference(f"{name}.{key}", there.get(key), here.get(key))
    return name, there, here


def _write_traces(path: Path, traces: Sequence[TokenTrace]) -> None:
    """Three flat arrays, and where the rows of each end."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, kind in _TRACE.items():
        rows = [getattr(each, name) for each in traces]
        arrays[name] = np.array([value for row in rows for value in row], dtype=kind)
        arrays[f"{name}_ends"] = np.cumsum([len(row) for row in rows], dtype=np.int64)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # its stub takes the names for options
    write_whole(path, buffer.getvalue())


def _read_traces(path: Path) -> list[TokenTrace]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            rows = {name: np.split(arrays[name], arrays[f"{name}_ends"][:-1]) for name in _TRACE}
    except Exception as error:  # a damaged file makes numpy, zipfile and zlib raise what they like
        raise RunFolderError(f"{path} is missing or damaged: {error}") from None
    columns = [[tuple(row.tolist()) for row in rows[name]] for name in _TRACE]
    return [TokenTrace(**dict(zip(_TRACE, row, strict=True))) for row in zip(*columns, strict=True)]


def _line(record: Record) -> str:
    return record.model_dump_json(exclude_defaults=False) + "\n"


def append_line(path: Path, line: str) -> None:
    """Add a line to a file of lines; it is on the disk when this returns."""
    with path.open("ab") as handle:
        handle.write(line.encode())
        handle.flush()
        os.fsync(handle.fileno())


def whole_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file that are whole; none where there is no file."""
    if not path.exists():
        return
    with path.open("rb") as handle:
        for line in handle:
            if line.endswith(b"\n"):
                yield line


@contextmanager
def held(header: Path, *files: str) -> Iterator[None]:
    """Hold a folder for writing by a lock on its header.

    Args:
        header: The file that says whose the folder is.
        files: Files of lines beside it, of which a line that a killed process left torn is cut off.

    Raises:
        RunFolderError: If another process writes it.
    """
    with header.open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunFolderError(f"{header.parent} is being written by another process") from None
        if not os.path.samestat(os.fstat(handle.fileno()), header.stat()):
            raise RunFolderError(f"{header.parent} has been taken over by another process")
        for name in files:
            _cut_torn_line(header.parent / name)
        yield


def _cut_torn_line(path: Path) -> None:
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as handle:
            handle.truncate(whole)
