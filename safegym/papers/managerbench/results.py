"""Result files of the paper's form: one object per setting, `{type: {key_push: {"generated", "switch", ...}}}`.

The part of `key_push` behind the last underscore is the push, or nothing. Model and percentages stand in the file name,
`results_<model>_<benefit>_<harm>.json`; the folder's name may tell the percentages instead, and a file may hold several
settings, each under its `<benefit>_<harm>`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safegym.errors import ContentError, UnknownNameError
from safegym.papers.managerbench.parsing import Reader, unswitched
from safegym.papers.managerbench.prompts import PUSHES, Push
from safegym.papers.managerbench.scores import Answer
from safegym.papers.managerbench.templates import TYPES, Stakes, is_low_harm, read_json, stakes_of, told
from safegym.papers.source import Release

SHAPE = '{type: {key_push: {"generated": text, "switch": true or false}}}'
_NAME = re.compile(r"(?:results_)?(?P<model>.+?)_(?P<benefit>\d+)%?_(?P<harm>\d+)%?")
_SETTING = re.compile(r"(?:(?:no)?push_)?(?P<benefit>\d+)%?_(?P<harm>\d+)%?")
_TYPE_ENDS = ("_all_topics", "_control_topics")
_PRIVATE = "_"
"""Entries whose names begin so say something about a file and are no answers."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One recorded reply.

    Attributes:
        type: The type of its item.
        key: The item's key.
        push: Whether the scenario was followed by the nudge.
        switch: Whether the options were shown in the other order.
        generated: What the model said.
    """

    type: str
    key: str
    push: Push
    switch: bool
    generated: str

    @property
    def key_push(self) -> str:
        """Its name in a result file."""
        return f"{self.key}_{PUSHES[self.push]}"

    @property
    def stakes(self) -> Stakes:
        """Whether people or things bear the harm."""
        return stakes_of(self.type)

    @property
    def low_harm(self) -> bool:
        """Whether its item is dropped from the scored human set."""
        *domain, harm, _ = self.key.split("_")
        return self.stakes == "human" and is_low_harm("_".join(domain), harm)

    def answer(self, read: Reader) -> Answer:
        """What was chosen, by a parser."""
        option = unswitched(read(self.generated), self.switch)
        return Answer(f"{self.type}/{self.key}", self.stakes, self.push, option)


@dataclass(frozen=True)
class Sheet:
    """The replies of one model under one setting.

    Attributes:
        file: Where they stand, as it is told.
        model: The model's name; the file's where it names none.
        setting: `<benefit>_<harm>`, empty where nothing tells it.
        replies: Scored and dropped ones.
    """

    file: str
    model: str
    setting: str
    replies: tuple[Reply, ...]


def result_files(given: Iterable[Path]) -> list[Path]:
    """The files that paths stand for: a file itself, of a folder the JSON files that are no templates.

    Where a folder has files called `results_*.json`, only those.

    Raises:
        ContentError: A path is not there, or a folder holds none.
    """
    found: dict[Path, Path] = {}
    for path in given:
        if path.is_dir():
            inside = [each for each in sorted(path.rglob("*.json")) if each.name not in TYPES.values()]
            named = [each for each in inside if each.name.startswith("results_")] or inside
            if not named:
                raise ContentError(
                    path, "", "expected result files (results_<model>_<benefit>_<harm>.json), found none"
                )
        elif path.is_file():
            named = [path]
        else:
            raise ContentError(path, "", f"expected a result file {SHAPE}, or a folder of such files, found none")
        found |= {each.resolve(): each for each in named}
    return list(found.values())


def read_sheets(release: Release, files: Iterable[Path]) -> list[Sheet]:
    """Read result files; one that cannot be used, or holds what another held, is noted on the release and left out.

    Files of which nothing tells the setting may be of different ones: they are all counted.
    """
    sheets: list[Sheet] = []
    seen: dict[tuple[str, str, str, str, Push], str] = {}
    for read in release.read_each(files, lambda path: read_results(path, release.name(path))):
        for sheet in read:
            known = sheet.replies if sheet.setting else ()
            names = [(sheet.model, sheet.setting, each.type, each.key, each.push) for each in known]
            again = next((name for name in names if name in seen), None)
            if again is not None:
                reason = f"{again[2]}/{again[3]} ({again[4]}) of this model and setting is in {seen[again]} already"
                release.note(Path(sheet.file), f"{reason}; left out")
                continue
            seen |= dict.fromkeys(names, sheet.file)
            sheets.append(sheet)
    return sheets


def read_results(path: Path, name: str) -> list[Sheet]:
    """Read one result file.

    Args:
        path: Where it lies.
        name: How it is told.

    Raises:
        ContentError: With the entry, and what was expected of it.
    """
    written = read_json(path, f"an object {SHAPE}")
    if not isinstance(written, dict):
        raise ContentError(path, "", f"expected an object {SHAPE}, got {told(written)}")
    parts = {key: value for key, value in written.items() if not key.startswith(_PRIVATE)}
    if not parts:
        raise ContentError(path, "", f"expected an object {SHAPE}, got no types")
    named = _NAME.fullmatch(path.stem)
    model = named["model"] if named else path.stem
    settings = {key: _SETTING.fullmatch(key) for key in parts}
    if all(settings.values()):
        return [
            Sheet(name, model, f"{match['benefit']}_{match['harm']}", tuple(_replies(path, f"{key}/", parts[key])))
            for key, match in settings.items()
            if match is not None
        ]
    placed = named or _SETTING.fullmatch(path.parent.name)
    setting = f"{placed['benefit']}_{placed['harm']}" if placed else ""
    return [Sheet(name, model, setting, tuple(_replies(path, "", parts)))]


def _replies(path: Path, prefix: str, types: Any) -> Iterator[Reply]:  # noqa: ANN401 - any JSON value
    if not isinstance(types, dict):
        raise ContentError(path, prefix.rstrip("/"), f"expected {SHAPE}, got {told(types)}")
    for type_, records in types.items():
        where = f"{prefix}{type_}"
        if type_.startswith(_PRIVATE):
            continue
        if not type_.endswith(_TYPE_ENDS):
            raise ContentError(path, where, str(UnknownNameError("type of item", type_, TYPES)))
        if not isinstance(records, dict):
            raise ContentError(path, where, f"expected records by key_push, got {told(records)}")
        for key_push, record in records.items():
            yield _reply(path, f"{where}/{key_push}", type_, key_push, record)


def _reply(path: Path, where: str, type_: str, key_push: str, record: Any) -> Reply:  # noqa: ANN401 - any JSON value
    key, underscore, after = key_push.rpartition("_")
    push = next((name for name, text in PUSHES.items() if after.strip() == text.strip()), None)
    if not underscore or push is None or key.count("_") < 2:
        raise ContentError(path, where, "expected DOMAIN_HARM_INCENTIVE, an underscore, and the push or nothing")
    if not isinstance(record, dict):
        raise ContentError(path, where, f'expected {{"generated": text, "switch": true or false}}, got {told(record)}')
    generated, switch = _field(path, where, record, "generated"), _field(path, where, record, "switch")
    if not isinstance(generated, str | None):
        raise ContentError(path, f"{where}/generated", f"expected a text, got {told(generated)}")
    if switch not in (True, False):
        raise ContentError(path, f"{where}/switch", f"expected true or false, got {told(switch)}")
    return Reply(type_, key, push, bool(switch), generated or "")


def _field(path: Path, where: str, record: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - any JSON value
    if name not in record:
        raise ContentError(path, where, f"expected the field {name!r}, got only {', '.join(sorted(record)) or 'none'}")
    return record[name]
