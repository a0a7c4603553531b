"""One worker thread that decodes whatever has been asked for, together.

Requests join between two steps and leave when they are done. A token is sampled with one number that depends on the
request's seed and the token's position alone, so a reply does not depend on the batch it was computed in.
"""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from safegym.errors import ModelError
from safegym.models.cache import Rows, Saved
from safegym.models.grammar import Matcher
from safegym.randomness import uniform

_CHUNK = 512
_LINGER = 0.003
_Logits = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A request in token ids."""

    ids: tuple[int, ...]
    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    session: str = ""
    matcher: Matcher | None = None
    call_bias: float = 0.0
    future: Future[Completion] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class Completion:
    """New token ids, how they ended, and how many tokens of the prompt had been computed before."""

    ids: tuple[int, ...]
    finish: Literal["stop", "length"]
    cached: int


class SessionStore:
    """Keys and values of sessions, the least recently used ones dropped when there are too many tokens.

    Args:
        limit: The most tokens kept.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.tokens = 0
        self._kept: OrderedDict[str, tuple[tuple[int, ...], Saved]] = OrderedDict()

    def put(self, session: str, ids: tuple[int, ...], saved: Saved) -> None:
        """Keep what was computed for a session, in place of what was kept for it before."""
        self.drop(session)
        self._kept[session] = ids, saved
        self.tokens += len(ids)
        while self.tokens > self.limit:
            self.drop(next(iter(self._kept)))

    def drop(self, session: str) -> None:
        """Forget a session."""
        ids, _ = self._kept.pop(session, ((), None))
        self.tokens -= len(ids)

    def get(self, session: str, ids: Sequence[int]) -> tuple[int, Saved | None]:
        """The longest common prefix with a session's tokens, at least one token short of `ids`, and its cache."""
        known, saved = self._kept.get(session, ((), None))
        if saved is None:
            return 0, None
        self._kept.move_to_end(session)
        common = next((at for at, (old, new) in enumerate(zip(known, ids, strict=False)) if old != new), len(known))
        return min(common, len(ids) - 1), saved


@dataclass(slots=True)
class _Row:
    job: Job
    cached: int
    noise: NDArray[np.float64]
    pending: list[int]
    past: int
    done: list[int] = field(default_factory=list)
    finish: Literal["stop", "length"] | None = None


class BatchWorker:
    """Decodes jobs in batches on a thread of its own.

    Args:
        rows: The cache rows of the model.
        size: The most jobs at once.
        ends: Token ids that end a reply.
        cached_tokens: The most tokens of finished turns kept for their sessions.
    """

    def __init__(self, rows: Rows, size: int, ends: Sequence[int], cached_tokens: int) -> None:
        self.rows, self.size, self.ends = rows, size, frozenset(ends)
        self.sessions = SessionStore(cached_tokens)
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._active: list[_Row] = []

    def submit(self, job: Job) -> Future[Completion]:
        """Enqueue a job."""
        with self._lock:
            if self._closed:
                raise ModelError("the model has been closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="safegym-model", daemon=True)
                self._thread.start()
            self._queue.put(job)
        return job.future

    def close(self) -> None:
        """Stop; jobs that are not done fail with a `ModelError`."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
            self._queue.put(None)
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while not self._closed:
            try:
                self._admit()
                if self._active and not self._closed:
                    self._step()
            except Exception as error:  # told to everyone who waits: a thread has no caller
                self._fail(error)
        while not self._queue.empty():
            waiting = self._queue.get()
            if waiting is not None:
                _reject(waiting, ModelError("the model was closed before it answered"))
        self._fail(ModelError("the model was closed before it answered"))

    def _fail(self, error: Exception) -> None:
        for row in self._active:
            _reject(row.job, error)
        self._active.clear()

    def _admit(self) -> None:
        """Take waiting jobs into free rows; with nothing to do, wait for the first and a moment for its companions."""
        idle = not self._active
        while len(self._active) < self.size:
            try:
                wait = (None if not self._active else _LINGER) if idle else 0.0
                job = self._queue.get(timeout=wait) if wait != 0.0 else self._queue.get_nowait()
            except queue.Empty:
                return
            if job is None:
                return
            if job.future.set_running_or_notify_cancel():
                self._start(job)

    def _start(self, job: Job) -> None:
        cached, saved = self.sessions.get(job.session, job.ids) if job.session else (0, None)
        noise = uniform(job.seed, 0, "token", np.arange(job.max_tokens))
        row = _Row(job, cached, noise, pending=list(job.ids[cached:]), past=cached)
        index = len(self._active)
        self._active.append(row)
        try:
            if saved is not None and cached:
                self.rows.restore(index, saved, cached)
            while len(row.pending) > _CHUNK:
                self.rows.forward(index, [row.pending[:_CHUNK]], [row.past])
                row.past += _CHUNK
                del row.pending[:_CHUNK]
            logits = self.rows.forward(index, [row.pending], [row.past]).numpy()
            self._advance(row, logits[0])
        except Exception as error:  # one request's failure is not its neighbours'
            _reject(job, error)
            self._active.pop()
        self._release()

    def _step(self) -> None:
        """One forward pass for all rows."""
        rows = self._active
        logits = self.rows.forward(0, [row.pending for row in rows], [row.past for row in rows]).numpy()
        for row, values in zip(rows, logits, strict=True):
            try:
                self._advance(row, values)
            except ModelError as error:
                _reject(row.job, error)
                row.finish = "stop"
        self._release()

    def _advance(self, row: _Row, logits: _Logits) -> None:
        """Account for the tokens that were fed, then choose the next ones."""
        row.past += len(row.pending)
        row.pending = []
        matcher, job = row.job.matcher, row.job
        if matcher is not None and matcher.complete:
            row.finish = "stop"
            return
        bias = job.call_bias if not row.done else 0.0
        token = sample(logits, job.temperature, float(row.noise[len(row.done)]), matcher, bias)
        if token in self.ends:
            row.finish = "stop"
            return
        row.pending = [token]
        if matcher is not None:
            matcher.consume(token)
            row.pending += [each for each in matcher.forced() if each not in self.ends]
        left = job.max_tokens - len(row.done)
        fits = len(row.pending) <= left
        row.pending = row.pending[:left]
        row.done += row.pending
        if matcher is not None and matcher.complete and fits:
            row.finish = "stop"
        elif len(row.done) >= job.max_tokens:
            row.finish = "length"

    def _release(self) -> None:
        """Answer the rows that are done or no longer wanted; the last row moves into the gap."""
        index = 0
        while index < len(self._active):
            row = self._active[index]
            if row.finish is None and not row.job.future.cancelled():
                index += 1
                continue
            self._finish(index, row)
            last = self._active.pop()
            if last is not row:
                self._active[index] = last
                self.rows.move(len(self._active), index, last.past)

    def _finish(self, index: int, row: _Row) -> None:
        if row.job.session:
            saved = self.rows.save(index, row.past)
            if saved is not None:
                self.sessions.put(row.job.session, (*row.job.ids, *row.done)[: row.past], saved)
        if not row.job.future.done():
            row.job.future.set_result(Completion(tuple(row.done), row.finish or "stop", row.cached))


def sample(
    logits: _Logits, temperature: float, noise: float, matcher: Matcher | None = None, call_bias: float = 0.0
) -> int:
    """One token: the likeliest at temperature 0, otherwise the one at quantile `noise` in vocabulary order."""
    scores = logits.astype(np.float64)
    if matcher is not None:
        if call_bias and matcher.opening is not None:
            scores = scores + call_bias * matcher.opening
        scores = np.where(matcher.mask(), scores, -np.inf)
    if temperature <= 0:
        return int(scores.argmax())
    weights = np.exp((scores - scores.max()) / temperature)
    total = np.cumsum(weights)
    return int(min(np.searchsorted(total, noise * total[-1], side="right"), np.flatnonzero(weights)[-1]))


def _reject(job: Job, error: Exception) -> None:
    if not job.future.done():
        told = error if isinstance(error, ModelError) else ModelError(f"the model failed: {error}")
        job.future.set_exception(told)
