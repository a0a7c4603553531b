"""Episodes on the workers of a Ray cluster: one replica of the agent each; what a lost worker held goes to others.

An episode is a function of its job, so it does not matter which worker plays it, or how often one has begun it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

from safegym import content
from safegym.agent import Examinee, read_agent_file
from safegym.engines.base import Keep, Players, Profile
from safegym.engines.cluster import Layout, connected, lay_out, resources
from safegym.engines.worker import Loaded, Shipment, Worker, pack
from safegym.episodes import Terms
from safegym.errors import EngineError, SafegymError
from safegym.loops import run_to_end
from safegym.models import compute_fields
from safegym.plan import Job
from safegym.records import SINGLE

TRIES = 3
"""How often a job may lose its worker, and an agent be loaded in vain, before that is the job's or agent's fault."""
PATIENCE = 120.0
"""Seconds that the cluster has to start the first worker in; without room for one, Ray waits for ever."""
TOLD = 300
"""How many characters are told of what Ray says of a lost worker."""


class _LostError(Exception):
    """A worker that died, or whose node did."""


@dataclass
class _Seat:
    """The place of one worker, which another one takes when it dies."""

    slots: int
    """Episodes that it plays at once."""
    actor: Any = None
    ready: bool = False
    load: int = 0
    alone: bool = False
    """Whether the one episode that it plays is to have no company."""

    def takes(self, alone: bool) -> bool:
        """Whether there is room for another episode."""
        return self.ready and (self.load == 0 if alone else self.load < self.slots and not self.alone)


class RayEngine:
    """Plays on workers that are Ray actors.

    Args:
        ray: The connected module.
        shipment: The agent.
        layout: How many workers, and what each gets.
        parallel: Episodes in flight at once, over all workers.
    """

    def __init__(self, ray: Any, shipment: Shipment, layout: Layout, parallel: int) -> None:  # noqa: ANN401
        count = min(layout.workers, max(1, parallel))
        self.ray, self.shipment, self.layout = ray, shipment, layout
        self.seats = [_Seat(max(1, (parallel + index) // count)) for index in range(count)]
        resources = {"num_cpus": layout.cpus, "num_gpus": layout.gpus, "max_restarts": 0}
        self._actors = ray.remote(Worker).options(max_concurrency=self.seats[-1].slots + 1, **resources)
        self._told = {"run_engine": "ray", "workers": count, "ray": ray.__version__}

    async def open(self) -> None:
        """Let the first worker load the agent and say who it is.

        Raises:
            EngineError: If the cluster has no room for it, or it dies.
        """
        self.first = await self._hire(self.seats[0], PATIENCE)
        self.seats[0].ready = True
        found = self.first.profile
        self.examinees: dict[str, Examinee] = {}
        self.profiles = {SINGLE: Profile(found.identity, found.protocol, {**found.describe, **self._told})}

    def close(self) -> None:
        """End all workers."""
        for seat in self.seats:
            if seat.actor is not None:
                self.ray.kill(seat.actor)

    async def play(self, jobs: Sequence[Job], terms: Terms, keep: Keep) -> None:
        """Play every job once."""
        if not jobs:
            return
        gate = asyncio.Semaphore(sum(seat.slots for seat in self.seats))
        self._changed = asyncio.Condition()  # it belongs to one loop, and each run has its own

        async def play(job: Job) -> None:
            async with gate:
                await self._play(job, terms, keep)

        async with asyncio.TaskGroup() as group:
            staff = [group.create_task(self._staff(seat)) for seat in self.seats[: len(jobs)]]
            await asyncio.wait([group.create_task(play(job)) for job in jobs])
            for each in staff:
                each.cancel()

    async def _play(self, job: Job, terms: Terms, keep: Keep) -> None:
        """Play a job; its last try has a worker for itself, so that only who kills workers is told to."""
        for attempt in range(1, TRIES + 1):
            async with self._seat(alone=attempt == TRIES) as seat:
                actor = seat.actor
                try:
                    played = await self._answer(actor.play.remote(job, terms))
                except _LostError as error:
                    self._vacate(seat, actor)
                    last = error
                else:
                    return keep(played)
        raise EngineError(
            f"{job.scenario.id} ({job.arm}, seed {job.seed}, repeat {job.repeat}) lost its worker {TRIES} times, "
            f"the last time with no other episode on it: {last}"
        )

    async def _staff(self, seat: _Seat) -> None:
        """Keep a seat filled."""
        while True:
            if not seat.ready:
                self._compare(await self._hire(seat))
                seat.ready = True
            async with self._changed:
                self._changed.notify_all()
                await self._changed.wait_for(lambda: not seat.ready)

    async def _hire(self, seat: _Seat, patience: float | None = None) -> Loaded:
        """Put a new worker into a seat and let it load the agent; it has to start within so many seconds."""
        for _ in range(TRIES):
            seat.actor = self._actors.remote()
            try:
                async with asyncio.timeout(patience):
                    await self._answer(seat.actor.__ray_ready__.remote())
                loaded: Loaded = await self._answer(seat.actor.load.remote(self.shipment))
            except _LostError as error:
                last = error
            except TimeoutError:
                raise EngineError(self._crowded()) from None
            else:
                return loaded
        name = self.shipment.candidate.name
        raise EngineError(f"{TRIES} workers in a row died while they loaded the agent {name!r}: {last}")

    def _crowded(self) -> str:
        """Why no worker has started."""
        free = {name: amount for name, amount in self.ray.available_resources().items() if name in ("CPU", "GPU")}
        return (
            f"no worker has started on the Ray cluster within {PATIENCE:g} s: each needs {self.layout.cpus} CPU and "
            f"{self.layout.gpus} GPU, and free are {free or 'none'}; more workers need less each"
        )

    def _vacate(self, seat: _Seat, actor: Any) -> None:  # noqa: ANN401 - an actor's handle
        """Let a lost worker go, once for all episodes that were on it."""
        if seat.ready and seat.actor is actor:
            self.ray.kill(actor)  # it may be out of reach and alive
            seat.ready = False

    def _compare(self, loaded: Loaded) -> None:
        """Refuse a replica that is not the first one's equal."""
        for name in ("version", "profile.identity.hash", "profile.protocol"):
            there, here = _field(loaded, name), _field(self.first, name)
            if there != here:
                raise EngineError(
                    f"the workers differ: {name} is {there!r} on {loaded.node} and {here!r} on {self.first.node}; "
                    "every node needs the same safegym and the same model files"
                )

    @asynccontextmanager
    async def _seat(self, *, alone: bool) -> AsyncIterator[_Seat]:
        """A place on the worker that has least to do."""
        async with self._changed:
            await self._changed.wait_for(lambda: any(seat.takes(alone) for seat in self.seats))
            seat = min((seat for seat in self.seats if seat.takes(alone)), key=lambda seat: seat.load)
            seat.load += 1
            seat.alone = alone
        try:
            yield seat
        finally:
            seat.load -= 1
            seat.alone = False
            async with self._changed:
                self._changed.notify_all()

    async def _answer(self, reference: Any) -> Any:  # noqa: ANN401 - whatever a worker answers
        """What a worker answers; errors of ours are raised as they were there."""
        try:
            found = await reference
        except self.ray.exceptions.RayTaskError:  # a bug, which no other worker would be without
            raise
        except self.ray.exceptions.RayError as error:
            raise _LostError(shorten(str(error), TOLD)) from error
        if isinstance(found, SafegymError):
            raise found
        return found


@contextmanager
def open_engine(players: Players, parallel: int, workers: int | None) -> Iterator[RayEngine]:
    """Connect, and load the agent on a first worker; in the end all workers are ended."""
    if SINGLE not in players:
        raise EngineError(f"expected the engine 'local' for a game, got 'ray' for {' and '.join(players)}")
    agent = players[SINGLE]
    if isinstance(agent, Examinee):
        raise EngineError(
            f"expected the name or file of an agent with the engine 'ray', got {agent.identity.name!r} ready made: "
            "it cannot be sent to another machine"
        )
    shipment = pack(agent, content.find_agent(agent.name))
    gpu = _computes(shipment)
    with connected() as ray:
        engine = RayEngine(ray, shipment, lay_out(resources(ray), workers, gpu=gpu), parallel)
        try:
            run_to_end(engine.open())
            yield engine
        finally:
            engine.close()


def _computes(shipment: Shipment) -> bool:
    """Whether the agent is a model that computes on a device of its worker."""
    if shipment.file.suffix != ".toml":
        return False
    settings = read_agent_file(shipment.file, shipment.candidate.parameters)
    return "device" in compute_fields(settings.backend) and settings.compute.get("device") != "cpu"


def _field(loaded: Loaded, path: str) -> Any:  # noqa: ANN401 - any field
    found: Any = loaded
    for name in path.split("."):
        found = getattr(found, name)
    return found
