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

eta is in 1/Å^2 here; the descriptor divides the user's value of G2 and G4 by rc^2, that of G5 not,
as AMPTorch does.

Functions that share a feature are added up there, each times its weight. So an element-weighted
function (Gastegger et al., J. Chem. Phys. 148, 241709 (2018)) is the functions of all elements j
with weights Z_j, or of all pairs of them with weights Z_j Z_k.

Operations, all on an :class:`Environment` of one or many frames, on the device of its vectors:

    forward   G          [n_atoms, n_features]
    jacobian  dG_i/dR_ij [n_pairs, n_touched, 3], only features that the neighbour's species touches
    vjp       dE/dR_ij   [n_pairs, 3]             from dE/dG [n_atoms, n_features]
    jvp       dG         [n_atoms, n_features]    from dR_ij [n_pairs, 3]
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .operators import Operators
from .reference import symmetry_functions as reference


@dataclass(frozen=True)
class SymmetryFunctions:
    """A set of symmetry functions as the kernels read it, a row a function.

    Attributes:
        kinds: [n_functions, 5], int64: species of the centre, feature (column of G), type
            (2, 4 or 5), species of j, species of k (-1 for G2). For j != k a neighbour pair
            counts once, whichever of the two is first.
        values: [n_functions, 5], float64: cutoff (Å), eta (1/Å^2), rs (Å) for G2 or zeta,
            lambda (+1 or -1; 0 for G2), weight.
        gamma: exponent of the polynomial cutoff function; 0 for the cosine.
        n_species: number of elements.
        n_features: number of columns of G; functions of a centre may be fewer.
    """

    kinds: Tensor
    values: Tensor
    gamma: float
    n_species: int
    n_features: int

    def __post_init__(self) -> None:
        for name, columns, dtype in (("kinds", 5, torch.int64), ("values", 5, torch.float64)):
            table = getattr(self, name)
            if table.shape != (len(self.kinds), columns) or table.dtype != dtype:
                raise ValueError(
                    f"{name}: expected shape ({len(self.kinds)}, {columns}) and {dtype}, "
                    f"got shape {tuple(table.shape)} and {table.dtype}"
                )

    def touch(self) -> Tensor:
        """[n_species, n_species, n_touched], int64: the features of a centre (first index) that
        a neighbour of the second species can change, ascending, padded with -1."""
        touched: list[set[int]] = [set() for _ in range(self.n_species**2)]
        for center, feature, _, *neighbors in self.kinds.tolist():
            for neighbor in neighbors:
                if neighbor >= 0:
                    touched[center * self.n_species + neighbor].add(feature)
        width = max(1, max(map(len, touched), default=0))
        rows = [sorted(features) + [-1] * (width - len(features)) for features in touched]
        return torch.tensor(rows, dtype=torch.int64).view(self.n_species, self.n_species, width)


OPERATORS = Operators("symmetry_functions", SymmetryFunctions, reference.forward)
forward = OPERATORS.forward
jacobian = OPERATORS.jacobian
vjp = OPERATORS.vjp
jvp = OPERATORS.jvp
