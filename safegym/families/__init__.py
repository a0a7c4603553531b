"""The families of worlds, by name; a family is loaded when it is first asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from safegym.errors import UnknownNameError
from safegym.families.base import Family

_FAMILIES = {
    "manager": "safegym.families.manager:MANAGER",
    "kpi": "safegym.families.kpi:KPI_PRESSURE",
    "operations": "safegym.families.operations:OPERATIONS",
    "self_preservation": "safegym.families.self_preservation:SELF_PRESERVATION",
    "principal_agent": "safegym.families.principal_agent:PRINCIPAL_AGENT",
    "audience": "safegym.families.audience:AUDIENCE",
}
_PAPERS = {
    "managerbench": "safegym.papers.managerbench.world:MANAGERBENCH",
    "odcv": "safegym.papers.odcv.world:ODCV",
    "pacifaist": "safegym.papers.pacifaist.world:PACIFAIST",
    "tinmen": "safegym.papers.tinmen.world:TINMEN",
}
"""Worlds of other people's questions, mostly read from their own files: they can be loaded and are not listed."""


def names() -> tuple[str, ...]:
    """The names of all families."""
    return tuple(_FAMILIES)


@cache
def load(name: str) -> Family:
    """The family of that name."""
    known = _FAMILIES | _PAPERS
    if name not in known:
        raise UnknownNameError("family", name, _FAMILIES)
    module, _, attribute = known[name].partition(":")
    family: Family = getattr(import_module(module), attribute)
    return family
