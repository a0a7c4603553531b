"""The likelihood of a conditional logit model, and where it is greatest; it is concave, so a maximum is the maximum."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import minimize

from safegym.families.audience.choice import Floats
from safegym.fitting.choices import Choices


@dataclass(frozen=True)
class Likelihood:
    """The mean log-likelihood of a vote, along some directions of the weights.

    A point has a coordinate for each direction, and `weight` is how much a vote of each set counts; over all votes it
    adds up to one.

    Args:
        choices: The votes.
        basis: The directions, shape (columns, directions).
        precision: Of a normal prior around nought for each coordinate; the prior counts once, beside all votes.
    """

    choices: Choices
    basis: Floats
    precision: float = 0.0

    @cached_property
    def along(self) -> Floats:
        """Covariates along the directions, nought for what is not offered; shape (sets, options, directions)."""
        return np.where(self.choices.offered[..., None], self.choices.covariates @ self.basis, 0.0)

    @cached_property
    def chosen(self) -> Floats:
        """Their sums over what was chosen, shape (sets, directions)."""
        return np.asarray(np.einsum("so,sod->sd", self.choices.counts, self.along))

    @cached_property
    def votes(self) -> Floats:
        """Votes of every set, shape (sets,)."""
        return np.asarray(self.choices.counts.sum(axis=1))

    def log_chances(self, point: Floats) -> Floats:
        """Logarithms of the chances of all options, minus infinity for what is not offered; shape (sets, options)."""
        felt = np.where(self.choices.offered, self.along @ point, -np.inf)
        felt -= felt.max(axis=1, keepdims=True)
        return np.asarray(felt - np.log(np.exp(felt).sum(axis=1, keepdims=True)))

    def value(self, point: Floats, weight: Floats) -> float:
        """The log-likelihood."""
        logs = np.where(self.choices.counts > 0, self.log_chances(point), 0.0)
        return float(weight @ (self.choices.counts * logs).sum(axis=1) - 0.5 * self._prior * point @ point)

    def slope(self, point: Floats, weight: Floats) -> Floats:
        """Its first derivatives, shape (directions,)."""
        expected = np.exp(self.log_chances(point)) * self.votes[:, None]
        flat = self.along.reshape(-1, len(point))
        return np.asarray(weight @ self.chosen - (expected * weight[:, None]).ravel() @ flat - self._prior * point)

    def information(self, point: Floats, weight: Floats) -> Floats:
        """Minus its second derivatives, shape (directions, directions)."""
        chances = np.exp(self.log_chances(point))
        apart = self.along - np.einsum("so,sod->sd", chances, self.along)[:, None]
        each = (apart * np.sqrt(chances * (weight * self.votes)[:, None])[..., None]).reshape(-1, len(point))
        return np.asarray(each.T @ each + self._prior * np.eye(len(point)))

    def maximum(self, importance: Floats | None = None, start: Floats | None = None) -> Floats:
        """The point of greatest likelihood, shape (directions,).

        Args:
            importance: How much a vote of each set counts, shape (sets,), on any scale; all alike by default.
            start: Where to begin.
        """
        counts = np.ones(len(self.votes)) if importance is None else importance
        weight = counts / (counts @ self.votes)
        found = minimize(
            lambda point: -self.value(point, weight),
            np.zeros(self.basis.shape[1]) if start is None else start,
            jac=lambda point: -self.slope(point, weight),
            hess=lambda point: self.information(point, weight),
            method="trust-exact",
            options={"gtol": 1e-7, "initial_trust_radius": 4.0, "max_trust_radius": 64.0},
        )
        return np.asarray(found.x)

    @property
    def _prior(self) -> float:
        return self.precision / self.choices.votes
