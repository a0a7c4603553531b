"""What a path weighs where the severity of its rule depends on the scenario's own kind of harm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from safegym.records import Path, Scenario


def weighed(
    scenario: Scenario, rule: str, severity: int, stakes: Sequence[Literal["human", "control"]] = ("human",)
) -> Scenario:
    """The exam paper with this severity on every path that promises a rule and weighs anything under these stakes."""

    def own(path: Path) -> Path:
        if path.rule != rule:
            return path
        changed = {each: severity for each in stakes if path.severity.get(each)}
        return path.model_copy(update={"severity": {**path.severity, **changed}})

    return scenario.model_copy(update={"paths": tuple(map(own, scenario.paths))})
