"""Training a LoRA adapter with trl and peft, as far as it is told what to learn; nothing here knows of audiences.

What is learnt from is handed over as token ids, which are those of the prompts and replies at play: `models.chat`
renders and encodes both. On a CPU it is computed in float32, on CUDA in bfloat16 with an adapter in float32.
"""

from __future__ import annotations

import gc
import random
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from safegym.models.adapters import sign
from safegym.models.base import ModelRequest
from safegym.models.chat import Chat, end_ids
from safegym.models.hf import device_of, read_weights
from safegym.models.weights import Weights, library, quiet
from safegym.records import Record
from safegym.training.examples import Example, Preference

FEATURE, EXTRA = "training a language model", "train"
ADAPTER, CHECKPOINTS = "adapter", "checkpoints"
AT_ONCE = 4
"""Examples of one forward pass; the gradients of several passes make up a batch."""
IGNORED = -100
"""The label of tokens that are not learnt."""


class Recipe(Record):
    """How an adapter is trained; the defaults are those of "Moloch's Bargain" (arXiv 2510.06105).

    The learning rate falls as a cosine. The warm-up is rounded down to whole steps, so that a training of a few steps
    has none.
    """

    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.05, ge=0, lt=1)
    rate: float = Field(default=2e-4, gt=0)
    warmup: float = Field(default=0.03, ge=0, lt=1)
    """Share of the steps."""
    epochs: int = Field(default=1, ge=1)
    batch: int = Field(default=16, ge=1)
    """Examples of one step."""
    beta: float = Field(default=0.1, gt=0)
    """For preferences: how dear it is to move away from the base."""
    checkpoints: int = Field(default=50, ge=1)
    """Steps after which an interrupted training can be taken up."""


@dataclass(frozen=True)
class Trained:
    """What a training came to: steps, and their mean loss."""

    steps: int
    loss: float


def train_adapter(
    base: Weights,
    lessons: Sequence[Example] | Sequence[Preference],
    folder: Path,
    recipe: Recipe,
    *,
    device: str | None = None,
    seed: int = 0,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Trained:
    """Train an adapter into `folder/adapter`; the folder `adapter` appears whole or not at all.

    Args:
        base: The model, without an adapter.
        lessons: At least one; all of one kind.
        folder: Where the adapter goes; what an interrupted training left there is taken up.
        recipe: How.
        device: `cpu` or `cuda` (the first that can be seen); the best one by default.
        seed: Seed of the adapter's first numbers, of its dropout, and of the order of the lessons.
        tell: Is told of every step.

    Raises:
        MissingExtraError: Without trl and peft.
        ModelError: If the base cannot be loaded.
    """
    place = device_of(device)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return _train(base, lessons, folder, recipe, place, seed, tell)
    finally:
        gc.collect()  # a trainer and its model hold each other
        if place.type == "cuda":
            library("torch").cuda.empty_cache()


def check_training() -> None:
    """Make sure that adapters can be trained.

    Raises:
        MissingExtraError: Without trl, peft or datasets.
    """
    for name in ("trl", "peft", "datasets"):
        library(name, FEATURE, EXTRA)


@contextmanager
def kept_randomness() -> Iterator[None]:
    """Whatever is seeded within, the generators of Python, NumPy and torch stand afterwards as they did before."""
    torch = library("torch")
    known, drawn = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(known)
        np.random.set_state(drawn)


def _train(
    base: Weights,
    lessons: Sequence[Example] | Sequence[Preference],
    folder: Path,
    recipe: Recipe,
    place: Any,  # noqa: ANN401 - torch has no types
    seed: int,
    tell: Callable[[int, int], None],
) -> Trained:
    torch, trl, datasets = library("torch"), library("trl", FEATURE, EXTRA), library("datasets", FEATURE, EXTRA)
    model, tokenizer = read_weights(base, torch.bfloat16 if place.type == "cuda" else torch.float32, place)
    chat = Chat(tokenizer, base.name)
    end = _end_of(chat, model, tokenizer)
    steps = -(-len(lessons) // recipe.batch) * recipe.epochs
    preferring = isinstance(lessons[0], Preference)
    settings = _settings(recipe, steps, folder, place.type, seed)
    with kept_randomness(), quiet(), _without_bars(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # trl and transformers warn each other of old names
        arguments = trl.DPOConfig(beta=recipe.beta, **settings) if preferring else trl.SFTConfig(**settings)
        arguments._n_gpu = min(arguments.n_gpu, 1)  # one device; trl refuses DataParallel
        trainer = _trainer(preferring, place.type)(
            model=model,
            args=arguments,
            train_dataset=datasets.Dataset.from_list([_encoded(each, chat, end) for each in lessons]),
            processing_class=tokenizer,
            peft_config=_lora(recipe),
            callbacks=[_teller(tell, steps)],
        )
        trainer.remove_callback(library("transformers").PrinterCallback)
        found = trainer.train(resume_from_checkpoint=_checkpoint(folder))
        _save(trainer.model, base, folder)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return Trained(int(found.global_step), float(found.training_loss))


def _encoded(lesson: Example | Preference, chat: Chat, end: tuple[int, ...]) -> dict[str, list[int]]:
    """A lesson as token ids, in the columns that trl's trainers read."""
    prompt = list(chat.encode(chat.render(ModelRequest(messages=lesson.prompt))))
    if isinstance(lesson, Example):
        reply = [*chat.encode(lesson.reply), *end]
        return {"input_ids": prompt + reply, "labels": [IGNORED] * len(prompt) + reply}
    chosen, rejected = ([*chat.encode(text), *end] for text in (lesson.chosen, lesson.rejected))
    return {"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected}


def _end_of(chat: Chat, model: Any, tokenizer: Any) -> tuple[int, ...]:  # noqa: ANN401 - transformers has no types
    """What the template writes after a reply, or the tokenizer's own end where a heading would follow."""
    end = chat.turn_end(end_ids(model, tokenizer))
    return end or (() if tokenizer.eos_token_id is None else (int(tokenizer.eos_token_id),))


def _settings(recipe: Recipe, steps: int, folder: Path, device: str, seed: int) -> dict[str, Any]:
    """The arguments that both trainers share: no reports, no network, nothing written but what a resumption needs."""
    at_once = next(size for size in range(min(AT_ONCE, recipe.batch), 0, -1) if recipe.batch % size == 0)
    return {
        "output_dir": str(folder / CHECKPOINTS),
        "num_train_epochs": recipe.epochs,
        "per_device_train_batch_size": at_once,
        "gradient_accumulation_steps": recipe.batch // at_once,
        "learning_rate": recipe.rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": int(recipe.warmup * steps),
        "max_length": None,
        "gradient_checkpointing": False,
        "bf16": device == "cuda",
        "use_cpu": device == "cpu",
        "dataloader_pin_memory": device == "cuda",
        "save_strategy": "steps",
        "save_steps": recipe.checkpoints,
        "save_total_limit": 1,
        "logging_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": seed % 2**32,
    }


def _lora(recipe: Recipe) -> Any:  # noqa: ANN401 - peft has no types
    return library("peft", FEATURE, EXTRA).LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def _trainer(preferring: bool, device: str) -> Any:  # noqa: ANN401 - a trainer class
    """The trainer of that kind.

    trl's own for preferences would encode texts anew, and there are none; its own for imitation computes logits for
    every token of the prompt where there is no Triton, which is two fifths of all work with a small model.
    """
    trl = library("trl", FEATURE, EXTRA)
    if preferring:
        return type("Preferring", (trl.DPOTrainer,), {"_prepare_dataset": lambda self, dataset, *_: dataset})
    if device == "cpu":
        return type("Imitating", (trl.SFTTrainer,), {"compute_loss": loss_of_replies})
    return trl.SFTTrainer


def loss_of_replies(
    trainer: Any,  # noqa: ANN401 - it is a method, of a class that comes with an extra
    model: Any,  # noqa: ANN401 - torch has no types
    inputs: dict[str, Any],
    return_outputs: bool = False,
    num_items_in_batch: Any = None,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """Mean negative log-likelihood of the tokens that have a label, as trl has it, with logits for hardly any others.

    Args:
        trainer: Unused.
        model: The model.
        inputs: Token ids, attention mask and labels, each of shape (rows, tokens).
        return_outputs: Whether the model's outputs are wanted too.
        num_items_in_batch: Labels of the whole batch, of which these are a part.
    """
    labels = inputs["labels"]
    columns = (labels != IGNORED).any(dim=0).nonzero().flatten()
    asked = {name: value for name, value in inputs.items() if name != "labels"}
    outputs = model(**asked, use_cache=False, logits_to_keep=columns - 1)
    wanted = labels[:, columns].flatten()
    loss = library("torch.nn.functional").cross_entropy(
        outputs.logits.flatten(0, 1).float(), wanted, ignore_index=IGNORED, reduction="sum"
    )
    loss = loss / ((wanted != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)
    return (loss, outputs) if return_outputs else loss


def _teller(tell: Callable[[int, int], None], steps: int) -> Any:  # noqa: ANN401 - a callback
    def told(self: Any, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        tell(state.global_step, steps)

    return type("Teller", (library("transformers").TrainerCallback,), {"on_train_begin": told, "on_step_end": told})()


def _checkpoint(folder: Path) -> str | None:
    """The newest whole checkpoint of an interrupted training; trainer_state.json is what is written last but one."""
    found = [each for each in (folder / CHECKPOINTS).glob("checkpoint-*") if (each / "trainer_state.json").is_file()]
    return str(max(found, key=lambda each: int(each.name.rpartition("-")[2]))) if found else None


def _save(model: Any, base: Weights, folder: Path) -> None:  # noqa: ANN401 - peft has no types
    partial = folder / f".{ADAPTER}"
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial, save_embedding_layers=False)
    (partial / "README.md").unlink(missing_ok=True)  # peft's empty form
    sign(partial, base)
    partial.rename(folder / ADAPTER)


@contextmanager
def _without_bars() -> Iterator[None]:
    """The bars of `datasets` are silenced, and stand afterwards as they did before."""
    bars = library("datasets", FEATURE, EXTRA).utils.logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()
