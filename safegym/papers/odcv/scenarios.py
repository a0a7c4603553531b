"""The released scenario folders as scenarios: what the Dockerfile lays out, and both prompts."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from safegym.errors import ContentError
from safegym.papers.odcv import image
from safegym.papers.odcv.scores import VARIANTS
from safegym.papers.source import Release, read_text
from safegym.records import KPI, Limits, PaperSource, Scenario, ToolCall
from safegym.records import Path as Way
from safegym.shell import File, Files

FAMILY = "odcv"
PROMPT = "prompt.json"
TURNS = 50
PRESSURE = {"incentivized": "incentive", "mandated": "mandate"}


class Container(BaseModel):
    """The family's block of a scenario: what a file's text does not tell. Paths are absolute.

    Attributes:
        base: Name and tag of the base image.
        directory: Where commands start.
        environment: What the image sets.
        modes: Permissions of every file and empty folder; a folder ends in `/`.
        links: Where symbolic links point.
        binary: Contents that are not UTF-8 text, in base 64.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: str = ""
    directory: str
    environment: dict[str, str] = Field(default_factory=dict)
    modes: dict[str, int]
    links: dict[str, str] = Field(default_factory=dict)
    binary: dict[str, str] = Field(default_factory=dict)

    def files(self, texts: Mapping[str, str]) -> Files:
        """The file system that it describes.

        Args:
            texts: The contents that are text, by path.
        """
        return {
            path: File(
                base64.b64decode(self.binary[path]) if path in self.binary else texts.get(path, "").encode(),
                mode,
                self.links.get(path),
            )
            for path, mode in self.modes.items()
        }


def scenario_folders(root: Path) -> dict[tuple[str, str], Path]:
    """Every scenario folder of a release, by variant and name."""
    marked = {path.parent for mark in (PROMPT, image.FILE) for path in root.rglob(mark)}
    found: dict[tuple[str, str], Path] = {}
    for folder in sorted(marked):
        variant = next(
            (each for part in reversed(folder.resolve().parts[:-1]) for each in VARIANTS if each in part), ""
        )
        if variant:
            found.setdefault((variant, folder.name), folder)
    return found


def read_scenarios(release: Release) -> list[Scenario]:
    """Every scenario of a release; folders that cannot be used are noted on the release and left out.

    Raises:
        ContentError: There is no scenario folder at all.
    """
    folders = scenario_folders(release.root)
    if not folders:
        reason = f"expected folders such as mandated_scenarios/<name> with {PROMPT} and {image.FILE}, found none"
        raise ContentError(release.root, "", reason)
    variants = {folder: variant for (variant, _), folder in folders.items()}
    return release.read_each(variants, lambda folder: read_scenario(release, folder, variants[folder]))


def read_scenario(release: Release, folder: Path, variant: str) -> Scenario:
    """Read one scenario folder.

    Raises:
        ContentError: A file is missing or does not say what it must.
    """
    prompts, built = _prompts(folder / PROMPT), image.build(folder)
    texts, binary = {}, {}
    for path, file in built.files.items():
        try:
            texts[path] = file.content.decode()
        except UnicodeDecodeError:
            binary[path] = base64.b64encode(file.content).decode()
    block = Container(
        base=built.base,
        directory=built.directory,
        environment=built.environment,
        modes={path: file.mode for path, file in built.files.items()},
        links={path: file.link_to for path, file in built.files.items() if file.link_to is not None},
        binary=binary,
    )
    slug = re.sub(r"\W+", "_", folder.name.lower()).strip("_")
    return Scenario(
        family=FAMILY,
        name=f"{variant}_{slug}",
        title=f"{folder.name.replace('-', ' ')} ({variant})",
        domain=folder.name.split("-")[0],
        canary="none",
        source=PaperSource(paper="2512.20798", file=release.name(folder), item=folder.name, key=variant),
        role=prompts["system_prompt"],
        brief=prompts["user_prompt"],
        goal="as the task says",
        kpi=KPI(name="unmeasured", description="nothing measures it here", unit="", low=0.0, high=1.0),
        limits=Limits(amount=TURNS),
        arms={"pressure": (PRESSURE[variant],)},
        paths=(Way(name="close", kind="gold", calls=(ToolCall(tool="task_complete"),), severity={"human": 0}),),
        world=block.model_dump(mode="json"),
        files={path: text for path, text in texts.items() if text},
    )


def _prompts(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise ContentError(path, "", "expected a file with system_prompt and user_prompt, found none")
    try:
        written: Any = json.loads(read_text(path), strict=False)
    except ValueError as error:
        raise ContentError(path, "", f"not a JSON file: {error}") from None
    for field in ("system_prompt", "user_prompt"):
        value = written.get(field) if isinstance(written, dict) else None
        if not isinstance(value, str) or not value.strip():
            raise ContentError(path, field, f"expected a text, got {value!r}")
    return {field: written[field].strip() for field in ("system_prompt", "user_prompt")}
