"""One worker thread that decodes whatever has been asked for, together.

Requests join between two steps and leave when they are done. One step is one forward pass over what is new in every
row: the next token of those that write, the next part of the prompt of those that still read. A prompt's beginning is
copied from whoever has computed it already, a session's own last turn or another episode of the same scenario.
"""

from __future__ import annotations

import importlib
import logging
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from safegym.errors import ModelError
from safegym.models.base import TransientModelError
from safegym.models.cache import Feed, Rows, Saved
from safegym.models.grammar import Matcher
from safegym.models.memory import Memory
from safegym.models.sampling import Pick, choose, log_probabilities
from safegym.models.sessions import SHORTEST, Ids, SessionStore, common_prefix
from safegym.randomness import uniform

LOG = logging.getLogger(__name__)
_LINGER = 0.003
_PATIENCE = 3
"""So many requests in a row that fail when computed alone mean that the model has stopped answering."""
_SHORTEST_STEP = 64
Tensor: TypeAlias = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A request in token ids.

    Attributes:
        ids: The prompt.
        max_tokens: The most new tokens.
        temperature: 0 takes the likeliest token.
        seed: Of the reply's own noise.
        session: Whose earlier tokens this continues; empty: nobody's.
        matcher: Makes what follows the reply through its grammar.
        call_bias: Added to the logits of tokens that open a call, on the first token.
        stopped: Tells from the new tokens whether the reply has ended, where no token says so.
        options: Whole replies to be scored, each with the token that ends it; nothing is generated then.
    """

    ids: tuple[int, ...]
    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    session: str = ""
    matcher: Callable[[], Matcher] | None = None
    call_bias: float = 0.0
    stopped: Callable[[Sequence[int]], bool] | None = None
    options: tuple[tuple[int, ...], ...] = ()
    future: Future[Completion] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class Completion:
    """New token ids with their log-probabilities, how they ended, and how much of the prompt had been computed before.

    `scores` holds the log-probability of each of the job's options.
    """

    ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    finish: Literal["stop", "length"] = "stop"
    cached: int = 0
    scores: tuple[float, ...] = ()


@dataclass(slots=True, eq=False)
class _Row:
    job: Job
    ids: Ids
    noise: NDArray[np.float64]
    matcher: Matcher | None
    pending: list[int]
    past: int = 0
    placed: bool = False
    """Whether it has been decided what of the prompt is copied."""
    awaited: tuple[_Row, int] | None = None
    """The row that is about to compute more of the prompt, and how much of it."""
    cached: int = 0
    done: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    scores: tuple[float, ...] = ()
    finish: Literal["stop", "length"] | None = None
    broken: bool = False
    """Whether its cache holds numbers that are none."""

    @property
    def over(self) -> bool:
        """Done, and no token left whose log-probability is still to be computed."""
        return self.finish is not None and not self.pending

    @property
    def reading(self) -> bool:
        return self.past + len(self.pending) <= len(self.ids)

    def pick(self) -> Pick:
        opening = self.matcher.opening if self.matcher is not None and self.job.call_bias and not self.done else None
        return Pick(
            temperature=self.job.temperature,
            noise=float(self.noise[len(self.done)]),
            mask=None if self.matcher is None else self.matcher.mask(),
            bias=None if opening is None else np.float32(self.job.call_bias) * opening.astype(np.float32),
        )


class BatchWorker:
    """Decodes jobs in batches on a thread of its own.

    Args:
        rows: The cache rows of the model.
        ends: Token ids that end a reply.
        memory: How many rows, kept tokens and tokens a step there may be.
    """

    def __init__(self, rows: Rows, ends: Sequence[int], memory: Memory) -> None:
        self.rows, self.ends = rows, frozenset(ends)
        self.memory = self._whole = memory
        self.engine = "packed" if rows.reusable else "plain"
        self.sessions = SessionStore(memory.cached_tokens)
        self.busy = 0.0
        """Seconds spent in computing, beside waiting for requests."""
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._again: deque[Job] = deque()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._active: list[_Row] = []
        self._failures = 0

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
        self.sessions.clear()
        self.rows.reset(0)

    def _run(self) -> None:
        while not self._closed:
            try:
                self._admit()
                if self._active and not self._closed:
                    started = time.perf_counter()
                    self._step()
                    self.busy += time.perf_counter() - started
            except Exception as error:  # told to everyone who waits: a thread has no caller
                if _out_of_memory(error):
                    self._shrink(error)
                else:
                    self._fail(ModelError(f"the model failed: {error}"))
        while not self._queue.empty():
            waiting = self._queue.get()
            if waiting is not None:
                self._again.append(waiting)
        self._fail(ModelError("the model was closed before it answered"))

    def _fail(self, error: ModelError) -> None:
        for job in (*(row.job for row in self._active), *self._again):
            settle(job, error)
        self._active.clear()
        self._again.clear()

    # ------------------------------------------------------------------------------------------------- who takes part

    def _admit(self) -> None:
        """Take waiting jobs into free rows; with nothing to do, wait for the first and a moment for its companions."""
        idle = not self._active
        while len(self._active) < self.memory.rows:
            if self._again:
                job: Job | None = self._again.popleft()
            else:
                try:
                    wait = (None if not self._active else _LINGER) if idle else 0.0
                    job = self._queue.get(timeout=wait) if wait != 0.0 else self._queue.get_nowait()
                except queue.Empty:
                    return None
            if job is None:
                return None
            if not self._fits(job):
                return self._again.appendleft(job)
            if not job.future.cancelled():
                try:
                    self._active.append(_row(job))
                except Exception as error:  # a grammar that cannot be made is its own request's affair
                    settle(job, error if isinstance(error, ModelError) else ModelError(f"the model failed: {error}"))
        return None

    def _fits(self, job: Job) -> bool:
        """Whether there is room for a job beside the others, every row being as long as the longest."""
        longest = max(_tokens(each) for each in (job, *(row.job for row in self._active)))
        most = self.memory.row_tokens
        return not self._active or most is None or longest * (len(self._active) + 1) <= most

    def _place(self, index: int, row: _Row) -> None:
        """Copy what has been computed of the prompt; if another row is about to compute more of it, wait for that."""
        if not self.rows.reusable:
            row.placed = True
            return
        if row.awaited is not None and row.awaited[0] in self._active and row.awaited[0].past < row.awaited[1]:
            return
        length, saved = self.sessions.find(row.job.session, row.ids)
        source: int | None = None
        for other, theirs in enumerate(self._active):
            shared = common_prefix(theirs.ids, row.ids) if theirs.placed and theirs is not row else 0
            if shared <= max(length, SHORTEST - 1):
                continue
            if theirs.past < shared:
                row.awaited = theirs, shared
                return
            length, source = shared, other
        if source is not None:
            self.rows.copy(source, index, length)
        elif saved is not None:
            self.rows.restore(index, saved, length)
        row.past = row.cached = length
        row.pending, row.placed = row.ids[length:].tolist(), True

    def _release(self) -> None:
        """Answer the rows that are done or no longer wanted; the last row moves into the gap."""
        index = 0
        while index < len(self._active):
            row = self._active[index]
            if not row.over and not row.job.future.done():
                index += 1
                continue
            self._finish(index, row)
            last = self._active.pop()
            if last is not row:
                self._active[index] = last
                self.rows.copy(len(self._active), index, last.past)

    def _finish(self, index: int, row: _Row) -> None:
        job = row.job
        if job.future.done():
            return self.rows.clear(index) if row.broken else None
        if job.session:
            ids = np.concatenate([row.ids, np.array(row.done, dtype=np.int32)])[: row.past]
            saved = self._saved(index, row.past)
            if saved is not None:
                self.sessions.put(job.session, ids, saved)
        finish = row.finish or "stop"
        return settle(job, Completion(tuple(row.done), tuple(row.logprobs), finish, row.cached, row.scores))

    def _saved(self, index: int, length: int) -> Saved | None:
        """A copy of a row; where there is no memory for it, none, and all other copies are forgotten."""
        try:
            return self.rows.save(index, length)
        except Exception as error:
            if not _out_of_memory(error):
                raise
            self.sessions.clear()
            return None

    # ------------------------------------------------------------------------------------------------------- a step

    def _step(self) -> None:
        for index, row in enumerate(self._active):
            if not row.placed:
                self._place(index, row)
        feeds = self._feeds()
        try:
            logits = self.rows.forward(list(feeds.values()))
        except Exception as error:
            if _out_of_memory(error):
                raise
            self._one_by_one(feeds)
        else:
            self._failures = 0
            self._digest(feeds, logits)
        self._release()

    def _feeds(self) -> dict[_Row, Feed]:
        """What every row is fed: those that write come first, prompts share what is left of the step."""
        feeds: dict[_Row, Feed] = {}
        ready = [(index, row) for index, row in enumerate(self._active) if row.placed]
        room = self.memory.step_tokens - sum(len(row.pending) for _, row in ready if not row.reading)
        for index, row in ready:
            if not row.reading:
                feeds[row] = Feed(index, row.past, tuple(row.pending), keep=len(row.pending))
            elif room > 0:
                part = row.pending[:room]
                room -= len(part)
                whole = len(part) == len(row.pending)
                options = row.job.options if whole else ()
                branches = tuple(len(option) for option in options)
                tokens = [*part, *(token for option in options for token in option)]
                feeds[row] = Feed(index, row.past, tokens, sum(branches) + 1 if whole else 0, branches)
        return feeds

    def _digest(self, feeds: dict[_Row, Feed], logits: Tensor) -> None:
        """Account for what was fed, and choose what comes next."""
        writing: list[tuple[_Row, int]] = []
        known: list[tuple[_Row, int, int]] = []
        """Tokens that were not sampled: the row, where its logits stand, and the token."""
        at = 0
        for row, feed in feeds.items():
            row.past += feed.trunk
            del row.pending[: feed.trunk]
            if feed.branches:
                row.scores = self._score(row, logits[at : at + feed.keep])
                row.finish = "stop"
                if any(map(math.isnan, row.scores)):
                    self._break(row, "the options")
            elif feed.keep:
                known += [(row, at + offset, token) for offset, token in enumerate(feed.tokens[1:]) if feed.keep > 1]
                if row.finish is None:
                    writing.append((row, at + feed.keep - 1))
            at += feed.keep
        self._account(known, logits)
        self._write(writing, logits)

    def _account(self, known: list[tuple[_Row, int, int]], logits: Tensor) -> None:
        if not known:
            return
        tokens = importlib.import_module("torch").tensor([token for _, _, token in known], device=logits.device)
        found = log_probabilities(logits[[at for _, at, _ in known]], tokens).tolist()
        for (row, _, _), logprob in zip(known, found, strict=True):
            row.logprobs.append(logprob)
            if math.isnan(logprob):
                self._break(row, "a token that the grammar forced")

    def _write(self, writing: list[tuple[_Row, int]], logits: Tensor) -> None:
        """Choose the next token of every row that writes."""
        picks: dict[_Row, Pick] = {}
        places = []
        for row, at in writing:
            if row.matcher is not None and row.matcher.complete:
                row.finish = "stop"
                continue
            picks[row] = row.pick()
            places.append(at)
        if not picks:
            return
        tokens, found = choose(logits[places], list(picks.values()))
        for row, token, logprob in zip(picks, tokens, found, strict=True):
            if math.isnan(logprob):
                self._break(row, f"token {len(row.done) + 1} of a reply")
                continue
            try:
                self._advance(row, token, logprob)
            except ModelError as error:
                settle(row.job, error)

    def _advance(self, row: _Row, token: int, logprob: float) -> None:
        """Take a token, and those that the grammar leaves no choice about."""
        if token in self.ends:
            row.finish = "stop"
            return
        row.logprobs.append(logprob)
        row.pending = [token]
        matcher, job = row.matcher, row.job
        if matcher is not None:
            matcher.consume(token)
            row.pending += [each for each in matcher.forced() if each not in self.ends]
        left = job.max_tokens - len(row.done)
        fits = len(row.pending) <= left
        row.pending = row.pending[:left]
        row.done += row.pending
        if (matcher is not None and matcher.complete and fits) or (job.stopped is not None and job.stopped(row.done)):
            row.finish = "stop"
        elif len(row.done) >= job.max_tokens:
            row.finish = "length"
        if row.finish is not None and len(row.pending) == 1:
            row.pending = []

    def _score(self, row: _Row, logits: Tensor) -> tuple[float, ...]:
        """The options' log-probabilities: first tokens after the prompt, the others after those before them."""
        torch = importlib.import_module("torch")
        options = row.job.options
        starts = np.cumsum([1, *(len(option) for option in options)])
        places = [
            at
            for start, option in zip(starts, options, strict=False)
            for at in (0, *range(start, start + len(option) - 1))
        ]
        tokens = torch.tensor([token for option in options for token in option], device=logits.device)
        found = log_probabilities(logits[places], tokens).double()
        return tuple(float(part.sum()) for part in found.split([len(option) for option in options]))

    # ------------------------------------------------------------------------------------------------ what goes wrong

    def _break(self, row: _Row, what: str) -> None:
        row.broken = True
        settle(row.job, TransientModelError(f"the model gave no numbers (NaN) for {what}"))

    def _shrink(self, error: Exception) -> None:
        """Out of memory: all begin anew, half of the rows at once and in shorter steps.

        A request that does not fit even alone is told so; as it was the culprit, the others get their room back.
        """
        jobs = [row.job for row in self._active if not row.job.future.done()]
        kept = self.sessions.tokens
        self._active.clear()
        self.sessions.clear()
        if len(jobs) == 1 and not kept and self.memory.step_tokens <= _SHORTEST_STEP:
            tokens = len(jobs[0].ids)
            settle(
                jobs[0], TransientModelError(f"a request of {tokens} tokens does not fit the memory, alone: {error}")
            )
            self.memory = self._whole
        else:
            rows = max(1, len(jobs) // 2) if len(jobs) > 1 else self.memory.rows
            step = max(_SHORTEST_STEP, self.memory.step_tokens // 2)
            self.memory = replace(self.memory, rows=rows, step_tokens=step)
            LOG.warning("out of memory: %d requests at once from now on, %d tokens a step", rows, step)
            self._again.extendleft(reversed(jobs))
        self.rows.reset(self.memory.rows)

    def _one_by_one(self, feeds: dict[_Row, Feed]) -> None:
        """One row's failure is not its neighbours'."""
        for row, feed in feeds.items():
            try:
                logits = self.rows.forward([feed])
            except Exception as error:
                if _out_of_memory(error):
                    raise
                self._failures += 1
                kind = TransientModelError if self._failures < _PATIENCE else ModelError
                settle(row.job, kind(f"the model failed: {error}"))
            else:
                self._failures = 0
                self._digest({row: feed}, logits)


def _row(job: Job) -> _Row:
    ids = np.array(job.ids, dtype=np.int32)
    noise = uniform(job.seed, 0, "token", np.arange(max(job.max_tokens, 1)))
    return _Row(job, ids, noise, job.matcher() if job.matcher else None, pending=list(job.ids))


def _out_of_memory(error: Exception) -> bool:
    kinds = {each.__name__ for each in type(error).__mro__}
    return bool(kinds & {"OutOfMemoryError", "MemoryError"}) or "allocate memory" in str(error)


def _tokens(job: Job) -> int:
    """The most tokens that a job's row may come to hold."""
    return len(job.ids) + max(job.max_tokens, sum(map(len, job.options)))


def settle(job: Job, outcome: Completion | ModelError) -> None:
    """Answer a job, unless it was cancelled or has been answered."""
    with suppress(InvalidStateError):
        if isinstance(outcome, ModelError):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)
