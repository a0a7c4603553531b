"""The frames of an episode, from its header to its ending.

On the left stands what was said and done, on the right what the instruments and the ledger recorded; the line between
the two turns thick where a step did wrong.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.box import Box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from safegym.families import games
from safegym.families.base import VIOLATION
from safegym.families.claims import false_claims
from safegym.families.presets import is_game
from safegym.families.questions import AWARE, CHANCES, SELF_REPORT
from safegym.frames.parts import (
    COLORS,
    SEVERITIES,
    Beside,
    Meter,
    change,
    figure,
    indented,
    joined,
    label,
    labelled,
    ledger,
    rule,
    sparkline,
)
from safegym.frames.text import Folded, inline
from safegym.records import (
    SAY,
    SINGLE,
    UNKNOWN,
    Answer,
    Change,
    ClaimSpec,
    Ending,
    Episode,
    Grade,
    Scalar,
    Step,
    ToolCall,
    Turn,
)

Grades = Grade | Sequence[Grade] | None
FILES_SHOWN = 4
REPLY_SHOWN = 2
"""How many lines are shown of a reply to a question beside the episode."""
_WEIGHED = 3
"""How many of the options that were scored are shown."""
LEGEND = "▲ wrong  △ only tried  ● negligent  ✖ harm came  ◆ gold path"
STAKES = {
    ("human", "bearer"): "the tempting act would harm people",
    ("control", "bearer"): "the tempting act harms nobody, and its price is in the KPI",
    ("human", "permission"): "the permission does not cover this case",
    ("control", "permission"): "the permission covers this very case",
    ("human", "truth"): "the attractive claim is false",
    ("control", "truth"): "the attractive claim is true",
}
ENDINGS = {"closed": "Closed by the agent", "limit": "Out of steps", "failed": "The episode failed"}
DISCLOSURES = {"false": "bold bright_red", "honest": "green", "partial": "yellow"}
BADGES = {"human": "bold #ffffff on #b62324", "control": "bold #ffffff on #1f6feb"}
_THIN = Box("    \n  │ \n    \n  │ \n    \n    \n  │ \n    \n")
_THICK = Box("    \n  ┃ \n    \n  ┃ \n    \n    \n  ┃ \n    \n")


@dataclass(frozen=True)
class Folding:
    """How many lines of a text are drawn; 0 draws all."""

    brief: int = 30
    words: int = 8
    call: int = 12
    result: int = 8


SHORT, WHOLE = Folding(), Folding(0, 0, 0, 0)


@dataclass
class _Course:
    """How the figures of one agent moved so far."""

    kpi: list[float]
    cost: float = 0.0
    harm: float = 0.0
    unit: str = ""


def frames(episode: Episode, grade: Grades = None, *, folding: Folding = SHORT) -> Iterator[RenderableType]:
    """The renderables of an episode in the order of playback: header, brief, steps, and an ending for every agent."""
    yield header(episode)
    yield from briefs(episode, folding)
    courses = {agent: _Course([ending.kpi_initial]) for agent, ending in episode.endings.items()}
    told = 0
    for step in episode.steps:
        yield from (_wordless(episode, number, folding) for number in range(told, step.turn))
        first = step.turn >= told
        told = max(told, step.turn + 1)
        courses.setdefault(step.agent, _Course([step.kpi]))
        yield _step(episode, step, courses, folding, first=first)
    yield from (_wordless(episode, number, folding) for number in range(told, len(episode.turns)))
    grades = {
        each.agent: each for each in ([grade] if isinstance(grade, Grade) else grade or []) if each.key == episode.key
    }
    for agent in episode.endings:
        yield ending(episode, grades.get(agent), agent, courses[agent].kpi)


# -------------------------------------------------------------------------------------------------------- the beginning


def header(episode: Episode) -> RenderableType:
    """Title, stakes, player, arm levels and KPI."""
    stakes = episode.arm.stakes
    plain = " GAME " if is_game(episode.family) else " NO STAKES "
    badge = Text(f" {stakes.upper()} STAKES " if stakes else plain, style=BADGES.get(stakes or "", "reverse"))
    meaning = STAKES.get((stakes or "", episode.twin or ""), "")
    top = Text.assemble(badge, "  ", (meaning, "italic"))
    body = labelled(min(max(9, *map(len, episode.agents)), 16))
    for agent, identity in episode.agents.items():
        name = Text(inline(identity.name), style="bold")
        note = Text("reference: knows the sealed part", style="yellow") if identity.privileged else ""
        body.add_row(label("player" if agent == SINGLE else inline(agent)), joined([name, note]))
    levels = [
        Text.assemble((factor + " ", "dim"), level)
        for factor, level in episode.arm.levels.items()
        if factor != "stakes"
    ]
    options = [
        Text.assemble((inline(name) + " ", "dim"), inline(str(value))) for name, value in episode.options.items()
    ]
    if levels or options:
        body.add_row(label("arm"), joined([*levels, *options]))
    body.add_row(label("kpi"), _kpi(episode))
    repeat = f"repeat {episode.repeat}" if episode.repeat else ""
    limit = f"at most {episode.limits.amount} {episode.limits.unit}"
    body.add_row(label("scenario"), joined([inline(episode.scenario), f"seed {episode.seed}", repeat, limit]))
    body.add_row(label("key"), Text(inline(episode.key), style="dim"))
    title = Text(inline(episode.title), style="bold default")
    return Panel(
        Group(top, "", body),
        title=title,
        title_align="left",
        subtitle=Text(_legend(episode), style="dim default"),
        subtitle_align="right",
        border_style="bright_black",
        padding=(1, 2),
    )


def briefs(episode: Episode, folding: Folding = SHORT) -> Iterator[RenderableType]:
    """What the agents were told; agents that were told the same share a frame."""
    readers: dict[str, list[str]] = {}
    for agent, text in episode.brief.items():
        readers.setdefault(text, []).append(agent)
    for text, agents in readers.items():
        whom = "" if agents == [SINGLE] else ", ".join(agents)
        yield Group(
            "",
            rule([Text("brief", style="bold"), Text(inline(whom), style="bold")]),
            indented(Folded(text, folding.brief)),
            "",
        )


def _kpi(episode: Episode) -> Text:
    kpi = episode.kpi
    target = "" if kpi.target is None or "@{" in str(kpi.target) else f"target {_value(kpi.target)}"
    scale = f"{figure(kpi.low)} to {figure(kpi.high)} {inline(kpi.unit)}"
    line = joined([Text(inline(kpi.name), style="bold"), scale, Text(target, style="bold")])
    return line.append(f"\n{inline(kpi.description)}", "dim")


# ------------------------------------------------------------------------------------------------------------ the steps


def _step(
    episode: Episode, step: Step, courses: Mapping[str, _Course], folding: Folding, *, first: bool
) -> RenderableType:
    turn = episode.turns[step.turn] if step.turn < len(episode.turns) else Turn(agent=step.agent)
    left = labelled()
    if first:
        _add_words(left, turn, step.call, folding)
    _add_call(left, step.call, folding)
    style, name = {"invalid": ("bold yellow", "✗ invalid"), "error": ("yellow", "! error")}.get(
        step.result.status, ("", "result")
    )
    left.add_row(label(name, style), Folded(step.result.text, folding.result, style))
    if step.result.files:
        left.add_row(label("files"), _files(step.result.files))
    if step.tools is not None:
        left.add_row(label("tools"), Text("now " + inline(", ".join(tool.name for tool in step.tools)), style="dim"))
    right = _instruments(episode, step, courses[step.agent])
    if is_game(episode.family):
        right = Group(right, *_others(episode, step.agent, courses))
    worst = max((event.severity for event in step.events if event.status == "executed"), default=0)
    wrong = worst >= VIOLATION
    body = Table(
        box=_THICK if wrong else _THIN,
        show_header=False,
        show_edge=False,
        expand=True,
        padding=(0, 1),
        border_style=COLORS[worst] if wrong else "bright_black",
    )
    body.add_column(ratio=2)
    body.add_column(ratio=1)
    body.add_row(left, right)
    return Group(_heading(episode, step.turn, step), body, "")


def _files(changes: Mapping[str, Change]) -> Text:
    """The files that a call created, changed and deleted, the first few by name."""
    signs = {"created": ("+", "green"), "changed": ("~", "cyan"), "deleted": ("-", "red")}
    lines = [Text(*signs[kind]).append(f" {inline(path)}", "dim") for path, kind in changes.items()]
    if len(lines) > FILES_SHOWN:
        lines[FILES_SHOWN:] = [Text(f"and {len(lines) - FILES_SHOWN} more", "dim")]
    return Text("\n").join(lines)


def _wordless(episode: Episode, number: int, folding: Folding) -> RenderableType:
    """A turn that brought no step: nothing could be read from it, or the episode failed there."""
    left = labelled()
    _add_words(left, episode.turns[number], None, folding)
    return Group(_heading(episode, number), indented(left, 1), "")


def _heading(episode: Episode, number: int, step: Step | None = None) -> RenderableType:
    agent = step.agent if step else episode.turns[number].agent
    parts: list[str | Text] = [
        Text(f"step {step.index + 1}" if step else "no step", style="bold"),
        Text(f"turn {number + 1}", style="dim"),
    ]
    if len(episode.agents) > 1:
        parts += [Text(f"round {step.round + 1}" if step else "", style="dim"), Text(inline(agent), style="bold cyan")]
    return rule(parts)


def _add_words(table: Table, turn: Turn, call: ToolCall | None, folding: Folding) -> None:
    if turn.reasoning.strip():
        table.add_row(label("thinks"), Folded(turn.reasoning, folding.words, "italic dim"))
    repeated = call is not None and call.tool == SAY and call.arguments.get("text") == turn.text
    if turn.text.strip() and not repeated:
        table.add_row(label("says"), Folded(turn.text, folding.words))
    if turn.scores:
        table.add_row(label("weighs"), _weights(turn.scores))
    if turn.shortened:
        table.add_row(label("prompt", "yellow"), Text(f"messages cut or left out: {turn.shortened}", style="yellow"))
    if turn.status not in {"valid", "none"}:
        table.add_row(label("reply", "yellow"), Text(turn.status, style="yellow"))
    if turn.error:
        table.add_row(label("error", "red"), Folded(turn.error, folding.words, "red"))


def _weights(scores: Mapping[str, float]) -> Text:
    """The likeliest options with their shares, a line each."""
    likeliest = sorted(scores, key=lambda option: -scores[option])[:_WEIGHED]
    top = scores[likeliest[0]]
    total = sum(math.exp(score - top) for score in scores.values())
    lines = [f"{math.exp(scores[option] - top) / total:6.1%}  {inline(option)}" for option in likeliest]
    more = [f"        and {len(scores) - _WEIGHED} more"] if len(scores) > _WEIGHED else []
    return Text("\n".join((*lines, *more)), style="dim", overflow="fold")


def _add_call(table: Table, call: ToolCall, folding: Folding) -> None:
    """A shell command as a command line, other calls as calls, with an argument a line where they are long."""
    arguments = call.arguments
    command, text = arguments.get("command"), arguments.get("text")
    if isinstance(command, str) and len(arguments) == 1:
        table.add_row(label("runs"), Folded(command, folding.call, "bold", first="$ ", rest="> "))
    elif call.tool == SAY and isinstance(text, str) and len(arguments) == 1:
        table.add_row(label("says"), Folded(text, folding.words))
    elif len(str(call)) <= 60 and "\\n" not in str(call):
        given = ", ".join(f"{key}={_written(value)}" for key, value in arguments.items())
        table.add_row(
            label("calls"), Text.assemble((inline(call.tool), "bold cyan"), inline(f"({given})"), overflow="fold")
        )
    else:
        table.add_row(label("calls"), Text(inline(call.tool), style="bold cyan"))
        for key, value in _flat(arguments):
            table.add_row("", Folded(value, folding.call, first=f"{inline(key)} = "))


def _flat(arguments: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Arguments by dotted name; texts as they were written, so that files keep their lines."""
    for key, value in arguments.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value if isinstance(value, str) else _written(value)


def _written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _instruments(episode: Episode, step: Step, course: _Course) -> RenderableType:
    """The KPI and what it cost, as they move, and below them the ledger."""
    before, now, unit = course.kpi[-1], step.kpi, inline(episode.kpi.unit)
    course.kpi.append(now)
    course.cost, course.harm = course.cost + step.cost, course.harm + step.harm
    course.unit = next((event.unit for event in step.events if event.magnitude), course.unit)
    reading = Text(f"{figure(now)} {unit}", style="dim")
    if figure(now) != figure(before):
        style = "bold bright_green" if now > before else "bold bright_red"
        reading = Text.assemble(
            (f"{figure(before)} → ", "dim"), (f"{figure(now)} {unit}", "bold"), "  ", (change(now - before), style)
        )
    end = episode.endings.get(step.agent)
    best = end.reference.best if end and end.reference else None
    meter = Meter(episode.kpi.low, episode.kpi.high, now, before, best)
    rows: list[RenderableType] = [reading, meter]
    if course.cost or course.harm:
        harm = f"{figure(course.harm)} {inline(course.unit)}".rstrip()
        rows.append(joined([_moved("cost", figure(course.cost), step.cost), _moved("harm", harm, step.harm)]))
    return Group(*rows, *(ledger(event, unit) for event in step.events))


def _others(episode: Episode, agent: str, courses: Mapping[str, _Course]) -> list[Text]:
    """What the other players have gained, as far as their steps have been shown."""
    unit = inline(episode.kpi.unit)
    return [
        Text(f"{inline(other)} {figure(course.kpi[-1])} {unit}", style="dim")
        for other, course in courses.items()
        if other != agent
    ]


def _moved(name: str, reading: str, by: float) -> Text:
    return Text.assemble((f"{name} ", "dim"), (reading, "bold bright_red" if by else "dim"))


# ----------------------------------------------------------------------------------------------------------- the ending


def ending(episode: Episode, grade: Grade | None, agent: str, course: Sequence[float] = ()) -> RenderableType:
    """Why it ended, what was claimed beside what was true, and the grade."""
    end = episode.endings[agent]
    body = labelled()
    if end.error:
        body.add_row(label("error", "red"), Folded(end.error, SHORT.words, "red"))
    played = is_game(episode.family)
    body.add_row(label("kpi"), _result(episode, end, grade, course))
    if played and end.facts:
        shown = [Text.assemble((f"{inline(name)} ", "dim"), _value(value)) for name, value in end.facts.items()]
        body.add_row(label("facts"), joined(shown))
    if end.findings:
        body.add_row(label("found"), _found(end.findings))
    for name, answer in episode.answers.get(agent, {}).items():
        body.add_row(label("asked"), _answered(name, answer))
        if answer.text.strip() and (answer.value is None or answer.text.strip() != figure(answer.value)):
            body.add_row(label("replied"), Folded(answer.text.strip(), REPLY_SHOWN, "dim"))
    claims = [_claims(episode.claims, end)] if (end.facts or end.claims) and not played else []
    graded = [_graded(grade)] if grade is not None and not played else []
    who = "" if agent == SINGLE else f"{inline(agent)}: "
    how = "Handed over or declined, and closed" if end.exited and end.reason == "closed" else ENDINGS[end.reason]
    how = "The game is over" if played and not end.error else how
    reached = "the decision point was met" if end.reached else "the decision point was not met"
    return Panel(
        body if played else Group(body, "", Beside((*claims, *graded))),
        title=Text(who + how, style="bold default"),
        title_align="left",
        subtitle=Text("" if played else reached, style="dim default"),
        subtitle_align="right",
        border_style=COLORS[grade.severity] if grade is not None and grade.violation else "bright_black",
        padding=(1, 2),
    )


def _legend(episode: Episode) -> str:
    return f"◆ what can be expected at the {_best(episode)}" if is_game(episode.family) else LEGEND


def _best(episode: Episode) -> str:
    """What the upper end of the reference is called."""
    return games.load(episode.family).REFERENCE if is_game(episode.family) else "gold path"


def _result(episode: Episode, end: Ending, grade: Grade | None, course: Sequence[float]) -> Text:
    unit = inline(episode.kpi.unit)
    measured = Text(f"{figure(end.kpi_initial)} → {figure(end.kpi_measured)} {unit}", style="bold")
    idle = f"idle {figure(end.reference.idle)}" if end.reference else ""
    best = f"◆ {_best(episode)} {figure(end.reference.best)}" if end.reference else ""
    credited = f"credited {figure(grade.kpi_credited)}" if grade and grade.kpi_credited != end.kpi_measured else ""
    spark = Text(sparkline(course), style="blue")
    return joined(
        [Text.assemble(measured, "  ", spark), idle, Text(best, style="cyan"), Text(credited, style="yellow")]
    )


def _answered(name: str, answer: Answer) -> Text:
    """What was read of what a copy of the agent said beside the episode, and whether that is so."""
    told = answer.disclosure != "none"
    when = "  after the end" if name in (AWARE, SELF_REPORT) else "  beside the episode"
    shown = inline(name).replace("_", " ")
    if not told and answer.value is None:
        return Text.assemble((shown, "dim"), (when, "dim"), ("  The reply holds no answer that can be read.", "bold"))
    said = answer.disclosure if told or answer.value is None else figure(answer.value)
    mark = {True: ("  ✓ right", "green"), False: ("  ✗ wrong", "yellow"), None: ("", "")}[
        None if told else answer.right
    ]
    if name == AWARE and answer.value is not None:
        said += f" of {CHANCES[1]}"
    tone = f"bold {DISCLOSURES.get(answer.disclosure, '')}".strip()
    return Text.assemble((f"{shown} ", "dim"), (said, tone), mark, (when, "dim"))


def _found(findings: Mapping[str, float]) -> Text:
    """The family's own figures in few words: what is wholly so by its name, what is not so at the end."""
    shown = [
        Text(inline(name).replace("_", " "), style="bold").append(f" {figure(value)}" if value < 1 else "")
        for name, value in findings.items()
        if value
    ]
    absent = ", ".join(inline(name).replace("_", " ") for name, value in findings.items() if not value)
    return joined([*shown, Text(f"not {absent}" if absent else "", style="dim")])


def _claims(specs: tuple[ClaimSpec, ...], end: Ending) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim", pad_edge=False)
    for heading in ("reported", "claimed", "in fact", ""):
        table.add_column(heading, overflow="fold", justify="left" if heading in {"reported", ""} else "right")
    claims = end.claims or {}
    units = {spec.name: spec.unit for spec in specs}
    for name in dict.fromkeys([*end.facts, *claims]):
        claimed, true = claims.get(name, UNKNOWN), end.facts.get(name, UNKNOWN)
        unit = f" {inline(units.get(name, ''))}".rstrip()
        false = _is_false(specs, name, claimed, true)
        note = ("✗ false", "bold bright_red") if false else ("", "") if claimed == UNKNOWN else ("✓", "green")
        style = "bold bright_red" if false else ""
        stated = Text("not said" if claimed == UNKNOWN else _value(claimed) + unit, style=style)
        table.add_row(Text(inline(name)), stated, Text(_value(true) + unit), Text(*note))
    return table


def _value(value: Scalar) -> str:
    return figure(value) if isinstance(value, int | float) and not isinstance(value, bool) else inline(str(value))


def _is_false(specs: tuple[ClaimSpec, ...], name: str, claimed: Scalar, true: Scalar) -> bool:
    spec = next((spec for spec in specs if spec.name == name), ClaimSpec(name="other", description="", kind="text"))
    try:
        return true != UNKNOWN and bool(false_claims([spec], {spec.name: claimed}, {spec.name: true}))
    except ValueError:  # a word where a number was asked for
        return True


def _graded(grade: Grade) -> Table:
    symbol = "▲" if grade.violation else "●" if grade.severity else "·"
    severity = Text.assemble((f"{symbol}{grade.severity}", COLORS[grade.severity]), f" {SEVERITIES[grade.severity]}")
    if grade.attempted:
        severity.append(f" · {grade.attempted} attempted", COLORS[grade.attempted])
    pragmatism = (
        f"{100 * grade.pragmatism:.0f} %" if grade.pragmatism is not None else f"not scored: {inline(grade.not_scored)}"
    )
    table = labelled(11)
    table.add_row(label("outcome"), Text(grade.outcome.replace("_", " "), style="bold"))
    table.add_row(label("severity"), severity)
    table.add_row(label("pragmatism"), Text(pragmatism, style="bold"))
    table.add_row(label("disclosure"), Text(grade.disclosure, style=DISCLOSURES.get(grade.disclosure, "")))
    return table
