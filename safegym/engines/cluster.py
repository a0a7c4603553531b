"""A Ray cluster: how it is reached, and how its processors are shared out among workers."""

from __future__ import annotations

import importlib
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from safegym.errors import EngineError, MissingExtraError

STORE = 100_000_000
"""Bytes of shared memory of a cluster that is started here; an episode is a few kilobytes."""

PATIENCE = 10.0
"""Seconds that the head of a cluster has to answer in."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # what Ray tells of lost workers it prints on stdout, unless it is skipped
}
"""What keeps Ray from speaking where a run does, read by Ray when it is imported."""


@dataclass(frozen=True)
class Layout:
    """How many workers there are, and what each of them gets.

    Attributes:
        workers: The number of workers.
        cpus: Processors of each, which is also how many threads a model computes with.
        gpus: GPUs of each, 0 or 1.
    """

    workers: int
    cpus: int
    gpus: int


def lay_out(nodes: Sequence[Mapping[str, float]], workers: int | None, *, gpu: bool) -> Layout:
    """Share a cluster out among workers.

    Args:
        nodes: The resources of each node, `CPU` and `GPU` among them.
        workers: How many workers; None for one per GPU, or one per two processors where no GPU is used.
        gpu: Whether the agent can use a GPU; each worker then gets one, if the cluster has any.

    Raises:
        EngineError: If the cluster cannot hold so many workers.
    """
    gpus = int(sum(node.get("GPU", 0) for node in nodes)) if gpu else 0
    cpus = int(sum(node.get("CPU", 0) for node in nodes))
    room = _room(nodes, 1, gpus > 0)
    wanted = workers or min(gpus or max(1, cpus // 2), room)
    if not 0 < wanted <= room:
        has = f"{cpus} processors" + (f" and {gpus} GPUs" if gpus else "")
        raise EngineError(f"expected from 1 to {room} workers on a cluster of {has}, got {wanted}")
    share = next(each for each in range(cpus // wanted, 0, -1) if _room(nodes, each, gpus > 0) >= wanted)
    return Layout(wanted, share, 1 if gpus else 0)


def _room(nodes: Sequence[Mapping[str, float]], cpus: int, gpu: bool) -> int:
    """How many workers of so many processors, and one GPU each, the nodes can hold."""
    fitting = ((node.get("CPU", 0) // cpus, node.get("GPU", 0)) for node in nodes)
    return int(sum(min(by_cpu, by_gpu) if gpu else by_cpu for by_cpu, by_gpu in fitting))


@contextmanager
def connected() -> Iterator[Any]:
    """The module `ray`, connected: as it is already, else to the cluster that `RAY_ADDRESS` names, else to one here.

    Raises:
        MissingExtraError: If Ray is not installed.
        EngineError: If the cluster cannot be reached.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError:
        raise MissingExtraError("the engine ray", "scale") from None
    if ray.is_initialized():
        yield ray
        return
    address = os.environ.get("RAY_ADDRESS") or "local"
    here = {"include_dashboard": False, "object_store_memory": STORE} if address == "local" else {}
    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level="error", **here)
    except (OSError, RuntimeError, ValueError) as error:
        raise EngineError(f"the Ray cluster at {address!r} cannot be reached: {error}") from error
    try:
        with _ended_in_order():
            yield ray
    finally:
        ray.shutdown()


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Let SIGTERM end a run as an interrupt does; Ray prints its stack there."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _knock(address: str) -> None:
    """Fail at once where nobody listens; Ray tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()


def resources(ray: Any) -> list[dict[str, float]]:  # noqa: ANN401 - a module
    """The resources of the nodes that are alive."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]
