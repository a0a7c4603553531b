"""`safegym paper <name>`: what the authors of a benchmark released, read and recomputed; one command per paper."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from safegym.papers.source import Release

app = typer.Typer(
    name="paper",
    help="Read a paper's released files and recompute its figures.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Data = Annotated[Path, typer.Argument(help="The folder of the released files, or part of it.", show_default=False)]
AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.callback()
def papers() -> None:
    """Read a paper's released files and recompute its figures."""


@app.command(
    epilog="Examples: `safegym paper odcv ODCV-Bench --rescore` · "
    "`safegym paper odcv ODCV-Bench --replay --shell embedded --misses 20` · "
    "`safegym run paper:odcv --data ODCV-Bench --agent smollm2`"
)
def odcv(
    data: Data,
    rescore: Annotated[bool, typer.Option("--rescore", help="Recompute medians, rates and agreement.")] = False,
    replay: Annotated[bool, typer.Option("--replay", help="Play the recorded commands again and compare.")] = False,
    shell: Annotated[str | None, typer.Option(help="For --replay: bubblewrap or embedded.")] = None,
    misses: Annotated[int, typer.Option(min=0, help="For --replay: also show this many commands that differ.")] = 0,
    export: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Write a run's episodes as logs in the paper's form.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="For --export: the folder of the logs.")] = None,
    as_json: AsJSON = False,
) -> None:
    """ODCV-Bench (arXiv 2512.20798): agents in a shell under pressure for a figure."""
    from safegym.errors import ContentError
    from safegym.papers.source import Release

    asked = [name for name, given in (("--rescore", rescore), ("--replay", replay), ("--export", export)) if given]
    if len(asked) != 1:
        got = " and ".join(asked) or "none"
        raise ContentError("safegym paper odcv", "", f"expected one of --rescore, --replay and --export RUN, got {got}")
    if not replay and (shell is not None or misses):
        raise ContentError("safegym paper odcv", "", f"expected --shell and --misses with --replay, got {asked[0]}")
    release = Release(data)
    if rescore:
        found = _rescore_odcv(release, as_json=as_json)
    elif replay:
        found = _replay_odcv(release, shell, misses, as_json=as_json)
    else:
        found = _export_odcv(release, export or Path(), out, as_json=as_json)
    for problem in sorted(release.problems):
        print(problem, file=sys.stderr)
    if release.problems or not found:
        raise typer.Exit(1)


def _rescore_odcv(release: Release, *, as_json: bool) -> bool:
    from rich.console import Console

    from safegym.papers.odcv.figures import as_json as plain
    from safegym.papers.odcv.figures import panel_figures
    from safegym.papers.odcv.scores import read_panels
    from safegym.papers.odcv.tables import panel_table

    figures = {panel.folder: (panel, panel_figures(panel)) for panel in read_panels(release)}
    if as_json:
        written = {folder: plain(panel, each) for folder, (panel, each) in figures.items()}
        _print_json(next(iter(written.values())) if len(written) == 1 else written)
    else:
        for panel, each in figures.values():
            Console().print(panel_table(panel, each))
    release.problems += [wrong for panel, _ in figures.values() if (wrong := panel.mismatch()) is not None]
    return bool(figures)


def _replay_odcv(release: Release, shell: str | None, misses: int, *, as_json: bool) -> bool:
    from rich.console import Console

    from safegym.papers.odcv.replaying import replay_all, summary
    from safegym.papers.odcv.tables import miss_table, replay_table
    from safegym.papers.odcv.world import ODCVOptions
    from safegym.progress import counting
    from safegym.shell import open_shell

    opened = open_shell(shell or ODCVOptions().shell)
    with counting("trajectories") as tell:
        played = replay_all(release, opened, tell)
    found = summary(played.commands, played.trajectories)
    if as_json:
        _print_json(found)
    else:
        Console().print(replay_table(opened.name, found))
    if misses:
        Console(stderr=as_json).print(miss_table(played.commands, misses))
    return played.trajectories > 0


def _export_odcv(release: Release, run: Path, out: Path | None, *, as_json: bool) -> bool:
    from safegym.log import open_run
    from safegym.papers.odcv.exporting import export_run

    folder = open_run(run)
    written = export_run(folder.episodes(), out or run / "logs", release)
    if as_json:
        _print_json({"logs": [str(each) for each in written]})
    else:
        print(f"{len(written)} logs written to {out or run / 'logs'}")
    return bool(written)


@app.command(
    epilog="Examples: `safegym paper managerbench ManagerBench --check` · "
    "`safegym paper managerbench ManagerBench --rescore results/results_gpt-4o_*.json` · "
    "`safegym run paper:managerbench --data ManagerBench --agent smollm2`"
)
def managerbench(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH [FILE]...",
            show_default=False,
            help="The folder of the released files; for --rescore also result files.",
        ),
    ],
    check: Annotated[bool, typer.Option("--check", help="Count items, hash prompts, score fixed policies.")] = False,
    rescore: Annotated[
        bool, typer.Option("--rescore", help="Score result files, those that follow or those under PATH.")
    ] = False,
    misses: Annotated[
        int, typer.Option(min=0, help="For --rescore: also show this many replies that the parsers read differently.")
    ] = 0,
    as_json: AsJSON = False,
) -> None:
    """ManagerBench (arXiv 2510.00857): the goal at the price of people, or of things."""
    from safegym.errors import ContentError
    from safegym.papers.source import Release

    name = "safegym paper managerbench"
    if check == rescore:
        raise ContentError(name, "", f"expected one of --check and --rescore, got {'both' if check else 'none'}")
    if check and (misses or len(paths) > 1):
        raise ContentError(name, "", "expected --misses and result files with --rescore, got --check")
    release = Release(paths[0] if paths[0].is_dir() or check else paths[0].parent)
    if check:
        _check_managerbench(release, as_json=as_json)
    else:
        _rescore_managerbench(release, paths, misses, as_json=as_json)
    for problem in sorted(set(release.problems)):
        print(problem, file=sys.stderr)
    if release.problems:
        raise typer.Exit(1)


def _check_managerbench(release: Release, *, as_json: bool) -> None:
    from rich.console import Console

    from safegym.papers.managerbench.prompts import SETTINGS, digests, draw, note_unusable
    from safegym.papers.managerbench.scores import policy_figures
    from safegym.papers.managerbench.tables import check_table
    from safegym.papers.managerbench.templates import whole_templates

    templates = whole_templates(release)
    note_unusable(release, templates)
    drawn = {setting: draw(templates, setting) for setting in SETTINGS}
    counts, hashes = templates.counts(), digests(drawn)
    policies = policy_figures([each for prompts in drawn.values() for each in prompts])
    if as_json:
        _print_json({"counts": counts, "digests": hashes, "policies": policies})
    else:
        Console().print(check_table(counts, hashes, policies))


def _rescore_managerbench(release: Release, paths: list[Path], misses: int, *, as_json: bool) -> None:
    from rich.console import Console

    from safegym.papers.managerbench.rescoring import as_json as plain
    from safegym.papers.managerbench.rescoring import by_model, compare, rescore
    from safegym.papers.managerbench.results import read_sheets, result_files
    from safegym.papers.managerbench.tables import differing_replies, rescore_table
    from safegym.papers.managerbench.templates import TYPES, find_files, read_templates

    released = find_files(release) if paths[0].is_dir() else {}
    apart = paths[0].is_dir() and (released or not any(release.root.rglob("*.json")))
    sheets = read_sheets(release, result_files(paths[1:] if paths[1:] and apart else paths))
    templates = read_templates(release) if len(released) == len(TYPES) else None
    compared = None if templates is None or templates.missing else compare(sheets, templates)
    models = by_model(sheets)
    if as_json:
        _print_json(plain(models, rescore(sheets), compared))
    else:
        Console().print(rescore_table(models, compared))
    if misses:
        Console(stderr=as_json).print(differing_replies(models, misses))


@app.command(
    epilog="Examples: `safegym paper pacifaist PacifAIst --check` · "
    "`safegym paper pacifaist PacifAIst --rescore results/gpt5.csv --misses 5` · "
    "`safegym run paper:pacifaist --data PacifAIst --agent smollm2` · "
    "`safegym run paper:pacifaist --native --data PacifAIst --agent smollm2`"
)
def pacifaist(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH [FILE]...",
            show_default=False,
            help="The released dataset, or a folder that holds it; for --rescore also result files.",
        ),
    ],
    check: Annotated[bool, typer.Option("--check", help="Count items and keys, score fixed policies.")] = False,
    rescore: Annotated[
        bool, typer.Option("--rescore", help="Score result files, those that follow or those under PATH.")
    ] = False,
    misses: Annotated[
        int, typer.Option(min=0, help="For --rescore: also show this many replies that are read differently.")
    ] = 0,
    as_json: AsJSON = False,
) -> None:
    """PacifAIst (arXiv 2508.09762): human safety, or the model's own continuation, resources and goal."""
    from safegym.errors import ContentError
    from safegym.papers.source import Release

    name = "safegym paper pacifaist"
    if check == rescore:
        raise ContentError(name, "", f"expected one of --check and --rescore, got {'both' if check else 'none'}")
    if check and (misses or len(paths) > 1):
        raise ContentError(name, "", "expected --misses and result files with --rescore, got --check")
    release = Release.at(paths[0])
    if check:
        _check_pacifaist(release, as_json=as_json)
        found = True
    else:
        found = _rescore_pacifaist(release, paths, misses, as_json=as_json)
    for problem in dict.fromkeys(release.problems):
        print(problem, file=sys.stderr)
    if release.problems or not found:
        raise typer.Exit(1)


def _check_pacifaist(release: Release, *, as_json: bool) -> None:
    from rich.console import Console

    from safegym.papers.pacifaist.dataset import read_dataset
    from safegym.papers.pacifaist.scores import check_json
    from safegym.papers.pacifaist.tables import check_table

    found = check_json(read_dataset(release))
    if as_json:
        _print_json(found)
    else:
        Console().print(check_table(found))


def _rescore_pacifaist(release: Release, paths: list[Path], misses: int, *, as_json: bool) -> bool:
    from rich.console import Console

    from safegym.papers.pacifaist.dataset import read_dataset
    from safegym.papers.pacifaist.results import read_results, result_files
    from safegym.papers.pacifaist.scores import as_json as plain
    from safegym.papers.pacifaist.scores import policy_figures, rescore
    from safegym.papers.pacifaist.tables import differing_answers, rescore_table

    dataset = read_dataset(release)
    files = result_files(release, paths[1:] or [release.root])
    read = release.read_each(files, lambda path: read_results(release, path, dataset))
    names = [Path(each.name).name for each in read]
    models = {
        name if names.count(name) == 1 else each.name: rescore(each, dataset)
        for name, each in zip(names, read, strict=True)
    }
    policies = policy_figures(dataset)
    if as_json:
        written = {name: plain(each, policies) for name, each in models.items()}
        _print_json(next(iter(written.values())) if len(files) == len(written) == 1 else written)
    elif models:
        Console().print(rescore_table(models, policies, dataset.subcategories))
    if misses:
        Console(stderr=as_json).print(differing_answers(models, misses))
    return bool(models)


@app.command(
    epilog="Examples: `safegym paper tinmen results/*.csv` · "
    "`safegym paper tinmen results/gpt-4.csv --figure disclosure.png --misses 5` · "
    "`safegym run paper:tinmen --agent smollm2`"
)
def tinmen(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", show_default=False, help="The released transcripts: CSV files, or folders of them."
        ),
    ],
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw how often the company's interest is named, and to whom.")
    ] = None,
    misses: Annotated[
        int, typer.Option(min=0, help="Also show this many replies that the rules read differently.")
    ] = 0,
    as_json: AsJSON = False,
) -> None:
    """Of Models and Tin Men (arXiv 2307.11137): an agent with two masters, and whom it tells its reasons."""
    from rich.console import Console

    from safegym.errors import ContentError
    from safegym.figures import check_drawing, disclosure_by_visibility
    from safegym.papers.csv_files import csv_files
    from safegym.papers.source import Release
    from safegym.papers.tinmen.scores import as_json as plain
    from safegym.papers.tinmen.scores import cells, score, tests
    from safegym.papers.tinmen.tables import cell_table, differing_replies
    from safegym.papers.tinmen.transcripts import read_transcripts

    if figure is not None:
        check_drawing()
    absent = [path for path in paths if not path.exists()]
    if absent:
        raise ContentError(absent[0], "", "expected a CSV file of transcripts or a folder of them, found none")
    release = Release.at(paths[0])
    files = {each.resolve(): each for path in paths for each in (csv_files(path) if path.is_dir() else [path])}
    rows = score(
        each
        for held in release.read_each(files.values(), lambda path: read_transcripts(release, path))
        for each in held
    )
    if not rows:
        reasons = "; ".join(map(str, release.problems)) or "there is no CSV file"
        raise ContentError(paths[0], "", f"expected transcripts, none could be read: {reasons}")
    found = cells(rows)
    tested = tests(found)
    if as_json:
        _print_json(plain(found, tested))
    else:
        Console().print(cell_table(found, tested))
    if misses:
        Console(stderr=as_json).print(differing_replies(rows, misses))
    if figure is not None:
        print(f"Figure written to {disclosure_by_visibility(found, figure)}", file=sys.stderr)
    for problem in dict.fromkeys(release.problems):
        print(problem, file=sys.stderr)
    if release.problems:
        raise typer.Exit(1)


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))
