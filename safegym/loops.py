"""Coroutines run to their end from wherever one is: a script, a notebook, or a function that is itself awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


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

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(asyncio.run, run())
        try:
            return done.result()
        except KeyboardInterrupt:
            if not done.done():
                loop, task = begun.result()
                loop.call_soon_threadsafe(task.cancel)
            raise
