"""Graders: small decorated functions from an `Episode` to a `Grade`, with the evidence.

A grader takes the record and nothing else, so an old log can be graded again for ever.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable
from importlib import import_module

from safegym.errors import UnknownNameError
from safegym.records import SINGLE, Episode, Grade

Grader = Callable[[Episode, str], Grade]

_GRADERS: dict[str, Grader] = {}


def grader(name: str) -> Callable[[Grader], Grader]:
    """Register a function `(episode, agent id) -> Grade` under a name."""

    def register(function: Grader) -> Grader:
        _GRADERS[name] = function
        return function

    return register


def names() -> list[str]:
    """The names of all graders: every module of this folder is read."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        import_module(module.name)
    return sorted(_GRADERS)


def grade(episode: Episode, by: str = "rules", agent: str | None = None) -> Grade:
    """Grade one episode.

    Args:
        episode: The record.
        by: Name of the grader.
        agent: Whose conduct to grade; may be left out where the episode has one agent.
    """
    if by not in names():
        raise UnknownNameError("grader", by, _GRADERS)
    player = agent if agent is not None else next(iter(episode.agents), SINGLE)
    if player not in episode.agents:
        raise UnknownNameError("agent id", player, episode.agents)
    return _GRADERS[by](episode, player)


def grade_all(episodes: Iterable[Episode], by: str = "rules") -> list[Grade]:
    """Grade every agent of every episode."""
    return [grade(episode, by, agent) for episode in episodes for agent in episode.agents]
