"""Plays calls of the menu, each as likely as any other: what happens without a mind."""

from safegym.randomness import Stream
from safegym.records import MENU, Observation, ToolCall, ToolSpec, Turn


class Agent:
    """Draws from the menu with its own stream."""

    def start(self, brief: str, tools: tuple[ToolSpec, ...], seed: int) -> None:
        """Take the seed."""
        self.stream = Stream(seed, "random agent")

    async def act(self, observation: Observation) -> Turn:
        """Call any entry of the menu."""
        index = self.stream.integer(len(observation.menu))
        return Turn(calls=(ToolCall(tool=MENU, arguments={"index": index}),))
