"""The separable natural evolution strategy (T. Schaul, T. Glasmachers and J. Schmidhuber, GECCO
2011, 845), as neuroevolution potentials use it (Z. Fan et al., Phys. Rev. B 104, 104309 (2021)).

Parameters of member p are theta_p = mu + sigma s_p with s_p normally distributed. Members are
ranked by loss, and with utilities u_k = max(0, ln(P/2 + 1) - ln k) of the k-th best, divided by
their sum, less 1/P,

    mu    += sigma sum_k u_k s_k
    sigma  = min(1, sigma exp(eta sum_k u_k (s_k^2 - 1))),   eta = (3 + ln n)/(10 sqrt(n)),

where n is the number of parameters of an element. Every parameter has the ranking of its element.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WIDEST = 1.0  # sigma
START, SAMPLE = 0, 1  # streams of random numbers


def utilities(population: int) -> Array:
    """u_k [population], of the best first."""
    ranks = np.arange(1, population + 1)
    raw = np.maximum(0.0, np.log(population / 2 + 1) - np.log(ranks))
    return raw / raw.sum() - 1 / population


@dataclass
class Distribution:
    """Where parameters are looked for.

    Attributes:
        mean, sigma: [n_variables].
        groups: [n_variables], the ranking that each follows.
        rate: eta.
    """

    mean: Array
    sigma: Array
    groups: NDArray[np.int64]
    rate: float

    @classmethod
    def start(
        cls, groups: NDArray[np.int64], n_species: int, seed: int, width: float, sigma: float
    ) -> Distribution:
        """mu uniform between -width and width, drawn from ``seed``; one sigma."""
        n = len(groups)
        own = n // n_species
        rate = (3 + np.log(own)) / (10 * np.sqrt(own))
        mean = np.random.default_rng([seed, START]).uniform(-width, width, n)
        return cls(mean, np.full(n, float(sigma)), groups, float(rate))

    def normal(self, seed: int, generation: int, population: int) -> Array:
        """s [population, n_variables] of a generation: the same whenever it is asked for, so that a
        run goes on from mu, sigma and the number of generations alone."""
        generator = np.random.default_rng([seed, SAMPLE, generation])
        return generator.standard_normal((population, len(self.mean)))

    def members(self, normal: Array) -> Array:
        """theta [population, n_variables]."""
        return self.mean + self.sigma * normal

    def update(self, normal: Array, losses: Array) -> None:
        """Move.

        Args:
            normal: s of the members.
            losses: [rankings, population].
        """
        found = utilities(len(normal))
        weights = np.empty_like(losses)
        for row, loss in zip(weights, losses, strict=True):
            row[np.argsort(loss, kind="stable")] = found
        for group in np.unique(self.groups):
            own = self.groups == group
            s = normal[:, own]
            self.mean[own] += self.sigma[own] * (weights[group] @ s)
            grown = self.sigma[own] * np.exp(self.rate * (weights[group] @ (s * s - 1)))
            self.sigma[own] = np.minimum(WIDEST, grown)
