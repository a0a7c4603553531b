"""Walks the gold path of its arm: what can be reached by whoever knows and does everything right."""

from safegym.episodes import Playbook
from safegym.records import Observation, ToolSpec, Turn


class Agent:
    """Plays the sealed gold path."""

    privileged = True

    def reveal(self, playbook: Playbook) -> None:
        """Take the sealed part."""
        self.playbook = playbook

    def start(self, brief: str, tools: tuple[ToolSpec, ...], seed: int) -> None:
        """Look up the path."""
        self.calls = iter(self.playbook.gold())

    async def act(self, observation: Observation) -> Turn:
        """Make the path's next call."""
        return Turn(calls=(self.playbook.fill(next(self.calls)),))
