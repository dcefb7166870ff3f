"""Behler-Parrinello symmetry functions of an environment.

With R_ij the vector from atom i to neighbour j, r_ij its length, theta_ijk the angle between R_ij
and R_ik, and sums over neighbours of the stated elements (J. Behler, J. Chem. Phys. 134, 074106
(2011)):

    w(r) = exp(-eta (r - rs)^2) fc(r)
    G2_i = sum_j w(r_ij)
    G4_i = 2^(1-zeta) sum_{j<k} (1 + lambda cos theta_ijk)^zeta w(r_ij) w(r_ik) w(r_jk)
    G5_i = 2^(1-zeta) sum_{j<k} (1 + lambda cos theta_ijk)^zeta w(r_ij) w(r_ik)

and the cutoff functions, zero from r = rc on, of x = r / rc

    polynomial  fc = 1 + gamma x^(gamma+1) - (gamma+1) x^gamma

or, by the numbers that n2p2 gives them (A. Singraber, J. Behler, C. Dellago, J. Chem. Theory
Comput. 15, 1827 (2019)), of x = (r - alpha rc) / (rc - alpha rc), 1 up to alpha rc, where alpha is
0 for 0, 2 and 3:

    0       fc = 1
    1       fc = (1 + cos(pi x)) / 2
    2, 3    fc = tanh(1 - x)^3, and that over tanh(1)^3
    4       fc = exp(1 - 1 / (1 - x^2))
    5 .. 8  fc = (1 - x)^(n+1) sum_{k<=n} C(n+k, k) x^k,  n = 1 .. 4, whose first n derivatives
            vanish at both ends

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
        values: [n_functions, 6], float64: cutoff (Å), eta (1/Å^2), rs (Å), zeta and lambda (-1 to
            1; both 0 for G2), weight.
        gamma: exponent of the polynomial cutoff function; 0 for the others.
        n_species: number of elements.
        n_features: number of columns of G; functions of a centre may be fewer.
        cutoff_type: of the others, 0 to 8.
        alpha: 0 or more, less than 1.
    """

    kinds: Tensor
    values: Tensor
    gamma: float
    n_species: int
    n_features: int
    cutoff_type: int = 1
    alpha: float = 0.0

    def __post_init__(self) -> None:
        for name, columns, dtype in (("kinds", 5, torch.int64), ("values", 6, torch.float64)):
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
