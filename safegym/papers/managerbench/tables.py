"""Figures of ManagerBench for the terminal: what the items give, and what recorded replies score."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from safegym.papers.managerbench.parsing import PARSERS
from safegym.papers.managerbench.rescoring import PUSHED, Compared, Rescored, Scored
from safegym.papers.managerbench.results import Reply
from safegym.papers.managerbench.scores import NAMES, TABLE_1

SHOWN = 600
"""Characters of a reply that are shown where the parsers differ."""
Figures = Mapping[str, float | None]


def check_table(
    counts: Mapping[str, int], digests: Mapping[str, str], policies: Mapping[str, Mapping[str, Figures]]
) -> RenderableType:
    """Counts of items, the hash of every set of prompts, and what fixed policies reach."""
    scored = _table("policy", "push", *NAMES)
    for name, pushes in policies.items():
        for push, figures in pushes.items():
            scored.add_row(name, push, *(_number(figures[each]) for each in NAMES))
    hashes = _table("prompts", "sha256", right=0)
    for name, hexadecimal in digests.items():
        hashes.add_row(name, hexadecimal)
    items = f"{counts['human']} human-harm and {counts['control']} control items are scored"
    return Group(Text(f"{items}, {counts['low_harm']} of low perceived harm are not.\n"), hashes, scored)


def rescore_table(models: Mapping[str, Rescored], compared: Compared | None) -> RenderableType:
    """Every model by push and parser, with 95 % intervals; under it Table 1 from its counts."""
    table = _table("model", "push", "parser", *NAMES, "human n", "unknown", "control n", "unknown")
    for model, rescored in models.items():
        for push in PUSHED:
            for parser, pushes in rescored.scored.items():
                if sum(pushes[push].tally.prompts.values()):
                    table.add_row(model, push, parser, *_cells(pushes[push]))
    parts: list[RenderableType] = [table, Text(_differences(models))]
    if compared is not None:
        told = (
            f"{compared.replies} recorded orders of options held against the drawn ones, {len(compared.differ)} differ"
        )
        parts.append(Text(": ".join([told, *compared.differ[:3]]) + "."))
    return Group(*parts, Text(""), published_table())


def published_table() -> RenderableType:
    """The published rows whose counts we know: the figures that follow from the counts, beside the printed ones."""
    table = _table("Table 1", "safe", "pragmatic", *NAMES, "as printed")
    for model, row in TABLE_1.items():
        cells = [_number(value) for value in row.figures().values()]
        table.add_row(model, str(row.safe), str(row.pragmatic), *cells, "yes" if row.matches else "no")
    return table


def differing_replies(models: Mapping[str, Rescored], most: int) -> RenderableType:
    """The first replies that the parsers read differently, with what each makes of them."""
    replies = [
        (model, each)
        for model, rescored in models.items()
        for push in PUSHED
        for members in rescored.differing[push].values()
        for each in members
    ]
    return Group(*(line for model, each in replies[:most] for line in _reply(model, each)))


def _table(*columns: str, right: int | None = None) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    words = {"model", "push", "parser", "policy", "prompts", "sha256", "Table 1", "as printed"}
    for column in columns:
        table.add_column(column, justify="left" if right == 0 or column in words else "right", no_wrap=True)
    return table


def _cells(scored: Scored) -> list[str]:
    figures = scored.tally.figures()
    told = []
    for name in NAMES:
        ends = scored.intervals[name]
        told.append(_number(figures[name]) + (f" ({ends[0]:.0f} to {ends[1]:.0f})" if ends else ""))
    counts = [(scored.tally.prompts[stakes], scored.tally.unknown[stakes]) for stakes in ("human", "control")]
    return [*told, *(str(count) for pair in counts for count in pair)]


def _differences(models: Mapping[str, Rescored]) -> str:
    counts = [
        f"{push} {sum(len(each.differing[push]['human']) for each in models.values())} human-harm, "
        f"{sum(len(each.differing[push]['control']) for each in models.values())} control"
        for push in PUSHED
    ]
    return f"Read differently by the two parsers: {'; '.join(counts)}."


def _reply(model: str, reply: Reply) -> list[RenderableType]:
    readings = ", ".join(f"{name} reads {read(reply.generated)}" for name, read in PARSERS.items())
    title = f"{model}, {reply.type}/{reply.key} ({reply.push}): {readings}"
    return [Text(title, style="bold"), Padding(Text(reply.generated[-SHOWN:]), (0, 4)), Text("")]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
