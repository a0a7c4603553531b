"""transformers' continuous batching with paged attention, for replies that nothing constrains: the engine on CUDA.

The engine samples from one generator for the whole batch. Here the choice is made before it, by the rule of `sampling`:
a logits processor leaves one token per request, and notes that token's log-probability by the model's own logits. What
the processor needs of a request are three numbers, handed over beside the token ids as the engine's own per-request
processors do it (temperature, noise, and where the log-probability goes), so CUDA graphs can be captured.
"""

from __future__ import annotations

import copy
import importlib
import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from safegym.errors import ModelError
from safegym.models.base import TransientModelError
from safegym.models.batching import Completion, Job, settle
from safegym.models.cache import rope_depends_on_length
from safegym.models.memory import PAGES
from safegym.models.sampling import log_probabilities, quantile
from safegym.models.weights import library, quiet
from safegym.randomness import uniform

Tensor: TypeAlias = Any
SLOTS = 512
"""Requests handed to the engine at once; how many of them it computes together is its own affair."""
LONGEST = 8192
"""The most new tokens of a request."""
_POLL = 0.05


class PagedError(ModelError):
    """The engine has not answered; another one may."""


@dataclass(slots=True, eq=False)
class _Ticket:
    job: Job
    slot: int
    noise: NDArray[np.float64]


class PagedWorker:
    """Hands jobs to the engine and their results back.

    Args:
        model: A causal language model; the engine gets a copy that shares its weights.
        ends: Token ids that end a reply.
        settings: Fields of transformers' `ContinuousBatchingConfig`; the engine takes `memory.PAGES` of the free
            memory unless they say otherwise.
    """

    engine = "paged"

    def __init__(self, model: Any, ends: Sequence[int], **settings: Any) -> None:  # noqa: ANN401
        self.ends = frozenset(ends)
        self.busy = 0.0
        """Seconds in which the engine had something to do."""
        self._lock = threading.Lock()
        self._closed = False
        self._numbers = itertools.count()
        self._tickets: dict[str, _Ticket] = {}
        self._waiting: deque[Job] = deque()
        self._free = deque(range(1, SLOTS))  # slot 0 takes what belongs to no request
        self._chooser = _Chooser(self._tickets, model.device)
        self._manager = _manager(model, sorted(ends), self._chooser, settings)
        self._capacity = _start(self._manager)
        self._thread = threading.Thread(target=self._run, name="safegym-paged", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether the engine takes jobs."""
        return not self._closed and bool(self._manager.is_running())

    def takes(self, job: Job) -> bool:
        """Whether the engine can serve a job as it must be served."""
        plain = job.matcher is None and job.stopped is None and not job.options
        return plain and job.max_tokens <= LONGEST and len(job.ids) + job.max_tokens <= self._capacity

    def submit(self, job: Job) -> Future[Completion]:
        """Enqueue a job.

        Raises:
            PagedError: If the engine has stopped.
        """
        with self._lock:
            if self._closed:
                raise PagedError("the engine has been closed")
            self._waiting.append(job)
            self._admit()
        return job.future

    def close(self) -> None:
        """Stop; jobs that are not done fail with an `PagedError`."""
        with self._lock:
            self._closed = True
        self._thread.join()
        with quiet():
            self._manager.stop(block=True, hard_stop=True)
        self._manager = None

    def _admit(self) -> None:
        """Hand over as many waiting jobs as there are slots."""
        while self._waiting and self._free:
            job = self._waiting.popleft()
            if job.future.cancelled():
                continue
            noise = uniform(job.seed, 0, "token", np.arange(max(job.max_tokens, 1)))
            name = f"safegym-{next(self._numbers)}"
            self._tickets[name] = _Ticket(job, self._free.popleft(), noise)
            if self._manager.add_request(list(job.ids), request_id=name, max_new_tokens=job.max_tokens) is None:
                self._free.append(self._tickets.pop(name).slot)
                settle(job, PagedError("the engine takes no more requests"))

    def _run(self) -> None:
        """Answer jobs as their results come, until the worker is closed or the engine has stopped."""
        try:
            while not self._closed:
                started = time.perf_counter()
                working = bool(self._tickets)
                result = self._manager.get_result(timeout=_POLL)
                if working:
                    self.busy += time.perf_counter() - started
                if result is not None and result.is_finished():
                    self._answer(result)
                elif result is None and not self._manager.is_running():
                    break
            self._fail(PagedError("the engine has stopped"))
        except Exception as error:  # told to everyone who waits: a thread has no caller
            self._fail(PagedError(f"the engine failed: {error}"))

    def _answer(self, result: Any) -> None:  # noqa: ANN401 - transformers' GenerationOutput
        with self._lock:
            ticket = self._tickets[result.request_id]
            ids = tuple(result.generated_tokens)
            logprobs = self._chooser.noted(ticket.slot, len(ids))
            del self._tickets[result.request_id]
            self._free.append(ticket.slot)
        if result.error:
            settle(ticket.job, PagedError(f"the engine gave up: {result.error}"))
        elif any(map(math.isnan, logprobs)):
            where = [math.isnan(each) for each in logprobs].index(True) + 1
            settle(ticket.job, TransientModelError(f"the model gave no numbers (NaN) for token {where} of a reply"))
        else:
            ended = bool(ids) and ids[-1] in self.ends
            ids, logprobs = (ids[:-1], logprobs[:-1]) if ended else (ids, logprobs)
            settle(ticket.job, Completion(ids, logprobs, "stop" if ended else "length"))
        with self._lock:
            self._admit()

    def _fail(self, error: ModelError) -> None:
        with self._lock:
            self._closed = True
            jobs = [*(ticket.job for ticket in self._tickets.values()), *self._waiting]
            self._tickets.clear()
            self._waiting.clear()
        for job in jobs:
            settle(job, error)


class _Chooser:
    """Leaves one token per request, and notes its log-probability.

    Args:
        tickets: The requests of the engine by their names.
        device: Where the logits lie.
    """

    def __init__(self, tickets: dict[str, _Ticket], device: Any) -> None:  # noqa: ANN401 - torch has no types
        self._torch = library("torch")
        self._tickets = tickets
        self._notes = self._torch.zeros(SLOTS * LONGEST, dtype=self._torch.float32, device=device)
        self._heat: Tensor = None
        self._noise: Tensor = None

    def noted(self, slot: int, count: int) -> tuple[float, ...]:
        """The log-probabilities of a request's tokens."""
        start = slot * LONGEST
        return tuple(self._notes[start : start + count].tolist())

    def processors(self) -> list[Any]:
        """The engine's logits processors: each brings one number per request, the last one chooses."""
        base = importlib.import_module("transformers.generation.continuous_batching.cb_logits_processors")
        torch, chooser = self._torch, self

        class Number(base.ContinuousBatchingLogitsProcessor):  # type: ignore[misc, name-defined]
            supported_kwargs: dict[str, type] = {}  # noqa: RUF012 - the base class wants it so
            ignored_kwargs: tuple[str, ...] = ()
            longest = 0

            def fill_defaults(self, int32_tensor: Tensor) -> None:
                int32_tensor.zero_()

            def prepare_tensor_args(self, requests_with_new_token: Sequence[Any]) -> Tensor:
                """The numbers of the requests, and zeros where an earlier, longer batch has left its own."""
                found = [self.number(*chooser.ticket(each.state)) for each in requests_with_new_token]
                self.longest = max(self.longest, len(found))
                found += [0] * (self.longest - len(found))
                return torch.tensor(found, dtype=self.kind).view(torch.int32)

        class Heat(Number):
            kind = torch.float32

            def number(self, ticket: _Ticket | None, index: int) -> float:
                return ticket.job.temperature if ticket else 0.0

            def __call__(self, scores: Tensor, tensor_arg: Tensor) -> Tensor:
                chooser._heat = tensor_arg[: scores.shape[0]].view(torch.float32)
                return scores

        class Noise(Number):
            kind = torch.float32

            def number(self, ticket: _Ticket | None, index: int) -> float:
                return float(ticket.noise[min(index, len(ticket.noise) - 1)]) if ticket else 0.0

            def __call__(self, scores: Tensor, tensor_arg: Tensor) -> Tensor:
                chooser._noise = tensor_arg[: scores.shape[0]].view(torch.float32)
                return scores

        class Choice(Number):
            kind = torch.int32

            def number(self, ticket: _Ticket | None, index: int) -> int:
                return ticket.slot * LONGEST + min(index, LONGEST - 1) if ticket else 0

            def __call__(self, scores: Tensor, tensor_arg: Tensor) -> Tensor:
                return chooser.choose(scores, tensor_arg[: scores.shape[0]])

        return [Heat(), Noise(), Choice()]

    def ticket(self, state: Any) -> tuple[_Ticket | None, int]:  # noqa: ANN401 - transformers' RequestState
        """Whose token comes next, and which one of the reply it is; nobody's while the engine warms up."""
        prompt = state._true_initial_tokens or len(state.initial_tokens)
        return self._tickets.get(state.request_id), max(0, state.position_offset - prompt)

    def choose(self, scores: Tensor, places: Tensor) -> Tensor:
        """Scores that leave one token of every row, (rows, vocabulary); its log-probability goes to its place."""
        torch = self._torch
        heat = self._heat[:, None]
        warm = quantile(torch, scores / torch.where(heat > 0, heat, 1.0), self._noise.double())
        tokens = torch.where(heat[:, 0] > 0, warm, scores.argmax(-1))
        self._notes.index_copy_(0, places.long(), log_probabilities(scores, tokens))
        return torch.full_like(scores, -torch.inf).scatter_(-1, tokens[:, None], 0.0)


def _manager(
    model: Any,  # noqa: ANN401 - transformers has no types
    ends: Sequence[int],
    chooser: _Chooser,
    settings: dict[str, Any],
) -> Any:  # noqa: ANN401 - transformers has no types
    """The engine over a copy of the model that shares all tensors, so that each has an attention of its own."""
    transformers = library("transformers")
    if rope_depends_on_length(model.config.get_text_config()):
        raise NotImplementedError("its positions turn on the longest request of a batch")
    shared = {id(each): each for each in itertools.chain(model.parameters(), model.buffers())}
    twin = copy.deepcopy(model, shared)
    try:
        twin.set_attn_implementation("sdpa")
    except ValueError:  # some architectures have no such attention
        twin.set_attn_implementation("eager")
    generation = transformers.GenerationConfig(do_sample=False, eos_token_id=list(ends))
    batching = transformers.ContinuousBatchingConfig(**{"max_memory_percent": PAGES} | settings)
    with quiet():
        manager = twin.init_continuous_batching(generation_config=generation, continuous_batching_config=batching)
    listed = manager.logit_processor
    listed.logits_processor = transformers.LogitsProcessorList(chooser.processors())
    listed.tensors_required = len(listed.logits_processor)
    listed.do_processing = True
    return manager


def _start(manager: Any) -> int:  # noqa: ANN401 - transformers has no types
    """Start the engine; returned are the most tokens of one request.

    Raises:
        PagedError: If it does not start.
    """
    try:
        with quiet():
            if manager.model.device.type == "cuda":
                manager.warmup()
            manager.start()
        while manager.batch_processor is None and manager.is_running():
            time.sleep(_POLL / 10)
        if manager.batch_processor is None:
            raise PagedError(f"the engine did not start: {manager.background_thread_status.fatal_error}")
    except PagedError:
        raise
    except Exception as error:  # transformers and CUDA raise what they like
        raise PagedError(f"the engine did not start: {error}") from error
    settings = manager.continuous_batching_config
    return int(settings.num_blocks * settings.page_size)
