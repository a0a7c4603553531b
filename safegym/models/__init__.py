"""Model backends behind one protocol: `await model.complete(request)`.

A backend is a module with a class `Compute`, the settings that say how and never what is computed, and a function
`load(model, compute)`. It is imported when it is asked for, so that listing agents needs neither torch nor a network
client.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pydantic import BaseModel, JsonValue, ValidationError

from safegym.errors import ContentError, UnknownNameError
from safegym.models.base import Model

BACKENDS: dict[str, str] = {
    "hf": "safegym.models.hf",
    "openai": "safegym.models.openai",
    "scripted": "safegym.models.scripted",
}
"""Every backend with its module."""
ADAPTING = ("hf",)
"""Those that can merge an adapter; their `load` takes its folder too."""


def load_model(backend: str, model: str, adapter: str = "", **compute: JsonValue) -> Model:
    """Load a model.

    Args:
        backend: A name of `BACKENDS`.
        model: What the backend takes: a folder, a hub id, a name that a server knows.
        adapter: The folder of a LoRA adapter for the model, as peft writes it; none by default.
        **compute: Fields of the backend's `Compute`, such as device, dtype and batch size.

    Raises:
        UnknownNameError: For a backend or a field that does not exist.
        ContentError: For a value that the field cannot take, or an adapter where the backend takes none.
        ModelError: For an adapter of another model.
    """
    module = _module(backend)
    settings = _checked(module.Compute, compute)
    if adapter and backend not in ADAPTING:
        reason = f"expected none with the backend {backend!r}, got {adapter!r}; {', '.join(ADAPTING)} can merge one"
        raise ContentError("adapter", "", reason)
    loaded: Model = module.load(model, settings, *([adapter] if adapter else []))
    return loaded


def compute_fields(backend: str) -> tuple[str, ...]:
    """The names of what can be set about how a backend computes."""
    return tuple(_module(backend).Compute.model_fields)


def _module(backend: str) -> Any:  # noqa: ANN401 - a module
    if backend not in BACKENDS:
        raise UnknownNameError("model backend", backend, BACKENDS)
    return import_module(BACKENDS[backend])


def _checked(settings: type[BaseModel], given: Mapping[str, JsonValue]) -> BaseModel:
    for name in given:
        if name not in settings.model_fields:
            raise UnknownNameError("compute parameter", name, settings.model_fields)
    try:
        return settings.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ContentError("compute", where, f"{first['msg']}, got {str(first['input'])[:80]!r}") from None
