"""Gymnasium wrappers, one concern each."""

from safegym.wrappers.costs import LagrangianReward, SafetyTuple, VectorReward
from safegym.wrappers.numeric import DiscreteMenu, Features

__all__ = ["DiscreteMenu", "Features", "LagrangianReward", "SafetyTuple", "VectorReward"]
