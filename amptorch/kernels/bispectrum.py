"""Bispectrum components of an environment, the descriptors of SNAP.

A. P. Bartók, M. C. Payne, R. Kondor, G. Csányi, Phys. Rev. Lett. 104, 136403 (2010); A. P. Thompson
et al., J. Comput. Phys. 285, 316 (2015); with a density per element: M. A. Cusentino, M. A. Wood,
A. P. Thompson, J. Phys. Chem. A 124, 5456 (2020). Names and conventions are those of LAMMPS.

A vector R = (x, y, z) to a neighbour, of length r, is a point on the unit sphere of four
dimensions,

    theta = rfac0 pi (r - rmin0) / (rc - rmin0),  z0 = r / tan theta,  rho^2 = r^2 + z0^2,
    alpha = (z0 - i z) / rho,  beta = (y - i x) / rho,

and so a rotation, with the Wigner matrices U^j, j = 0, 1, ... 2J (angular momenta are doubled, rows
b and columns a count from 0 to j): U^0 = 1,

    U^j[b, a] = sqrt((j - a)/(j - b)) alpha* U^(j-1)[b, a] - sqrt(a/(j - b)) beta* U^(j-1)[b, a-1],
    U^j[j - b, j - a] = (-1)^(b - a) U^j[b, a]*.

The density around an atom i is V^j = 1 + sum_n w_n f(r_in) U^j(R_in), with the unit matrix for the
atom itself and f(r) a product of two switches:

    outer   1 for r <= rmin0, (1 + cos(pi (r - rmin0)/(rc - rmin0)))/2 up to rc, 0 from there;
            without ``switch`` 1 up to rc
    inner   0 for r <= S - D, (1 - cos(pi (1 + (r - S)/D)/2))/2 up to S + D, 1 from there

With Clebsch-Gordan coefficients C (``clebsch_gordan.py``) the components are

    Z^j_(j1 j2)[b, a] = sum C[a1, a2, a] C[b1, b2, b] V^j1[b1, a1] V^j2[b2, a2],
    B_(j1 j2 j) = Re sum_(b a) Z^j_(j1 j2)[b, a] V^j[b, a]*    for j2 <= j1 <= j.

``normalize`` divides them by j + 1; ``zero`` subtracts what an atom without neighbours has.
``chemical`` takes a density V_e of the neighbours of each element e, with the unit matrix in that
of the atom's own element only, or in all with ``self_all``, and Z of V_e1 and V_e2 times V_e3 for
all e1, e2, e3; ``zero`` then subtracts from those whose three densities hold a unit matrix.

Operations, all on an :class:`Environment` of one or many frames, on the device of its vectors:

    forward   B          [n_atoms, n_features]
    jacobian  dB_i/dR_ij [n_pairs, n_touched, 3], with ``chemical`` only features that hold the
                         neighbour's element
    vjp       dE/dR_ij   [n_pairs, 3]             from dE/dB [n_atoms, n_features]
    jvp       dB         [n_atoms, n_features]    from dR_ij [n_pairs, 3]

The vjp makes one density Y = dE/dV* of each atom out of dE/dB and differentiates Re sum Y* f U. All
are finite where z0 is not (r = rmin0). For r < rmin0 theta is negative, so that U^j of odd j jumps
there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .clebsch_gordan import couplings, triples
from .operators import Operators
from .reference import bispectrum as reference

HIGHEST = 14
"""The largest 2J."""


@dataclass(frozen=True)
class Bispectrum:
    """A set of bispectrum components as the kernels read it.

    Attributes:
        couplings: of ``clebsch_gordan.couplings(twojmax)``.
        pairs: [n_species, n_species, 3], float64, Å: cutoff rc, and S and D of the inner switch,
            both 0 without one.
        weights: [n_species], float64, w of a neighbour.
        twojmax: 2J, 0 to 14.
        rfac0: share of pi that theta reaches at the cutoff.
        rmin0: Å, where theta is 0.
        switch: the outer switch.
        zero: subtract the components of an atom without neighbours.
        normalize: divide by j + 1.
        chemical: a density for each element.
        self_all: an atom is part of the densities of all elements.
        n_species: number of elements.
        n_features: number of columns, those of :func:`count`; ``triples(twojmax)`` gives
            (j1, j2, j) of each; with ``chemical`` this is repeated for each (e1, e2, e3), e3 first.
    """

    couplings: Tensor
    pairs: Tensor
    weights: Tensor
    twojmax: int
    rfac0: float
    rmin0: float
    switch: bool
    zero: bool
    normalize: bool
    chemical: bool
    self_all: bool
    n_species: int
    n_features: int

    def __post_init__(self) -> None:
        if not 0 <= self.twojmax <= HIGHEST:
            raise ValueError(f"twojmax: expected 0 to {HIGHEST}, got {self.twojmax}")
        shapes = {
            "couplings": couplings(self.twojmax).shape,
            "pairs": (self.n_species, self.n_species, 3),
            "weights": (self.n_species,),
        }
        for name, shape in shapes.items():
            table = getattr(self, name)
            if table.shape != shape or table.dtype != torch.float64:
                raise ValueError(
                    f"{name}: expected shape {tuple(shape)} and {torch.float64}, got shape "
                    f"{tuple(table.shape)} and {table.dtype}"
                )
        features = count(self.twojmax, self.n_species if self.chemical else 1)
        if self.n_features != features:
            raise ValueError(f"n_features: expected {features}, got {self.n_features}")

    def touch(self) -> Tensor:
        """[n_species, n_species, n_touched], int64: the features of a centre (first index) that
        a neighbour of the second species can change, ascending."""
        n = self.n_species
        columns = torch.arange(self.n_features)
        if not self.chemical:
            return columns.expand(n, n, -1).contiguous()
        triples = torch.cartesian_prod(*[torch.arange(n)] * 3).view(-1, 3)
        held = columns.view(n**3, -1)
        touched = [held[(triples == element).any(1)].flatten() for element in range(n)]
        return torch.stack(touched).expand(n, -1, -1).contiguous()


def count(twojmax: int, densities: int = 1) -> int:
    """Number of columns, with one density or one for each of several elements."""
    return len(triples(twojmax)) * densities**3


OPERATORS = Operators("bispectrum", Bispectrum, reference.forward)
forward = OPERATORS.forward
jacobian = OPERATORS.jacobian
vjp = OPERATORS.vjp
jvp = OPERATORS.jvp
