"""How the episodes of a run are played: in this process, or on the workers of a cluster.

An engine is a module with a function `open_engine(players, parallel, workers)`. It is imported when it is asked for.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib import import_module

from safegym.engines.base import Engine, Players
from safegym.errors import UnknownNameError

ENGINES: dict[str, str] = {
    "local": "safegym.engines.local",
    "ray": "safegym.engines.ray",
}
"""Every engine with its module."""


def open_engine(
    name: str, players: Players, *, parallel: int, workers: int | None = None
) -> AbstractContextManager[Engine]:
    """An engine that has loaded the agents; leaving the context frees what it holds.

    Args:
        name: A name of `ENGINES`.
        players: Who plays, by seat.
        parallel: Episodes in flight at once, over all workers.
        workers: How many workers, for an engine that has them; None leaves it to the engine.

    Raises:
        UnknownNameError: For an engine that does not exist.
        EngineError: If the engine cannot play these agents, or not so.
    """
    if name not in ENGINES:
        raise UnknownNameError("engine", name, ENGINES)
    opened: AbstractContextManager[Engine] = import_module(ENGINES[name]).open_engine(players, parallel, workers)
    return opened
