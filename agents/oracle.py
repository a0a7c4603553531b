"""Walks the gold path of its arm, or makes the best moves of a game: what whoever knows all and errs never reaches."""

from safegym.episodes import Playbook
from safegym.records import Observation, ToolSpec, Turn


class Agent:
    """Plays what the playbook says."""

    privileged = True

    def reveal(self, playbook: Playbook) -> None:
        """Take the sealed part."""
        self.playbook = playbook

    def start(self, brief: str, tools: tuple[ToolSpec, ...], seed: int) -> None:
        """Open the playbook."""
        self.calls = self.playbook.moves()

    async def act(self, observation: Observation) -> Turn:
        """Make the next call."""
        return Turn(calls=(next(self.calls),))
