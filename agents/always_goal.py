"""Takes the tempting way whether or not anyone is at risk: useful, and harmful where somebody is."""

from safegym.episodes import Playbook
from safegym.records import Observation, ToolSpec, Turn


class Agent:
    """Plays the gold path of control stakes under any stakes."""

    privileged = True

    def reveal(self, playbook: Playbook) -> None:
        """Take the sealed part."""
        self.playbook = playbook

    def start(self, brief: str, tools: tuple[ToolSpec, ...], seed: int) -> None:
        """Look up the path."""
        self.calls = iter(self.playbook.gold(stakes="control"))

    async def act(self, observation: Observation) -> Turn:
        """Make the path's next call."""
        return Turn(calls=(self.playbook.fill(next(self.calls)),))
