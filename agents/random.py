"""Plays calls of the menu, each as likely as any other, or any call of its tools: what happens without a mind."""

from typing import Any

from pydantic import JsonValue

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
        """A tool with any of its listed values; what may be left out is left out half the time, and nobody leaves."""
        playable = [tool for tool in self.tools if not tool.exits and all(map(listed, parameters(tool).values()))]
        if not playable:
            names = ", ".join(tool.name for tool in self.tools)
            raise AgentError(f"expected a menu, or a tool with listed values for every argument, got {names}")
        tool = self.stream.choice(playable)
        arguments = {}
        for name, schema in parameters(tool).items():
            if name in tool.parameters["required"] or self.stream.uniform() < 0.5:
                arguments[name] = self.any_value(schema)
        return ToolCall(tool=tool.name, arguments=arguments)

    def any_value(self, schema: dict[str, Any]) -> JsonValue:
        """One of the listed values; of a list, each of them half the time."""
        if "enum" in schema:
            return self.stream.choice(schema["enum"])
        return [value for value in schema["items"]["enum"] if self.stream.uniform() < 0.5]


def parameters(tool: ToolSpec) -> dict[str, dict[str, Any]]:
    """The schemas of a tool's arguments by name."""
    schemas: Any = tool.parameters["properties"]
    return schemas


def listed(schema: dict[str, Any]) -> bool:
    """Whether the values of an argument are listed."""
    return "enum" in schema or "enum" in schema.get("items", {})
