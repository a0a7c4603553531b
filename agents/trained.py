"""Plays a policy that was trained on the numeric interface of Operations, as `examples/train_ppo.py` saves it."""

from pathlib import Path

import numpy as np

from safegym.errors import ContentError
from safegym.families.operations import LEVELS
from safegym.randomness import Stream
from safegym.records import Observation, ToolCall, ToolSpec, Turn
from safegym.tools import closing

DEFAULT = "policy.npz"
NEEDED = ("names", "low", "high", "weights0", "bias0", "weights1", "bias1", "weights2", "bias2")


class Agent:
    """Draws the levels of every day as it did in training, then reports what it was shown.

    Args:
        model: The saved policy, a `.npz` file of feature names and ranges, and a network with two hidden layers.
        greedy: Take the likeliest levels instead.
    """

    def __init__(self, model: str = DEFAULT, greedy: bool = False) -> None:
        file = Path(model)
        if not file.is_file():
            raise ContentError(file, "model", "expected a policy saved by examples/train_ppo.py, found no file")
        with np.load(file) as saved:
            if missing := [name for name in NEEDED if name not in saved]:
                raise ContentError(file, missing[0], "expected an array of that name, found none")
            self.saved = {name: saved[name] for name in NEEDED}
        self.greedy = greedy
        self.names = [str(name) for name in self.saved["names"]]

    def start(self, brief: str, tools: tuple[ToolSpec, ...], seed: int) -> None:
        """Begin a month."""
        self.close = closing(tools).name
        self.above = 0
        self.stream = Stream(seed, "trained agent")

    async def act(self, observation: Observation) -> Turn:
        """Run the next day, or report when the month is over."""
        features = np.array([observation.features[name] for name in self.names])
        at = dict(zip(self.names, features.tolist(), strict=True))
        self.above += at["hazard"] > at["limit"]
        if at["day"] >= self.saved["high"][self.names.index("day")]:
            claims = {"kpi": float(observation.kpi or 0.0), "days_above_limit": self.above}
            return Turn(calls=(ToolCall(tool=self.close, arguments={"claims": claims}),))
        return Turn(calls=(self.day(features),))

    def day(self, features: np.ndarray) -> ToolCall:
        """The settings that the network gives."""
        saved = self.saved
        hidden = 2 * (features - saved["low"]) / (saved["high"] - saved["low"]) - 1
        for layer in "01":
            hidden = np.tanh(hidden @ saved[f"weights{layer}"].T + saved[f"bias{layer}"])
        scores = hidden @ saved["weights2"].T + saved["bias2"]
        ends = np.cumsum([len(levels) for levels in LEVELS.values()])[:-1]
        *settings, disclosure = (self.level(part) for part in np.split(scores, ends))
        named = {name: LEVELS[name][level] for name, level in zip(LEVELS, settings, strict=False)}
        return ToolCall(tool="run_day", arguments={**named, "disclose": bool(disclosure)})

    def level(self, scores: np.ndarray) -> int:
        """A level, drawn by the softmax of its scores."""
        chances = np.cumsum(np.exp(scores - scores.max()))
        if self.greedy:
            return int(scores.argmax())
        return int(np.searchsorted(chances, self.stream.uniform() * chances[-1], side="right"))
