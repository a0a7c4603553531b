"""LoRA adapters: what peft writes into a folder, which model it belongs to, and merging it into that model's weights.

An adapter that was trained here has a note beside it that names its base by content. One from elsewhere tells no more
than a name, which is compared where both are hub ids; beyond that it has to fit in every tensor.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from safegym.errors import ModelError
from safegym.models.weights import WHEEL, Weights, hashed, library, quiet
from safegym.records import Record, digest

CONFIG, NOTE = "adapter_config.json", "safegym.json"
FILES = ("adapter_model.safetensors", "adapter_model.bin")
NAMED = "base_model_name_or_path"
"""The field of peft's file that names the base, as whoever trained the adapter called it."""


class Base(Record):
    """The model that an adapter was trained on."""

    base: str
    digest: str


def sign(folder: Path, base: Weights) -> None:
    """Say in an adapter's folder which model it belongs to; peft has only said where on this machine that lay."""
    config = _config(folder) | {NAMED: base.name}
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
    (folder / NOTE).write_text(Base(base=base.name, digest=base.digest).model_dump_json(indent=2) + "\n", "utf-8")


def with_adapter(base: Weights, adapter: str) -> Weights:
    """The weights of a model with an adapter that is still to be merged into them.

    Args:
        base: The model.
        adapter: The folder that peft wrote.

    Raises:
        ModelError: If there is no LoRA adapter in the folder, or one of another model.
    """
    folder = Path(adapter).expanduser()
    config = _config(folder)
    file = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if file is None:
        raise ModelError(f"{folder}: expected {' or '.join(FILES)} beside {CONFIG}, found neither")
    if str(config.get("peft_type")).upper() != "LORA":
        raise ModelError(f"{folder}: expected a LoRA adapter, got one of the kind {config.get('peft_type')}")
    _check_base(folder, config, base)
    told = {name: _ordered(value) for name, value in config.items() if name != NAMED}
    return replace(base, adapter=folder, digest=digest([base.digest, told, hashed(file)]))


def merged(model: Any, weights: Weights) -> Any:  # noqa: ANN401 - transformers has no types
    """A model with the adapter of its weights added to them.

    Args:
        model: The base as transformers loads it; it is changed.
        weights: What `with_adapter` gave.

    Raises:
        ModelError: If the adapter does not fit the model.
    """
    peft = library("peft", "an adapter", "train")
    folder = str(weights.adapter)
    try:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an old name
            adapted = peft.PeftModel.from_pretrained(model, folder)
            written = _tensors(peft.load_peft_weights(folder, device="cpu"))
            wanted = _tensors(peft.get_peft_model_state_dict(adapted, save_embedding_layers=False))
    except Exception as error:  # peft raises what it likes
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise _misfit(weights, first) from error
    if written != wanted:
        strange = sorted(written ^ wanted)
        raise _misfit(weights, f"{len(strange)} tensors belong to one of them alone, the first is {strange[0]}")
    return adapted.merge_and_unload()


def _config(folder: Path) -> dict[str, Any]:
    file = folder / CONFIG
    if not file.is_file():
        inside = sorted(str(each.parent) for each in folder.glob(f"*/{CONFIG}")) if folder.is_dir() else []
        near = f"; did you mean {inside[0]!r}?" if inside else ""
        raise ModelError(f"expected the folder of an adapter with {CONFIG}, got {str(folder)!r}{near}")
    try:
        found = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ModelError(f"{file}: not a JSON file: {error}") from None
    if not isinstance(found, dict):
        raise ModelError(f"{file}: expected a JSON object, got {type(found).__name__}")
    return found


def _check_base(folder: Path, config: dict[str, Any], base: Weights) -> None:
    note = folder / NOTE
    if note.is_file():
        try:
            told = Base.model_validate_json(note.read_bytes())
        except ValidationError as error:
            raise ModelError(f"{note}: expected the base model and its digest: {error.errors()[0]['msg']}") from None
        if told.digest != base.digest:
            raise ModelError(
                f"{folder} is an adapter for {told.base} (digest {told.digest}), not for {base.name} "
                f"(digest {base.digest})"
            )
        return
    named = str(config.get(NAMED) or "")
    if _hub_id(named) and _hub_id(base.name) and named.lower() != base.name.lower():
        raise ModelError(f"{folder} is an adapter for {named}, not for {base.name}")


def _hub_id(name: str) -> bool:
    """Whether a name is `owner/model` and no folder or wheel."""
    return name.count("/") == 1 and not name.startswith((".", "/", "~", WHEEL)) and not Path(name).is_dir()


def _misfit(weights: Weights, why: str) -> ModelError:
    named = _config(Path(str(weights.adapter))).get(NAMED) or "a model that it does not name"
    return ModelError(f"{weights.adapter} is an adapter for {named} and does not fit {weights.name}: {why}")


def _tensors(state: Iterable[str]) -> set[str]:
    """The names of an adapter's own tensors."""
    return {name for name in state if "lora_" in name}


def _ordered(value: object) -> object:
    """A value of peft's file, in which sets of names come in any order."""
    return sorted(value) if isinstance(value, list) and all(isinstance(each, str) for each in value) else value
