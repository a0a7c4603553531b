"""From recorded votes to the choice model that they speak for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from safegym.errors import ContentError, UnknownNameError
from safegym.families.audience.choice import BASE, BELIEF, BY_TRAIT
from safegym.families.audience.file import TASKS
from safegym.fitting.choices import (
    FIRST,
    NOBODY,
    NOBODY_LONE,
    NOT_BORNE_OUT,
    SCALE,
    SLOPES,
    Choices,
    choices_of,
    slope,
)
from safegym.fitting.contests import VOTES, Contest, check_contests, contests_of
from safegym.fitting.description import agreement, ceiling, chance, foretold, null_share, spreads
from safegym.fitting.logit import Maximum, Status, Tell, fit_logit
from safegym.fitting.results import Credulity, Fitted, Weight
from safegym.records import Estimate
from safegym.statistics import DRAWS as MOST_DRAWS
from safegym.statistics import interval
from safegym.votes import Recorded

DRAWS = 400
LEAST_DRAWS = 100
FEW = 0.025
"""Part of the draws in which the scale may be nought or less where something is measured by it."""
WHY: Mapping[Status, str] = {
    "constant": "not identified: it does not vary between the options of any voter",
    "entangled": "not identified: it varies only together with other features",
    "separated": "no finite estimate: it foretells every vote that it bears on",
}
NO_MEASURE = "the scale is not told apart from nought, so there is nothing to measure by"
BACKWARDS = "the scale is below nought: what the file bears out costs votes, so there is nothing to measure by"
ASSUMED = {**BASE, **{slope(*each): value for each, value in BY_TRAIT.items()}}


def fit_votes(
    votes: Iterable[Recorded],
    *,
    task: str | None = None,
    traits: bool = False,
    cast_only: bool = False,
    draws: int = DRAWS,
    tell: Tell = lambda done, total: None,
) -> Fitted:
    """Estimate the choice model.

    Args:
        votes: At least on two anchors.
        task: Only votes on messages for this task.
        traits: Also estimate what traits of the crowd's people add to weights.
        cast_only: Leave out null votes among several messages, as answers that could not be read.
        draws: For the intervals.
        tell: Called with how many draws were made, and how many there will be.

    Raises:
        UnknownNameError: For an anchor, a person or a task that there is not.
        ContentError: The votes are too few or all equal, or they are perfectly separated.
    """
    if not LEAST_DRAWS <= draws <= MOST_DRAWS:
        nearest = min(max(draws, LEAST_DRAWS), MOST_DRAWS)
        reason = f"expected from {LEAST_DRAWS} to {MOST_DRAWS}, got {draws}; the nearest is {nearest}"
        raise ContentError("--draws", "", reason)
    everything = _of_task(contests_of(votes), task)
    contests = [each for each in everything if not each.refused]
    check_contests(contests)
    choices = choices_of(contests, traits=traits, nulls=not cast_only)
    found = fit_logit(choices, draws, tell)
    if found is None:
        reason = "some weights foretell all of them, so none has a finite estimate; expected voters who differ more"
        raise ContentError(VOTES, "vote", f"perfectly separated: {reason}")
    every = [each.person for contest in contests for each in contest.votes]
    messages = sum(len(each.features) for each in contests)
    return Fitted(
        votes=int(choices.votes),
        contests=len(contests),
        anchors=len(choices.anchors),
        people=len({*every} - {None}),
        strangers=every.count(None),
        tasks=tuple(sorted({each.task for each in contests})),
        traits=traits,
        draws=draws,
        scale=_weight(choices, found, SCALE),
        credulity=credulity_of(choices, found),
        position=_weight(choices, found, FIRST),
        weights=tuple(_weights(choices, found)),
        nulls=null_share(contests),
        agreement=agreement(contests),
        spreads=tuple(spreads(contests, draws)),
        foretold=foretold(choices),
        chance=chance(choices),
        ceiling=ceiling(contests),
        unread=sum(each.unread for each in contests) / messages,
        inventive=sum(each.inventive for each in contests) / messages,
        notes=tuple(_notes(everything, choices, found, cast_only=cast_only)),
    )


def _of_task(contests: list[Contest], task: str | None) -> list[Contest]:
    if task is None:
        return contests
    if task not in TASKS:
        raise UnknownNameError("task", task, TASKS)
    kept = [each for each in contests if each.task == task]
    if not kept:
        got = ", ".join(sorted({each.task for each in contests}))
        raise ContentError("--task", "", f"expected a task that there are votes for ({got}), got {task}")
    return kept


# --------------------------------------------------------------------------------------------------------- weights


def _weights(choices: Choices, found: Maximum) -> Iterable[Weight]:
    for name in choices.columns:
        if name in (SCALE, FIRST) or (name in (NOBODY, NOBODY_LONE) and _status(choices, found, name) == "constant"):
            continue
        yield Weight(
            name=name,
            estimate=_weight(choices, found, name),
            relative=_relative(choices, found, name, 1.0),
            assumed=ASSUMED.get(name),
        )


def _weight(choices: Choices, found: Maximum, name: str) -> Estimate:
    status, place = _status(choices, found, name), choices.columns.index(name)
    if status != "told":
        return Estimate(value=None, n=int(choices.votes), reason=WHY[status])
    value = float(found.weights[place])
    ends = interval(value, found.draws[:, place])
    return Estimate(value=value, low=ends.low, high=ends.high, n=int(choices.votes))


def _relative(choices: Choices, found: Maximum, name: str, unit: float) -> Estimate:
    """A weight as part of `unit` times the scale; the interval is that of the ratio, draw by draw.

    A draw in which the scale is nought or less bounds the ratio on neither side.
    """
    for each in (name, SCALE):
        if (status := _status(choices, found, each)) != "told":
            about = "" if each == name else f"{SCALE}: "
            return Estimate(value=None, n=int(choices.votes), reason=about + WHY[status])
    scale, place = choices.columns.index(SCALE), choices.columns.index(name)
    measured = found.draws[:, scale] > 0
    if measured.mean() <= 1.0 - FEW:
        reason = BACKWARDS if measured.mean() < FEW else NO_MEASURE
        return Estimate(value=None, n=int(choices.votes), reason=reason)
    ratios = found.draws[:, place] / np.where(measured, unit * found.draws[:, scale], np.nan)
    low, high = (
        float(np.quantile(np.where(measured, ratios, end), tail, method="inverted_cdf"))
        for end, tail in ((-np.inf, FEW), (np.inf, 1.0 - FEW))
    )
    value = float(found.weights[place] / found.weights[scale] / unit)
    return Estimate(value=value, low=min(low, value), high=max(high, value), n=int(choices.votes))


def credulity_of(choices: Choices, found: Maximum) -> Credulity:
    """The credulity of a fit, and in words whether its sign is told."""
    estimate = _relative(choices, found, NOT_BORNE_OUT, BELIEF)
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return Credulity(estimate=estimate, positive=None, verdict=f"not told: {estimate.reason}")
    place = choices.columns.index(NOT_BORNE_OUT)
    positive = float((found.draws[:, place] > 0).mean())
    if estimate.low > 0:
        verdict = "above nought: what the file does not bear out wins votes"
    elif estimate.high < 0:
        verdict = "below nought: what the file does not bear out costs votes"
    else:
        verdict = "its sign is not told apart from nought"
    return Credulity(estimate=estimate, positive=positive, verdict=verdict)


def _status(choices: Choices, found: Maximum, name: str) -> Status:
    return found.status[choices.columns.index(name)]


# --------------------------------------------------------------------------------------------------------- notes


def _notes(everything: Sequence[Contest], choices: Choices, found: Maximum, *, cast_only: bool) -> Iterable[str]:
    """What has to be known of the votes that were given, of those that were counted, and of the model."""
    refused = [each for each in everything if each.refused]
    contests = [each for each in everything if not each.refused]
    if refused:
        votes = sum(len(each.votes) for each in refused)
        yield f"Left out: {votes} votes on contests with a message that is shown to nobody ({refused[0].refused})."
    yield from _on_reading(contests)
    tasks = {each.task for each in contests}
    if len(tasks) > 1:
        yield f"Votes for {len(tasks)} tasks share one scale, which may differ between them; --task fits one alone."
    separated = [name for name, status in zip(choices.columns, found.status, strict=True) if status == "separated"]
    if separated:
        yield (
            f"Separated: {', '.join(separated)}. What they decide is taken as decided; the other weights are those of "
            "the votes that are left."
        )
    yield from _on_nulls(contests, cast_only=cast_only)
    people = [each.person for contest in contests for each in contest.votes]
    if any(people) and None in people:
        yield f"{people.count(None)} of {len(people)} votes are by nobody of the crowd and count with mean interests."
    if any(people) and slope(*SLOPES[0]) not in choices.columns:
        yield (
            "What differs between people beside their interests counts as noise, which makes all weights smaller, "
            "the scale too, and ratios to it hardly. --traits estimates it."
        )


def _on_reading(contests: Sequence[Contest]) -> Iterable[str]:
    """What looks like messages that were written on another file."""
    messages = sum(len(each.features) for each in contests)
    if unread := sum(each.unread for each in contests):
        where = _throughout(contests, lambda each: each.unread == len(each.features))
        yield (
            f"In {_percent(unread, messages)} of the messages nothing of their file was read{where}: paraphrases, or "
            "messages about something else."
        )
    if inventive := sum(each.inventive for each in contests):
        where = _throughout(contests, lambda each: each.inventive > 0)
        yield (
            f"{_percent(inventive, messages)} of the messages have figures, names or assurances that their file has "
            f"not{where}. They count as not borne out; messages under another seed look like that."
        )


def _throughout(contests: Sequence[Contest], strange: Callable[[Contest], bool]) -> str:
    """The anchors whose contests are all strange, in words."""
    names = sorted({each.anchor for each in contests} - {each.anchor for each in contests if not strange(each)})
    more = f" and {len(names) - 1} more anchors" if len(names) > 1 else ""
    return f", everywhere about {names[0]}{more}" if names else ""


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %"


def _on_nulls(contests: Sequence[Contest], *, cast_only: bool) -> Iterable[str]:
    nulls = sum(each.nulls for each in contests if not each.lone)
    if nulls and cast_only:
        yield f"Left out: {nulls} null votes."
    elif nulls:
        yield f"{nulls} null votes count as votes for nobody; --cast-only leaves them out, as answers not read."
