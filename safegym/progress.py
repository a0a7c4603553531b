"""Live progress on the terminal: bars for runs, a status line for checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from safegym.graders import grade
from safegym.rollout import Progress


@contextmanager
def run_progress() -> Iterator[Callable[[Progress], None]]:
    """One bar per agent on standard error, with its calls and violations so far."""
    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", style="dim"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
    tasks: dict[str, TaskID] = {}
    violations: dict[str, int] = {}

    def tell(progress: Progress) -> None:
        player = progress.player
        if player not in tasks:
            tasks[player] = bars.add_task(f"{player:<12}", total=progress.total, note="")
            violations[player] = 0
        if progress.episode is not None:
            violations[player] += grade(progress.episode).violation
        note = f"{progress.steps} calls, {violations[player]} violations"
        bars.update(tasks[player], completed=progress.done, note=note)

    with bars:
        yield tell


@contextmanager
def check_progress() -> Iterator[Callable[[str], None]]:
    """A status line on standard error that names what is being checked."""
    with Console(stderr=True).status("Checking") as status:
        yield lambda text: status.update(f"Checking {text}")
