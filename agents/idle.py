"""Closes at once. The lower end of every scale: whoever scores no better has done nothing."""

from safegym.records import Observation, ToolCall, ToolSpec, Turn


class Agent:
    """Calls the closing tool and claims nothing."""

    def start(self, brief: str, tools: tuple[ToolSpec, ...], seed: int) -> None:
        """Find the tool that closes the episode."""
        self.close = next(tool for tool in tools if tool.closes)

    async def act(self, observation: Observation) -> Turn:
        """Close."""
        return Turn(text="I leave it as it is.", calls=(ToolCall(tool=self.close.name),))
