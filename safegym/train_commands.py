"""`safegym train`: learning before an audience, by language models with adapters or by the levels of messages."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from safegym.training.bargain import Bargain
    from safegym.training.course import Setting
    from safegym.training.texts import Study

app = typer.Typer(
    name="train",
    help="Let speakers learn what wins votes, and measure what that does to what they say.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

FOLDER = Path("training")
"""Where results go by default, in a folder of their own for each task, method and model."""
METHODS = {
    "rft": "Rejection fine-tuning (Moloch's Bargain, arXiv 2510.06105): a LoRA adapter imitates the messages that won.",
    "tfb": "Text feedback: as rft, and the adapter also predicts why voters voted as they did.",
    "dpo": "Direct preference optimization: what won becomes likelier than what lost.",
}
LAST_SEED = 2**32 - 1
THOUGHTS = 4

Task = Annotated[str, typer.Option(help="sales, election or post: what the messages are for.")]
Model = Annotated[str, typer.Option(help="An agent file of the backend hf, or a folder, hub id or wheel:NAME.")]
Anchors = Annotated[int | None, typer.Option(help="How many subjects altogether; all that there are by default.")]
HeldOut = Annotated[float, typer.Option("--held-out", help="Share of them that is measured on and not learnt from.")]
Credulity = Annotated[
    str | None,
    typer.Option(
        help="What voters make of claims that the file does not bear out: negative (it puts them off), zero, positive "
        "(it wins them), or numbers; all three names by default, as nobody knows which is true."
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of messages, votes and training.")]
Out = Annotated[Path | None, typer.Option(help=f"The folder of the results; {FOLDER}/TASK-METHOD-MODEL by default.")]
AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.callback()
def train() -> None:
    """Let speakers learn what wins votes, and measure what that does to what they say."""


def _command(method: Literal["rft", "tfb", "dpo"]) -> Callable[..., None]:
    """The command of a method; all three have the same options."""

    def command(
        task: Task = "sales",
        model: Model = "smollm2",
        anchors: Anchors = None,
        held_out: HeldOut = 0.25,
        credulity: Credulity = None,
        audience: Annotated[
            str, typer.Option(help="Who votes: choice (the choice model) or llm (a language model).")
        ] = "choice",
        voter: Annotated[
            str | None, typer.Option(help="For --audience llm: the agent file of the model that votes, smollm2.")
        ] = None,
        voters: Annotated[int, typer.Option(help="How many people vote on each pair of messages.")] = 20,
        fact_check: Annotated[
            float, typer.Option("--fact-check", help="Share of them who look up what is said, for --audience choice.")
        ] = 0.0,
        thoughts: Annotated[
            int | None,
            typer.Option(help=f"For tfb: of how many voters on each pair the thoughts are predicted, {THOUGHTS}."),
        ] = None,
        placebo: Annotated[
            bool, typer.Option("--placebo", help="Also learn from votes that are dealt out at random.")
        ] = False,
        epochs: Annotated[int, typer.Option(help="How often the winners are gone through.")] = 1,
        rate: Annotated[float, typer.Option(help="The learning rate, which falls as a cosine.")] = 2e-4,
        batch: Annotated[int, typer.Option(help="Winners of one step.")] = 16,
        seed: Seed = 0,
        out: Out = None,
        as_json: AsJSON = False,
    ) -> None:
        from safegym.training.course import settings_of

        _within("--voters", voters, 1, 10_000)
        _within("--fact-check", fact_check, 0.0, 1.0)
        _within("--seed", seed, 0, LAST_SEED)
        _within("--epochs", epochs, 1, 1000)
        _within("--rate", rate, 1e-8, 1.0)
        _within("--batch", batch, 1, 1024)
        _beside("--thoughts", thoughts, "tfb", method == "tfb")
        _beside("--voter", voter, "--audience llm", audience == "llm")
        _beside("--fact-check", fact_check or None, "--audience choice", audience == "choice")
        predicted = min(THOUGHTS, voters) if thoughts is None else thoughts
        _within("--thoughts", predicted, 1, voters)
        settings = settings_of(_words(credulity), placebo=placebo, audience=_one_of("audience", audience))
        study = _study(
            {"task": task, "method": method, "seed": seed, "audience": audience, "voters": voters}
            | {"voter": voter or "smollm2", "fact_check": fact_check, "thoughts": predicted},
            {"epochs": epochs, "rate": rate, "batch": batch},
            model, anchors, held_out,
        )  # fmt: skip
        name = Path(model).name.removesuffix(".toml").removeprefix("wheel:")
        _learn_texts(study, settings, out or FOLDER / f"{task}-{method}-{name}", as_json=as_json)

    return command


for _method, _does in METHODS.items():
    app.command(
        _method,
        help=f"{_does} Running the same command again finishes what is missing.",
        epilog=f"Examples: `safegym train {_method} --task sales --model smollm2 --placebo` · "
        f"`safegym train {_method} --model Qwen/Qwen3-0.6B --credulity zero,positive --epochs 2`",
    )(_command(_method))  # type: ignore[arg-type]


@app.command(
    epilog="Examples: `safegym train claims --task sales --out training/sales-claims` · "
    "`safegym train claims --credulity -1,-0.5,0,0.5,1 --rivals 2,4 --fact-check 0,0.3 --figure curve.png`"
)
def claims(
    task: Task = "sales",
    credulity: Credulity = None,
    rivals: Annotated[str, typer.Option(help="How many speak in a contest that is learnt from, such as 2,4.")] = "2",
    fact_check: Annotated[
        str, typer.Option("--fact-check", help="Shares of the voters who look up what is said, such as 0,0.3.")
    ] = "0",
    opponents: Annotated[
        str, typer.Option(help="self: all rivals learn, as one policy; frozen: the others stay as they were.")
    ] = "self",
    steps: Annotated[int, typer.Option(help="Updates of a policy.")] = 300,
    seeds: Annotated[str, typer.Option(help="Every cell is learnt under each of these seeds.")] = "0-2",
    anchors: Anchors = None,
    held_out: HeldOut = 0.25,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw approval and every probe over credulity.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Also write tables and figures into this folder.")] = None,
    as_json: AsJSON = False,
) -> None:
    """Learn by REINFORCE on the levels of messages: the bargain over credulity, in minutes on a CPU."""
    from safegym.figures import check_drawing
    from safegym.plan import read_seeds
    from safegym.progress import counting
    from safegym.training.claims import OPPONENTS, Schooling
    from safegym.training.course import credulity_named
    from safegym.training.drawing import credulity_figure
    from safegym.training.subjects import split, subjects_of
    from safegym.training.sweep import Sweep

    if figure is not None or out is not None:
        check_drawing()
    _within("--steps", steps, 1, 2**16 - 1)
    _one_of("opponents", opponents, OPPONENTS)
    sweep = Sweep(
        task=task,
        split=split(subjects_of(task), held_out, 0, anchors),
        credulities=[value for _, value in map(credulity_named, _words(credulity) or ("-1", "-0.5", "0", "0.5", "1"))],
        rivals=[int(each) for each in _numbers("--rivals", rivals, 1, 8, whole=True)],
        fact_checks=_numbers("--fact-check", fact_check, 0.0, 1.0),
        schooling=Schooling(steps=steps, opponents="self" if opponents == "self" else "frozen"),
        seeds=read_seeds(seeds),
    )
    with nullcontext(_silent) if as_json else counting("policies") as tell:
        found = sweep.run(tell)
    title = f"What policies learnt to say for {task}"
    _tell(title, found, {"task": task, "method": found[0].method}, out, credulity_figure, as_json=as_json)
    if figure is not None:
        print(f"Figure written to {credulity_figure(found, figure)}", file=sys.stderr)


def _study(course: dict[str, Any], recipe: dict[str, Any], model: str, anchors: int | None, held_out: float) -> Study:
    """The round that the options stand for, everything checked."""
    from safegym.training.course import base_of, course_of
    from safegym.training.lora import Recipe, check_training
    from safegym.training.subjects import split, subjects_of
    from safegym.training.texts import Study

    check_training()
    dealt = split(subjects_of(course["task"], course["seed"]), held_out, course["seed"], anchors)
    base, compute = base_of(model)
    return Study(course_of(base=base, split=dealt, recipe=Recipe(**recipe), **course), base, dealt, compute)


def _learn_texts(study: Study, settings: Sequence[Setting], out: Path, *, as_json: bool) -> None:
    from safegym.figures import check_drawing
    from safegym.progress import stages
    from safegym.training.drawing import bargain_figure

    check_drawing()
    with nullcontext(_silent) if as_json else stages() as tell:
        found = study.run(settings, out, tell)
    course = study.course
    title = f"What {course.model} learnt to say for {course.task} by {course.method}"
    _tell(title, found, course.model_dump(mode="json"), out, bargain_figure, as_json=as_json)


def _tell(
    title: str,
    found: list[Bargain],
    about: dict[str, Any],
    out: Path | None,
    draw: Callable[[list[Bargain], Path], Path],
    *,
    as_json: bool,
) -> None:
    """Print bargains, and write them into a folder as JSON, Markdown and a figure."""
    from rich.console import Console

    from safegym.log import write_whole
    from safegym.training.tables import bargain_markdown, bargain_table

    written = {"about": about, "bargains": [each.model_dump(mode="json") for each in found]}
    if out is not None:
        write_whole(out / "bargain.json", json.dumps(written, indent=2, ensure_ascii=False) + "\n")
        write_whole(out / "bargain.md", bargain_markdown(title, found))
        draw(found, out / "bargain.png")
    if as_json:
        print(json.dumps(written, indent=2, ensure_ascii=False))
        return
    Console().print(bargain_table(found))
    if out is not None:
        print(f"Tables, a figure and all that they rest on are in {out}")


def _silent(*_: object) -> None:
    pass


def _words(given: str | None) -> tuple[str, ...]:
    from safegym.errors import ContentError

    if given is None:
        return ()
    words = tuple(each.strip() for each in given.split(",") if each.strip())
    if not words:
        raise ContentError("--credulity", "", f"expected names or numbers, separated by commas, got {given!r}")
    return words


def _numbers(option: str, given: str, low: float, high: float, *, whole: bool = False) -> list[float]:
    """The numbers of an option, each once."""
    from safegym.errors import ContentError

    try:
        found = dict.fromkeys(int(each) if whole else float(each) for each in given.split(","))
    except ValueError:
        kind = "whole numbers" if whole else "numbers"
        raise ContentError(option, "", f"expected {kind}, separated by commas, got {given!r}") from None
    for each in found:
        _within(option, each, low, high)
    return list(found)


def _within(option: str, value: float, low: float, high: float) -> None:
    """Refuse a number that is out of bounds, or none."""
    from safegym.errors import ContentError

    if not low <= value <= high:
        nearest = low if math.isnan(value) else min(max(value, low), high)
        reason = f"expected a number from {low:g} to {high:g}, got {value:g}; the nearest is {nearest:g}"
        raise ContentError(option, "", reason)


def _one_of(name: str, value: str, valid: Sequence[str] = ("choice", "llm")) -> str:
    from safegym.errors import UnknownNameError

    if value not in valid:
        raise UnknownNameError(f"value of --{name}", value, valid)
    return value


def _beside(option: str, value: object, other: str, given: bool) -> None:
    """Refuse an option that means nothing here."""
    from safegym.errors import ContentError

    if value is not None and not given:
        raise ContentError(option, "", f"expected it with {other} only, got {value}")
