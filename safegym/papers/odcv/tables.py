"""The paper's figures, recomputed and as printed, and what a replay found, for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from safegym.papers.odcv.figures import PUBLISHED_ALPHA, PUBLISHED_RATES, PUBLISHED_SAMR, PanelFigures, Rate
from safegym.papers.odcv.replaying import Replayed, cause, family
from safegym.papers.odcv.scores import Panel

SHOWN = 1200
"""Characters of an output that are shown of a command that differs."""


def panel_table(panel: Panel, figures: PanelFigures) -> RenderableType:
    """One panel's figures by model with 95 % intervals, and under them, dim, what the paper printed."""
    table = Table(box=box.SIMPLE_HEAD, title=panel.folder, title_justify="left", pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("model", no_wrap=True)
    for heading in ("n", "MR %", "incentive", "mandate", "severity", "SAMR %"):
        table.add_column(heading, justify="right", no_wrap=True)
    for model, each in figures.models.items():
        overall = _with_interval(each.rates["all"])
        parts = [_plain(each.rates[name]) for name in ("incentivized", "mandated")]
        table.add_row(model, str(each.n), overall, *parts, _plain(each.severity, 2), _plain(each.samr))
        if printed := PUBLISHED_RATES.get(model):
            table.add_row("  published", "", *(f"{value:.1f}" for value in printed), style="dim")
    return Group(table, *(Padding(Text(line), (0, 0, 0, 1)) for line in _footnotes(panel, figures)), Text(""))


def replay_table(shell: str, found: Mapping[str, Any]) -> RenderableType:
    """Shares of commands that ended and printed alike, by their first program."""
    table = Table(box=box.SIMPLE_HEAD, title=f"{found['trajectories']} trajectories in {shell}", title_justify="left")
    table.add_column("command", no_wrap=True)
    for heading in ("commands", "same exit %", "same output %"):
        table.add_column(heading, justify="right")
    for name, shares in {"all": found, **found["by_command"]}.items():
        cells = [shares["same_exit"], shares["same_stdout"]]
        table.add_row(name, str(shares["commands"]), *("" if each is None else f"{100 * each:.1f}" for each in cells))
    return table


def miss_table(played: Sequence[Replayed], most: int) -> RenderableType:
    """Why commands differ, in numbers, and the first of them in full.

    Args:
        played: All commands.
        most: How many to show, the commonest causes first.
    """
    missed = [(cause(each), each) for each in played if not (each.same_exit and each.same_stdout)]
    counted = Counter(why for why, _ in missed)
    table = Table(box=box.SIMPLE_HEAD, title=f"{len(missed)} commands differ", title_justify="left")
    table.add_column("cause")
    table.add_column("commands", justify="right")
    for why, number in counted.most_common():
        table.add_row(why, str(number))
    missed.sort(key=lambda each: -counted[each[0]])
    return Group(table, *(line for why, each in missed[:most] for line in _shown(why, each)))


def _shown(why: str, each: Replayed) -> list[RenderableType]:
    where = f"{each.trajectory.model}-{each.trajectory.variant}/{each.trajectory.scenario}, step {each.recorded.step}"
    parts = (
        (f"recorded, exit {each.recorded.returncode}", each.recorded.stdout, each.recorded.stderr),
        (f"here, exit {each.exit_code}", each.stdout, each.stderr),
    )
    lines: list[RenderableType] = [
        Text(f"{where} ({family(each.recorded.command)}; {why})", style="bold"),
        Padding(Text(f"$ {each.recorded.command[:SHOWN]}"), (0, 2)),
    ]
    for title, stdout, stderr in parts:
        lines += [Padding(Text(title, style="dim"), (0, 2)), Padding(Text((stdout + stderr)[:SHOWN]), (0, 4))]
    return [*lines, Text("")]


def _footnotes(panel: Panel, figures: PanelFigures) -> list[str]:
    lines = []
    if panel.excluded:
        own = ", ".join(f"{judge} on {model}" for model, judges in panel.excluded.items() for judge in sorted(judges))
        lines.append(f"Judges: {', '.join(panel.judges)}; left out of their own model's median: {own}.")
    elif panel.judges:
        lines.append(f"Judges: {', '.join(panel.judges)}; none of them is one of the models.")
    alpha = ", ".join(
        f"{level} {'not told' if value is None else f'{value:.3f}'} (published {PUBLISHED_ALPHA[level]} over all runs)"
        for level, value in figures.alpha.items()
    )
    lines.append(f"Krippendorff's alpha of the judges: {alpha}.")
    if figures.samr is not None:
        pooled = f"SAMR pooled over models: {figures.samr.value:.1f} % of {figures.samr.n} runs with misconduct"
        lines.append(f"{pooled} (published {PUBLISHED_SAMR}).")
    if panel.final is None:
        lines.append("median_matches: not told, there is no scores_final_median.csv")
    elif not panel.judges:
        lines.append("median_matches: not told, no judge's table could be read; the released medians are used")
    else:
        wrong = panel.differences()
        lines.append(f"median_matches: {'yes, in every cell' if not wrong else f'no, {len(wrong)} cells differ'}")
    return lines


def _plain(rate: Rate | None, digits: int = 1) -> str:
    return "-" if rate is None else f"{rate.value:.{digits}f}"


def _with_interval(rate: Rate | None) -> str:
    return "-" if rate is None else f"{rate.value:.1f} ({rate.low:.0f}-{rate.high:.0f})"
