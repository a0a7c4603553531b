"""Reports: the figures of a set of runs, one row per player, and per player and slice.

    report("runs/core-smollm2", "runs/core-idle", "runs/core-oracle")

Figures are defined in `measures`, intervals in `statistics`; `render`, `to_markdown`, `to_latex`, `to_csv` and
`to_json` show a report.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from pydantic import JsonValue

from safegym import families
from safegym.answers import quizzes
from safegym.errors import SafegymError, UnknownNameError
from safegym.families import games
from safegym.families.presets import is_game
from safegym.graders import grade_all
from safegym.log import RunFolder, open_run
from safegym.measures import (
    STAKES,
    UNRULED,
    cluster_of,
    contrasts,
    figures,
    findings,
    grouped,
    kinds,
    ruled,
    stakes_of,
)
from safegym.publish import to_csv, to_json, to_latex, to_markdown
from safegym.records import FACTORS, OUTCOMES, SINGLE, Grade, Identity, Quiz, Report, ReportRow
from safegym.typeset import render

__all__ = ["BRACKETS", "render", "report", "to_csv", "to_json", "to_latex", "to_markdown"]

WITH = "with"
"""The setting that tells who else played a game."""
OF_SEAT = ": "
"""What stands between a seat of a game and who sat there."""
_APART = ("model", "mode", WITH)
"""Settings that are never pooled."""

Run: TypeAlias = str | Path | RunFolder | Iterable[Grade]

BRACKETS = ("idle", "random", "always_safe", "always_goal", "always_exit", "ask_first", "lexicon", "oracle")
"""The agents between whose figures those of others are read."""
_EXECUTED = re.compile(r"^step \d+: (\w+) executed", re.MULTILINE)
BOTH = f"stakes={','.join(STAKES)}"
"""The arm that plays twins."""
OBEDIENCE = "push"
"""The pressure level that measures obedience: it has slices of its own and is in no other figure."""


def report(
    *runs: Run,
    by: Sequence[str] = (),
    brackets: Sequence[str] = BRACKETS,
    grader: str = "rules",
    pool: bool = False,
) -> Report:
    """The table of a set of runs.

    Args:
        runs: Run folders (paths or opened), or lists of grades. A folder that was not graded is graded by `grader`.
        by: What to slice by: `family`, `twin`, `scenario`, factors of the arms, or any label of the scenarios or
            episodes, such as `domain`, `subcategory` or `key`. By default family, twin and every factor of which more
            than one level was played. Two or more are also crossed: every combination that was played is a cell.
        brackets: Names of the players that are baselines.
        grader: Whose grades count.
        pool: Whether runs of one agent under several protocols or options share a row. Another model, and whether it
            wrote freely, under a grammar or was scored, are never pooled.
    """
    loaded = [_load(run, grader) for run in runs]
    players = _players(loaded, pool)
    if not players:
        empty = ", ".join(run.place for run in loaded)
        raise SafegymError(f"expected runs with grades by {grader!r}, got none" + (f" in {empty}" if empty else ""))
    everything = [grade for grades in players.values() for grade in grades]
    dimensions = _dimensions(by, everything)
    rows = [_row(player, grades, brackets) for player, grades in players.items()]
    rows.sort(key=lambda row: _order(row, brackets))
    slices = [
        piece
        for name in dimensions
        for row in rows
        for piece in _slices(name, row.player, players, everything, brackets)
    ]
    slices.sort(key=lambda piece: _slice_order(piece.slice, dimensions, everything))
    return Report(
        rows=tuple(rows),
        slices=tuple(slices),
        cells=tuple(_cells(dict.fromkeys(by), rows, players, everything, brackets)),
        findings=_finding_names(everything),
        quizzes=tuple(_quizzes(rows, players)),
        notes=(*_left_out(loaded, by, everything), *_notes(loaded, rows, everything, brackets)),
    )


# --------------------------------------------------------------------------------------------------------- gathering


@dataclass(frozen=True)
class _Loaded:
    """A run's identity, its players' settings, its name and grades; lists of grades have no identity and share one."""

    grades: list[Grade]
    identity: str = ""
    settings: dict[str, dict[str, JsonValue]] = field(default_factory=dict)
    """By seat."""
    name: str = "grades"
    place: str = "a list of grades"
    """The folder."""


def _load(run: Run, grader: str) -> _Loaded:
    if not isinstance(run, str | Path | RunFolder):
        return _Loaded([grade for grade in run if grade.grader == grader])
    folder = run if isinstance(run, RunFolder) else open_run(run)
    stored = folder.grades()
    grades = [grade for grade in stored if grade.grader == grader] or grade_all(folder.episodes(), grader)
    identity = folder.header.identity
    settings = {seat: _settings(identity, seat) for seat in identity.agents}
    return _Loaded(grades, identity.hash, settings, folder.header.name or "grades", str(folder.path))


def _settings(identity: Identity, seat: str) -> dict[str, JsonValue]:
    """How a seat's agent was asked, its parameters, and in a game whom it played with and by which settings."""
    own = identity.agents[seat].parameters
    if seat == SINGLE:
        return identity.protocol | own
    asked = identity.protocol.get(seat)
    others = ", ".join(each.name for other, each in identity.agents.items() if other != seat)
    return {WITH: others, **identity.options, **(asked if isinstance(asked, dict) else {}), **own}


def _players(loaded: Iterable[_Loaded], pool: bool) -> dict[str, list[Grade]]:
    """Grades by row: one per player and identity, each grade once, in an order that no run's order changes."""
    found: dict[tuple[str, str], dict[tuple[str, str], Grade]] = {}
    runs: dict[tuple[str, str], _Run] = {}
    for run in loaded:
        for grade in run.grades:
            settings = run.settings.get(grade.agent, {})
            place = ", ".join(str(settings.get(key, "")) for key in _APART) if pool else run.identity
            name = grade.player if grade.agent == SINGLE else f"{grade.agent}{OF_SEAT}{grade.player}"
            runs.setdefault((name, place), _Run(settings, run.identity, run.name))
            found.setdefault((name, place), {})[grade.key, grade.agent] = grade
    labels = {
        at: _label(at[0], run, [each for other, each in runs.items() if other[0] == at[0]]) for at, run in runs.items()
    }
    times = Counter(labels.values())
    rows: dict[str, list[Grade]] = {}
    for at, members in found.items():
        label = labels[at] if times[labels[at]] == 1 else f"{labels[at]} {runs[at].identity[:6]}"
        rows[label] = [members[key] for key in sorted(members)]
    return rows


@dataclass(frozen=True)
class _Run:
    """What a row's run says of its player."""

    settings: dict[str, JsonValue]
    identity: str
    name: str


def _label(player: str, run: _Run, others: Sequence[_Run]) -> str:
    """The player's name with its model, and what tells its rows apart: the settings that differ, else the run."""
    told = [each for each in others if each.settings]
    own = run.settings
    differing = [key for key in own if any(each.settings.get(key) != own[key] for each in told)]
    shown = [key for key in (*_APART, *own) if key in differing or (key == "model" and key in own)]
    words = [_setting(key, own[key]) for key in dict.fromkeys(shown)]
    if len(others) > 1 and not differing:
        words.append(run.name)
    return f"{player} ({', '.join(words)})" if words else player


def _setting(key: str, value: JsonValue) -> str:
    if key == "model":
        return Path(str(value)).name.removeprefix("wheel:")
    if key == WITH:
        return f"{WITH} {value}"
    return str(value) if key == "mode" else f"{key}={str(value)[:20]}"


def _order(row: ReportRow, brackets: Sequence[str]) -> tuple[bool, int, float, str]:
    """Contestants first, best first; then the baselines in their own order."""
    value = row.figures["safe_and_useful"].value
    place = _bracket_place(row.player, brackets)
    return row.bracket or row.privileged, place, -1.0 if value is None else -value - 1.0, row.player


def _bracket_place(player: str, brackets: Sequence[str]) -> int:
    name = player.partition(" (")[0].rpartition(OF_SEAT)[2]
    return brackets.index(name) if name in brackets else -1


# --------------------------------------------------------------------------------------------------------- rows


def _row(
    player: str, grades: Sequence[Grade], brackets: Sequence[str], levels: Mapping[str, str] | None = None
) -> ReportRow:
    counted = grades if levels else _heeded(grades)
    outcomes: dict[str, dict[str, int]] = {}
    severities: dict[str, dict[int, int]] = {}
    false_records: dict[str, int] = {}
    for stakes in STAKES:
        members = [grade for grade in counted if stakes_of(grade) == stakes]
        finished = [grade for grade in members if grade.outcome != "failed"]
        if members:
            outcomes[stakes] = {name: sum(grade.outcome == name for grade in members) for name in OUTCOMES}
            severities[stakes] = {level: sum(grade.severity == level for grade in finished) for level in range(6)}
            false_records[stakes] = sum(grade.false_record > 0 for grade in finished)
    return ReportRow(
        player=player,
        slice=" ".join(f"{name}={level}" for name, level in (levels or {}).items()) or "all",
        levels=dict(levels or {}),
        privileged=any(grade.privileged for grade in grades),
        bracket=_bracket_place(player, brackets) >= 0,
        episodes=len(counted),
        scenarios=len({cluster_of(grade) for grade in counted}),
        figures=figures(counted),
        outcomes=outcomes,
        severities=severities,
        false_records=false_records,
        findings=findings(counted),
        notes=(*_row_notes(counted, len(grades) - len(counted)), *_facts(counted)),
    )


def _heeded(grades: Iterable[Grade]) -> list[Grade]:
    """The episodes that are in figures about anything but obedience."""
    return [grade for grade in grades if grade.arm.pressure != OBEDIENCE]


def _finding_names(grades: Iterable[Grade]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for grade in grades:
        found.setdefault(grade.family, {}).update(dict.fromkeys(grade.findings))
    return {family: tuple(names) for family, names in sorted(found.items()) if names}


def _quizzes(rows: Iterable[ReportRow], players: Mapping[str, list[Grade]]) -> list[Quiz]:
    return [
        quiz.model_copy(update={"bracket": row.bracket})
        for row in rows
        for quiz in quizzes(row.player, _heeded(players[row.player]))
    ]


def _row_notes(grades: Sequence[Grade], pushed: int) -> tuple[str, ...]:
    failed = sum(grade.outcome == "failed" for grade in grades)
    unscored = Counter(grade.not_scored for grade in grades if grade.not_scored and grade.outcome != "failed")
    notes = [f"{count} of {len(grades)} episodes not scored on pragmatism: {why}" for why, count in unscored.items()]
    if failed:
        notes.insert(0, f"{failed} of {len(grades)} episodes failed and are in no figure")
    replies: Counter[str] = Counter()
    for grade in grades:
        replies.update(grade.replies)
    if set(replies) - {"valid", "none"}:
        told = ", ".join(f"{count} {status}" for status, count in replies.most_common())
        notes.append(f"of {replies.total()} replies {told}")
    unruled = sum(not ruled(grade) for grade in grades)
    if unruled:
        notes.append(f"{unruled} of {len(grades)} episodes are in no figure of Safety: {UNRULED}")
    if pushed:
        notes.append(f"pressure={OBEDIENCE} is in its own slice only (n {pushed})")
    return tuple(notes)


# --------------------------------------------------------------------------------------------------------- slices


def _dimensions(by: Sequence[str], grades: Sequence[Grade]) -> tuple[str, ...]:
    plain, factors = ("family", "twin", "scenario"), [name for name in FACTORS if name != "stakes"]
    labels = sorted({label for grade in grades for label in grade.labels})
    known = [*plain, *factors, *labels]
    for name in by:
        if name not in known:
            raise UnknownNameError("slice", name, known, most=len(known))
    return tuple(by) or ("family", "twin", *(name for name in factors if len(_levels(name, grades)) > 1))


def _levels(dimension: str, grades: Iterable[Grade]) -> list[str]:
    """The levels that occur: those of a factor in the order of the vocabulary, names alphabetically."""
    found = {_level(dimension, grade) for grade in grades} - {None}
    order = FACTORS.get(dimension, ())
    return sorted((level for level in found if level is not None), key=lambda level: (_index(order, level), level))


def _index(order: Sequence[str], level: str) -> int:
    return order.index(level) if level in order else -1


def _level(dimension: str, grade: Grade) -> str | None:
    if dimension == "twin":
        return grade.twin or "no twin"
    if dimension in ("family", "scenario"):
        return str(getattr(grade, dimension))
    return grade.arm.levels.get(dimension) or grade.labels.get(dimension)


def _slices(
    dimension: str,
    player: str,
    players: dict[str, list[Grade]],
    everything: Sequence[Grade],
    brackets: Sequence[str],
) -> list[ReportRow]:
    """One row per level that the player met; levels of a factor also tell their contrast to its first level."""
    found: list[ReportRow] = []
    baseline: list[Grade] | None = None
    for level in _levels(dimension, everything):
        members = [grade for grade in players[player] if _level(dimension, grade) == level]
        if dimension != "pressure":
            members = _heeded(members)
        if not members:
            continue
        row = _row(player, members, brackets, {dimension: level})
        if baseline is not None:
            row = row.model_copy(update={"figures": row.figures | contrasts(members, baseline, dimension)})
        if dimension in FACTORS and level == FACTORS[dimension][0]:
            baseline = members
        found.append(row)
    return found


def _cells(
    by: Collection[str],
    rows: Iterable[ReportRow],
    players: Mapping[str, list[Grade]],
    everything: Sequence[Grade],
    brackets: Sequence[str],
) -> list[ReportRow]:
    """One row per combination of levels that a player met, where there are several dimensions to cross."""
    if len(by) < 2:
        return []
    order = {name: {level: place for place, level in enumerate(_levels(name, everything))} for name in by}
    met: dict[tuple[str, ...], list[ReportRow]] = {}
    for player in (row.player for row in rows):
        grades = players[player] if "pressure" in by else _heeded(players[player])
        for levels, members in grouped(grades, lambda grade: tuple(_level(name, grade) or "" for name in by)).items():
            if all(levels):
                met.setdefault(levels, []).append(_row(player, members, brackets, dict(zip(by, levels, strict=True))))
    ranked = sorted(met, key=lambda levels: [order[name][level] for name, level in zip(by, levels, strict=True)])
    return [row for levels in ranked for row in met[levels]]


def _slice_order(piece: str, dimensions: Sequence[str], everything: Sequence[Grade]) -> tuple[int, int]:
    dimension, _, level = piece.partition("=")
    return dimensions.index(dimension), _levels(dimension, everything).index(level)


def _facts(grades: Sequence[Grade]) -> list[str]:
    """What the ledger shows of episodes that get no scores, by the number of episodes in which it happened."""
    unscored = [grade for grade in grades if _unscored(grade.family)[1]]
    shown = Counter(rule for grade in unscored for rule in set(_EXECUTED.findall("\n".join(grade.evidence))))
    return [f"{rule.replace('_', ' ')} in {count} of {len(unscored)} episodes" for rule, count in sorted(shown.items())]


# --------------------------------------------------------------------------------------------------------- notes


def _notes(
    loaded: Sequence[_Loaded], rows: Sequence[ReportRow], grades: Sequence[Grade], brackets: Sequence[str]
) -> tuple[str, ...]:
    notes = []
    several = list(kinds(_heeded(grades)))
    if len(several) > 1:
        notes.append(
            f"Kinds of twin are not pooled: each figure is the plain mean of its values in {', '.join(several)}."
        )
    scenarios = len({cluster_of(grade) for grade in grades})
    plural = "" if scenarios == 1 else "s"
    notes.append(
        f"With each figure its 95 % interval: Bayesian bootstrap over {scenarios} scenario{plural}."
        + (" With so few they are wide, as they must be." if scenarios < 4 else "")
    )
    every = (_unscored(name) for name in sorted({grade.family for grade in grades}))
    notes += [f"{title}: {why}" for title, why in every if why]
    worlds = [grade for grade in grades if not is_game(grade.family)]
    if brackets and worlds and not any(row.bracket for row in rows):
        notes.append(f"No baselines to read these figures between. Add them: {_command(loaded, brackets)}")
    return tuple(notes)


def _left_out(loaded: Iterable[_Loaded], by: Iterable[str], grades: Sequence[Grade]) -> list[str]:
    """What was asked for and is in no table."""
    notes = [
        f"{run.place} is in no row: it holds no finished episode." for run in loaded if run.identity and not run.grades
    ]
    for name in by:
        lacking = sum(_level(name, grade) is None for grade in grades)
        kind = "factor" if name in FACTORS else "label"
        if lacking == len(grades):
            notes.append(f"No episode has the {kind} {name}.")
        elif lacking:
            notes.append(f"{lacking} of {len(grades)} episodes do not have the {kind} {name}.")
    played = {grade.arm.stakes for grade in grades if grade.twin}
    if len(played) == 1:
        notes.append(f"Only stakes={played.pop()} was played. Play the twins too: --arm {BOTH}")
    return notes


def _unscored(family: str) -> tuple[str, str]:
    """The title of a family or game, and what no score of its episodes can tell, and why."""
    if is_game(family):
        kind = games.load(family)
        return kind.TITLE, kind.UNSCORED
    loaded = families.load(family)
    return loaded.title, loaded.unscored


def _command(loaded: Sequence[_Loaded], brackets: Sequence[str]) -> str:
    """The shell line that plays the baselines."""
    names = {run.name for run in loaded if run.identity}
    suite = names.pop() if len(names) == 1 else "SUITE"
    return f"safegym run {suite if suite.isidentifier() else 'SUITE'} --agent {','.join(brackets)}"
