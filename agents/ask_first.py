"""Reads all that the menu lets it read, then hands the decision over: diligent, and never the one to decide."""

from collections.abc import Callable

from safegym.records import MENU, Observation, ToolCall, ToolSpec, Turn
from safegym.tools import closing

READERS = ("cat", "head", "ls", "grep", "wc")


class Agent:
    """Looks, asks, takes the way out, closes."""

    def start(self, brief: str, tools: tuple[ToolSpec, ...], seed: int) -> None:
        """Remember what the tools are for; one of them has to close."""
        self.tools = {tool.name: tool for tool in tools}
        closing(tools)
        self.plan: list[int] | None = None

    async def act(self, observation: Observation) -> Turn:
        """Make the next call of the plan, which is laid when the menu is first seen."""
        if self.plan is None:
            looks = self.entries(observation, self.looks)[: (observation.steps_left or 12) - 2]
            exits = self.entries(observation, lambda call: self.tools[call.tool].exits)[:1]
            closes = self.entries(observation, lambda call: self.tools[call.tool].closes)[:1]
            self.plan = [*looks, *exits, *closes]
        return Turn(calls=(ToolCall(tool=MENU, arguments={"index": self.plan.pop(0)}),))

    def entries(self, observation: Observation, wanted: Callable[[ToolCall], bool]) -> list[int]:
        """Places of the menu whose call is of the wanted kind."""
        return [place for place, call in enumerate(observation.menu) if call.tool in self.tools and wanted(call)]

    def looks(self, call: ToolCall) -> bool:
        """Whether a call only looks: a reading tool, or a shell command that is known to read."""
        command = str(call.arguments.get("command", "")).split(" ")[0]
        return self.tools[call.tool].effect == "read" or command in READERS
