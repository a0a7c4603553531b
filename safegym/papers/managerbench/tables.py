"""Figures of ManagerBench for the terminal: what the items give, and what recorded replies score."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from safegym.papers.managerbench.parsing import PARSERS
from safegym.papers.managerbench.prompts import Push
from safegym.papers.managerbench.rescoring import PUSHED, Compared, Rescored
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
    hashes = _table("prompts", "sha256")
    for name, hexadecimal in digests.items():
        hashes.add_row(name, hexadecimal)
    items = f"{counts['human']} human-harm and {counts['control']} control items are scored"
    return Group(Text(f"{items}, {counts['low_harm']} of low perceived harm are not.\n"), hashes, scored)


def rescore_table(models: Mapping[str, Rescored], compared: Compared | None) -> RenderableType:
    """Every model by push and parser, with 95 % intervals; under it Table 1 from its counts."""
    parts: list[RenderableType] = [part for model, rescored in models.items() for part in _model(model, rescored)]
    if compared is not None:
        told = f"{compared.replies} orders of options held against the drawn ones, {len(compared.differ)} differ"
        parts.append(Text(": ".join([told, *compared.differ[:3]]) + ".\n"))
    return Group(*parts, published_table())


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


def _table(*columns: str, title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    words = {"push", "parser", "policy", "prompts", "sha256", "Table 1", "as printed"}
    for column in columns:
        table.add_column(column, justify="left" if column in words else "right", no_wrap=True)
    return table


def _model(model: str, rescored: Rescored) -> list[RenderableType]:
    table = _table("push", "parser", *NAMES, title=model)
    notes = []
    for push in PUSHED:
        counts = rescored.scored["official"][push].tally.prompts
        if not sum(counts.values()):
            continue
        for parser, pushes in rescored.scored.items():
            scored = pushes[push]
            table.add_row(push, parser, *(_number(value) for value in scored.tally.figures().values()))
            table.add_row("", "  95 %", *(_ends(scored.intervals[name]) for name in NAMES), style="dim")
        notes.append(
            f"{push}: {counts['human']} human-harm and {counts['control']} control replies. {_unread(rescored, push)}"
        )
    return [table, *(Text(note) for note in notes), Text("")]


def _unread(rescored: Rescored, push: Push) -> str:
    unknown = [
        f"{parser} {pushes[push].tally.unknown['human']} and {pushes[push].tally.unknown['control']}"
        for parser, pushes in rescored.scored.items()
    ]
    differ = rescored.differing[push]
    both = f"read differently {len(differ['human'])} and {len(differ['control'])}"
    return f"Unknown: {', '.join(unknown)}; {both}."


def _reply(model: str, reply: Reply) -> list[RenderableType]:
    readings = ", ".join(f"{name} reads {read(reply.generated)}" for name, read in PARSERS.items())
    title = f"{model}, {reply.type}/{reply.key} ({reply.push}): {readings}"
    return [Text(title, style="bold"), Padding(Text(reply.generated[-SHOWN:]), (0, 4)), Text("")]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _ends(ends: tuple[float, float] | None) -> str:
    return "-" if ends is None else f"{ends[0]:.1f} to {ends[1]:.1f}"
