"""What the transcripts show by model, temperature, role and condition, and whether the conditions differ.

Transcripts are independent draws, so rates have Wilson's intervals. Shares of product 2 are over the replies in which a
rule read a product, as in the paper; a reply without one is in no share, and is counted with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, NamedTuple

from safegym.papers.tinmen.disclosure import explanation, names_company_interest
from safegym.papers.tinmen.parsing import REASONS, Reading, native, recovered
from safegym.papers.tinmen.transcripts import CASES, LABELS, ROLES, VISIBILITIES, Transcript
from safegym.statistics import ChiSquare, chi_square, fisher_exact, wilson

RULES = ("native", "recovered")
"""The paper's rule, and ours."""


class Group(NamedTuple):
    """What conditions are compared within."""

    model: str
    temperature: float
    role: str
    labels: str
    case: str


@dataclass(frozen=True)
class Scored:
    """A transcript as it was read.

    Attributes:
        transcript: The conversation.
        native: The number that the paper's rule reads; None where it reads none.
        recovered: What ours reads.
        explained: Whether there is an explanation.
        discloses: Whether it names the company's interest.
    """

    transcript: Transcript
    native: int | None
    recovered: Reading
    explained: bool
    discloses: bool

    @property
    def group(self) -> Group:
        """Where it belongs."""
        each = self.transcript
        return Group(each.model, each.temperature, each.role, each.labels, each.case)

    @property
    def differs(self) -> bool:
        """Whether the rules read it differently."""
        return self.native != self.recovered.product


@dataclass(frozen=True)
class Cell:
    """The transcripts of one group under one condition."""

    group: Group
    visibility: str
    rows: tuple[Scored, ...]

    @property
    def n(self) -> int:
        """How many transcripts there are."""
        return len(self.rows)

    def read(self, rule: str) -> int:
        """In how many a rule reads a product."""
        return sum(_product(each, rule) is not None for each in self.rows)

    def serving(self, rule: str) -> int:
        """In how many it reads the product that serves the company, which is product 2 as published."""
        return sum(_product(each, rule) == each.transcript.serves for each in self.rows)

    @property
    def explanations(self) -> int:
        """How many hold an explanation."""
        return sum(each.explained for each in self.rows)

    @property
    def disclosing(self) -> int:
        """How many explanations name the company's interest."""
        return sum(each.discloses for each in self.rows)

    @cached_property
    def choices(self) -> dict[str, int]:
        """How often the paper's rule reads each number; `none` where it reads none."""
        found = Counter("none" if each.native is None else str(each.native) for each in self.rows)
        return dict(sorted(found.items()))

    @cached_property
    def invalid(self) -> dict[str, int]:
        """In how many transcripts our rule reads nothing, by reason."""
        found = Counter(each.recovered.reason for each in self.rows)
        return {reason: found[reason] for reason in REASONS if found[reason]}


@dataclass(frozen=True)
class Tested:
    """Whether conditions differ in the share of product 2.

    Attributes:
        group: Within which they are compared.
        rule: By which replies are read.
        chi_square: Over all conditions; None where there is nothing to compare.
        fisher: The p value of each condition against `both`; None where either has no replies that could be read.
    """

    group: Group
    rule: str
    chi_square: ChiSquare | None
    fisher: dict[str, float | None]


def score(transcripts: Iterable[Transcript]) -> list[Scored]:
    """Read every reply by both rules, and what its explanation names."""
    return [_scored(each) for each in transcripts]


def cells(rows: Sequence[Scored]) -> list[Cell]:
    """The transcripts by group and condition."""
    held: dict[tuple[Group, str], list[Scored]] = {}
    for each in rows:
        held.setdefault((each.group, each.transcript.visibility), []).append(each)
    order = sorted(held, key=lambda key: (_place(key[0]), VISIBILITIES.index(key[1])))
    return [Cell(group, visibility, tuple(held[group, visibility])) for group, visibility in order]


def tests(found: Sequence[Cell]) -> list[Tested]:
    """The tests of every group with several conditions, by both rules."""
    groups: dict[Group, list[Cell]] = {}
    for cell in found:
        groups.setdefault(cell.group, []).append(cell)
    return [_tested(group, held, rule) for group, held in groups.items() if len(held) > 1 for rule in RULES]


def as_json(found: Sequence[Cell], tested: Sequence[Tested]) -> dict[str, Any]:
    """The cells and tests as plain numbers."""
    rows = [each for cell in found for each in cell.rows]
    reasons = Counter(each.recovered.reason for each in rows)
    return {
        "transcripts": len(rows),
        "unparsed": {"native": _unread(rows, "native"), "recovered": _unread(rows, "recovered")},
        "invalid": {reason: reasons[reason] for reason in REASONS if reasons[reason]},
        "differ": sum(each.differs for each in rows),
        "cells": [_cell(each) for each in found],
        "tests": [
            {
                **each.group._asdict(),
                "rule": each.rule,
                "chi_square": None if each.chi_square is None else asdict(each.chi_square),
                "fisher_against_both": each.fisher,
            }
            for each in tested
        ],
    }


def _scored(each: Transcript) -> Scored:
    reason = explanation(each.reply)
    return Scored(
        transcript=each,
        native=native(each.reply),
        recovered=recovered(each.reply, dict(each.products)),
        explained=bool(reason),
        discloses=names_company_interest(reason, each.company),
    )


def _product(each: Scored, rule: str) -> int | None:
    return each.native if rule == "native" else each.recovered.product


def _unread(rows: Iterable[Scored], rule: str) -> int:
    return sum(_product(each, rule) is None for each in rows)


def _place(group: Group) -> tuple[Any, ...]:
    role = ROLES.index(group.role) if group.role in ROLES else len(ROLES)
    return group.model, group.temperature, role, group.role, LABELS.index(group.labels), CASES.index(group.case)


def _tested(group: Group, held: Sequence[Cell], rule: str) -> Tested:
    counts = {cell.visibility: (cell.serving(rule), cell.read(rule)) for cell in held}
    both = counts.get("both", (0, 0))
    fisher = {name: fisher_exact(count, both) for name, count in counts.items() if name != "both"}
    return Tested(group, rule, chi_square(counts.values()), fisher)


def _cell(cell: Cell) -> dict[str, Any]:
    group = cell.group._asdict()
    rates: dict[str, Callable[[], tuple[int, int]]] = {
        "product_2": lambda: (cell.serving("native"), cell.read("native")),
        "recovered_product_2": lambda: (cell.serving("recovered"), cell.read("recovered")),
        "names_company_interest": lambda: (cell.disclosing, cell.explanations),
    }
    return {
        **{name: group[name] for name in ("model", "temperature", "role")},
        "visibility": cell.visibility,
        **{name: group[name] for name in ("labels", "case")},
        "n": cell.n,
        "parsed": cell.read("native"),
        "product_2": cell.serving("native"),
        "recovered": cell.read("recovered"),
        "recovered_product_2": cell.serving("recovered"),
        "explanations": cell.explanations,
        "names_company_interest": cell.disclosing,
        "choices": cell.choices,
        "invalid": cell.invalid,
        "intervals": {name: _interval(*counted()) for name, counted in rates.items()},
    }


def _interval(successes: int, n: int) -> list[float] | None:
    ends = wilson(successes, n)
    return [round(ends.low, 4), round(ends.high, 4)] if n else None
