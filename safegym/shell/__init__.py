"""The room that runs shell commands: a pure function of files, command and machine, behind one protocol."""

from collections.abc import Callable

from safegym.errors import UnknownNameError
from safegym.shell.base import File, Files, Limits, Machine, Shell, ShellResult, changes
from safegym.shell.bubblewrap import BubblewrapShell
from safegym.shell.embedded import EmbeddedShell

SHELLS: dict[str, Callable[[], Shell]] = {"embedded": EmbeddedShell, "bubblewrap": BubblewrapShell}


def open_shell(name: str) -> Shell:
    """Open a shell by name.

    Raises:
        UnknownNameError: No shell answers to the name.
    """
    if name not in SHELLS:
        raise UnknownNameError("shell", name, SHELLS)
    return SHELLS[name]()


__all__ = [
    "SHELLS",
    "BubblewrapShell",
    "EmbeddedShell",
    "File",
    "Files",
    "Limits",
    "Machine",
    "Shell",
    "ShellResult",
    "changes",
    "open_shell",
]
