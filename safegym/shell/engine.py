"""Warm interpreters on deep stacks: kept between calls, wiped before every one.

To build an interpreter takes longer than a command, and a script that calls itself would run through an ordinary stack.
So a call borrows an engine: a thread with a deep stack, and the interpreters that were built for it. Engines hold
nothing of a call: an interpreter is reset before it is used and loses its disk afterwards, and an engine on which
anything went wrong is not used again.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

_STACK = 256 * 1024 * 1024
_STACK_LOCK = threading.Lock()
_KEPT_ENGINES = 8
_KEPT_INTERPRETERS = 4

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


class OverdueError(Exception):
    """A call that did not come back in time; what it was doing goes on until it notices."""


class Worker:
    """A thread that calls functions for others.

    Args:
        stack: The size of its stack in bytes; 0 is the usual size.
    """

    def __init__(self, stack: int = 0) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[object, BaseException | None]] = queue.SimpleQueue()
        thread = threading.Thread(target=self._work, name="safegym-shell", daemon=True)
        with _STACK_LOCK:
            before = threading.stack_size(stack)
            try:
                thread.start()
            finally:
                threading.stack_size(before)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                self._answers.put((task(), None))
            except BaseException as error:
                self._answers.put((None, error))
            del task

    def call(self, function: Callable[[], T], seconds: float | None = None) -> T:
        """Call a function on the thread.

        Raises:
            OverdueError: It did not return in time. It goes on, and the worker cannot be used again.
        """
        self._tasks.put(function)
        try:
            answer, error = self._answers.get(timeout=seconds)
        except queue.Empty:
            raise OverdueError from None
        if error is not None:
            raise error
        return answer  # type: ignore[return-value]  # what the function returned

    def retire(self, last: Callable[[], object]) -> None:
        """Let the thread end, after one more task."""
        self._tasks.put(last)
        self._tasks.put(None)


class Engine(Generic[K, V]):
    """The interpreters that run on a deep stack, and a clerk for what they ask of Python.

    The engine's file system is slow on the thread of an interpreter, so its own commands are answered by the clerk.

    Args:
        build: Makes the interpreter of a key.
    """

    def __init__(self, build: Callable[[K, Worker], V]) -> None:
        self.sound = True
        self._build = build
        self._built: OrderedDict[K, V] = OrderedDict()
        self._deep, self._clerk = Worker(_STACK), Worker()

    def call(self, function: Callable[[], T], seconds: float) -> T:
        """Call a function on the deep stack.

        Raises:
            OverdueError: It did not return in time.
        """
        try:
            return self._deep.call(function, seconds)
        except BaseException:
            self.sound = False
            raise

    def interpreter(self, key: K) -> V:
        """Return the interpreter of a key; to be called on the deep stack."""
        if key not in self._built:
            self._built[key] = self._build(key, self._clerk)
            if len(self._built) > _KEPT_INTERPRETERS:
                self._built.popitem(last=False)
        self._built.move_to_end(key)
        return self._built[key]

    def retire(self) -> None:
        """Let the threads end."""
        self._deep.retire(self._end)

    def _end(self) -> None:
        self._built.clear()
        self._clerk.retire(int)


class Garage(Generic[K, V]):
    """The engines of the process that are not in use.

    Args:
        build: Makes the interpreter of a key.
    """

    def __init__(self, build: Callable[[K, Worker], V]) -> None:
        self._build = build
        self._idle: list[Engine[K, V]] = []
        self._lost: list[list[Engine[K, V]]] = []
        os.register_at_fork(after_in_child=self._after_fork)

    @contextmanager
    def engine(self) -> Iterator[Engine[K, V]]:
        """Lend an engine; of two callers at once each has its own."""
        try:
            engine = self._idle.pop()
        except IndexError:
            engine = Engine(self._build)
        try:
            yield engine
        finally:
            if engine.sound and len(self._idle) < _KEPT_ENGINES:
                self._idle.append(engine)
            else:
                engine.retire()

    def _after_fork(self) -> None:
        # A child has none of its parent's threads. What they held is left as it is: closing it could wait for them.
        global _STACK_LOCK
        _STACK_LOCK = threading.Lock()
        self._lost.append(self._idle)
        self._idle = []
