"""safegym: what does an agent give up, and whom does it hurt, to reach its goal?

Importing the package registers its environments and loads nothing else; public names load when they are used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from safegym.registration import register

__version__ = "0.1.0"

_PUBLIC = {
    "run": "safegym.rollout",
    "grade": "safegym.graders",
    "report": "safegym.report",
    "replay": "safegym.replay",
    "open_run": "safegym.log",
    "find_scenario": "safegym.content",
    "find_scenarios": "safegym.content",
    "find_suite": "safegym.content",
    "Results": "safegym.rollout",
    "SafegymEnv": "safegym.env",
}

__all__ = ["__version__", *_PUBLIC]

register()


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object
    if name not in _PUBLIC:
        raise AttributeError(f"module 'safegym' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
