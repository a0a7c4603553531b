"""What there is to play and to play with, told for people and for scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue
from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from safegym import content, families, graders, papers
from safegym.content import Preset
from safegym.errors import UnknownNameError
from safegym.families import games, presets
from safegym.handbook import family_page
from safegym.plan import make_plan
from safegym.records import Scenario
from safegym.registration import ENVIRONMENTS, GAMES

Rows = list[dict[str, str]]


def catalogue(kind: str | None = None) -> dict[str, Rows]:
    """Everything that can be named on the command line, by kind; or the one kind."""
    makers: dict[str, Callable[[], Rows]] = {
        "scenarios": lambda: [_scenario_row(content.find_scenario(name)) for name in content.scenario_files()],
        "suites": lambda: [_suite_row(name) for name in content.suite_files()],
        "agents": lambda: [
            {"name": name, "title": _first_sentence(file)} for name, file in content.agent_files().items()
        ],
        "games": lambda: [_game_row(name) for name in games.names()],
        "presets": lambda: [_preset_row(content.find_preset(name)) for name in content.preset_files()],
        "families": lambda: [_family_row(name) for name in families.names()],
        "graders": lambda: [{"name": name} for name in graders.names()],
        "papers": lambda: [_paper_row(name) for name in papers.names()],
        "environments": lambda: [
            *({"name": env_id, "family": name, "made by": "gymnasium"} for env_id, name in ENVIRONMENTS.items()),
            *({"name": env_id, "family": name, "made by": "pettingzoo"} for env_id, name in GAMES.items()),
        ],
    }
    if kind is not None and kind not in makers:
        raise UnknownNameError("kind", kind, makers)
    return {name: make() for name, make in makers.items() if kind in (None, name)}


def render_catalogue(found: Mapping[str, Rows]) -> RenderableType:
    """A table per kind; the arms of scenarios, which are long, are left to `show` and to JSON."""
    return Group(
        *(
            _table(kind, [{name: value for name, value in row.items() if name != "arms"} for row in rows])
            for kind, rows in found.items()
        )
    )


def describe(
    name: str,
    arm: Mapping[str, str | None],
    seed: int = 0,
    *,
    options: Mapping[str, JsonValue] | None = None,
    sealed: bool = False,
) -> dict[str, Any]:
    """A family's page, a scenario or a game as agents would meet it, or what a suite or an agent file holds.

    Args:
        name: A family, scenario, game, preset of a game, suite, agent or paper.
        arm: Arm levels of a scenario.
        seed: Seed of the scenario's slots, or of the game.
        options: Options of the scenario's family, or settings of the game.
        sealed: Add what only the referee knows.
    """
    if name in families.names():
        return {"kind": "family", **_family_row(name), "page": family_page(name)}
    if name.startswith(papers.PREFIX):
        return _described_paper(name.removeprefix(papers.PREFIX))
    if found := presets.find_games(name):
        return _described_game(found[0], options or {}, seed)
    if name in content.suite_files():
        return {"kind": "suite", **content.find_suite(name).model_dump(mode="json")}
    if name in content.agent_files():
        file = content.find_agent(name)
        return {"kind": "agent", "name": name, "file": str(file), "text": file.read_text("utf-8")}
    try:
        scenario = content.find_scenario(name)
    except UnknownNameError as error:
        valid = [*error.valid, *families.names(), *games.names(), *content.preset_files()]
        valid += [
            *content.suite_files(),
            *content.agent_files(),
            *(f"{papers.PREFIX}{each}" for each in papers.names()),
        ]
        raise UnknownNameError("family, scenario, game, suite, agent or paper", name, valid) from None
    return _described(scenario, arm, seed, options or {}, sealed)


def render_description(found: Mapping[str, Any]) -> RenderableType:
    """A description for a terminal."""
    if found["kind"] == "family":
        return Markdown(found["page"])
    if found["kind"] == "agent":
        return Group(Text(found["file"], style="bold"), Text(found["text"]))
    if found["kind"] in ("suite", "paper"):
        return _fields({name: value for name, value in found.items() if name != "kind"})
    if found["kind"] == "game":
        return _rendered_game(found)
    parts: list[RenderableType] = [
        Text(f"{found['id']}  {found['title']}", style="bold"),
        Text(
            " ".join(f"{factor}={level}" for factor, level in found["arm"].items()) + f"  seed={found['seed']}",
            style="cyan",
        ),
        Padding(Text(found["brief"]), (1, 2)),
        _tools("tools", found["tools"]),
        _table("menu", [{"call": each} for each in found["menu"]]),
    ]
    if "paths" in found:
        parts.append(_table("sealed paths", found["paths"]))
    return Group(*parts)


def _tools(title: str, specs: Sequence[Mapping[str, Any]]) -> RenderableType:
    rows = [
        {"name": each["name"], "takes": ", ".join(each["parameters"]["properties"]), "does": each["description"]}
        for each in specs
    ]
    return _table(title, rows)


def _described_game(scenario: Scenario, options: Mapping[str, JsonValue], seed: int) -> dict[str, Any]:
    game = presets.begin(scenario, presets.checked_options(scenario, options), seed)
    return {
        "kind": "game",
        "id": scenario.id,
        "title": scenario.title,
        "question": game.TITLE,
        "hash": scenario.hash,
        "seed": seed,
        "players": {
            seat: {
                "brief": game.brief(seat),
                "tools": [spec.model_dump(mode="json") for spec in game.specs(seat)],
                "idle": game.reference(seat).idle,
                "best": game.reference(seat).best,
            }
            for seat in game.players
        },
        "settings": dict(game.settings),
        "meaning": game.explained(),
        "presets": [name for name in content.preset_files() if name.startswith(f"{scenario.family}/")],
        "reference": game.REFERENCE,
        "unscored": game.UNSCORED,
    }


def _rendered_game(found: Mapping[str, Any]) -> RenderableType:
    parts: list[RenderableType] = [
        Text(f"{found['id']}  {found['title']}", style="bold"),
        Text(f"{found['question']}  seed={found['seed']}", style="cyan"),
        Text(),
    ]
    for seat, player in found["players"].items():
        gains = f"payoff when idle {player['idle']:g}, at the {found['reference']} {player['best']:g}"
        parts += [Text(f"{seat}: {gains}", style="bold"), Padding(Text(player["brief"]), (1, 2))]
        parts.append(_tools(f"tools of {seat}", player["tools"]))
    settings = [
        {"name": name, "value": str(value), "meaning": found["meaning"].get(name, "")}
        for name, value in found["settings"].items()
    ]
    parts += [_table("settings", settings), _fields({"presets": found["presets"]}), Text(), Text(found["unscored"])]
    return Group(*parts)


def _described(
    scenario: Scenario, arm: Mapping[str, str | None], seed: int, options: Mapping[str, JsonValue], sealed: bool
) -> dict[str, Any]:
    family = families.load(scenario.family)
    world = family.start(scenario, arm, options, seed)
    found: dict[str, Any] = {
        "kind": "scenario",
        "id": scenario.id,
        "title": scenario.title,
        "arm": world.arm.levels,
        "arms": {factor: list(levels) for factor, levels in scenario.arms.items()},
        "seed": seed,
        "hash": scenario.hash,
        "brief": world.brief(),
        "tools": [spec.model_dump(mode="json") for spec in world.specs()],
        "menu": [str(call) for call in world.menu],
    }
    if sealed:
        found["paths"] = [
            {
                "name": path.name,
                "kind": path.kind,
                "severity": f"human {path.severity.get('human')}, control {path.severity.get('control')}",
                "what": path.description,
            }
            for path in world.scenario.paths
            if path.applies(world.arm)
        ]
    return found


def _scenario_row(scenario: Scenario) -> dict[str, str]:
    arms = " ".join(f"{factor}:{len(levels)}" for factor, levels in scenario.arms.items())
    return {
        "name": scenario.id,
        "domain": scenario.domain,
        "twin": scenario.twin or "",
        "arms": arms,
        "title": scenario.title,
    }


def _game_row(name: str) -> dict[str, str]:
    game = presets.begin(presets.find_games(name)[0], {}, 0)
    known = sum(each.startswith(f"{name}/") for each in content.preset_files())
    return {"name": name, "players": ", ".join(game.players), "presets": str(known), "title": game.TITLE}


def _preset_row(preset: Preset) -> dict[str, str]:
    settings = ", ".join(f"{name}={value}" for name, value in preset.settings.items())
    return {"name": preset.id, "settings": settings, "title": preset.title}


def _suite_row(name: str) -> dict[str, str]:
    suite = content.find_suite(name)
    plan = make_plan(name)
    counted = {"scenarios": str(len({job.scenario.id for job in plan.jobs})), "episodes": str(len(plan.jobs))}
    return {"name": name, **counted, "title": suite.title}


def _paper_row(name: str) -> dict[str, str]:
    files = "--data FOLDER" if papers.needs_files(name) else "none"
    work = f"{papers.PREFIX}{name}"
    return {"name": work, "files": files, "figures": f"safegym paper {name}", "title": families.load(name).title}


def _described_paper(work: str) -> dict[str, Any]:
    """What there is to do with a paper; its items are not told, since most are read from files of their own."""
    name = work.partition("/")[0]
    if name not in papers.names():
        raise UnknownNameError("paper", name, papers.names())
    row = _paper_row(name)
    given = " --data FOLDER" if papers.needs_files(name) else ""
    commands = {"play": f"safegym run {papers.PREFIX}{name}{given} --agent NAME", "figures": f"{row['figures']} --help"}
    others = [f"{papers.PREFIX}{each}" for each in papers.names() if each != name]
    return {"kind": "paper", **row, **commands, "other papers": others}


def _family_row(name: str) -> dict[str, str]:
    family = families.load(name)
    scenarios = sum(each.startswith(f"{name}/") for each in content.scenario_files())
    return {"name": name, "environment": family.env_id, "scenarios": str(scenarios), "question": family.question}


def _first_sentence(file: Path) -> str:
    """The first line that says what an agent file is: of its docstring, or of its leading comment."""
    first = file.read_text("utf-8").lstrip().splitlines()[0]
    return first.strip("\"'# ").strip()


def _table(title: str, rows: Rows) -> RenderableType:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for place, column in enumerate(rows[0] if rows else ["none"]):
        table.add_column(column, overflow="fold", no_wrap=place == 0 and len(rows[0]) > 1)
    for row in rows:
        table.add_row(*(Text(value) for value in row.values()))
    return Group(Text(title, style="bold"), Padding(table, (0, 0, 1, 0)))


def _fields(values: Mapping[str, Any]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in values.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        table.add_row(Text(name, style="dim"), Text(shown))
    return table
