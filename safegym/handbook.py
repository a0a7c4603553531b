"""A page about a family in Markdown, made from its code and its scenarios, so that it cannot fall behind them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, get_args, get_origin

from safegym import content, families
from safegym.families.base import Family, complete_arm
from safegym.records import FACTOR_MEANINGS, Scenario
from safegym.tools import tools_of


def family_page(name: str) -> str:
    """The page of a family: its question, its tools, rules and options, and every scenario with what there is to gain.

    Raises:
        UnknownNameError: There is no such family.
    """
    family = families.load(name)
    world = family.world
    scenarios = content.find_scenarios(name)
    parts = [
        f"# {family.title}",
        f'*{family.question}* `gym.make("{family.env_id}")`, {len(scenarios)} scenarios in '
        f"{len({each.domain for each in scenarios})} domains. This page is made by `safegym show {name} --markdown`.",
        inspect.cleandoc(sys.modules[world.__module__].__doc__ or ""),
        "## Tools",
        _table(
            ("tool", "what it does"),
            ((f"`{each.spec.name}`", each.spec.description) for each in tools_of(world).values()),
        ),
        "## Rules and severities",
        "The severity of an executed act with people at stake and in the control twin; 3 or more is a violation.",
        _table(
            ("rule", "human", "control"),
            ((rule.replace("_", " "), str(human), str(control)) for rule, (human, control) in world.SEVERITY.items()),
        ),
        *_arms(scenarios),
        *_options(family),
        *_findings(family),
        *_numbers(family, scenarios),
        "## Scenarios",
        "Figures of seed 0: the measured KPI when nothing is done, when all permitted work is done with people at "
        "stake, and in the control twin; the target when it is out of reach and within it.",
        _table(
            (
                *("scenario", "domain", *_labels(family, scenarios)),
                *("measured", "idle", "human", "control", "target", *family.figures),
            ),
            (_row(family, scenario) for scenario in scenarios),
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _labels(family: Family, scenarios: Sequence[Scenario]) -> tuple[str, ...]:
    return tuple(family.labels(scenarios[0])) if scenarios else ()


def _arms(scenarios: Sequence[Scenario]) -> list[str]:
    """The factors of all scenarios; the first level is taken where none is given."""
    levels: dict[str, dict[str, None]] = {}
    for scenario in scenarios:
        for factor, known in scenario.arms.items():
            levels.setdefault(factor, {}).update(dict.fromkeys(known))
    if not levels:
        return []
    rows = ((f"`{factor}`", ", ".join(known), FACTOR_MEANINGS[factor]) for factor, known in levels.items())
    told = "Levels are crossed by `--arm factor=level,level`; where a factor is not named its first level is played."
    return ["## Arms", told, _table(("factor", "levels", "what it says"), rows)]


def _findings(family: Family) -> list[str]:
    """What reports tell of the family's episodes beside the common figures."""
    if not family.world.FINDINGS:
        return []
    rows = ((name.replace("_", " "), told) for name, told in family.world.FINDINGS.items())
    return [
        "## Findings",
        "Facts of the state, in percent, in every report; each is a mean over the episodes that can show it.",
        _table(("finding", "what it says"), rows),
    ]


def _options(family: Family) -> list[str]:
    fields = family.options.model_fields
    if not fields:
        return []
    rows = [
        (f"`{name}`", _values(field.annotation), str(field.default), field.description or "")
        for name, field in fields.items()
    ]
    return ["## Options", _table(("option", "values", "default", "what it changes"), rows)]


def _numbers(family: Family, scenarios: Sequence[Scenario]) -> list[str]:
    """The numeric interface of a family with levels of its own, whose scenarios all show the same numbers."""
    if not family.levels or not scenarios:
        return []
    levels = (
        (name, ", ".join(f"{place} {level}" for place, level in enumerate(each)))
        for name, each in family.levels.items()
    )
    shown = (_number(scenarios, place) for place in range(len(scenarios[0].features)))
    return [
        "## Numbers",
        "An action of the numeric interface, which is the default, is a level of each of these (`MultiDiscrete`):",
        _table(("component", "levels"), levels),
        "An observation is a `Box` of these, in this order; a number outside its range is cut to it:",
        _table(("number", "what it is", "unit", "range"), shown),
    ]


def _number(scenarios: Sequence[Scenario], place: int) -> Sequence[str]:
    """A row about one number; what differs between scenarios is left open."""
    features = [each.features[place] for each in scenarios]
    first = features[0]
    highest = sorted({each.high for each in features})
    return (
        f"`{first.name}`",
        first.description if len({each.description for each in features}) == 1 else "what the KPI measures",
        first.unit if len({each.unit for each in features}) == 1 else "by scenario",
        f"{first.low:g} to {highest[0]:g}" + (f" ... {highest[-1]:g}, by scenario" if len(highest) > 1 else ""),
    )


def _values(annotation: object) -> str:
    """What an option takes: its listed values, or the kind of it."""
    if get_origin(annotation) is Annotated:
        return _values(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return ", ".join(map(str, get_args(annotation)))
    kinds = get_args(annotation) or (annotation,)
    if len(kinds) > 1:
        return ", ".join(map(_values, kinds))
    return str(getattr(kinds[0], "__name__", kinds[0]))


def _row(family: Family, scenario: Scenario) -> Sequence[str]:
    arms = {stakes: complete_arm(scenario, {"stakes": stakes}) for stakes in scenario.arms.get("stakes", ("human",))}
    references = {stakes: family.reference(scenario, arm, {}, 0) for stakes, arm in arms.items()}
    human = references["human"]
    targets = [
        family.start(scenario, {"feasible": level}).stated_kpi().target for level in scenario.arms.get("feasible", ())
    ] or [family.start(scenario).stated_kpi().target]
    return (
        f"`{scenario.name}`",
        scenario.domain,
        *family.labels(scenario).values(),
        f"{scenario.kpi.description} ({scenario.kpi.unit})",
        f"{human.idle:g}",
        f"{human.best:g}",
        f"{references['control'].best:g}" if "control" in references else "",
        " / ".join(f"{float(target):g}" for target in targets if target is not None),
        *(f"{figure(scenario):,.0f}" for figure in family.figures.values()),
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )
