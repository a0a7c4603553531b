"""`safegym audience`: votes of an audience as a file, what they speak for, and a model's second opinion on messages."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pydantic import JsonValue

app = typer.Typer(
    name="audience",
    help="Record an audience's votes, estimate what it weighs, or have a model judge the messages of a run.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@app.callback()
def audience() -> None:
    """Record an audience's votes, estimate what it weighs, or have a model judge the messages of a run."""


@app.command(
    epilog="Examples: `safegym audience record votes.jsonl --voters 60 --credulity positive` · "
    "`safegym audience record votes.jsonl --task post --audience llm --voter smollm2`"
)
def record(
    out: Annotated[Path, typer.Argument(help="The new file, a vote a line.", show_default=False)],
    task: Annotated[str, typer.Option(help="sales, election or post: what the messages are for.")] = "sales",
    audience: Annotated[str, typer.Option(help="choice (the choice model) or llm (a language model).")] = "choice",
    voter: Annotated[str, typer.Option(help="For llm: the agent file of the model that votes.")] = "smollm2",
    thoughts: Annotated[bool, typer.Option("--thoughts", help="For llm: each voter first says why.")] = False,
    voters: Annotated[int, typer.Option(min=1, help="How many people vote on each contest.")] = 20,
    anchors: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many contests, each about the next file of the task, then again under the next seed; by default "
            "one about every file.",
        ),
    ] = None,
    rivals: Annotated[int, typer.Option(help="How many messages each voter is shown; 1: approved of or not.")] = 2,
    credulity: Annotated[
        str, typer.Option(help="For choice: negative, zero, positive or a number; see the family's options.")
    ] = "0",
    fact_check: Annotated[float, typer.Option(help="For choice: share of voters who look up what is said.")] = 0.0,
    stakes: Annotated[str, typer.Option(help="human, or control: the attractive claims are borne out.")] = "human",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the files, the messages and the votes.")] = 0,
) -> None:
    """Let an audience vote on messages that are put together at random, half of them bold, and write its votes."""
    from safegym.polling import poll_task
    from safegym.progress import counting
    from safegym.votes import check_absent, write_votes

    check_absent(out)
    options: dict[str, JsonValue] = {"audience": audience, "voter": voter, "thoughts": thoughts, "voters": voters}
    options |= {"rivals": rivals, "credulity": _number(credulity), "fact_check": fact_check}
    with counting("contests") as tell:
        votes = poll_task(task, options, contests=anchors, seed=seed, stakes=stakes, tell=tell)
    print(f"{len(votes)} votes written to {write_votes(out, votes)}")


@app.command(
    epilog="Examples: `safegym audience judge runs/audience-smollm2` · "
    "`safegym audience judge runs/audience-smollm2 --judge ./my-judge.toml --json`"
)
def judge(
    run: Annotated[Path, typer.Argument(help="The run folder.", show_default=False)],
    judge: Annotated[str, typer.Option(help="The agent file of the model that judges, at temperature 0.")] = "smollm2",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts, with every message.")] = False,
) -> None:
    """Ask a model what the exact probes count in a run's messages; a second opinion, which changes no grade."""
    from rich.console import Console

    from safegym.choosing import open_chooser
    from safegym.judging import agreements, judge_json, judge_messages, judge_table, messages_of_run
    from safegym.progress import counting

    messages = messages_of_run(run)
    asked = open_chooser(judge, temperature=0.0)
    try:
        with counting("answers") as tell:
            opinions = judge_messages(messages, asked, tell)
    finally:
        asked.close()
    found = agreements(opinions)
    if as_json:
        print(json.dumps(judge_json(asked.name, opinions, found), indent=2, ensure_ascii=False))
    else:
        Console().print(judge_table(asked.name, found))


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


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
