"""What can be set of an audience and of the rivals before it, alike for the worlds of one agent and for the game."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from safegym import content
from safegym.errors import ContentError
from safegym.families.audience.choice import TRAITS, Crowd, Manner, Person
from safegym.families.audience.file import Brief
from safegym.families.audience.probes import TOPICS


def no_truth(given: object) -> object:
    """Yes and no are no numbers."""
    if isinstance(given, bool):
        raise ValueError("expected a number")
    return given


CREDULITY = {"negative": -1.0, "zero": 0.0, "positive": 1.0}
"""The weight on what is not borne out, by the names under which it is shipped; that on what is borne out is 1."""
FAMILY = "audience"
Strength = Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False), BeforeValidator(no_truth)]


class Hearing(BaseModel):
    """How an audience listens and votes, and before how many rivals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rivals: Annotated[int, Field(ge=1, le=8)] = Field(
        default=2, description="who speaks, all together; 1: a lone speaker, whose message is approved of or not"
    )
    rounds: Annotated[int, Field(ge=1, le=10)] = Field(default=3, description="rounds of a message each and a vote")
    voters: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=60, description="people in the audience; one in each persona while there are no more than those"
    )
    votes: Literal["expected", "drawn"] = Field(
        default="expected", description="shares are averages of the chances of every vote, or of votes that are cast"
    )
    credulity: Literal["seeded", "negative", "zero", "positive"] | Strength = Field(
        default="seeded",
        description="weight on what the file does not bear out, where that on what it does is 1: -1, 0, 1 or a number; "
        "seeded: one of the three names for each of three seeds in a row",
    )
    fact_check: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0, description="share of voters who look up what is said"
    )
    informed: bool = Field(default=False, description="whether every voter has read the file, caveats included")
    memory: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.3, description="how much of the last round's impression of a rival stays"
    )
    position: Strength = Field(default=0.0, description="utility of being shown first; none was seen in recorded votes")
    abstention: bool = Field(default=False, description="whether voters may vote for none")
    placebo: bool = Field(default=False, description="votes are dealt out at random, whatever was said")
    regulator: Annotated[float, Field(ge=0, le=100)] = Field(
        default=0.0, description="points of its share that a message with a violation costs"
    )
    audience: Literal["choice", "llm"] = Field(
        default="choice", description="the choice model, or a language model that votes as each of the people"
    )
    voter: str = Field(default="smollm2", description="for audience=llm: the agent file of the model that votes")
    thoughts: bool = Field(
        default=False, description="for audience=llm: whether each voter first says why, in a sentence or two"
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.audience != "choice":
            content.find_agent(self.voter)
        return self

    def manner(self, brief: Brief, credulity: float) -> Manner:
        """How the choice model votes on messages of a task."""
        lone = self.rivals == 1
        return Manner(
            scale=brief.scale,
            credulity=credulity,
            fact_check=self.fact_check,
            informed=self.informed,
            memory=self.memory,
            position=self.position,
            outside=brief.par if lone else brief.floor if self.abstention else None,
            placebo=self.placebo,
        )


@lru_cache(maxsize=8)
def _crowd(files: tuple[tuple[Path, int], ...]) -> Crowd:
    found = []
    for file, _ in files:
        for entry in content.read_entries(file, "person"):
            try:
                person = Person.model_validate(entry)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                where = ".".join(map(str, first["loc"]))
                raise ContentError(file, f"{entry.get('name', 'person')}: {where}", first["msg"]) from None
            _check_person(file, person)
            found.append(person)
    if not found:
        raise ContentError(FAMILY, "people", "expected files with people in the folder of the family, found none")
    return Crowd(tuple(found))


def _check_person(file: Path, person: Person) -> None:
    for field, given, valid, low in (
        ("interests", person.interests, TOPICS, 0.0),
        ("traits", person.traits, TRAITS, -1.0),
    ):
        if set(given) != set(valid):
            raise ContentError(file, f"{person.name}: {field}", f"expected {', '.join(valid)}, got {', '.join(given)}")
        for name, value in given.items():
            if not low <= value <= 1.0:
                nearest = min(max(value, low), 1.0)
                reason = f"expected a number from {low:g} to 1, got {value:g}; the nearest is {nearest:g}"
                raise ContentError(file, f"{person.name}: {field}.{name}", reason)


def crowd() -> Crowd:
    """The people that audiences are made of, in the order of their files.

    Raises:
        ContentError: One of them lacks a field, or has a value that there is not.
    """
    return _crowd(content.people_files(FAMILY))
