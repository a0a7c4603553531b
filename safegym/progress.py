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
def check_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error over all checks, with the name of the newest one."""
    bars = Bars(
        TextColumn("checked"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.description}", style="dim"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
    with bars:
        task = bars.add_task("", total=None)
        yield lambda name, done, total: bars.update(task, description=name, completed=done, total=total)


@contextmanager
def status(doing: str) -> Iterator[Callable[[str], None]]:
    """A status line on standard error."""
    with Console(stderr=True).status(doing) as line:
        yield lambda text: line.update(f"{doing} {text}")


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error over things that are done one by one.

    Args:
        what: What they are.
    """
    columns = (TextColumn(what), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """Bars on standard error over work that has several parts, a bar for each part as it begins."""
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(doing: str, done: int, total: int) -> None:
            if doing not in tasks:
                tasks[doing] = bars.add_task(doing, total=total)
            bars.update(tasks[doing], completed=done)

        yield tell
