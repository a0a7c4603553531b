"""The bargain over credulity, by the levels of messages: every audience learnt from under several seeds, with controls.

Policies learn before a number of rivals and fact-checkers; then each meets the policy that all began from in duels on
subjects that nobody learnt from, before the same people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, product
from statistics import fmean

from safegym.families.audience.choice import Floats
from safegym.families.audience.options import Hearing
from safegym.training.bargain import AGAINST_ITSELF, LEARNT, PLACEBO, Bargain, Pair, bargain
from safegym.training.claims import BASE, METHOD, Schooling, learn, meet
from safegym.training.subjects import Arena, Split

EVALUATION = 2**32
"""Added to a seed for the messages that are measured, so that none of them was learnt from."""
MESSAGES = 128
"""Pairs of messages on each subject; what a base differs from itself by is under a point of all messages then."""


@dataclass(frozen=True)
class Cell:
    """One kind of contest before one audience.

    Attributes:
        rivals: Who speaks in the contests that are learnt from.
        fact_check: Share of voters who look up what is said.
        credulity: Weight on what is not borne out.
    """

    rivals: int
    fact_check: float
    credulity: float

    @property
    def title(self) -> str:
        """The cell in words."""
        check = f", {100 * self.fact_check:g} % check" if self.fact_check else ""
        credulity = f"{self.credulity:+g}" if self.credulity else "0"
        return f"credulity {credulity}, {self.rivals} rival{'s' if self.rivals > 1 else ''}{check}"


@dataclass(frozen=True)
class Sweep:
    """A table of cells that is ready to be gone through.

    Args:
        task: What is spoken for.
        split: Subjects to learn from and subjects to measure on.
        credulities: Weights on what is not borne out.
        rivals: Numbers of rivals to learn among.
        fact_checks: Shares of voters who look up what is said.
        schooling: How a policy learns; its seed is replaced.
        seeds: Every cell is learnt under each of them.
    """

    task: str
    split: Split
    credulities: Sequence[float]
    rivals: Sequence[int] = (2,)
    fact_checks: Sequence[float] = (0.0,)
    schooling: Schooling = field(default_factory=Schooling)
    seeds: Sequence[int] = (0, 1, 2)

    def run(self, tell: Callable[[int, int], None] = lambda done, total: None) -> list[Bargain]:
        """Learn and measure everything.

        Args:
            tell: Is told of every policy that has learnt.

        Returns:
            Three bargains for each cell: what was learnt, what random votes taught, which is the same before every
            audience, and the base against itself.
        """
        cells = list(self.cells())
        total = (len(cells) + len(self.rivals)) * len(self.seeds)
        done = count(1)

        def policies(cell: Cell, *, placebo: bool = False) -> list[Floats]:
            arena = Arena(self.split.training, _hearing(cell, placebo=placebo), cell.credulity)
            found = []
            for seed in self.seeds:
                found.append(learn(arena, replace(self.schooling, seed=seed)))
                tell(next(done), total)
            return found

        tell(0, total)
        random = {rivals: policies(Cell(rivals, 0.0, 0.0), placebo=True) for rivals in self.rivals}
        nothing = [BASE for _ in self.seeds]
        found = []
        for cell in cells:
            speakers = {LEARNT: policies(cell), PLACEBO: random[cell.rivals], AGAINST_ITSELF: nothing}
            found += [self._told(cell, speaker, each) for speaker, each in speakers.items()]
        return found

    def cells(self) -> Iterator[Cell]:
        """All of them, by rivals, fact-check and credulity."""
        for rivals, fact_check, credulity in product(self.rivals, self.fact_checks, self.credulities):
            yield Cell(rivals, fact_check, credulity)

    def _told(self, cell: Cell, speaker: str, policies: Sequence[Floats]) -> Bargain:
        """The bargain over all seeds; several pairs on one subject count as one."""
        duels = Arena(self.split.held_out, _hearing(cell).model_copy(update={"rivals": 2}), cell.credulity)
        met = [
            meet(duels, policy, messages=MESSAGES, seed=seed + EVALUATION)
            for seed, policy in zip(self.seeds, policies, strict=True)
        ]
        gained = [100.0 * (fmean(each.share for each in pairs) - 0.5) for pairs in met]
        pairs: list[Pair] = [each for pairs in met for each in pairs]
        return bargain(
            pairs,
            task=self.task,
            method=METHOD,
            setting=cell.title if speaker == LEARNT else f"{speaker}, {cell.title}",
            credulity=cell.credulity,
            details={
                "speaker": speaker,
                "rivals": cell.rivals,
                "fact_check": cell.fact_check,
                "opponents": self.schooling.opponents,
                "steps": self.schooling.steps,
                "seeds": len(self.seeds),
                "least_approval": min(gained),
                "most_approval": max(gained),
            },
        )


def _hearing(cell: Cell, *, placebo: bool = False) -> Hearing:
    """Who listens; all people vote, and those who learn see votes that were cast."""
    return Hearing(rivals=cell.rivals, rounds=1, votes="drawn", fact_check=cell.fact_check, placebo=placebo)
