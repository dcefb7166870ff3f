"""The named sets of symmetry functions that the tests run over."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement, product
from typing import Any

import torch

from amptorch.kernels.symmetry_functions import SymmetryFunctions

from ..systems import CUTOFF

Values = tuple[float, ...]
Rows = list[tuple[tuple[int, ...], tuple[float, ...]]]

NUMBERS = (8.0, 1.0, 26.0, 29.0)
"""Atomic numbers of the species, where functions are weighted with them."""


@dataclass(frozen=True)
class Case:
    """Values (cutoff, eta, rs or zeta, lambda) by type, for all combinations of species, and rs of
    angular functions last; those of w2, w4 and w5 weighted with atomic numbers and summed over the
    combinations.

    With ``uneven`` the centres of species s leave out every function whose number is a multiple
    of s + 2, so that sets and their lengths differ. With ``bare`` only those of species 0 have any.
    """

    g2: tuple[Values, ...] = ()
    g4: tuple[Values, ...] = ()
    g5: tuple[Values, ...] = ()
    w2: tuple[Values, ...] = ()
    w4: tuple[Values, ...] = ()
    w5: tuple[Values, ...] = ()
    gamma: float = 0.0
    cutoff_type: int = 1
    alpha: float = 0.0
    uneven: bool = False
    bare: bool = False

    def functions(self, n_species: int) -> SymmetryFunctions:
        kinds, values = [], []
        for center in range(n_species):
            features = [] if self.bare and center else self._features(center, n_species)
            for feature, rows in enumerate(features):
                kinds += [(center, feature, *kind) for kind, _ in rows]
                values += [value for _, value in rows]
        return SymmetryFunctions(
            kinds=torch.tensor(kinds),
            values=torch.tensor(values, dtype=torch.float64),
            gamma=self.gamma,
            n_species=n_species,
            n_features=max(feature for _, feature, *_ in kinds) + 1,
            cutoff_type=self.cutoff_type,
            alpha=self.alpha,
        )

    def _features(self, center: int, n_species: int) -> list[Rows]:
        ones = [(j, -1) for j in range(n_species)]
        twos = list(combinations_with_replacement(range(n_species), 2))
        features: list[Rows] = [
            [((kind, *neighbors), (*_columns(kind, value), 1.0))]
            for kind, groups, values in ((2, ones, self.g2), (4, twos, self.g4), (5, twos, self.g5))
            for neighbors in groups
            for value in values
        ]
        features += [
            [
                ((kind, *neighbors), (*_columns(kind, value), _weight(*neighbors)))
                for neighbors in groups
            ]
            for kind, groups, values in ((2, ones, self.w2), (4, twos, self.w4), (5, twos, self.w5))
            for value in values
        ]
        return [rows for n, rows in enumerate(features) if not self.uneven or n % (center + 2)]


def _columns(kind: int, value: Values) -> Values:
    """Cutoff, eta, rs, zeta, lambda."""
    cutoff, eta, third, sign, *shift = value
    if kind == 2:
        return cutoff, eta, third, 0.0, 0.0
    return cutoff, eta, shift[0] if shift else 0.0, third, sign


def _weight(j: int, k: int) -> float:
    return NUMBERS[j] * (NUMBERS[k] if k >= 0 else 1.0)


def angular(etas: Any, zetas: Any, cutoff: float = CUTOFF, rs: float = 0.0) -> tuple[Values, ...]:
    return tuple((cutoff, *rest, rs) for rest in product(etas, zetas, (1.0, -1.0)))


G2 = tuple((CUTOFF, eta, 0.0, 0.0) for eta in (0.0014, 0.03, 0.14))

CASES = {
    "g2_g4_cosine": Case(g2=G2, g4=angular([0.005 / 36], [1.0, 4.0])),
    "shifted_g2": Case(g2=((6.0, 0.1, 1.5, 0.0), (4.5, 2.0, 3.0, 0.0), (3.0, 0.0, 0.0, 0.0))),
    "real_zeta": Case(g4=angular([0.01], [1.5, 2.5, 3.0]), g5=angular([0.01], [1.25, 2.0])),
    "many_terms": Case(g4=angular([0.0, 0.05], [1.0, 2.0, 4.0, 7.0, 16.0, 64.0])),
    "polynomial": Case(G2, angular([0.02], [1.0, 4.0]), angular([0.02], [2.0]), gamma=2.0),
    "polynomial_real": Case(G2, angular([0.02, 0.3], [1.0, 2.5]), gamma=3.5),
    "g5": Case(g5=angular([0.005, 0.05], [1.0, 2.0, 4.0, 16.0])),
    "g5_moments": Case(g5=angular([0.005], [1.0, 2.0, 3.0]) + angular([0.05, 0.1], [8.0])),
    "uneven_cutoffs": Case(
        g2=((6.0, 0.02, 0.0, 0.0), (3.5, 0.4, 1.0, 0.0)),
        g4=angular([0.01], [1.0, 3.0]) + angular([0.03], [2.0], 4.0),
        g5=angular([0.01], [1.0]) + angular([0.03], [2.0], 5.0),
        uneven=True,
    ),
    "weighted": Case(
        w2=G2, w4=angular([0.01, 0.05], [1.0, 4.0]), w5=angular([0.01], [1.0, 2.0, 2.5])
    ),
    "weighted_and_not": Case(
        g2=G2[:1],
        g4=angular([0.01], [1.0, 2.0]),
        g5=angular([0.02], [2.0]),
        w2=G2,
        w4=angular([0.01], [1.0, 2.0, 4.0, 7.0, 16.0]),
        w5=angular([0.02], [1.0, 2.0]),
        gamma=2.0,
        uneven=True,
    ),
    "bare_species": Case(G2, angular([0.01], [1.0]), angular([0.01], [1.0]), bare=True),
    "shifted_angular": Case(
        g2=G2[1:2],
        g4=((CUTOFF, 0.05, 2.75, 0.5, 0.6), (CUTOFF, 0.3, 2.0, -1.0, 0.8)),
        g5=((CUTOFF, 0.1, 1.0, 1.0, 1.2), (CUTOFF, 0.1, 1.0, 1.0)),
        cutoff_type=4,
        alpha=0.3,
    ),
    "cosine_inner": Case(G2[:1], angular([0.02], [2.0])[:1], alpha=0.2),
    "tanh": Case(G2[:1], angular([0.02], [2.0])[:1], cutoff_type=3),
    "poly4_inner": Case(G2[:1], angular([0.02], [2.0])[:1], cutoff_type=8, alpha=0.1),
}
