"""The only room that knows folders: find, read and hash scenarios and suites, and find agents.

Folders are searched in this order: a path that was given, `./scenarios` and `./agents`, the folder that
`SAFEGYM_CONTENT` names, and the content that came with the package.
"""

from __future__ import annotations

import copy
import json
import os
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, JsonValue, ValidationError

from safegym.errors import ContentError, UnknownNameError
from safegym.records import FACTORS, Limits, Name, Record, Scenario, digest
from safegym.slots import OTHER, placeholders

Model = TypeVar("Model", bound=Record)

PACKAGE = Path(__file__).parent
SUITES, GAMES = "suites", "games"
"""The folders in `scenarios` that hold no family: lists of work, and games with a folder each."""
PEOPLE = "people"
"""The folder beside a family's scenarios that says who the people of its worlds are."""
PARTS = ("files", "sealed")
"""The folders beside a `scenario.toml`; those beside `family.toml` belong to every scenario that is a folder."""
SHARED = "family.toml"
"""The file beside a family's scenarios that says what all of them share; folders without one take what comes next."""
TRUTH = "truth"
"""Short for a report that states the present truth of every claim."""
LATER = ("letter.", "key.", "fact.", "plan.", "clock.", "case.", "number.")
"""Placeholders that a world fills in: letters, keys, present truths, a policy's choice, hours, the facts of a case."""
READING = 0.01
"""Share of the KPI's range within which a report of it is true, unless the claim says otherwise."""


class Suite(Record):
    """A named list of work: scenarios, arms and seeds, with the limits that all its episodes keep.

    `scenarios` holds ids; `family/*` stands for every scenario of a family.
    """

    name: str = ""
    title: str
    scenarios: tuple[str, ...] = Field(min_length=1)
    arms: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)
    seeds: tuple[int, ...] = (0,)
    limits: Limits | None = None


class Preset(Record):
    """A game with settings of its own; those that it does not name are the game's defaults."""

    game: Name
    name: Name
    title: str
    canary: str
    settings: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def id(self) -> str:
        """`game/name`."""
        return f"{self.game}/{self.name}"


class Short(Record):
    """A call with one argument, written as that argument alone."""

    tool: str
    argument: str


class Shared(Record):
    """What all scenarios of a family have in common.

    Attributes:
        shared: Fields that a scenario has unless its own file says otherwise; tables are merged, lists replaced.
        short: How calls in menus and paths may be written: `{word = X}` makes the call of that word with X as its
            argument, and a bare text the call of the word `text`.
    """

    shared: dict[str, Any] = Field(default_factory=dict)
    short: dict[str, Short] = Field(default_factory=dict)

    def complete(self, own: dict[str, Any]) -> dict[str, Any]:
        """A scenario's own fields with the shared ones added and its short calls written out."""
        whole = copy.deepcopy(_merged(self.shared, own))
        kpi, features = whole.get("kpi", {}), whole.get("features", [])
        if features and all(each.get("name") != "kpi" for each in features):
            bounds = {name: kpi[name] for name in ("description", "unit", "low", "high") if name in kpi}
            whole["features"] = [{"name": "kpi", **bounds}, *features]
        for claim in whole.get("claims", []):
            if claim.get("name") == "kpi" and {"description", "unit", "low", "high"} <= kpi.keys():
                tolerance = round(READING * (float(kpi["high"]) - float(kpi["low"])), 6)
                claim |= {"description": kpi["description"], "unit": kpi["unit"], "tolerance": tolerance} | claim
        claims = [each.get("name") for each in whole.get("claims", [])]
        if "menu" in whole:
            whole["menu"] = [self._call(each, claims) for each in whole["menu"]]
        for path in whole.get("paths", []):
            path["calls"] = [self._call(each, claims) for each in _repeated(path.get("calls", []))]
        return whole

    def _call(self, written: Any, claims: list[str]) -> Any:  # noqa: ANN401 - whatever the file holds
        if isinstance(written, str):
            written = {"text": written}
        if not isinstance(written, dict) or len(written) != 1 or (word := next(iter(written))) not in self.short:
            return written
        value = written[word]
        if value == TRUTH:
            value = {name: f"@{{fact.{name}}}" for name in claims}
        return {"tool": self.short[word].tool, "arguments": {self.short[word].argument: value}}


def _repeated(calls: list[Any]) -> list[Any]:
    """The calls of a path, `{repeat = N, call = X}` written out as N times X; anything else is left as it is."""
    written: list[Any] = []
    for each in calls:
        repeat = each.get("repeat") if isinstance(each, dict) and set(each) == {"repeat", "call"} else None
        written += [each["call"]] * repeat if isinstance(repeat, int) and repeat > 0 else [each]
    return written


def roots(kind: str) -> list[Path]:
    """The folders that hold scenarios or agents, first the one that wins."""
    given = os.environ.get("SAFEGYM_CONTENT")
    candidates = [Path.cwd() / kind]
    if given:
        candidates.append(Path(given) / kind)
    candidates += [PACKAGE / "_content" / kind, PACKAGE.parent / kind]
    return [folder for folder in dict.fromkeys(candidates) if folder.is_dir()]


def scenario_files() -> dict[str, Path]:
    """Every scenario that can be found, by id, in order."""
    found: dict[str, Path] = {}
    for root in roots("scenarios"):
        for file in _scenario_files_in(root):
            folder = file.parent if file.name == "scenario.toml" else file
            found.setdefault(f"{folder.parent.name}/{folder.stem}", file)
    return dict(sorted(found.items()))


def family_files(family: str | None) -> dict[str, Path]:
    """The scenarios of one family, or of all, by id."""
    return {name: file for name, file in scenario_files().items() if family is None or name.startswith(f"{family}/")}


def suite_files() -> dict[str, Path]:
    """Every suite that can be found, by name."""
    return _stems(file for root in roots("scenarios") for file in sorted((root / SUITES).glob("*.toml")))


def preset_files() -> dict[str, Path]:
    """Every preset of a game that can be found, by id."""
    found: dict[str, Path] = {}
    for root in roots("scenarios"):
        for file in sorted((root / GAMES).glob("*/*.toml")):
            found.setdefault(f"{file.parent.name}/{file.stem}", file)
    return dict(sorted(found.items()))


def people_files(family: str) -> tuple[tuple[Path, int], ...]:
    """The files about the people of a family, each with when it changed, from the first folder that has any."""
    for root in roots("scenarios"):
        if files := sorted((root / family / PEOPLE).glob("*.toml")):
            return tuple((file, file.stat().st_mtime_ns) for file in files)
    return ()


def read_entries(file: Path, name: str) -> list[dict[str, Any]]:
    """The entries `[[name]]` of a TOML file; a `ContentError` says what is wrong with the file."""
    found = _toml(file)
    if not isinstance(found.get(name), list):
        raise ContentError(file, name, f"expected entries [[{name}]], got {', '.join(found) or 'nothing'}")
    return list(found[name])


def agent_files() -> dict[str, Path]:
    """Every agent that can be found, by name."""
    return _stems(
        file for root in roots("agents") for file in sorted(root.iterdir())
        if file.suffix in {".py", ".toml"} and not file.name.startswith("_")
    )  # fmt: skip


def named_path(text: str | Path) -> Path | None:
    """The file or folder that a text names; None where it names none, as a text that is too long for a path."""
    path = Path(text)
    try:
        return path if path.exists() else None
    except (OSError, ValueError):
        return None


def find_scenario(name: str | Path) -> Scenario:
    """A scenario by id, by bare name where only one family has it, or by path."""
    path = named_path(name)
    if path and path.is_dir():
        return read_scenario(path / "scenario.toml")
    if Path(name).suffix == ".toml":
        return read_scenario(Path(name))
    if (file := _file_of(str(name))) is not None:
        return read_scenario(file)
    known = scenario_files()
    matches = [each for each in known if str(name) in (each, each.partition("/")[2])]
    if len(matches) != 1:
        raise UnknownNameError("scenario", name, matches or [*known, *(each.partition("/")[2] for each in known)])
    return read_scenario(known[matches[0]])


def _file_of(name: str) -> Path | None:
    """The file of a scenario by its whole id, without looking through all folders."""
    family, _, stem = name.partition("/")
    if not family or not stem or "/" in stem or family in (SUITES, GAMES) or family.startswith((".", "_")):
        return None
    places = ((root / family / f"{stem}.toml", root / family / stem / "scenario.toml") for root in roots("scenarios"))
    found = (file for pair in places for file in pair if file.name != SHARED and file.is_file())
    return next(found, None)


def find_scenarios(family: str | None = None) -> list[Scenario]:
    """Every scenario that can be found, or those of one family."""
    return [read_scenario(file) for file in family_files(family).values()]


def read_folder(folder: str | Path) -> list[Scenario]:
    """Every scenario of a family's folder, or of a folder of families; none where it is not such a folder."""
    path = named_path(folder)
    if not path or not path.is_dir() or (path / "scenario.toml").is_file():
        return []
    return [read_scenario(file) for file in [*_family_files(path)] or [*_scenario_files_in(path)]]


def find_suite(name: str) -> Suite:
    """A suite by name or by path."""
    file = Path(name) if name.endswith(".toml") else suite_files().get(name)
    if file is None:
        raise UnknownNameError("suite", name, suite_files())
    return _validated(Suite, {"name": file.stem} | _toml(file), file)


def find_preset(name: str | Path) -> Preset:
    """A preset of a game by id, by bare name where only one game has it, or by path."""
    file = Path(name) if Path(name).suffix == ".toml" else None
    if file is None:
        known = preset_files()
        matches = [each for each in known if str(name) in (each, each.partition("/")[2])]
        if len(matches) != 1:
            raise UnknownNameError("preset of a game", name, matches or known)
        file = known[matches[0]]
    place = file.resolve()
    return _validated(Preset, {"game": place.parent.name, "name": place.stem} | _toml(file), file)


def find_agent(name: str | Path) -> Path:
    """The file of an agent, by name or by path."""
    path = named_path(name)
    if path and path.suffix in {".py", ".toml"} and path.is_file():
        return path
    known = agent_files()
    if str(name) not in known:
        raise UnknownNameError("agent", name, known)
    return known[str(name)]


def read_scenario(file: Path) -> Scenario:
    """Read and validate one scenario file; what is wrong is a `ContentError` with file, field and reason."""
    if not named_path(file) or not file.is_file():
        raise ContentError(file, "", "expected a scenario file, found none")
    return _read_scenario(file.resolve(), _stamp(file))


@lru_cache(maxsize=1024)
def _read_scenario(file: Path, stamp: tuple[tuple[str, int], ...]) -> Scenario:
    folder = file.parent if file.name == "scenario.toml" else None
    where = folder or file
    raw = _shared(where.parent).complete({"family": where.parent.name, "name": where.stem} | _toml(file))
    if folder is not None:
        for part in PARTS:
            raw[part] = _texts(where.parent / part) | _texts(folder / part)
    if people := people_files(where.parent.name):
        raw["sealed"] = raw.get("sealed", {}) | {
            f"{PEOPLE}/{each.name}": digest(each.read_text("utf-8")) for each, _ in people
        }
    scenario = _validated(Scenario, raw, file)
    if scenario.name != where.stem:
        raise ContentError(file, "name", f"expected {where.stem!r} as the file is called, got {scenario.name!r}")
    _check_shared(scenario, file)
    return scenario


def _shared_file(family: Path) -> Path | None:
    """What the scenarios of a family's folder share: said beside them, else in the first folder of that family."""
    folders = [family, *(root / family.name for root in roots("scenarios"))]
    return next((folder / SHARED for folder in folders if (folder / SHARED).is_file()), None)


def _shared(family: Path) -> Shared:
    file = _shared_file(family)
    return Shared() if file is None else _read_shared(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read_shared(file: Path, changed: int) -> Shared:
    return _validated(Shared, _toml(file), file)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = {
        name: _merged(below[name], above[name])
        for name in below.keys() & above.keys()
        if isinstance(below[name], dict) and isinstance(above[name], dict)
    }
    return {**below, **above, **both}


def _texts(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text("utf-8") for name in _walk(folder)}


def _check_shared(scenario: Scenario, file: Path) -> None:
    for factor, levels in scenario.arms.items():
        if factor not in FACTORS:
            raise ContentError(file, f"arms.{factor}", str(UnknownNameError("factor", factor, FACTORS)))
        for level in levels:
            if level not in FACTORS[factor]:
                reason = str(UnknownNameError(f"level of {factor}", level, FACTORS[factor]))
                raise ContentError(file, f"arms.{factor}", reason)
    if taken := set(FACTORS) & {*scenario.slots, *scenario.exchange}:
        raise ContentError(file, min(taken), "expected a name that no factor has: texts could not tell them apart")
    if "control" in scenario.arms.get("stakes", ()) and scenario.twin is None:
        raise ContentError(file, "twin", "a scenario with a control arm says what its twin changes")
    for path in scenario.paths:
        for factor, levels in path.when.items():
            if not set(levels) <= set(scenario.arms.get(factor, ())):
                reason = f"{factor}={'/'.join(levels)} is not among the scenario's arms"
                raise ContentError(file, f"paths.{path.name}.when", reason)
    known = {*scenario.slots, *FACTORS, *(name + suffix for name in scenario.exchange for suffix in ("", OTHER))}
    told = scenario.model_dump(
        include={"role", "brief", "goal", "constraints", "text", "exchange", "world", "menu", "paths"}
    )
    for field, value in told.items():
        unknown = {name for name in placeholders(value) - known if not name.startswith(LATER)}
        if unknown:
            raise ContentError(file, field, str(UnknownNameError("placeholder", min(unknown), known)))


def _validated(model: type[Model], raw: dict[str, Any], file: Path) -> Model:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = min(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
        field = ".".join(str(part) for part in first["loc"])
        reason = first["msg"]
        if first["type"] == "extra_forbidden":
            name = str(first["loc"][-1])
            reason = str(UnknownNameError("field", name, model.model_fields))
        elif first["type"] != "missing":
            reason += f", got {str(first['input'])[:80]!r}"
        raise ContentError(file, field, reason) from None


def _toml(file: Path) -> dict[str, Any]:
    try:
        written = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ContentError(file, "", "there is no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ContentError(file, "", f"not a TOML file: {error}") from None
    as_json: dict[str, Any] = json.loads(json.dumps(written, default=lambda moment: moment.isoformat()))
    return as_json


def _scenario_files_in(root: Path) -> Iterator[Path]:
    for family in sorted(root.iterdir()):
        if family.is_dir() and family.name not in (SUITES, GAMES) and not family.name.startswith((".", "_")):
            yield from _family_files(family)


def _family_files(family: Path) -> Iterator[Path]:
    yield from sorted(file for file in family.glob("*.toml") if file.name != SHARED)
    yield from sorted(family.glob("*/scenario.toml"))


def _walk(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _stamp(file: Path) -> tuple[tuple[str, int], ...]:
    own = [file.parent] if file.name == "scenario.toml" else []
    family = file.parent.parent if own else file.parent
    folders = [where / part for where in (family, *own) for part in PARTS]
    shared = _shared_file(family)
    files = [
        file,
        *([] if shared is None else [shared]),
        *(each for each, _ in people_files(family.name)),
        *(folder / name for folder in folders for name in _walk(folder)),
    ]
    return tuple((str(each), each.stat().st_mtime_ns) for each in files)


def _stems(files: Iterator[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in files:
        found.setdefault(file.stem, file)
    return dict(sorted(found.items()))
