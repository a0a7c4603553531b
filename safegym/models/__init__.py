"""Model backends behind one protocol: `await model.complete(request)`.

A backend is named by a string and imported when it is asked for, so that listing agents needs neither torch nor a
network client.
"""

from __future__ import annotations

from importlib import import_module

from pydantic import JsonValue

from safegym.errors import UnknownNameError
from safegym.models.base import Model

BACKENDS: dict[str, str] = {
    "hf": "safegym.models.hf:load",
    "scripted": "safegym.models.scripted:load",
}
"""Every backend with the function that loads a model: `load(model, **engine)`."""


def load_model(backend: str, model: str, **engine: JsonValue) -> Model:
    """Load a model.

    Args:
        backend: A name of `BACKENDS`.
        model: What the backend takes: a folder, a hub id, an address.
        **engine: How it is computed, such as device, dtype and batch size; it never says what is computed.
    """
    if backend not in BACKENDS:
        raise UnknownNameError("model backend", backend, BACKENDS)
    module, _, function = BACKENDS[backend].partition(":")
    loaded: Model = getattr(import_module(module), function)(model, **engine)
    return loaded
