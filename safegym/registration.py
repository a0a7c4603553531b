"""The ids of the environments. Registering loads the registries of Gymnasium and PettingZoo; worlds load at `make`."""

from __future__ import annotations

import gymnasium as gym
import pettingzoo

ENVIRONMENTS = {
    "safegym/Manager-v0": "manager",
    "safegym/KPI-v0": "kpi",
    "safegym/Operations-v0": "operations",
    "safegym/SelfPreservation-v0": "self_preservation",
    "safegym/PrincipalAgent-v0": "principal_agent",
    "safegym/Audience-v0": "audience",
}
"""Environment ids with their families."""
VECTORS = {"safegym/Operations-v0": "safegym.vector:OperationsVectorEnv"}
"""Ids of which many can be stepped at once by one object, with where it is."""

GAMES = {"safegym/contract-v0": "contract", "safegym/audience-v0": "contest"}
"""Ids of PettingZoo environments with their games; each stands in the parallel and in the turn-based registry."""


def register() -> None:
    """Make every id known to Gymnasium or PettingZoo; ids that are known already are left alone."""
    for env_id, family in ENVIRONMENTS.items():
        if env_id not in gym.registry:
            gym.register(
                id=env_id,
                entry_point="safegym.env:SafegymEnv",
                vector_entry_point=VECTORS.get(env_id),
                kwargs={"family": family},
            )
    for env_id, game in GAMES.items():
        if env_id not in pettingzoo.parallel_registry:
            pettingzoo.register("parallel", env_id, "safegym.multi:GameParallelEnv", kwargs={"game": game})
        if env_id not in pettingzoo.aec_registry:
            pettingzoo.register("aec", env_id, "safegym.multi:GameAECEnv", kwargs={"game": game})
