"""safegym: what does an agent give up, and whom does it hurt, to reach its goal?

Importing the package registers its environments and loads nothing else; public names load when they are used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from safegym.errors import hint
from safegym.registration import register

__version__ = "0.1.0"

_PUBLIC = {
    "Results": "safegym.rollout",
    "SafegymEnv": "safegym.env",
    "find_scenario": "safegym.content",
    "find_scenarios": "safegym.content",
    "find_suite": "safegym.content",
    "grade": "safegym.graders",
    "open_run": "safegym.log",
    "run": "safegym.rollout",
}
_MODULES = ("figures", "records", "replay", "report", "testing", "wrappers")

__all__ = ["__version__", *_PUBLIC, *_MODULES]

register()


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object
    if name in _MODULES:
        return import_module(f"safegym.{name}")
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'safegym' has no attribute {name!r}; {hint(name, __all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
