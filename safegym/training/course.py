"""What is learnt, from whom and how: all that a round of learning by a language model depends on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, JsonValue

from safegym import content
from safegym.agent import read_agent_file
from safegym.errors import ContentError, UnknownNameError
from safegym.families.audience.campaign import voters_of
from safegym.families.audience.options import CREDULITY, crowd
from safegym.models.weights import WHEEL, Weights, find_weights
from safegym.records import Record, digest
from safegym.training.bargain import PLACEBO
from safegym.training.examples import Method
from safegym.training.lora import Recipe
from safegym.training.speech import prompt_of
from safegym.training.subjects import Split

Audience = Literal["choice", "llm"]
GREATEST = 10.0
"""The greatest credulity on either side, as in the options of the family."""
VOTED = "llm"
"""What the audience of a language model is called, which has no credulity that anybody set."""


class Course(Record):
    """All that the lines of a folder depend on, beside the audience that each of its settings is."""

    task: str
    method: Method
    model: str
    model_digest: str
    audience: Literal["choice", "llm"] = "choice"
    voter: str = ""
    """Who votes, where that is a language model."""
    voter_digest: str = ""
    voters: int = 20
    fact_check: float = 0.0
    thoughts: int = 0
    """Of how many voters on each pair the thoughts are predicted, for `tfb`."""
    seed: int = 0
    recipe: Recipe = Field(default_factory=Recipe)
    people: str
    """Hash of those who vote."""
    training: dict[str, str]
    """Hashes of the scenarios that are learnt from, by id."""
    held_out: dict[str, str]
    """Those that are measured on."""
    prompts: str
    """Hash of all that speakers are asked."""


@dataclass(frozen=True)
class Setting:
    """An audience to learn from.

    Attributes:
        name: What its folder is called.
        credulity: That of the choice model; None where a language model votes.
        placebo: Whether votes are dealt out at random.
    """

    name: str
    credulity: float | None
    placebo: bool = False


def settings_of(credulities: Sequence[str], *, placebo: bool, audience: str = "choice") -> tuple[Setting, ...]:
    """The audiences to learn from.

    Args:
        credulities: Names or numbers; all names by default. There are none where a language model votes.
        placebo: Whether to learn from random votes too.
        audience: `choice` or `llm`.

    Raises:
        ContentError: For a credulity that is none, or one where there is no such thing.
    """
    if audience == "llm" and credulities:
        reason = f"expected none with --audience llm, whose credulity nobody sets, got {','.join(credulities)}"
        raise ContentError("--credulity", "", reason)
    named = dict(map(credulity_named, credulities or CREDULITY))
    found = [Setting(VOTED, None)] if audience == "llm" else [Setting(name, value) for name, value in named.items()]
    return (*found, *([Setting(PLACEBO, None, placebo=True)] if placebo else []))


def credulity_named(text: str) -> tuple[str, float]:
    """What a credulity is called in tables and folders, and its value, from a name or a number."""
    try:
        value = CREDULITY[text] if text in CREDULITY else float(text)
    except ValueError:
        raise UnknownNameError("credulity in --credulity (a name or a number)", text, CREDULITY) from None
    if not -GREATEST <= value <= GREATEST:
        nearest = 0.0 if math.isnan(value) else math.copysign(GREATEST, value)
        reason = f"expected a number from {-GREATEST:g} to {GREATEST:g}, got {text}; the nearest is {nearest:g}"
        raise ContentError("--credulity", "", reason)
    names = {number: name for name, number in CREDULITY.items()}
    return names.get(value, f"credulity{value:+g}"), value


def base_of(model: str) -> tuple[Weights, dict[str, JsonValue]]:
    """The weights of a model that can be trained, and how it is computed.

    Args:
        model: An agent file whose backend is `hf`, or what that backend takes.

    Raises:
        UnknownNameError: If it is neither.
        ContentError: For an agent of another backend, or one that has an adapter already.
        ModelError: If the weights cannot be had.
    """
    known = [name for name, file in content.agent_files().items() if file.suffix == ".toml"]
    path = content.named_path(model)
    if not (model in known or (path and path.suffix == ".toml")):
        if not path and "/" not in model and not model.startswith(WHEEL):
            raise UnknownNameError("agent or model in --model", model, known)
        return find_weights(model), {}
    settings = read_agent_file(content.find_agent(model), {})
    if settings.backend != "hf" or settings.adapter:
        got = f"the adapter {settings.adapter}" if settings.adapter else f"the backend {settings.backend}"
        reason = f"expected an agent of the backend hf without an adapter, got {got}; folders of weights will do too"
        raise ContentError("--model", model, reason)
    return find_weights(settings.model), settings.compute


def course_of(
    task: str,
    method: Method,
    base: Weights,
    split: Split,
    *,
    audience: Literal["choice", "llm"] = "choice",
    voter: str = "smollm2",
    voters: int = 20,
    fact_check: float = 0.0,
    thoughts: int = 4,
    seed: int = 0,
    recipe: Recipe | None = None,
) -> Course:
    """The course of a round.

    Args:
        task: What is spoken for.
        method: How it is learnt.
        base: The model.
        split: Subjects to learn from and subjects to measure on.
        audience: Who votes: the choice model or a language model.
        voter: For the latter its agent file.
        voters: How many people vote on each pair.
        fact_check: Share of them who look up what is said, for the choice model.
        thoughts: Of how many of them the thoughts are predicted, for `tfb`.
        seed: Seed of messages, votes and training.
        recipe: How an adapter is trained.
    """
    asked = audience == "llm"
    subjects = (*split.training, *split.held_out)
    return Course(
        task=task,
        method=method,
        model=base.name,
        model_digest=base.digest,
        audience=audience,
        voter=voter if asked else "",
        voter_digest=voters_of("llm", voter).digest if asked else "",
        voters=voters,
        fact_check=fact_check,
        thoughts=thoughts if method == "tfb" else 0,
        seed=seed,
        recipe=recipe or Recipe(),
        people=crowd().digest,
        training={each.name: each.scenario.hash for each in split.training},
        held_out={each.name: each.scenario.hash for each in split.held_out},
        prompts=digest([prompt_of(each, seed) for each in subjects]),
    )
