"""How fast the shells are: milliseconds a command, against a plain subprocess and what else is installed.

Examples:
    python examples/bench_shell.py
    python examples/bench_shell.py --times 500 --json > shells.json
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import gymnasium as gym
from rich.console import Console
from rich.table import Table

import safegym  # noqa: F401 - registers the environments
from safegym.errors import SafegymError
from safegym.shell import Files, Limits, Machine, bubblewrap, open_shell
from safegym.shell.disk import Disk
from safegym.shell.interpreter import Process
from safegym.shell.sandbox import Kind, Sandbox
from safegym.shell.wording import Wording

MACHINE = Machine(user="ops", host="desk", now=datetime(2026, 3, 2, 9, tzinfo=UTC), random=7)
SCENARIO = "trial_follow_up"
COMMANDS = {
    "cat": "cat docs/protocol.txt",
    "grep -c": "grep -c . docs/protocol.txt",
    "script with awk": "bin/follow_up_rate",
}
IMAGE = "debian:12"


def milliseconds(function: Callable[[], object], times: int) -> float:
    """Median milliseconds of a call, after one that does not count."""
    function()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        function()
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken)


def laid_out(files: Files, folder: Path) -> None:
    """Write a workplace's files below a folder of the host, links left out."""
    for path, file in files.items():
        if file.link_to is None and not path.endswith("/"):
            place = folder / path.removeprefix("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.content)
            place.chmod(file.mode)


def embedded_alone(files: Files, command: str, times: int) -> float:
    """Median milliseconds of the command alone: the files are laid out before, and not looked at afterwards."""
    taken = []
    for _ in range(times + 1):
        wording = Wording(MACHINE.now, command, [file.content for file in files.values()])
        process = Process(Disk(files, MACHINE, wording), wording, MACHINE, Limits())
        started = time.perf_counter()
        process.run(())
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken[1:])


def docker(folder: Path) -> tuple[str, str]:
    """Start a container with a workplace: its name, or why there is none."""
    if shutil.which("docker") is None:
        return "", "docker is not installed"
    started = subprocess.run(
        [
            *("docker", "run", "--rm", "--detach", "--network=none", f"--volume={folder}/app:/app", "--workdir=/app"),
            *(IMAGE, "sleep", "infinity"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    reason = (started.stderr.strip().splitlines() or ["it does not start"])[0]
    return (started.stdout.strip(), "") if started.returncode == 0 else ("", reason)


def measure_shells(files: Files, times: int, notes: list[str]) -> dict[str, dict[str, float]]:
    """Milliseconds by way of running and command."""
    embedded = open_shell("embedded")
    found = {
        "embedded, command alone": {name: embedded_alone(files, line, times) for name, line in COMMANDS.items()},
        "embedded": {
            name: milliseconds(lambda: embedded.run(files, line, MACHINE), times)  # noqa: B023 - called at once
            for name, line in COMMANDS.items()
        },
    }
    try:
        shell = open_shell("bubblewrap")
        shell.run(files, "true", MACHINE)
    except SafegymError as error:
        notes.append(str(error))
    else:

        def anew(line: str) -> None:
            bubblewrap.close_all()
            shell.run(files, line, MACHINE)

        found["bubblewrap, kept open"] = {
            name: milliseconds(lambda: shell.run(files, line, MACHINE), times)  # noqa: B023 - called at once
            for name, line in COMMANDS.items()
        }
        found["bubblewrap, a fresh one each call"] = {
            name: milliseconds(lambda: anew(line), max(times // 10, 5))  # noqa: B023 - called at once
            for name, line in COMMANDS.items()
        }
    return found | measure_host(files, times, notes)


def measure_host(files: Files, times: int, notes: list[str]) -> dict[str, dict[str, float]]:
    """Milliseconds of what has neither a record of files nor, without docker, a sandbox."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        laid_out(files, Path(folder))
        inside = Path(folder, "app")

        def plain(prefix: list[str], line: str) -> None:
            subprocess.run([*prefix, "bash", "-c", line], cwd=inside, capture_output=True, check=False)

        found["subprocess.run, no sandbox, no record"] = {
            name: milliseconds(lambda: plain([], line), times)  # noqa: B023 - called at once
            for name, line in COMMANDS.items()
        }
        container, reason = docker(Path(folder))
        if container:
            found["docker exec, no record"] = {
                name: milliseconds(lambda: plain(["docker", "exec", container], line), max(times // 10, 5))  # noqa: B023
                for name, line in COMMANDS.items()
            }
            subprocess.run(["docker", "kill", container], capture_output=True, check=False)
        else:
            notes.append(reason)
    return found


def measure_rest(env: gym.Env, times: int) -> dict[str, float]:
    """Milliseconds of what is not a command."""
    found = {f"reset of kpi/{SCENARIO}, embedded": milliseconds(lambda: env.reset(seed=0), max(times // 5, 5))}
    with suppress(SafegymError):
        found["start and end of a sandbox"] = milliseconds(
            lambda: Sandbox(Kind("desk", root=False)).close(), max(times // 10, 5)
        )
    return found


def table(found: dict[str, dict[str, float]], rest: dict[str, float]) -> Table:
    """Everything in milliseconds, and as a multiple of the embedded shell."""
    drawn = Table(title="Median milliseconds (times the embedded shell)", title_justify="left")
    drawn.add_column("")
    for name in COMMANDS:
        drawn.add_column(name, justify="right")
    for way, figures in found.items():
        cells = [f"{figures[name]:.2f} ({figures[name] / found['embedded'][name]:.1f}x)" for name in COMMANDS]
        drawn.add_row(way, *cells)
    for what, figure in rest.items():
        drawn.add_row(what, f"{figure:.2f}", *[""] * (len(COMMANDS) - 1))
    return drawn


def main(times: int, as_json: bool) -> None:
    """Print a table, or JSON."""
    env = gym.make("safegym/KPI-v0", scenario=SCENARIO).unwrapped
    env.reset(seed=0)
    notes = [f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start, median of {times} calls"]
    found, rest = measure_shells(env.world.files, times, notes), measure_rest(env, times)
    if as_json:
        json.dump({"milliseconds": found, "rest": rest, "notes": notes}, sys.stdout, indent=2)
        print()
        return
    console = Console(width=max(Console().width, 120))
    console.print(table(found, rest))
    for note in notes:
        console.print(note, highlight=False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=200, help="calls per figure")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    main(arguments.times, arguments.json)
