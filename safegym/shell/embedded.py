"""The shell that needs no process: an interpreter on a virtual file system.

No host file, clock, name, network or chance reaches the command.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import bashkit

from safegym.shell.base import USUAL_LIMITS, File, Files, Limits, Machine, ShellResult, elided
from safegym.shell.disk import FRESH_FILE, Disk, TooManyError
from safegym.shell.interpreter import Process
from safegym.shell.wording import Wording

_NEW_FILE = re.compile(r"\b(chmod|mv|rm|install|ln|rsync|tar|cp\s+-\w*[ap])\b")
"""Commands after which a file of the same name may be another file, with permissions of its own."""
_UNREAD = re.compile(r"^jq: invalid JSON", re.MULTILINE)
"""The engine does not read numbers that begin with their point."""
_MOST_SCRIPTS = 3
_DENIED = re.compile(r"^bash: line \d+: (\S*/\S+): Permission denied$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class EmbeddedShell:
    """The shell that needs no process: an interpreter on a virtual file system."""

    name: str = field(default=f"embedded bashkit {bashkit.get_version()}", init=False)

    def run(self, files: Files, command: str, machine: Machine, limits: Limits = USUAL_LIMITS) -> ShellResult:
        """Run one command in a fresh process."""
        typed = command.replace("\0", "").encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        wording = Wording(machine.now, typed, [file.content for file in files.values()])
        corrected, scripts = frozenset[str](), frozenset[str]()
        while True:  # what the engine gets wrong shows only afterwards; then the whole command is run again
            disk = Disk(files, machine, wording)
            outcome = Process(disk, wording, machine, limits, corrected).run(scripts)
            if outcome is None:
                return ShellResult("", "Terminated: time limit\n", 124, files, False)
            try:
                after = disk.collect()
            except TooManyError:
                return ShellResult("", "Killed: too many directories\n", 137, files, False)
            kept = {} if _NEW_FILE.search(command) else _overwritten(files, after)
            denied = _denied(outcome.stderr, kept)
            unread = frozenset({"jq"} if _UNREAD.search(outcome.stderr) or _UNREAD.search(outcome.stdout) else ())
            if (denied <= scripts and unread <= corrected) or len(scripts) > _MOST_SCRIPTS:
                break
            corrected, scripts = corrected | unread, scripts | denied
        out, err = (wording.restored(text) for text in (outcome.stdout, outcome.stderr))
        return ShellResult(
            elided(out, limits.output),
            elided(err, limits.output),
            outcome.exit_code,
            {**after, **kept},
            outcome.cut or max(len(out), len(err)) > limits.output,
        )


def _overwritten(before: Files, after: Files) -> dict[str, File]:
    """Give scripts that were written over their permissions back: a redirection keeps them, but the engine does not."""
    return {
        path: replace(file, mode=before[path].mode)
        for path, file in after.items()
        if file.mode == FRESH_FILE
        and path in before
        and before[path].mode != FRESH_FILE
        and file.content != before[path].content
    }


def _denied(complaints: str, scripts: Files) -> frozenset[str]:
    """Find the words that were refused because the engine dropped a script's permissions."""
    names = {path.rpartition("/")[2] for path in scripts}
    return frozenset(word for word in _DENIED.findall(complaints) if word.rpartition("/")[2] in names)
