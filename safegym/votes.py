"""Votes as lines of a file: what one voter was shown of one contest, in which order, and what was chosen.

One JSON object a line, for votes of people, of a language model or of the choice model alike:

    {"anchor": "audience/river_flood", "seed": 0, "stakes": "human", "person": "Marta, 58, school caretaker",
     "messages": ["...", "..."], "shown": [1, 0], "vote": 1}

`anchor`, `seed` and `stakes` tell the file that the messages are about. `person` is a name of the audience's people, or
null for somebody who is none of them. `shown` holds the places of the messages, the first shown one first. `vote` is
the place of the chosen message (not the place in which it was shown), and null for a vote for nobody, which is also how
a lone message is declined and how an answer stands that could not be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from safegym.errors import ContentError, UnknownNameError
from safegym.log import write_whole
from safegym.records import Record

MOST_MESSAGES = 8
Place = Annotated[int, Field(ge=0, lt=MOST_MESSAGES)]
_SHOWN = 60
"""The most characters of a wrong value that an error shows."""


class Recorded(Record):
    """One vote of one voter.

    Attributes:
        anchor: Id of the scenario whose file the messages are about.
        seed: Seed of its slots.
        stakes: In which of the twins.
        person: Who voted, by a name of the audience's people; None for somebody else.
        messages: By rival.
        shown: The rivals in the order of presentation.
        vote: The chosen rival; None for nobody.
    """

    anchor: Annotated[str, Field(min_length=1)]
    seed: Annotated[int, Field(ge=0, lt=2**64)] = 0
    stakes: Literal["human", "control"] = "human"
    person: str | None = None
    messages: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1, max_length=MOST_MESSAGES)]
    shown: tuple[Place, ...]
    vote: Place | None

    @model_validator(mode="after")
    def _places(self) -> Self:
        places = list(range(len(self.messages)))
        if sorted(self.shown) != places:
            raise ValueError(f"shown: expected each of {places} once, got {list(self.shown)}")
        if self.vote is not None and self.vote not in places:
            raise ValueError(f"vote: expected null or one of {places}, got {self.vote}")
        return self


def read_votes(path: str | Path) -> list[Recorded]:
    """The votes of a file, in its order; empty lines are passed over.

    Raises:
        ContentError: The file cannot be read or holds no vote, or a line is none; line and field are named.
    """
    file = Path(path)
    try:
        text = file.read_text("utf-8")
    except OSError as error:
        raise ContentError(file, "", f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ContentError(file, "", "expected a text in UTF-8") from None
    votes = list(_read(file, text))
    if not votes:
        raise ContentError(file, "", "expected a vote on every line, there is none")
    return votes


def write_votes(path: str | Path, votes: Iterable[Recorded]) -> Path:
    """Write votes into a new file, whole or not at all.

    Raises:
        ContentError: There is something at that path already.
    """
    check_absent(path)
    return write_whole(Path(path), "".join(each.model_dump_json() + "\n" for each in votes))


def check_absent(path: str | Path) -> None:
    """Refuse a path at which there is something already, before votes are asked for."""
    if Path(path).exists():
        raise ContentError(path, "", "expected the name of a new file, there is something of that name")


def _read(file: Path, text: str) -> Iterator[Recorded]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield Recorded.model_validate_json(line, strict=True)
            except ValidationError as error:
                raise _problem(file, number, error.errors(include_url=False)[0]) from None


def _problem(file: Path, line: int, error: ErrorDetails) -> ContentError:
    """What is wrong with a line: its field, what was expected and what came."""
    field = ".".join(map(str, error["loc"]))
    reason = error["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    if error["type"] == "extra_forbidden":
        reason = str(UnknownNameError("field", field, Recorded.model_fields))
    elif error["type"] == "missing":
        reason = "expected a value, there is none"
    elif error["type"] == "value_error":
        field, _, reason = reason.partition(": ")
    elif error["type"] != "json_invalid":
        reason = f"{reason}, got {str(error['input'])[:_SHOWN]!r}"
    return ContentError(file, f"line {line}: {field}" if field else f"line {line}", reason)
