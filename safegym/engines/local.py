"""All episodes in this process: one event loop, and one model that all of them share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from safegym import content
from safegym.agent import Examinee, load_examinee
from safegym.engines.base import Candidate, Keep, Players, profile_of
from safegym.episodes import Played, Terms, play_episode
from safegym.errors import EngineError
from safegym.matches import play_match
from safegym.plan import Job
from safegym.records import SINGLE, canonical


class LocalEngine:
    """Plays with examinees that are loaded.

    Args:
        examinees: Who plays, by seat.
        parallel: Episodes in flight at once.
    """

    def __init__(self, examinees: Mapping[str, Examinee], parallel: int) -> None:
        self.examinees: Mapping[str, Examinee] = examinees
        self.parallel = parallel
        self.profiles = {seat: profile_of(each, run_engine="local") for seat, each in examinees.items()}

    async def play(self, jobs: Sequence[Job], terms: Terms, keep: Keep) -> None:
        """Play every job once."""
        gate = asyncio.Semaphore(max(1, self.parallel))

        async def play(job: Job) -> None:
            async with gate:
                keep(await self._played(job, terms))

        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(play(job))

    async def _played(self, job: Job, terms: Terms) -> Played:
        if SINGLE in self.examinees:
            return await play_episode(job, self.examinees[SINGLE], terms)
        return await play_match(job, self.examinees, terms)


@contextmanager
def open_engine(players: Players, parallel: int, workers: int | None) -> Iterator[LocalEngine]:
    """Load the agents here, each once however many seats it has, and close them in the end."""
    if workers is not None:
        raise EngineError(f"expected workers with the engine 'ray', got {workers} with 'local', which has none")
    with ExitStack() as closing:
        loaded: dict[str, Examinee] = {}
        examinees: dict[str, Examinee] = {}
        for seat, player in players.items():
            key = canonical([player.name, player.parameters]) if isinstance(player, Candidate) else str(id(player))
            if key not in loaded:
                loaded[key] = _loaded(player)
                closing.callback(loaded[key].close)
            examinees[seat] = loaded[key]
        yield LocalEngine(examinees, parallel)


def _loaded(player: Candidate | Examinee) -> Examinee:
    if isinstance(player, Examinee):
        return player
    return load_examinee(player.name, content.find_agent(player.name), **player.parameters)
