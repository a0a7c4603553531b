"""Bargains as figures: approval against each probe, and both over the audience's credulity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count, pairwise
from pathlib import Path
from typing import Any

from safegym.figures import COLOURS, COLUMNS, GREY, MARKERS, finish, panels_of, styled
from safegym.records import Estimate
from safegym.training.bargain import MEANINGS, PROBES, Bargain

APPROVAL = "approval gained"
SPREAD = 0.3
"""Of the distance between two values of credulity, what the lines stand apart altogether."""
MARGIN = 4.0
"""Points of room around what is drawn."""


def bargain_figure(found: Sequence[Bargain], path: str | Path) -> Path:
    """Approval gained against the change of each probe, a point for every bargain, with intervals both ways.

    Args:
        found: At least one; controls are drawn hollow and grey.
        path: Where to write; the ending (`.png`, `.svg`, `.pdf`) says what.

    Returns:
        The path.
    """
    probes = told_probes(found)
    across = _limits([each.approval for each in found])
    up = _limits([each.change(name).difference for each in found for name in probes])
    with styled():
        figure, panels = panels_of(len(probes))
        for place, (name, axes) in enumerate(zip(probes, panels, strict=True)):
            _cross(axes)
            numbers = count()
            for each in found:
                look = _look(None if each.control else next(numbers))
                label = str(each.details["speaker"]) if each.control else each.setting
                _point(axes, each.approval, each.change(name).difference, look, label)
            axes.set(xlim=across, ylim=up, xlabel="approval gained (points)")
            axes.set_title(MEANINGS[name], size=9.5, loc="left")
            if place % COLUMNS == 0:
                axes.set_ylabel("change by learning (points)")
        _legend(panels)
        return finish(figure, path, _caption(found, "Points: means over subjects that nobody learnt from."))


def credulity_figure(found: Sequence[Bargain], path: str | Path) -> Path:
    """Approval gained and the change of each probe over credulity, a line for each kind of contest, with intervals.

    Args:
        found: At least one with a credulity.
        path: Where to write; the ending (`.png`, `.svg`, `.pdf`) says what.

    Returns:
        The path.
    """
    lines: dict[str, list[Bargain]] = {}
    for each in found:
        if each.credulity is not None:
            lines.setdefault(_kind(each), []).append(each)
    told: dict[str, Callable[[Bargain], Estimate]] = {APPROVAL: lambda each: each.approval}
    told |= {MEANINGS[name]: _difference(name) for name in told_probes(found)}
    limits = _limits([read(each) for read in told.values() for each in found])
    learnt = [kind for kind, line in lines.items() if not line[0].control]
    width = SPREAD * _step(found) / max(len(learnt), 1)
    with styled():
        figure, panels = panels_of(len(told))
        for place, ((title, read), axes) in enumerate(zip(told.items(), panels, strict=True)):
            axes.axhline(0.0, color=GREY, linewidth=0.8, zorder=1)
            for kind, line in lines.items():
                number = learnt.index(kind) if kind in learnt else None
                shift = 0.0 if number is None else (number - (len(learnt) - 1) / 2) * width
                label = kind if number is not None else str(line[0].details["speaker"])
                _line(axes, line, read, shift, _look(number), label)
            axes.set(ylim=limits, xlabel="credulity")
            axes.set_title(title, size=9.5, loc="left")
            if place % COLUMNS == 0:
                axes.set_ylabel("change by learning (points)")
        _legend(panels)
        return finish(figure, path, _caption(found, "Points: means over subjects and seeds."))


def told_probes(found: Sequence[Bargain]) -> list[str]:
    """The probes that anything is told of: not those that are nought everywhere, or equal to another one everywhere."""
    values: dict[tuple[tuple[float, float], ...], str] = {}
    for name in PROBES:
        own = tuple((each.change(name).base, each.change(name).learnt) for each in found)
        if any(base or learnt for base, learnt in own):
            values.setdefault(own, name)
    return list(values.values()) or [PROBES[0]]


def _difference(name: str) -> Callable[[Bargain], Estimate]:
    return lambda each: each.change(name).difference


def _kind(found: Bargain) -> str:
    """What a line stands for: before how many rivals and fact-checkers somebody learnt, and for controls who."""
    check = float(found.details.get("fact_check", 0.0))
    told = [f"{found.details.get('rivals', 2)} rivals", *([f"{100 * check:g} % check"] if check else [])]
    return ", ".join([*([str(found.details["speaker"])] if found.control else []), *told])


def _look(number: int | None) -> dict[str, Any]:
    """Colour and marker of what was learnt, by its number; controls are hollow and grey."""
    if number is None:
        return {"color": GREY, "marker": "o", "markerfacecolor": "white", "markeredgecolor": GREY, "markersize": 5.5}
    colour = COLOURS[number % len(COLOURS)]
    marker = MARKERS[(number + number // len(COLOURS)) % len(MARKERS)]
    return {
        "color": colour, "marker": marker, "markerfacecolor": colour, "markeredgecolor": "white", "markersize": 7.0
    }  # fmt: skip


def _point(axes: Any, x: Estimate, y: Estimate, look: dict[str, Any], label: str) -> None:  # noqa: ANN401
    bars = {"color": look["color"], "alpha": 0.5, "linewidth": 1.4, "zorder": 2}
    axes.plot((x.low, x.high), (y.value, y.value), **bars)
    axes.plot((x.value, x.value), (y.low, y.high), **bars)
    axes.plot([x.value], [y.value], linestyle="none", label=label, zorder=5, **look)


def _line(
    axes: Any,  # noqa: ANN401 - a matplotlib object
    line: Sequence[Bargain],
    read: Callable[[Bargain], Estimate],
    shift: float,
    look: dict[str, Any],
    label: str,
) -> None:
    ordered = sorted(line, key=lambda each: each.credulity or 0.0)
    places = [(each.credulity or 0.0) + shift for each in ordered]
    for place, each in zip(places, map(read, ordered), strict=True):
        axes.plot((place, place), (each.low, each.high), color=look["color"], alpha=0.5, linewidth=1.4, zorder=2)
    axes.plot(places, [read(each).value for each in ordered], linewidth=1.0, label=label, zorder=5, **look)


def _step(found: Sequence[Bargain]) -> float:
    """The least distance between two values of credulity."""
    values = sorted({each.credulity for each in found if each.credulity is not None})
    return min((after - before for before, after in pairwise(values)), default=1.0)


def _cross(axes: Any) -> None:  # noqa: ANN401 - a matplotlib object
    """Lines at nought, where nothing was learnt."""
    axes.axhline(0.0, color=GREY, linewidth=0.8, zorder=1)
    axes.axvline(0.0, color=GREY, linewidth=0.8, zorder=1)


def _limits(estimates: Sequence[Estimate]) -> tuple[float, float]:
    values = [value for each in estimates for value in (each.low, each.high, each.value) if value is not None]
    return min(0.0, *values) - MARGIN, max(0.0, *values) + MARGIN


def _legend(panels: Sequence[Any]) -> None:
    """Beside the last panel of the first row; every label stands there once."""
    axes = panels[min(len(panels), COLUMNS) - 1]
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    axes.legend(once.values(), once.keys(), frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _caption(found: Sequence[Bargain], what: str) -> str:
    subjects = sorted({each.subjects for each in found})
    n = f"{subjects[0]}" + (f" to {subjects[-1]}" if len(subjects) > 1 else "")
    return (
        f"{found[0].task}, {found[0].method}: {n} subjects. {what} Bars: 95 % intervals (Bayesian bootstrap over "
        "subjects). Approval: points of the vote above one half, against the base on the same subject. Grey: controls."
    )
