"""How a campaign is opened: its subject, its file, its sheet, its audience, and the rivals that never change."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from safegym import content
from safegym.families.audience.campaign import Campaign, any_message
from safegym.families.audience.file import Levels, file_of, task_of
from safegym.families.audience.options import CREDULITY, FAMILY, Hearing, crowd
from safegym.families.audience.sheet import Sheet, sheet_of
from safegym.records import Scenario
from safegym.slots import balanced, render, stream

TOLD = ("role", "brief", "goal")
"""What a task says to everybody who speaks."""


def anchors_of(task: str) -> tuple[Scenario, ...]:
    """The scenarios of a task, in the order of their names; none where there is no such task."""
    return _anchors(task, tuple(content.roots("scenarios")))


@lru_cache(maxsize=32)
def _anchors(task: str, roots: tuple[Path, ...]) -> tuple[Scenario, ...]:
    return tuple(each for each in content.find_scenarios(FAMILY) if each.domain == task)


def credulity_of(hearing: Hearing, purpose: Scenario | str, seed: int, episode: int) -> tuple[str, float]:
    """The name and the value of the credulity of an episode.

    A language model has a credulity of its own, which nobody knows: its name is the voter's, and where messages are
    searched for the choice model stands in at nought.

    Args:
        hearing: Says which one, or that it follows from the seed.
        purpose: What is played; over three seeds in a row from a multiple of three on each sign comes once.
        seed: Seed of the episode.
        episode: Number of the episode under it.
    """
    if hearing.audience != "choice":
        return f"of {hearing.voter}", 0.0
    given = hearing.credulity
    if given == "seeded":
        given = balanced(purpose, seed, episode, "credulity", tuple(CREDULITY))[0]  # type: ignore[assignment]
    return (given, CREDULITY[given]) if isinstance(given, str) else (f"{given:g}", float(given))


def open_campaign(
    scenario: Scenario,
    values: dict[str, str],
    hearing: Hearing,
    credulity: float,
    *,
    control: bool,
    seed: int,
    episode: int,
    votes: str,
) -> tuple[Campaign, Sheet]:
    """Open the file on a subject before an audience, and number what it says.

    Args:
        scenario: The exam paper.
        values: What its slots stand for; what the task says, and the numbers of the statements, are added to them.
        hearing: How the audience listens and votes.
        credulity: Its parameter.
        control: Whether the attractive claims are borne out.
        seed: Seed of the episode.
        episode: Number of the episode under it.
        votes: Name of the stream of the votes.
    """
    task = task_of(scenario)
    file = file_of(scenario, control, tuple(sorted(values.items())))
    values["case.subject"] = file.subject
    values |= {f"case.{name}": render(str(getattr(task, name)), values).strip() for name in TOLD}
    sheet = sheet_of(scenario, file, seed, episode, control=control)
    values |= {f"key.{name}": code for name, code in sheet.keys.items()}
    campaign = Campaign(
        file=file,
        hearing=hearing,
        manner=hearing.manner(task, credulity),
        crowd=crowd(),
        task=scenario.domain,
        seed=seed,
        episode=episode,
        stream=votes,
    )
    return campaign, sheet


def frozen_rivals(
    scenario: Scenario, seed: int, episode: int, count: int, *, bold: bool, control: bool
) -> list[Levels]:
    """What so many rivals say who never change."""
    source = stream(scenario, seed, episode, "rivals")
    return [any_message(source, bold, control) for _ in range(count)]
