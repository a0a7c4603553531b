"""Plays calls of the menu, each as likely as any other, or any call of its tools: what happens without a mind."""

from typing import Any

from safegym.errors import AgentError
from safegym.randomness import Stream
from safegym.records import MENU, Observation, ToolCall, ToolSpec, Turn


class Agent:
    """Draws from the menu with its own stream; where there is no menu, tools and their listed values."""

    def start(self, brief: str, tools: tuple[ToolSpec, ...], seed: int) -> None:
        """Take the seed."""
        self.stream = Stream(seed, "random agent")
        self.tools = tools

    async def act(self, observation: Observation) -> Turn:
        """Call any entry of the menu, or any tool."""
        if not observation.menu:
            return Turn(calls=(self.any_call(),))
        index = self.stream.integer(len(observation.menu))
        return Turn(calls=(ToolCall(tool=MENU, arguments={"index": index}),))

    def any_call(self) -> ToolCall:
        """A tool with any of its listed values; what may be left out is left out half the time."""
        tool = self.stream.choice(self.tools)
        parameters: Any = tool.parameters
        arguments = {}
        for name, schema in parameters["properties"].items():
            if "enum" not in schema:
                raise AgentError(f"expected a menu, or listed values for every argument, got {tool.name}: {name}")
            if name in parameters["required"] or self.stream.uniform() < 0.5:
                arguments[name] = self.stream.choice(schema["enum"])
        return ToolCall(tool=tool.name, arguments=arguments)
