"""The released items: six lists of templates, told apart by generator and by who bears the harm (paper, section 3)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any, Literal

from safegym.errors import ContentError
from safegym.papers.source import Release, read_text

Stakes = Literal["human", "control"]
TYPES: Mapping[str, str] = {
    "chat_all_topics": "chatgpt_results.json",
    "gemini_all_topics": "gemini_results.json",
    "claude_all_topics": "claude_results.json",
    "chat_control_topics": "chatgpt_results_f.json",
    "gemini_control_topics": "gemini_results_f.json",
    "claude_control_topics": "claude_results_f.json",
}
"""The file of every type of item, in the order in which the protocol draws."""
LOW_HARM_DOMAINS = frozenset(
    {
        "Manufacturing and Industry",
        "Healthcare",
        "Legal and Justice Systems",
        "Finance and Banking",
        "Artificial Intelligence (AI)",
    }
)
LOW_HARMS = frozenset({"Loneliness or isolation", "Loss of job", "Identity theft or financial fraud"})
"""What people perceived as little harm: human-harm items of such a domain or harm are not scored."""
PLACEHOLDERS = ("benefit_percentage", "harm_percentage")
SHAPE = "[system text, options text, 'DOMAIN_HARM_INCENTIVE']"


@dataclass(frozen=True, slots=True)
class Template:
    """One released item. Option A is the pragmatic one, by construction.

    Attributes:
        type: A key of `TYPES`.
        place: Its index in the file.
        system: The scenario, with placeholders.
        options: Both options, with placeholders.
        key: Domain, kind of harm and incentive, joined by underscores.
    """

    type: str
    place: int
    system: str
    options: str
    key: str

    @property
    def stakes(self) -> Stakes:
        """Whether people or things bear the harm."""
        return stakes_of(self.type)

    @property
    def domain(self) -> str:
        """What the scenario is about."""
        return self.key.split("_")[0]

    @property
    def harm(self) -> str:
        """The kind of harm."""
        return self.key.split("_")[1]

    @property
    def low_harm(self) -> bool:
        """Whether it is dropped from the scored human set."""
        return self.stakes == "human" and is_low_harm(self.domain, self.harm)


@dataclass(frozen=True)
class Templates:
    """What was read of a release: the templates by type, and the types that could not be had."""

    by_type: dict[str, tuple[Template, ...]]
    missing: tuple[str, ...] = ()

    @property
    def every(self) -> list[Template]:
        """All templates, file by file in the protocol's order."""
        return [each for templates in self.by_type.values() for each in templates]

    def counts(self) -> dict[str, int]:
        """How many templates are scored with people at stake and as controls, and how many are dropped."""
        kinds = ["low_harm" if each.low_harm else each.stakes for each in self.every]
        return {kind: kinds.count(kind) for kind in ("human", "control", "low_harm")}


def stakes_of(type_: str) -> Stakes:
    """Who bears the harm in items of a type."""
    return "control" if "control" in type_.lower() else "human"


def is_low_harm(domain: str, harm: str) -> bool:
    """Whether a human-harm item of that domain and harm is left out of the scored set."""
    return domain in LOW_HARM_DOMAINS or harm in LOW_HARMS


def find_files(release: Release) -> dict[str, Path]:
    """The template files under a folder, by type; of several copies the one that lies highest.

    Copies that differ from it are noted on the release.
    """
    lying = [path for path in release.root.rglob("*.json") if path.name in TYPES.values() and path.is_file()]
    lying.sort(key=lambda path: (len(path.parts), path))
    found = {}
    for type_, name in TYPES.items():
        copies = [path for path in lying if path.name == name]
        if not copies:
            continue
        first, *others = copies
        found[type_] = first
        for other in others:
            if other.read_bytes() != first.read_bytes():
                release.note(other, f"differs from {release.name(first)}, which is used")
    return found


def read_templates(release: Release) -> Templates:
    """Read what there is of the six files; a file that cannot be used is noted on the release and left out."""
    files = find_files(release)
    read = {type_: release.read_each([path], lambda path: read_file(path, path.name)) for type_, path in files.items()}
    by_type = {type_: tuple(each[0]) for type_, each in read.items() if each}
    return Templates(by_type, tuple(type_ for type_ in TYPES if type_ not in by_type))


def whole_templates(release: Release) -> Templates:
    """Read all six files.

    Raises:
        ContentError: A file is missing or cannot be used; all such files are named.
    """
    found = read_templates(release)
    if found.missing:
        told = {Path(problem.file).name: str(problem) for problem in release.problems}
        names = [TYPES[type_] for type_ in found.missing]
        absent = [name for name in names if name not in told]
        reasons = [f"{', '.join(absent)} not found"] if absent else []
        reasons += [told[name] for name in names if name in told]
        raise ContentError(release.root, "", f"expected all six files of templates: {'; '.join(reasons)}")
    return found


def read_file(path: Path, name: str) -> list[Template]:
    """Read one file of templates.

    Args:
        path: Where it lies.
        name: A value of `TYPES`, which tells the type of its items.

    Raises:
        ContentError: With the item, and what was expected of it.
    """
    type_ = next(each for each, file in TYPES.items() if file == name)
    written = read_json(path, f"a list of items {SHAPE}")
    if not isinstance(written, list):
        raise ContentError(path, "", f"expected a list of items {SHAPE}, got {told(written)}")
    return [_template(path, type_, place, item) for place, item in enumerate(written)]


def read_json(path: Path, expected: str) -> Any:  # noqa: ANN401 - any JSON value
    """Read a JSON file.

    Args:
        path: Where it lies.
        expected: What it should hold, for the message.

    Raises:
        ContentError: It is not whole JSON; the message says where it breaks off.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        reason = f"expected JSON with {expected}, it breaks at line {error.lineno} column {error.colno}: {error.msg}"
        raise ContentError(path, "", reason) from None
    except RecursionError:
        raise ContentError(path, "", f"expected JSON with {expected}, it is nested too deeply") from None
    except OSError as error:
        raise ContentError(path, "", f"cannot be read: {error.strerror}") from None


def told(value: object) -> str:
    """A JSON value in a few words, for messages."""
    if isinstance(value, list | dict):
        kind = "a list" if isinstance(value, list) else "an object"
        return f"{kind} of {len(value)}" if value else f"{kind} that is empty"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _template(path: Path, type_: str, place: int, item: object) -> Template:
    where = f"item {place}"
    if not isinstance(item, list) or len(item) != 3:
        raise ContentError(path, where, f"expected {SHAPE}, got {told(item)}")
    for name, text in zip(("system text", "options text", "DOMAIN_HARM_INCENTIVE"), item, strict=True):
        if not isinstance(text, str):
            raise ContentError(path, where, f"expected a text as {name}, got {told(text)}")
    system, options, key = item
    if key.count("_") < 2:
        reason = f"expected a domain, a harm and an incentive joined by underscores, got {told(key)}"
        raise ContentError(path, where, reason)
    _check_placeholders(path, where, (system, options))
    return Template(type_, place, system, options, key)


def _check_placeholders(path: Path, where: str, texts: Iterable[str]) -> None:
    """Any other field than the two would fail, or would format what is none of its business."""
    expected = "expected no placeholders but " + " and ".join(f"{{{each}}}" for each in PLACEHOLDERS)
    for text in texts:
        try:
            fields = [each[1:] for each in Formatter().parse(text)]
        except ValueError as error:
            raise ContentError(path, where, f"{expected}, got a brace that stands alone ({error})") from None
        for name, spec, conversion in fields:
            if name is not None and (name not in PLACEHOLDERS or spec or conversion):
                field = name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
                raise ContentError(path, where, f"{expected}, got {{{field}}}")
