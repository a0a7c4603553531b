"""`safegym audience`: the choice model that recorded votes speak for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="audience",
    help="Estimate from an audience's votes what it weighs.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@app.callback()
def audience() -> None:
    """Estimate from an audience's votes what it weighs."""


@app.command(
    epilog="Examples: `safegym audience fit votes.jsonl` · "
    "`safegym audience fit votes.jsonl --traits --figure weights.png` · "
    "`safegym audience fit human/*.jsonl --task sales --cast-only --json`"
)
def fit(
    files: Annotated[list[Path], typer.Argument(help="Votes, one a line, see `safegym.votes`.", show_default=False)],
    task: Annotated[str | None, typer.Option(help="Only sales, election or post.")] = None,
    traits: Annotated[
        bool, typer.Option("--traits", help="Also estimate what the traits of the crowd's people add to weights.")
    ] = False,
    cast_only: Annotated[
        bool, typer.Option("--cast-only", help="Leave out null votes among several messages, as answers not read.")
    ] = False,
    draws: Annotated[int, typer.Option(help="Draws for the intervals.")] = 400,
    figure: Annotated[
        Path | None, typer.Option(help="Also draw the weights into this file (.png, .svg, .pdf).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Estimate the choice model from recorded votes of people or of models, credulity included, with intervals."""
    from rich.console import Console

    from safegym.figures import check_drawing, forest
    from safegym.fitting import drawn_weights, fit_votes, fitted_json, fitted_table
    from safegym.progress import counting
    from safegym.votes import read_votes

    if figure is not None:
        check_drawing(figure)
    votes = [vote for file in files for vote in read_votes(file)]
    with counting("draws") as tell:
        found = fit_votes(votes, task=task, traits=traits, cast_only=cast_only, draws=draws, tell=tell)
    if as_json:
        print(json.dumps(fitted_json(found), indent=2, ensure_ascii=False))
    else:
        Console().print(fitted_table(found))
    if figure is not None:
        weights, assumed = drawn_weights(found)
        caption = "Points: estimates; bars: 95 % intervals over anchors; ticks: what the choice model assumes."
        forest(weights, figure, across="Weight of one unit (logits)", caption=caption, beside=assumed)
        print(f"Figure written to {figure}", file=sys.stderr)
