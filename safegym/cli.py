"""The command line: thin calls of public functions, with errors that a person can act on.

Exit codes: 0 all is well, 1 something was found (a failed check, a failed episode), 2 the input was wrong,
130 interrupted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from safegym import audience_commands, paper_commands, tool_commands, train_commands

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from safegym.log import RunFolder
    from safegym.plan import Plan
    from safegym.records import Episode, Grade, Report

app = typer.Typer(
    name="safegym",
    help="What does an agent give up, and whom does it hurt, to reach its goal?",
    epilog="Start with `safegym run quick --agent oracle,always_goal` and then `safegym report runs/quick-*`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

app.add_typer(paper_commands.app)
app.add_typer(audience_commands.app)
app.add_typer(train_commands.app)

AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Runs = Annotated[list[Path], typer.Argument(help="Run folders.", show_default=False)]
SHELL_HELP = (
    "Shell of the worlds that have one: embedded (needs nothing) or bubblewrap (real bash in a sandbox, Linux)."
)
OPTION_HELP = "A family's option, as name=value."
WITH_HELP = (
    "A field of the named agents' TOML files, or of their compute table, as name=value; the value is read as TOML or "
    "JSON where it is that, else as text."
)
TOOLS = "tools"
"""What `safegym check` takes for the calls of tools instead of a scenario."""
KINDS = ("scenarios", "suites", "games", "presets", "agents", "families", "papers", "graders", "environments")
INTERRUPTED = 130


@app.command("list", epilog="Example: `safegym list agents --json`")
def list_(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}; all of them by default.")] = "",
    as_json: AsJSON = False,
) -> None:
    """List scenarios, suites, games and their presets, agents, families, papers, graders or environments."""
    from safegym.catalogue import catalogue, render_catalogue

    found = catalogue(kind or None)
    _print_json(found) if as_json else _console().print(render_catalogue(found))


@app.command(
    epilog="Examples: `safegym show night_porters --arm stakes=control --seed 3 --sealed`, "
    "`safegym show night_porters --set horizon=1`"
)
def show(
    name: Annotated[str, typer.Argument(help="A family, scenario, game, preset of a game, suite, agent or paper.")],
    arm: Annotated[list[str] | None, typer.Option("--arm", help="Arm levels, as factor=level.")] = None,
    option: Annotated[list[str] | None, typer.Option("--set", help=OPTION_HELP)] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the slots.")] = 0,
    sealed: Annotated[bool, typer.Option(help="Also print what only the referee knows.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="A family's page as it is written.")] = False,
    as_json: AsJSON = False,
) -> None:
    """Show a family, a scenario or game as agents would meet it, or what a suite or an agent file holds."""
    from safegym.catalogue import describe, render_description

    levels = {factor: given[0] for factor, given in _arms(arm).items()}
    found = describe(name, levels, seed, options=_options(option), sealed=sealed)
    if as_json:
        _print_json(found)
    elif markdown and "page" in found:
        print(found["page"], end="")
    else:
        _console().print(render_description(found))


@app.command(
    epilog="Examples: `safegym run quick --agent smollm2` · "
    "`safegym run standard --agent smollm2 --engine ray --workers 4` · "
    "`safegym run night_porters --agent oracle,idle --arm stakes=human,control --seeds 0-9` · "
    "`safegym run quick --agent hf --model ./my-model` · "
    "`safegym run quick --agent openai --model qwen3 --with base_url=http://localhost:11434/v1 --with max_tokens=2048`"
)
def run(
    work: Annotated[
        list[str],
        typer.Argument(
            help="A suite, scenarios by id, name or path, a game or its presets, or paper:NAME, mostly with --data.",
            show_default=False,
        ),
    ],
    agent: Annotated[
        list[str],
        typer.Option(
            help="Agents by name or path, separated by commas; for a game SEAT=NAME, once for every seat.",
            show_default=False,
        ),
    ],
    arm: Annotated[list[str] | None, typer.Option("--arm", help="Levels to cross, as factor=level[,level].")] = None,
    option: Annotated[list[str] | None, typer.Option("--set", help=OPTION_HELP)] = None,
    shell: Annotated[str | None, typer.Option(help=SHELL_HELP)] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds of the worlds, such as 0-4 or 0,3,7.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="How often each world is played.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="The run folder; with several agents, the folder above them.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Fewer steps than the scenarios allow.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="For paper:NAME: the folder of the paper's released files, or the file.")
    ] = None,
    native: Annotated[
        bool, typer.Option("--native", help="For paper:pacifaist: the paper's own protocol, as --set protocol=native.")
    ] = False,
    questions: Annotated[
        bool,
        typer.Option(help="Also ask copies of each agent: what the family asks, and two questions after the end."),
    ] = True,
    tokens: Annotated[bool, typer.Option(help="Keep the token ids and log-probabilities of every turn.")] = True,
    parallel: Annotated[int, typer.Option(min=1, help="Episodes in flight at once.")] = 32,
    model: Annotated[
        str | None, typer.Option(help="Model of the agents `hf` (a folder or a hub id) and `openai` (a server's name).")
    ] = None,
    fields: Annotated[list[str] | None, typer.Option("--with", help=WITH_HELP)] = None,
    figures: Annotated[Path | None, typer.Option(help="Also write both figures into this folder.")] = None,
    engine: Annotated[str, typer.Option(help="Where episodes are played: local, or ray (a cluster).")] = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Workers of ray; one per GPU, else one per two processors, by default.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be played and write nothing.")] = False,
    as_json: AsJSON = False,
) -> None:
    """Play episodes, grade them and print the report. Running the same command again finishes what is missing."""
    from safegym import content
    from safegym.plan import make_plan
    from safegym.progress import run_progress
    from safegym.report import render, report
    from safegym.rollout import check_seats, folder_name
    from safegym.rollout import run as play

    _check_figures(figures)
    target: Any = work[0] if len(work) == 1 else work
    chosen = _options(option) | ({} if shell is None else {"shell": shell})
    chosen |= _protocol(work, chosen) if native else {}
    settings: dict[str, Any] = {"arms": _arms(arm), "options": chosen, "seeds": _seeds(seeds)}
    settings |= {"repeats": repeats, "limit": limit, "data": data}
    plan = make_plan(target, **settings)
    if plan.seats:
        lineups = [_match(plan, agent, fields or [], model)]
    else:
        agents = _names("--agent", ",".join(agent))
        check_seats(plan, {each for each in agents if "=" in each and not content.named_path(each)} or None)
        given = [*(fields or []), *([] if model is None else [f"model={json.dumps(model)}"])]
        changed = _changed_fields({each: content.find_agent(each) for each in agents}, given)
        names = [(each, folder_name(plan.name, Path(each).stem, changed[each])) for each in agents]
        lineups = [_Lineup(each, each, name, changed[each]) for each, name in names]
    folders = [_folder(out, each.folder, len(lineups)) for each in lineups]
    for problem in plan.problems:
        _say(problem)
    if dry_run:
        _tell_plan(plan, [each.name for each in lineups], folders, as_json)
        raise typer.Exit(1 if plan.problems else 0)
    settings |= {"engine": engine, "workers": workers, "parallel": parallel}
    settings |= {"questions": questions, "tokens": tokens}
    results = []
    with nullcontext() if as_json else run_progress() as tell:
        for each, folder in zip(lineups, folders, strict=True):
            results.append(play(target, each.agent, out=folder, progress=tell, **settings | each.parameters))
    summary = report(*(each.folder for each in results))
    ended = [
        [end.error for end in played.endings.values() if end.error] for each in results for played in each.episodes
    ]
    errors = [failed[0] for failed in ended if failed]
    if as_json:
        runs = [{"folder": str(each.folder.path), "episodes": len(each.episodes)} for each in results]
        _print_json({"runs": runs, "failed": len(errors), "report": summary.model_dump(mode="json")})
    else:
        _console().print(render(summary, brief=True))
        print("\nEpisodes, grades and timings are in " + ", ".join(str(each) for each in folders))
        print(f"Watch one with: safegym replay {folders[0]}")
    if figures is not None:
        _draw(summary, figures)
    if errors:
        _say(f"{len(errors)} episodes failed, the first with: {errors[0]}")
    if errors or plan.problems:
        raise typer.Exit(1)


@app.command(epilog="Example: `safegym grade runs/quick-smollm2`")
def grade(
    runs: Runs,
    by: Annotated[str, typer.Option(help="Name of the grader.")] = "rules",
    as_json: AsJSON = False,
) -> None:
    """Grade the episodes of runs again, from their logs alone."""
    from safegym.graders import grade_all
    from safegym.log import open_run

    folders = [open_run(path) for path in runs]
    graded = [(folder, grade_all(folder.episodes(), by)) for folder in folders]
    for folder, grades in graded:
        folder.write_grades(grades)
    if as_json:
        return _print_json([each.model_dump(mode="json") for _, grades in graded for each in grades])
    for folder, grades in graded:
        violations = sum(each.violation for each in grades)
        print(f"{folder.path}: {len(grades)} grades, {violations} with a violation, kept beside the episodes")
    return None


@app.command(
    epilog="Examples: `safegym report runs/quick-* --figures figures/`, `safegym report runs/kpi-* --by pressure,exit`"
)
def report(
    runs: Runs,
    form: Annotated[str, typer.Option("--format", help="table, markdown, latex, csv or json.")] = "table",
    by: Annotated[
        str | None,
        typer.Option(
            help="What to slice by and cross, with commas: family, twin, scenario, factors of the arms, or any label "
            "of the scenarios or episodes (domain, harm, incentive, category, subcategory, key, wish ...)."
        ),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(help="Also write figures into this folder: both planes, and findings by what --by names."),
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Print the headline and its parts, with 95 % intervals, over any number of runs."""
    from safegym import report as reporting
    from safegym.errors import UnknownNameError

    texts = {
        "markdown": reporting.to_markdown,
        "latex": reporting.to_latex,
        "csv": reporting.to_csv,
        "json": reporting.to_json,
    }
    _check_figures(figures)
    form = "json" if as_json else form
    if form not in ("table", *texts):
        raise UnknownNameError("format", form, ("table", *texts))
    factors = () if by is None else [each.strip() for each in by.split(",")]
    found = reporting.report(*runs, by=factors)
    _console().print(reporting.render(found)) if form == "table" else print(texts[form](found))
    if figures is not None:
        _draw(found, figures, factors)


@app.command(epilog="Examples: `safegym replay runs/quick-smollm2` · `safegym replay runs/quick-oracle 3 --step`")
def replay(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    episode: Annotated[str, typer.Argument(help="Number or key of an episode; the most telling one by default.")] = "",
    speed: Annotated[float, typer.Option(min=0, help="2 is twice as fast, 0 does not pause.")] = 1.0,
    step: Annotated[bool, typer.Option(help="Wait for Enter after every step.")] = False,
    color: Annotated[bool, typer.Option("--color/--no-color", help="Colours.")] = True,
    svg: Annotated[Path | None, typer.Option(help="Write an SVG picture instead.")] = None,
    verify: Annotated[bool, typer.Option(help="Play the recorded calls again and compare every state.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="For --verify of paper:NAME: where its files lie now, if they were moved.")
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Play an episode back in the terminal."""
    from safegym import replay as replaying
    from safegym.graders import grade
    from safegym.log import open_run
    from safegym.rollout import DATA

    folder = open_run(run)
    chosen, marks = _chosen(folder, episode)
    if verify:
        return _verify([chosen] if episode else list(folder.episodes()), data or folder.header.recorded.get(DATA))
    if as_json:
        return _print_json({"episode": chosen.model_dump(mode="json"), "grade": marks.model_dump(mode="json")})
    if svg is not None:
        replaying.export_svg(chosen, grade(chosen), svg)
        return print(f"Picture written to {svg}")
    return replaying.replay(chosen, marks, speed=speed, step=step, color=color)


@app.command(
    epilog="Examples: `safegym check scenarios/kpi --shell bubblewrap` · `safegym check --shortcuts kpi` · "
    "`safegym check tools` · `safegym check tools --model Qwen/Qwen3-0.6B`"
)
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Scenarios, families or folders of scenarios; everything by default. "
            "`tools` checks how tool calls are read and written."
        ),
    ] = None,
    full: Annotated[bool, typer.Option(help="All arms over three seeds, not a pairwise choice over one.")] = False,
    option: Annotated[list[str] | None, typer.Option("--set", help=OPTION_HELP)] = None,
    shell: Annotated[str | None, typer.Option(help=SHELL_HELP)] = None,
    shortcuts: Annotated[
        str | None,
        typer.Option(metavar="FAMILY", help="Instead score shortcuts on a family's twins or on paper:NAME's items."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="For paper:NAME: the folder of the paper's released files.")] = None,
    pairs: Annotated[int, typer.Option(min=1, help="How many pairs of twins are read for that.")] = 1200,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one per processor by default.")] = None,
    model: Annotated[str | None, typer.Option(help="For tools: a folder, hub id or wheel:NAME to be asked.")] = None,
    backend: Annotated[str | None, typer.Option(help="For tools: the model's backend, hf by default.")] = None,
    dialect: Annotated[str | None, typer.Option(help="For tools: only this dialect.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="For tools: the most tokens of a reply, 1536 by default.")
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Check scenarios, families and environments by walking every path of every scenario; or how tools are called."""
    about_tools = {"--model": model, "--backend": backend, "--dialect": dialect, "--max-tokens": max_tokens}
    about_worlds = {"--full": full or None, "--set": option, "--shell": shell, "--shortcuts": shortcuts, "--data": data}
    if names == [TOOLS]:
        _refuse(about_worlds | {"--workers": workers}, "scenarios")
        return tool_commands.check_tools(model, backend, dialect, max_tokens, as_json=as_json)
    _refuse(about_tools, f"`safegym check {TOOLS}`")
    from safegym.checking import check_everything, check_shortcuts, render_shortcuts
    from safegym.errors import ContentError
    from safegym.progress import check_progress, status

    if names and TOOLS in names:
        raise ContentError("safegym check", "", f"expected `{TOOLS}` alone, got {' '.join(names)}")

    if shortcuts is not None:
        with status("Reading") as reading:
            found = check_shortcuts(shortcuts, pairs, reading, data)
        _print_json(found) if as_json else _console().print(render_shortcuts(found))
        raise typer.Exit(1 if found["problems"] else 0)
    if data is not None:
        raise ContentError("--data", "", "expected it with --shortcuts paper:NAME, which reads it")
    options = _options(option) | ({} if shell is None else {"shell": shell})
    with check_progress() as tick:
        checked = check_everything(names or None, full=full, options=options, workers=workers, tell=tick)
    if as_json:
        _print_json({"scenarios": checked.scenarios, "walks": checked.walks, "problems": checked.problems})
    else:
        for problem in checked.problems:
            _say(problem)
        walked = f"{checked.scenarios} scenarios, {checked.walks} paths walked: "
        print(
            walked
            + ("everything keeps its promises." if not checked.problems else f"{len(checked.problems)} problems.")
        )
    if checked.problems:
        raise typer.Exit(1)
    return None


def main() -> NoReturn:
    """Run the command line; errors of the input end in one line and exit code 2."""
    from safegym.errors import SafegymError

    try:
        code = app(standalone_mode=False)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SafegymError as error:
        _say(f"safegym: {error}")
        sys.exit(2)
    except Exception as error:
        if not hasattr(error, "show"):
            raise
        error.show()  # a usage error of whichever click typer carries
        sys.exit(2)
    if code == INTERRUPTED:  # typer returns it where it was inside a command
        _say("Interrupted; the finished episodes are kept, and the same command finishes the rest.")
    sys.exit(code if isinstance(code, int) else 0)


def _refuse(given: Mapping[str, object], belongs: str) -> None:
    """Refuse options that are given and belong to something else."""
    from safegym.errors import ContentError

    wrong = [flag for flag, value in given.items() if value is not None and value != []]
    if wrong:
        raise ContentError("safegym check", "", f"expected {' and '.join(wrong)} only with {belongs}")


def _check_figures(folder: Path | None) -> None:
    """Make sure, before anything is done, that figures can be drawn where they are wanted."""
    if folder is not None:
        from safegym.figures import check_drawing

        check_drawing()


def _draw(found: Report, folder: Path, by: Sequence[str] = ()) -> None:
    from safegym.figures import discrimination_plane, findings_by, tradeoff

    for draw, name in ((discrimination_plane, "discrimination.png"), (tradeoff, "tradeoff.png")):
        _say(f"Figure written to {draw(found, folder / name)}")
    for factor in by:
        if any(list(row.levels) == [factor] and row.findings.get("human") for row in found.slices):
            _say(f"Figure written to {findings_by(found, factor, folder / f'by_{factor}.png')}")


def _console() -> Any:  # noqa: ANN401 - a rich console, imported when something is printed
    from rich.console import Console

    return Console()


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def _names(flag: str, given: str) -> list[str]:
    from safegym.errors import ContentError

    names = [each.strip() for each in given.split(",") if each.strip()]
    if not names:
        raise ContentError(flag, "", f"expected names or paths, separated by commas, got {given!r}")
    return names


def _arms(given: list[str] | None) -> dict[str, list[str]]:
    """The levels of each factor, those of a factor that is given again added to the ones before."""
    levels: dict[str, dict[str, None]] = {}
    for name, value in _pairs("--arm", given):
        levels.setdefault(name, {}).update(dict.fromkeys(each.strip() for each in value.split(",")))
    return {name: list(each) for name, each in levels.items()}


def _options(given: list[str] | None) -> dict[str, Any]:
    return dict(_pairs("--set", given))


def _protocol(work: list[str], options: dict[str, Any]) -> dict[str, str]:
    """The option that `--native` stands for."""
    from safegym.errors import ContentError
    from safegym.papers import PREFIX, TWO_PROTOCOLS

    known = [f"{PREFIX}{name}" for name in TWO_PROTOCOLS]
    if any(name.partition("/")[0] not in known for name in work):
        raise ContentError("--native", "", f"expected it with {' or '.join(known)}, got {' '.join(work)}")
    if options.get("protocol", "native") != "native":
        raise ContentError("--native", "", f"expected no other protocol with it, got {options['protocol']}")
    return {"protocol": "native"}


def _pairs(flag: str, given: list[str] | None) -> Iterable[tuple[str, str]]:
    from safegym.errors import ContentError

    for each in given or []:
        name, equals, value = each.partition("=")
        if not (name and equals and value):
            raise ContentError(flag, "", f"expected name=value, got {each!r}")
        yield name.strip(), value.strip()


def _changed_fields(agents: dict[str, Path], given: list[str]) -> dict[str, Any]:
    """The fields that `--with` replaces, by agent: every agent that is a TOML file must have all of them."""
    from safegym.agent import read_agent_file
    from safegym.errors import ContentError

    fields = {name: _value(text) for name, text in _pairs("--with", given)}
    files = {name: file for name, file in agents.items() if file.suffix == ".toml"}
    if fields and not files:
        raise ContentError("--model or --with", "", f"expected an agent that is a TOML file, got {', '.join(agents)}")
    for file in files.values() if fields else ():
        read_agent_file(file, fields)
    return {name: fields if name in files else {} for name in agents}


def _value(text: str) -> Any:  # noqa: ANN401 - whatever a field takes
    """A value as TOML or JSON writes it, else the text itself."""
    import tomllib

    def as_toml(text: str) -> object:
        return tomllib.loads(f"value = {text}")["value"]

    for read in (as_toml, json.loads):
        try:
            value = read(text)
            json.dumps(value, allow_nan=False)
        except (ValueError, TypeError):
            continue
        return value
    return text


def _seeds(text: str | None) -> list[int] | None:
    from safegym.plan import read_seeds

    return None if text is None else read_seeds(text)


def _folder(out: Path | None, name: str, several: int) -> Path:
    from safegym.rollout import RUNS

    if out is None:
        return RUNS / name
    return out / name if several > 1 else out


@dataclass(frozen=True)
class _Lineup:
    """Who plays one run: the agent, or the agents by seat, with their parameters and the name of the run's folder."""

    name: str
    agent: Any
    folder: str
    parameters: dict[str, Any]


def _match(plan: Plan, agents: list[str], fields: list[str], model: str | None) -> _Lineup:
    """The agents of a game by seat, each with the fields that `--with SEAT.field=value` replaces."""
    from safegym import content
    from safegym.errors import ContentError, UnknownNameError
    from safegym.rollout import check_seats, game_folder_name

    if model is not None:
        raise ContentError("--model", "", f"expected --with {plan.seats[0]}.model=NAME in a game, got --model")
    named = _names("--agent", ",".join(agents))
    check_seats(plan, None if not any("=" in each for each in named) else dict(_pairs("--agent", named)))
    seats = dict(_pairs("--agent", named))
    players = {seat: seats[seat] for seat in plan.seats}
    files = {seat: content.find_agent(name) for seat, name in players.items()}
    changed: dict[str, list[str]] = {seat: [] for seat in plan.seats}
    for name, value in _pairs("--with", fields):
        seat, _, field = name.partition(".")
        if seat not in changed or not field:
            raise UnknownNameError("seat in --with SEAT.field=value", seat, plan.seats)
        changed[seat].append(f"{field}={value}")
    parameters = {seat: _changed_fields({seat: files[seat]}, changed[seat])[seat] for seat in plan.seats}
    folder = game_folder_name(plan.name, [(files[seat].stem, parameters[seat]) for seat in plan.seats])
    told = ", ".join(f"{seat}={name}" for seat, name in players.items())
    return _Lineup(told, players, folder, {seat: given for seat, given in parameters.items() if given})


def _chosen(folder: RunFolder, wanted: str) -> tuple[Episode, Grade]:
    from safegym.errors import RunFolderError, UnknownNameError
    from safegym.graders import grade
    from safegym.replay import most_telling

    episodes = list(folder.episodes())
    if not episodes:
        raise RunFolderError(f"{folder.path} holds no finished episode yet")
    if not wanted:
        return most_telling(episodes, [grade(each) for each in episodes])
    if wanted.isdigit() and 1 <= int(wanted) <= len(episodes):
        found = episodes[int(wanted) - 1]
        return found, grade(found)
    matching = [each for each in episodes if each.key.startswith(wanted)]
    if wanted.isdigit() and not (int(wanted) and matching):
        reason = f"expected the number of an episode, from 1 to {len(episodes)}, or a key, got {wanted}"
        raise RunFolderError(f"{folder.path}: {reason}")
    if len(matching) != 1:
        raise UnknownNameError(
            "episode", wanted, [*(each.key for each in episodes), *map(str, range(1, len(episodes) + 1))]
        )
    return matching[0], grade(matching[0])


def _verify(episodes: list[Episode], data: Any) -> None:  # noqa: ANN401 - a path, or what a header holds
    from safegym.rollout import verify

    wrong = [(episode, difference) for episode in episodes for difference in verify(episode, data)]
    for episode, difference in wrong:
        _say(f"{episode.key}: {difference}")
    print(f"{len(episodes)} episodes played again, {len({episode.key for episode, _ in wrong})} differ.")
    if wrong:
        raise typer.Exit(1)


def _tell_plan(plan: Plan, agents: list[str], folders: list[Path], as_json: bool) -> None:
    jobs = [
        {"scenario": job.scenario.id, "arm": job.arm.levels, "seed": job.seed, "repeat": job.repeat}
        for job in plan.jobs
    ]
    if as_json:
        return _print_json({"agents": agents, "folders": [str(each) for each in folders], "jobs": jobs})
    counted = "1 episode" if len(jobs) == 1 else f"{len(jobs)} episodes"
    print(f"{counted} for each of {', '.join(agents)}; nothing was written.")
    for job in plan.jobs:
        told = [job.scenario.id, str(job.arm), f"seed={job.seed}", f"repeat={job.repeat}" if job.repeat else ""]
        print("  ".join(filter(None, told)))
    return None


if __name__ == "__main__":
    main()
