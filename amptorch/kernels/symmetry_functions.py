"""Behler-Parrinello symmetry functions of an environment.

With R_ij the vector from atom i to neighbour j, r_ij its length, theta_ijk the angle between R_ij
and R_ik, and sums over neighbours of the stated elements (J. Behler, J. Chem. Phys. 134, 074106
(2011)):

    G2_i = sum_j exp(-eta (r_ij - rs)^2) fc(r_ij)
    G4_i = 2^(1-zeta) sum_{j<k} (1 + lambda cos theta_ijk)^zeta
           exp(-eta (r_ij^2 + r_ik^2 + r_jk^2)) fc(r_ij) fc(r_ik) fc(r_jk)
    G5_i = 2^(1-zeta) sum_{j<k} (1 + lambda cos theta_ijk)^zeta
           exp(-eta (r_ij^2 + r_ik^2)) fc(r_ij) fc(r_ik)

and the cutoff functions, zero from r = rc on,

    cosine      fc(r) = (1 + cos(pi r / rc)) / 2
    polynomial  fc(r) = 1 + gamma (r/rc)^(gamma+1) - (gamma+1) (r/rc)^gamma

eta is in 1/Å^2 here; the descriptor divides the user's value by rc^2, as AMPTorch does.

Operations, all on an :class:`Environment` of one or many frames, on the device of its vectors:

    forward   G          [n_atoms, n_features]
    jacobian  dG_i/dR_ij [n_pairs, n_touched, 3], only features that the neighbour's species touches
    vjp       dE/dR_ij   [n_pairs, 3]             from dE/dG [n_atoms, n_features]
    jvp       dG         [n_atoms, n_features]    from dR_ij [n_pairs, 3]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .environment import Environment


@dataclass(frozen=True)
class SymmetryFunctions:
    """A set of symmetry functions as the kernels read it, a row a function.

    Attributes:
        kinds: [n_functions, 5], int64: species of the centre, feature (column of G), type
            (2, 4 or 5), species of j, species of k (-1 for G2). For j != k a neighbour pair
            counts once, whichever of the two is first.
        values: [n_functions, 4], float64: cutoff (Å), eta (1/Å^2), rs (Å) for G2 or zeta,
            lambda (+1 or -1; 0 for G2).
        gamma: exponent of the polynomial cutoff function; 0 for the cosine.
        n_species: number of elements.
        n_features: number of columns of G; functions of a centre may be fewer.
    """

    kinds: Tensor
    values: Tensor
    gamma: float
    n_species: int
    n_features: int

    def touch(self) -> Tensor:
        """[n_species, n_species, n_touched], int64: the features of a centre (first index) that
        a neighbour of the second species can change, ascending, padded with -1."""
        lists = [
            [self._touched(center, neighbor) for neighbor in range(self.n_species)]
            for center in range(self.n_species)
        ]
        width = max((len(features) for row in lists for features in row), default=0)
        table = torch.full((self.n_species, self.n_species, max(width, 1)), -1)
        for center, row in enumerate(lists):
            for neighbor, features in enumerate(row):
                table[center, neighbor, : len(features)] = torch.tensor(
                    features, dtype=torch.int64
                )
        return table

    def _touched(self, center: int, neighbor: int) -> list[int]:
        rows = self.kinds.tolist()
        return sorted({row[1] for row in rows if row[0] == center and neighbor in row[3:]})
