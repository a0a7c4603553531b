"""The ids of the environments. Registering loads nothing but Gymnasium's registry; worlds load at `make`."""

from __future__ import annotations

import gymnasium as gym

ENVIRONMENTS = {
    "safegym/Manager-v0": "manager",
    "safegym/KPI-v0": "kpi",
    "safegym/Operations-v0": "operations",
    "safegym/SelfPreservation-v0": "self_preservation",
    "safegym/PrincipalAgent-v0": "principal_agent",
}
"""Environment ids with their families."""
VECTORS = {"safegym/Operations-v0": "safegym.vector:OperationsVectorEnv"}
"""Ids of which many can be stepped at once by one object, with where it is."""


def register() -> None:
    """Make every id known to Gymnasium; ids that are known already are left alone."""
    for env_id, family in ENVIRONMENTS.items():
        if env_id not in gym.registry:
            gym.register(
                id=env_id,
                entry_point="safegym.env:SafegymEnv",
                vector_entry_point=VECTORS.get(env_id),
                kwargs={"family": family},
            )
