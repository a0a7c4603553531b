"""All episodes in this process: one event loop, and one model that all of them share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from safegym import content
from safegym.agent import Examinee, load_examinee
from safegym.engines.base import Candidate, Keep, profile_of
from safegym.episodes import Terms, play_episode
from safegym.errors import EngineError
from safegym.plan import Job


class LocalEngine:
    """Plays with one examinee.

    Args:
        examinee: Who plays.
        parallel: Episodes in flight at once.
    """

    def __init__(self, examinee: Examinee, parallel: int) -> None:
        self.examinee, self.parallel = examinee, parallel
        self.profile = profile_of(examinee, run_engine="local")

    async def play(self, jobs: Sequence[Job], terms: Terms, keep: Keep) -> None:
        """Play every job once."""
        gate = asyncio.Semaphore(max(1, self.parallel))

        async def play(job: Job) -> None:
            async with gate:
                keep(await play_episode(job, self.examinee, terms))

        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(play(job))


@contextmanager
def open_engine(agent: Candidate | Examinee, parallel: int, workers: int | None) -> Iterator[LocalEngine]:
    """Load the agent here, and close it in the end."""
    if workers is not None:
        raise EngineError(f"expected workers with the engine 'ray', got {workers} with 'local', which has none")
    if isinstance(agent, Candidate):
        agent = load_examinee(agent.name, content.find_agent(agent.name), **agent.parameters)
    try:
        yield LocalEngine(agent, parallel)
    finally:
        agent.close()
