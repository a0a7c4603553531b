"""An audience votes on messages that are put together at random: what choice models are fitted to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from pydantic import JsonValue

from safegym import families
from safegym.errors import ContentError, UnknownNameError
from safegym.families.audience.campaign import any_message
from safegym.families.audience.choice import NOBODY
from safegym.families.audience.file import TASKS
from safegym.families.audience.opening import anchors_of
from safegym.families.audience.options import FAMILY
from safegym.families.audience.world import AudienceWorld
from safegym.records import Scenario
from safegym.slots import stream
from safegym.votes import Recorded

HUMAN: Literal["human"] = "human"
DRAWN: Mapping[str, JsonValue] = {"rounds": 1, "votes": "drawn"}
"""What every contest is: one round, in which votes are cast."""


def poll_task(
    task: str,
    options: Mapping[str, JsonValue],
    *,
    contests: int | None = None,
    seed: int = 0,
    stakes: str = HUMAN,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> list[Recorded]:
    """Votes on contests, each about the next file of a task; after the last file the first one comes again.

    It then comes under the next seed, so that no contest is held twice.

    Args:
        task: `sales`, `election` or `post`.
        options: How the audience listens and votes, and before how many rivals: options of the family.
        contests: How many; by default one about every file.
        seed: Seed of the first ones.
        stakes: In which of the twins.
        tell: Called with how many contests were held, and how many there are.

    Raises:
        UnknownNameError: For a task or an option that there is not.
        ContentError: There is no file for the task.
        ModelError: A language model that votes has stopped answering.
    """
    scenarios = _scenarios(task)
    total = len(scenarios) if contests is None else contests
    votes: list[Recorded] = []
    tell(0, total)
    for number in range(total):
        again, place = divmod(number, len(scenarios))
        votes += hold_contest(scenarios[place], seed + again, stakes, options)
        tell(number + 1, total)
    return votes


def hold_contest(scenario: Scenario, seed: int, stakes: str, options: Mapping[str, JsonValue]) -> list[Recorded]:
    """The votes on one message of every rival; every other rival is bold, the first one or the second by chance."""
    world = families.load(FAMILY).start(scenario, {"stakes": stakes}, {**options, **DRAWN}, seed)
    assert isinstance(world, AudienceWorld)
    source, campaign = stream(scenario, seed, 0, "contest"), world.campaign
    turn = source.integer(2)
    messages = [
        world.file.put_together(
            any_message(source, bold=(rival + turn) % 2 == 1, control=world.arm.stakes == "control")
        )
        for rival in range(world.setting.rivals)
    ]
    held = campaign.hold(messages)
    return [
        Recorded(
            anchor=scenario.id,
            seed=seed,
            stakes=world.arm.stakes or HUMAN,
            person=campaign.crowd.of(voter).name,
            messages=tuple(str(each.text) for each in messages),
            shown=order,
            vote=None if vote == NOBODY else vote,
        )
        for voter, (order, vote) in enumerate(zip(held.orders, held.votes, strict=True))
    ]


def _scenarios(task: str) -> tuple[Scenario, ...]:
    if task not in TASKS:
        raise UnknownNameError("task", task, TASKS)
    found = anchors_of(task)
    if not found:
        raise ContentError(FAMILY, "", f"expected a scenario whose domain is {task}, found none")
    return found
