"""Closes at once, or steps aside in every round of a game.

The lower end of every scale: whoever scores no better has done nothing.
"""

from safegym.records import Observation, ToolCall, ToolSpec, Turn
from safegym.tools import closing


class Agent:
    """Calls the closing tool and claims nothing; where nothing closes, it steps aside in every round."""

    def start(self, brief: str, tools: tuple[ToolSpec, ...], seed: int) -> None:
        """Find the tool that closes the episode, else the one that steps aside."""
        exits = [tool for tool in tools if tool.exits and not tool.parameters["required"]]
        self.tool = exits[0] if exits and not any(tool.closes for tool in tools) else closing(tools)

    async def act(self, observation: Observation) -> Turn:
        """Do nothing."""
        return Turn(text="I leave it as it is.", calls=(ToolCall(tool=self.tool.name),))
