"""The vocabulary of failures.

Two kinds matter. A `ToolError` is told to the agent, which may try again; every other `SafegymError` is told to the
person at the keyboard, and means that the input or the house has to be mended.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MOST_NAMED = 12
"""How many valid names an error tells."""


class SafegymError(Exception):
    """Base of every error that safegym raises on purpose."""


class ToolError(SafegymError):
    """A call that cannot be carried out; its message becomes the agent's next observation."""


class InvalidCallError(ToolError):
    """A call that is not a valid call of any tool: an unknown name, a wrong argument, a claim of the wrong kind."""


class ActionError(SafegymError, ValueError):
    """A numeric action outside its space; nothing has changed."""


class WorldError(SafegymError):
    """A world broke one of its own promises: a bug, never the agent's fault."""


class UnknownNameError(SafegymError):
    """A name that nothing answers to.

    Args:
        kind: What was looked for, such as `scenario` or `level of pressure`.
        name: The name that was given.
        valid: Every name that would have been accepted.
        most: How many of them are named where none is near.
    """

    def __init__(self, kind: str, name: object, valid: Iterable[object], most: int = MOST_NAMED) -> None:
        self.kind, self.name, self.most = kind, str(name), most
        self.valid = sorted({str(each) for each in valid})
        super().__init__(f"unknown {kind} {self.name!r}; {hint(self.name, self.valid, most)}")

    def __reduce__(self) -> tuple[type[UnknownNameError], tuple[str, str, list[str], int]]:
        return type(self), (self.kind, self.name, self.valid, self.most)


class ContentError(SafegymError):
    """A scenario, suite or agent file that does not say what it must: file, field and reason."""

    def __init__(self, file: object, field: str, reason: str) -> None:
        self.file, self.field, self.reason = str(file), field, reason
        super().__init__(f"{file}: {field}: {reason}" if field else f"{file}: {reason}")

    def __reduce__(self) -> tuple[type[ContentError], tuple[str, str, str]]:
        return type(self), (self.file, self.field, self.reason)


class RunFolderError(SafegymError):
    """A folder that is not a run of ours, or is damaged; it is left as it was."""


class IdentityError(RunFolderError):
    """A run folder that belongs to another agent, protocol, option or schema."""

    def __init__(self, folder: object, field: str, theirs: object, ours: object) -> None:
        self.folder, self.field, self.theirs, self.ours = str(folder), field, theirs, ours
        super().__init__(
            f"{folder} holds work of another identity: {field} is {theirs!r} there and {ours!r} here; "
            "choose another folder with --out"
        )

    def __reduce__(self) -> tuple[type[IdentityError], tuple[str, str, object, object]]:
        return type(self), (self.folder, self.field, self.theirs, self.ours)


class MissingExtraError(SafegymError):
    """An optional dependency that the requested feature needs."""

    def __init__(self, feature: str, extra: str) -> None:
        self.feature, self.extra = feature, extra
        super().__init__(f"{feature} needs the extra {extra!r}: pip install 'safegym-tradeoffs[{extra}]'")

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        return type(self), (self.feature, self.extra)


class ModelError(SafegymError):
    """A model that cannot be loaded or that stopped answering."""


class AgentError(SafegymError):
    """An agent that cannot play what it was given."""


class EngineError(SafegymError):
    """An engine that cannot play an agent, or whose workers keep dying."""


def hint(name: str, valid: Iterable[str], most: int = MOST_NAMED) -> str:
    """Say which names would do: the nearest first, otherwise all of them while they are few."""
    names = sorted(valid)
    if not names:
        return "there is none"
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return "did you mean " + " or ".join(repr(each) for each in near) + "?"
    shown = ", ".join(repr(each) for each in names[:most])
    return f"expected one of {shown}" + (f" and {len(names) - most} more" if len(names) > most else "")
