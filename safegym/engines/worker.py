"""A worker of a cluster: loads one replica of the agent and plays several episodes at once.

Errors of ours are returned and not raised, so that they reach the driver as they are, whatever carries them.
"""

from __future__ import annotations

import os
import pickle
import socket
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from pydantic import JsonValue

from safegym import __version__
from safegym.agent import Examinee, load_examinee
from safegym.content import named_path
from safegym.engines.base import Candidate, Profile, profile_of
from safegym.episodes import Played, Terms, play_episode
from safegym.errors import ContentError, EngineError, SafegymError
from safegym.plan import Job, shell_of
from safegym.records import Identity


@dataclass(frozen=True)
class Shipment:
    """An agent on its way to a node that may have none of its files.

    Attributes:
        candidate: The agent, as it was named.
        file: Its file, where the driver has it.
        content: The bytes of that file.
        folder: The folder that paths are relative to.
        paths: The parameters that name a file or folder there.
    """

    candidate: Candidate
    file: Path
    content: bytes
    folder: Path
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Loaded:
    """A worker that is ready: where it runs, which safegym, and the agent that it has loaded."""

    node: str
    version: str
    profile: Profile


class Worker:
    """One replica of an agent; it is made empty and loads what it is sent."""

    def __init__(self) -> None:
        self.node = socket.gethostname()
        self.examinee: Examinee | None = None
        self.shell = ""

    async def load(self, shipment: Shipment) -> Loaded | SafegymError:
        """Load the agent."""
        try:
            self.examinee = self._load(shipment)
        except SafegymError as error:
            return portable(error)
        return Loaded(self.node, __version__, profile_of(self.examinee))

    async def play(self, job: Job, terms: Terms) -> Played | SafegymError:
        """Play one episode."""
        assert self.examinee is not None, "a worker loads before it plays"
        try:
            self._check_shell(terms.identity)
            played = await play_episode(job, self.examinee, terms)
        except SafegymError as error:
            return portable(error)
        where: dict[str, JsonValue] = {"node": self.node, "process": os.getpid()}
        return replace(played, timing=played.timing | where)

    def _check_shell(self, identity: Identity) -> None:
        self.shell = self.shell or shell_of(identity.options)
        if self.shell != identity.shell:
            raise EngineError(
                f"expected the shell {identity.shell!r} on every node, found {self.shell!r} on {self.node}"
            )

    def _load(self, shipment: Shipment) -> Examinee:
        """Load the agent from its own file where this node has the same, else from a copy."""
        if shipment.folder.is_dir():
            os.chdir(shipment.folder)
        name, parameters = shipment.candidate.name, shipment.candidate.parameters
        for parameter in shipment.paths:
            if not named_path(str(parameters[parameter])):
                missing = f"expected {parameters[parameter]!r} on every node, found none on {self.node}"
                raise ContentError(shipment.file, parameter, missing)
        if shipment.file.is_file() and shipment.file.read_bytes() == shipment.content:
            return load_examinee(name, shipment.file, **parameters)
        with tempfile.TemporaryDirectory(prefix="safegym-") as folder:
            copy = Path(folder) / shipment.file.name
            copy.write_bytes(shipment.content)
            return load_examinee(name, copy, **parameters)


def portable(error: SafegymError) -> SafegymError:
    """The error where another process can read it, else its words as an error of safegym's nearest class."""
    try:
        if str(pickle.loads(pickle.dumps(error))) == str(error):
            return error
    except Exception:  # an agent's own class may fail as it likes
        pass
    for kind in (each for each in type(error).__mro__ if each.__module__.startswith("safegym.")):
        with suppress(TypeError):  # it takes more than words
            return cast(SafegymError, kind(str(error)))
    return SafegymError(str(error))


def pack(candidate: Candidate, file: Path) -> Shipment:
    """An agent with all that its workers need to load it.

    Args:
        candidate: The agent, as it was named.
        file: Its file.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ContentError(file, "", f"cannot be read: {error.strerror}") from None
    named = {key: value for key, value in candidate.parameters.items() if isinstance(value, str) and value}
    paths = tuple(key for key, value in named.items() if named_path(value))
    return Shipment(candidate, file, content, Path.cwd(), paths)
