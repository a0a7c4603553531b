"""The figures of a report: the discrimination plane, the trade-off proper, and what was found by a factor.

They need the extra `plots`.
"""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

from safegym.errors import ContentError, MissingExtraError, UnknownNameError
from safegym.records import Estimate, Grade, Report, ReportRow
from safegym.report import report

# Okabe and Ito's palette, in an order in which neighbours differ in lightness too; shapes repeat the distinction.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "h")
GREY, INK, PALE = "#8a8a8a", "#222222", "#d9d9d9"
COLUMNS = 4
"""Panels side by side."""
INTERVALS = "Points: means; bars: 95 % intervals (Bayesian bootstrap over scenarios)."
Panels: TypeAlias = dict[str, dict[str, dict[str, Estimate]]]
"""Title of a panel -> label of a line -> level -> rate, in percent."""
METADATA: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None},
}
"""By the ending of a figure, what is left out of its file, so that equal figures are equal bytes."""
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.8,
    "svg.hashsalt": "safegym",
    "svg.fonttype": "path",
}


@dataclass(frozen=True)
class Point:
    """A player on a plane, both figures in percent, each with its interval."""

    name: str
    x: float
    y: float
    across: tuple[float, float]
    up: tuple[float, float]
    contestant: bool
    n: int


def check_drawing(path: str | Path | None = None) -> None:
    """Make sure that figures can be drawn.

    Args:
        path: Where one is to be written.

    Raises:
        MissingExtraError: If matplotlib is not installed.
        UnknownNameError: If the ending of the path is that of no kind of figure.
    """
    if path is not None and (ending := Path(path).suffix.lower()) not in METADATA:
        raise UnknownNameError("ending of a figure", ending, METADATA)
    try:
        importlib.import_module("matplotlib")
    except ImportError:
        raise MissingExtraError("drawing figures", "plots") from None


def discrimination_plane(source: Report | Iterable[Grade], path: str | Path) -> Path:
    """P(act | control) against P(act | human), over paired episodes; the top left corner tells the twins apart.

    Args:
        source: A report, or the grades of one.
        path: Where to write; the ending (`.png`, `.svg`, `.pdf`) says what.

    Returns:
        The path.
    """
    found = _report(source)
    points, untold = _points(found, "act_human", "act_control")
    with styled():
        figure, axes = _canvas((5.6, 6.2))
        axes.fill_between([0, 100], [0, 100], 100, color="#0072b2", alpha=0.045, linewidth=0)
        axes.plot([0, 100], [0, 100], color=GREY, linewidth=1.0, dashes=(5, 3), zorder=1)
        look = {"color": "#666666", "ha": "center", "va": "center", "size": 8.5, "path_effects": _halo()}
        axes.text(80, 74.3, "cannot tell the twins apart", rotation=45, **look)
        axes.text(2, 103.5, "acts only where it wrongs nobody", color="#0072b2", style="italic", va="bottom")
        axes.text(100, -3.5, "acts only where it hurts", color="#666666", style="italic", ha="right", va="top")
        axes.set(xlim=(-8, 108), ylim=(-8, 112), aspect="equal")
        axes.set_xlabel("Takes the tempting act where it harms people (%)")
        axes.set_ylabel("Takes it in the harmless twin (%)")
        _draw(figure, axes, points)
        what = "Episodes are paired: the same world, with and without somebody to harm."
        return finish(figure, path, _caption(found, points, untold, what))


def tradeoff(source: Report | Iterable[Grade], path: str | Path) -> Path:
    """The measured KPI against the violation rate, both human: what is gained, and what it costs others.

    The KPI is (measured - idle) / (best - idle), unclipped: above 100 % more is shown than honest work can obtain.

    Args:
        source: A report, or the grades of one.
        path: Where to write; the ending (`.png`, `.svg`, `.pdf`) says what.

    Returns:
        The path.
    """
    found = _report(source)
    points, untold = _points(found, "violations", "kpi_attained")
    top = max([112.0, *(point.y + 14 for point in points)])
    bottom = min([-10.0, *(point.y - 14 for point in points)])
    with styled():
        figure, axes = _canvas((6.6, 5.4), right=0.135)
        axes.axhspan(100, top, color="#d55e00", alpha=0.05, linewidth=0)
        for level, words in ((100, "the best of\nhonest work"), (0, "closing\nat once")):
            axes.axhline(level, color=GREY, linewidth=1.0, dashes=(5, 3), zorder=1)
            axes.text(109.5, level, words, color="#666666", va="center", size=8.0, linespacing=1.1)
        axes.set(xlim=(-8, 108), ylim=(bottom, top))
        axes.set_xlabel("Violations (% of human episodes that reached the decision)")
        axes.set_ylabel("Measured KPI (% of what honest work can add)")
        _draw(figure, axes, points)
        what = "The KPI is what the principal's instrument shows, with what violations obtained."
        return finish(figure, path, _caption(found, points, untold, what))


def findings_by(source: Report, factor: str, path: str | Path) -> Path:
    """What families found in human episodes, by the levels of a factor: a panel per finding, a colour per player.

    Args:
        source: A report with slices by that factor (`report(..., by=[factor])`).
        factor: A factor of the arms, or a label.
        path: Where to write; the ending (`.png`, `.svg`, `.pdf`) says what.

    Returns:
        The path.

    Raises:
        UnknownNameError: If the report has no findings by that factor.
    """
    pieces = [row for row in source.slices if list(row.levels) == [factor] and row.findings.get("human")]
    names = list(dict.fromkeys(name for row in pieces for name in row.findings["human"]))
    if not names:
        raise UnknownNameError("factor with findings", factor, {name for row in source.slices for name in row.levels})
    panels: Panels = {name.replace("_", " "): {} for name in names}
    for row in pieces:
        for name, found in row.findings["human"].items():
            panels[name.replace("_", " ")].setdefault(row.player, {})[row.levels[factor]] = found
    return rates_by(panels, path, across=factor.replace("_", " "), up="of human episodes (%)", caption=INTERVALS)


def rates_by(panels: Panels, path: str | Path, *, across: str, up: str, caption: str) -> Path:
    """Rates with their intervals over the levels of a factor: panels by title, lines by label, points by level.

    Args:
        panels: Title of a panel -> label of a line -> level -> rate, in percent.
        path: Where to write; the ending (`.png`, `.svg`, `.pdf`) says what.
        across: What the levels are of.
        up: What the rates are.
        caption: The line below the figure.

    Returns:
        The path.

    Raises:
        ContentError: If there is no rate to draw.
    """
    labels = list(dict.fromkeys(label for lines in panels.values() for label in lines))
    levels = list(dict.fromkeys(level for lines in panels.values() for points in lines.values() for level in points))
    if not levels:
        raise ContentError(path, "", f"expected at least one rate to draw, got none in {len(panels)} panels")
    with styled():
        figure, drawn = panels_of(len(panels))
        for number, (title, axes) in enumerate(zip(panels, drawn, strict=True)):
            for place, label in enumerate(labels):
                shift = 0.5 * ((place + 0.5) / len(labels) - 0.5)
                _rates(axes, panels[title].get(label, {}), levels, shift, place, label)
            axes.set_title(title.replace("$", r"\$"), size=9.5, loc="left")
            axes.set_xticks(range(len(levels)), levels)
            axes.set(xlim=(-0.5, len(levels) - 0.5), ylim=(-4, 104), xlabel=across)
            if number % COLUMNS == 0:
                axes.set_ylabel(up[:1].upper() + up[1:])
        drawn[min(len(drawn), COLUMNS) - 1].legend(
            frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0)
        )
        return finish(figure, path, caption)


def forest(
    estimates: Mapping[str, Estimate],
    path: str | Path,
    *,
    across: str,
    caption: str,
    beside: Mapping[str, float],
) -> Path:
    """Estimates below each other with their intervals, and nought; those that cannot be told stand in the caption.

    Args:
        estimates: By label, from top to bottom.
        path: Where to write; the ending (`.png`, `.svg`, `.pdf`) says what.
        across: What is estimated.
        caption: The line below the figure.
        beside: Values to compare them with, by label, where there are any.

    Returns:
        The path.

    Raises:
        ContentError: If there is no estimate to draw.
    """
    told = {label: each for label, each in estimates.items() if each.value is not None}
    if not told:
        raise ContentError(path, "", f"expected at least one estimate to draw, got none of {len(estimates)}")
    if untold := [label for label in estimates if label not in told]:
        caption += f" Not told: {', '.join(untold)}."
    with styled():
        height = 1.4 + 0.27 * len(told)
        figure, axes = _canvas((6.6, height), left=0.29, bottom=1.2 / height)
        axes.axvline(0, color=GREY, linewidth=1.0, dashes=(5, 3), zorder=1)
        for place, (label, each) in enumerate(told.items()):
            axes.plot((each.low, each.high), (place, place), color=COLOURS[0], alpha=0.5, linewidth=1.8, zorder=2)
            axes.plot(
                each.value, place, MARKERS[0], color=COLOURS[0], markeredgecolor="white", markersize=6.5, zorder=3
            )
            if label in beside:
                axes.plot(beside[label], place, "|", color=INK, markersize=11, markeredgewidth=1.4, zorder=4)
        axes.set_yticks(range(len(told)), [label.replace("$", r"\$") for label in told])
        axes.set(ylim=(len(told) - 0.4, -0.6), xlabel=across)
        return finish(figure, path, caption)


# --------------------------------------------------------------------------------------------------------- data


def _report(source: Report | Iterable[Grade]) -> Report:
    return source if isinstance(source, Report) else report(list(source))


def _points(found: Report, across: str, up: str) -> tuple[list[Point], list[str]]:
    """The players that can be placed, and the names of those that cannot."""
    points: list[Point] = []
    untold: list[str] = []
    for row in found.rows:
        x, y = _percent(row, across), _percent(row, up)
        if x is None or y is None:
            untold.append(row.player)
            continue
        contestant = not (row.bracket or row.privileged)
        points.append(Point(row.player, x[0], y[0], x[1:], y[1:], contestant, row.episodes))
    return points, untold


def _percent(row: ReportRow, name: str) -> tuple[float, float, float] | None:
    """A figure and its interval in percent; violations are what Safety lacks of 100."""
    estimate = row.figures.get("safety" if name == "violations" else name, Estimate(value=None))
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    if name == "violations":
        return 100 - estimate.value, 100 - estimate.high, 100 - estimate.low
    scale = 1.0 if name == "kpi_attained" else 100.0
    return estimate.value * scale, estimate.low * scale, estimate.high * scale


def _caption(found: Report, points: Sequence[Point], untold: Sequence[str], what: str) -> str:
    scenarios = max((row.scenarios for row in found.rows), default=0)
    sizes = sorted({point.n for point in points})
    episodes = "no episodes" if not sizes else f"n = {sizes[0]}" + (f" to {sizes[-1]}" if len(sizes) > 1 else "")
    text = f"{what} {episodes} per player, {scenarios} scenario{'' if scenarios == 1 else 's'}; "
    text += "bars: 95 % intervals, bootstrap over scenarios. Hollow grey: baselines and references."
    return text + (f" Not scored: {', '.join(untold)}." if untold else "")


# --------------------------------------------------------------------------------------------------------- drawing


def styled() -> Any:  # noqa: ANN401 - a matplotlib context
    """The look of all figures, as a context to draw in."""
    check_drawing()
    from matplotlib import rc_context

    return rc_context(STYLE)


def _canvas(
    size: tuple[float, float], right: float = 0.03, left: float = 0.12, bottom: float = 0.19
) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=200, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((left, bottom, 1.0 - left - right, 0.98 - bottom))
    _plain(axes)
    return figure, axes


def _plain(axes: Any) -> None:  # noqa: ANN401 - matplotlib objects
    """Two spines, short ticks and a pale grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=3, color=INK)
    axes.set_axisbelow(True)
    axes.grid(color="#eeeeee", linewidth=0.7)


def panels_of(count: int) -> tuple[Any, list[Any]]:
    """Panels of one scale, up to `COLUMNS` side by side, with room for a legend on the right."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, columns = -(-count // COLUMNS), min(count, COLUMNS)
    width, height = 3.3 * columns + 2.4, 3.3 * rows + 0.6
    figure = Figure(figsize=(width, height), dpi=200, facecolor="white")
    FigureCanvasAgg(figure)
    panels = []
    for number in range(count):
        row, column = divmod(number, COLUMNS)
        low = (0.9 + 3.3 * (rows - 1 - row)) / height
        axes = figure.add_axes(((0.65 + 3.3 * column) / width, low, 2.85 / width, 2.6 / height))
        _plain(axes)
        panels.append(axes)
    return figure, panels


def _rates(
    axes: Any,  # noqa: ANN401 - a matplotlib object
    points: Mapping[str, Estimate],
    levels: Sequence[str],
    shift: float,
    number: int,
    label: str,
) -> None:
    """The rates of one line in one panel, with their intervals."""
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    told = [(levels.index(level) + shift, each) for level, each in points.items() if each.value is not None]
    for place, each in told:
        axes.plot((place, place), (each.low, each.high), color=colour, alpha=0.5, linewidth=1.4, zorder=2)
    look = {"markersize": 6.5, "markerfacecolor": colour, "markeredgecolor": "white", "linestyle": "none"}
    shown = label.replace("$", r"\$")
    axes.plot([place for place, _ in told], [each.value for _, each in told], marker, label=shown, zorder=5, **look)


def _draw(figure: Any, axes: Any, points: Sequence[Point]) -> None:  # noqa: ANN401 - matplotlib objects
    """Baselines below, contestants above, then names where they are free."""
    numbers = count()
    axes.set_xticks(range(0, 101, 20))
    axes.set_yticks(range(0, max(101, int(axes.get_ylim()[1]) - 4), 20))
    styles = []
    for point in points:
        place = next(numbers) if point.contestant else 0
        colour = COLOURS[place % len(COLOURS)] if point.contestant else GREY
        marker = MARKERS[(place + place // len(COLOURS)) % len(MARKERS)] if point.contestant else "o"
        styles.append(colour)
        bars = {"color": colour, "alpha": 0.5 if point.contestant else 0.28, "solid_capstyle": "butt"}
        axes.plot(point.across, (point.y, point.y), linewidth=1.4 if point.contestant else 0.9, zorder=2, **bars)
        axes.plot((point.x, point.x), point.up, linewidth=1.4 if point.contestant else 0.9, zorder=2, **bars)
        face, size, order = (colour, 7.0, 5) if point.contestant else ("white", 5.5, 4)
        edge = "white" if point.contestant else GREY
        axes.plot(point.x, point.y, marker, markersize=size, markerfacecolor=face, markeredgecolor=edge, zorder=order)
    _label(figure, axes, points, styles)


def _label(figure: Any, axes: Any, points: Sequence[Point], colours: Sequence[str]) -> None:  # noqa: ANN401
    """Put each name at the nearest free place around its point, with a leader line where that is not beside it."""
    renderer = figure.canvas.get_renderer()
    places = [axes.transData.transform((point.x, point.y)) for point in points]
    inside = _box(axes.get_window_extent(renderer))
    hard = [(x - 10, y - 10, x + 10, y + 10) for x, y in places]
    hard += [box for text in axes.texts for box in _boxes(text, renderer)]
    soft = [box for point in points if point.contestant for box in _bars(axes, point)]
    for members in _together(points, places):
        first = members[0]
        (x, y), point = places[first], points[first]
        ink = _darker(colours[first]) if point.contestant else "#666666"
        words = _wrapped([points[member].name for member in members])
        look = {"color": ink, "weight": "bold" if point.contestant else "normal", "size": 8.5, "zorder": 6}
        text = axes.text(0, 0, words, va="bottom", linespacing=1.1, path_effects=_halo(), **look)
        size = text.get_window_extent(renderer)
        wide, high = size.width + 6, size.height + 4
        dx, dy = _free(x, y, wide, high, hard, [*soft, *_bars(axes, point)], inside)
        box = (x + dx, y + dy, x + dx + wide, y + dy + high)
        hard.append(box)
        text.set_position(axes.transData.inverted().transform((box[0] + 3, box[1] + 2)))
        end = min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3])
        if abs(end[0] - x) + abs(end[1] - y) > 34:
            (x1, y1), (x2, y2) = axes.transData.inverted().transform([(x, y), end])
            axes.plot((x1, x2), (y1, y2), color=ink, linewidth=0.6, zorder=3)


def _together(points: Sequence[Point], places: Sequence[Any]) -> list[list[int]]:
    """The points by label: baselines that lie on each other share one. Contestants choose first."""
    groups: list[list[int]] = []
    for place in sorted(range(len(points)), key=lambda place: not points[place].contestant):
        x, y = places[place]
        near = [
            group
            for group in groups
            if not points[place].contestant
            and not points[group[0]].contestant
            and abs(places[group[0]][0] - x) + abs(places[group[0]][1] - y) < 12
        ]
        if near:
            near[0].append(place)
        else:
            groups.append([place])
    return groups


def _wrapped(names: Sequence[str]) -> str:
    """Names as one label, at most two to a line; a dollar would start a formula."""
    escaped = [name.replace("$", r"\$") for name in names]
    lines = [", ".join(escaped[start : start + 2]) for start in range(0, len(escaped), 2)]
    return ",\n".join(lines)


def _bars(axes: Any, point: Point) -> list[tuple[float, float, float, float]]:  # noqa: ANN401
    (left, y), (right, _) = axes.transData.transform([(point.across[0], point.y), (point.across[1], point.y)])
    (x, low), (_, high) = axes.transData.transform([(point.x, point.up[0]), (point.x, point.up[1])])
    return [(left, y - 2, right, y + 2), (x - 2, low, x + 2, high)]


def _halo() -> list[Any]:
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2.2, foreground="white", alpha=0.85)]


def _darker(colour: str) -> str:
    """A colour that is readable as text on white."""
    return "#" + "".join(f"{int(int(colour[place : place + 2], 16) * 0.72):02x}" for place in (1, 3, 5))


def _free(
    x: float,
    y: float,
    wide: float,
    high: float,
    hard: Sequence[tuple[float, ...]],
    soft: Sequence[tuple[float, ...]],
    inside: tuple[float, ...],
) -> tuple[float, float]:
    """The nearest offset of a label at which it hides nothing; bars may be crossed before it goes far away."""
    for taken, reach in (([*hard, *soft], 76), (hard, 300)):
        for gap in range(10, reach, 6):
            for across, up in (
                (gap, gap),
                (gap, -gap),
                (-gap, gap),
                (-gap, -gap),
                (gap, 0),
                (0, gap),
                (0, -gap),
                (-gap, 0),
            ):
                dx = across if across > 0 else across - wide if across < 0 else -wide / 2
                dy = up if up > 0 else up - high if up < 0 else -high / 2
                box = (x + dx, y + dy, x + dx + wide, y + dy + high)
                within = box[0] >= inside[0] and box[1] >= inside[1] and box[2] <= inside[2] and box[3] <= inside[3]
                if within and not any(_overlap(box, other) for other in taken):
                    return dx, dy
    return 10.0, -high / 2


def _boxes(text: Any, renderer: Any) -> list[tuple[float, float, float, float]]:  # noqa: ANN401
    """The box of a text; a text that runs up a diagonal is a chain of small ones."""
    left, low, right, top = _box(text.get_window_extent(renderer))
    links = 12 if text.get_rotation() else 1
    wide, high = (right - left) / links, (top - low) / links
    return [(left + wide * i, low + high * i, left + wide * (i + 1), low + high * (i + 1)) for i in range(links)]


def _box(extent: Any) -> tuple[float, float, float, float]:  # noqa: ANN401 - a matplotlib bounding box
    return extent.x0, extent.y0, extent.x1, extent.y1


def _overlap(first: Sequence[float], second: Sequence[float]) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


def finish(figure: Any, path: str | Path, caption: str) -> Path:  # noqa: ANN401
    """Write the figure; the same report gives the same bytes."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    width = int(figure.get_figwidth() * 17.5)
    figure.text(0.03, 0.02, textwrap.fill(caption, width), size=7.5, color="#444444", va="bottom", linespacing=1.3)
    ending = target.suffix.lower()
    figure.savefig(target, format=ending.lstrip(".") or "png", metadata=METADATA.get(ending))
    return target
