"""Coroutines run to their end from wherever one is: a script, a notebook, or a function that is itself awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")
_PATIENCE = 5.0
"""Seconds within which a thread has begun."""


def run_to_end(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """The result of a coroutine; where a loop runs already, that waits while a thread with its own loop runs it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    return _in_thread(coroutine)


def _in_thread(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in a thread; an interrupt of the one that waits cancels it."""
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Future[Result]]] = Future()

    async def run() -> Result:
        task = asyncio.ensure_future(coroutine)
        begun.set_result((asyncio.get_running_loop(), task))
        return await task

    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(asyncio.run, run()).result()
    except KeyboardInterrupt:
        with suppress(TimeoutError, RuntimeError):  # never begun, or over already
            loop, task = begun.result(_PATIENCE)
            loop.call_soon_threadsafe(task.cancel)
        raise
    finally:
        pool.shutdown()
