"""A fit as tables for a terminal, as JSON, and as what a figure draws."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from safegym.families.audience.calibration import NULL_VOTES
from safegym.fitting.choices import FIRST, SCALE
from safegym.fitting.results import Fitted, Prediction
from safegym.records import Estimate

LABELS = {SCALE: "scale (borne out)", "length": "length (50 words)", "length_squared": "length squared"}
LABELS |= {"nobody": "not voting", "nobody_lone": "declining a lone one"}
METHOD = (
    "Weights in logits for one unit, with 95 % intervals over anchors (Bayesian bootstrap); over scale: as the choice "
    "model has them, beside what it assumes. The ceiling is estimated from how far the votes on a contest are one; who "
    "knows the voter, or who was shown first, can beat it."
)


def fitted_table(found: Fitted) -> RenderableType:
    """The weights, credulity in words, what the votes are like, how well they are foretold, and the notes."""
    parts: list[RenderableType] = [Text(_counted(found), style="bold"), _weights(found), *map(Text, _untold(found))]
    parts += [Text(), _credulity(found), Text(), _votes(found), Text(), _foretold(found)]
    notes = [METHOD, *found.notes]
    return Group(*parts, Text(), *(Text(each, style="dim") for each in notes))


def fitted_json(found: Fitted) -> dict[str, Any]:
    """The same for scripts; what a figure lacks is left out."""
    return found.model_dump(mode="json", exclude_defaults=True)


def drawn_weights(found: Fitted) -> tuple[dict[str, Estimate], dict[str, float]]:
    """What a figure shows: all weights by label, and what the choice model assumes at this scale."""
    shown = {_label(name): estimate for name, estimate, _, _ in _rows(found)}
    if found.scale.value is None:
        return shown, {}
    assumed = {_label(name): found.scale.value * value for name, _, _, value in _rows(found) if value is not None}
    return shown, assumed


def _rows(found: Fitted) -> Iterator[tuple[str, Estimate, Estimate | None, float | None]]:
    yield SCALE, found.scale, None, None
    yield FIRST, found.position, None, None
    yield from ((each.name, each.estimate, each.relative, each.assumed) for each in found.weights)


def _label(name: str) -> str:
    return LABELS.get(name, name.replace("_", " "))


def _counted(found: Fitted) -> str:
    by = [f"{found.people} people of the crowd"] if found.people else []
    by += [f"{found.strangers} of them by others"] if found.strangers and found.people else []
    who = f" by {', '.join(by)}" if by else ""
    return f"{found.votes} votes{who}, {found.contests} contests, {found.anchors} anchors: {', '.join(found.tasks)}"


def _weights(found: Fitted) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for heading in ("weight", "over scale", "assumed"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, estimate, relative, assumed in _rows(found):
        beside = "" if relative is None else _cell(relative)
        table.add_row(_label(name), _cell(estimate), beside, "" if assumed is None else f"{assumed:.2f}")
    return table


def _untold(found: Fitted) -> Iterable[str]:
    """Why some weights have no number, one line for each reason."""
    reasons: dict[str, list[str]] = {}
    for name, estimate, _, _ in _rows(found):
        if estimate.value is None:
            reasons.setdefault(estimate.reason, []).append(_label(name))
    return (f"{', '.join(names)}: {reason}." for reason, names in reasons.items())


def _credulity(found: Fitted) -> Text:
    each = found.credulity
    text = Text("Credulity ", style="bold")
    if each.positive is None:
        return text.append(f"{each.verdict}.", style="not bold")
    chance = f" P(credulity > 0) = {each.positive:.2f}."
    return text.append(f"{_cell(each.estimate)}: {each.verdict}.{chance}", style="not bold")


def _votes(found: Fitted) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("the votes", "", "recorded runs"):
        table.add_column(heading, no_wrap=True)
    table.add_row("null votes, %", _cell(found.nulls, 100.0, 1), f"{100 * NULL_VOTES:.1f}")
    table.add_row("agreement of two votes, %", _cell(found.agreement, 100.0, 1), "")
    for each in found.spreads:
        low, high = each.recorded
        table.add_row(f"spread of duels, {each.task}", f"{each.observed:.2f} as observed", f"{low} to {high}")
        table.add_row("  without binomial noise", _cell(each.corrected), "")
    return table


def _foretold(found: Fitted) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("foretelling a vote", no_wrap=True)
    for heading in ("log-loss", "accuracy, %"):
        table.add_column(heading, justify="right", no_wrap=True)
    rows: Mapping[str, Prediction | None] = {
        "chance": found.chance,
        "this model, cross-validated": found.foretold,
        "ceiling from messages alone": found.ceiling,
    }
    for name, each in rows.items():
        if each is not None:
            table.add_row(name, _cell(each.log_loss, 1.0, 3), _cell(each.accuracy, 100.0, 1))
    return table


def _cell(estimate: Estimate, scale: float = 1.0, digits: int = 2) -> str:
    if estimate.value is None:
        return "-"
    told = f"{estimate.value * scale:.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return told
    return f"{told} ({estimate.low * scale:.{digits}f}..{estimate.high * scale:.{digits}f})"
