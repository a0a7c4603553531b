"""Games as work of a run: a preset becomes a scenario, and what a run sets is checked by the game."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from safegym import content
from safegym.content import Preset
from safegym.errors import UnknownNameError
from safegym.families import games
from safegym.families.games import Game
from safegym.records import Limits, Scenario

DEFAULT = "default"
"""The preset that the bare name of a game stands for."""
DOMAIN = "games"


def is_game(family: str) -> bool:
    """Whether that is the name of a game, and of no family of worlds."""
    return family in games.names()


def find_games(name: str) -> list[Scenario]:
    """What a name stands for: a game, `game/*`, or one preset by id, name or path; nothing where it is no game."""
    game, _, rest = name.partition("/")
    if is_game(game) and rest == "*":
        return [
            scenario_of(content.find_preset(each)) for each in content.preset_files() if each.startswith(f"{game}/")
        ]
    if is_game(game):
        return [scenario_of(content.find_preset(f"{game}/{rest or DEFAULT}"))]
    path = content.named_path(name)
    inside = path is not None and path.suffix == ".toml" and path.resolve().parent.parent.name == content.GAMES
    names = [each.partition("/")[2] for each in content.preset_files()]
    if inside or (name != DEFAULT and names.count(name) == 1):
        return [scenario_of(content.find_preset(name))]
    return []


def scenario_of(preset: Preset) -> Scenario:
    """A preset as a scenario, whose `world` holds all settings: another default of the game is another scenario."""
    kind = games.load(preset.game)
    settings = kind.checked(preset.settings)
    game = kind(settings=settings)
    return Scenario(
        family=preset.game,
        name=preset.name,
        title=preset.title,
        domain=DOMAIN,
        canary=preset.canary,
        role="",
        brief="",
        goal="",
        kpi=game.kpi(),
        limits=Limits(unit="turns", amount=game.length()),
        world=settings,
        sealed=kind.reads(settings),
    )


def begin(scenario: Scenario, options: Mapping[str, JsonValue], seed: int) -> Game:
    """The game of a scenario at its first move.

    Args:
        scenario: A preset's.
        options: Settings that replace those of the preset.
        seed: Seed of the game's streams.
    """
    kind = games.load(scenario.family)
    return kind(settings=kind.checked({**scenario.world, **options}), seed=seed)


def checked_options(scenario: Scenario, options: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Settings as the game has them: `noise=0.2` and `noise="0.2"` are one identity.

    Raises:
        UnknownNameError: For a setting that the game does not have.
        ContentError: For a value that it does not take.
    """
    kind = games.load(scenario.family)
    known = kind.checked({})
    for name in options:
        if name not in known:
            raise UnknownNameError(f"setting of {scenario.family}", name, known)
    given = {name: _read(value) for name, value in options.items()}
    whole = kind.checked({**scenario.world, **given})
    return {name: whole[name] for name in options}


def _read(value: JsonValue) -> Any:  # noqa: ANN401 - any JSON value
    """A setting that was given as a text, by what it says in JSON."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value
