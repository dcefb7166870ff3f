"""What keeps atoms apart in potentials of the atomic cluster expansion: two numbers of an atom.

    rho_i = sum_j v(r_ij),    f_i in [0, 1], how much of the expansion counts

with v of three kinds (``KINDS``), P(t; t0, d) a polynomial step from 1 at t0 - d to 0 at t0,

    x = 1 - 2 (1 + (t - t0)/d),   P = 1/2 + 15/4 (x/4 - x^3/6 + x^5/20):

    density   v = |a| exp(-|b| r^2)/r (1 + cos(pi r/rc))/2,   f = P(rho; rho_cut, drho_cut)
    distance  that times P(r; r_in, d_in),                    f likewise
    zbl       v = a K/2 Z_i Z_j (phi(r/s)/r + S(r)) P(r; rc, D), the universal function of J. F.
              Ziegler, J. P. Biersack, U. Littmark, The Stopping and Range of Ions in Solids (1985),
              with S that takes it, its slope and its curvature to 0 at rc;
              f = P(r_in - r; d_in, d_in) of the neighbour of the smallest r - (r_in - d_in)

rc, D, a, b, r_in and d_in belong to a pair of elements, rho_cut and drho_cut to an element. Where f
follows from rho the second number is 1: it says f for zbl alone.

Operations, on an :class:`Environment`: ``forward`` (rho, f) [n_atoms, 2]; ``vjp`` and ``jvp`` are
its products with slopes. All are in plain torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import pi

import torch
from torch import Tensor

from .backends import Reference
from .environment import Environment
from .reference.spherical_expansion import step

KINDS = ("density", "distance", "zbl")
COULOMB = 14.399645351950543
"""e^2/(4 pi epsilon_0), eV Å."""
# Where the Gaussian of a repulsion ends.
HIGHEST_EXPONENT = 50.0
SCREENING = ((0.18175, 3.1998), (0.50986, 0.94229), (0.28022, 0.4029), (0.02817, 0.20162))


@dataclass(frozen=True)
class CoreRepulsion:
    """Attributes:
    kind: place in ``KINDS``.
    charges: [n_species], Z.
    values: [n_species, n_species, 6], float64: rc, D (Å), a, b (1/Å^2), r_in, d_in (Å).
    """

    kind: int
    charges: Tensor
    values: Tensor
    n_features: int = 2

    @property
    def acts(self) -> bool:
        """Whether the two are not 0 and 1 everywhere."""
        return bool(self.values[:, :, 2].any()) or KINDS[self.kind] == "zbl"

    @cached_property
    def reach(self) -> float:
        """Å, from where on no pair counts."""
        cutoffs, inner = self.values[:, :, 0], self.values[:, :, 4]
        ends = torch.minimum(cutoffs, inner) if KINDS[self.kind] == "distance" else cutoffs
        return float(ends.max())

    def touch(self) -> Tensor:
        """[n_species, n_species, 2]: both, by any neighbour."""
        n = len(self.charges)
        return torch.arange(2).expand(n, n, 2).contiguous()


def _forward(environment: Environment, parameters: CoreRepulsion) -> Tensor:
    if not parameters.acts:
        return environment.vectors.new_tensor([[0.0, 1.0]]).expand(environment.n_atoms, 2)
    lengths = environment.vectors.detach().norm(dim=1)
    near = (lengths < parameters.reach).nonzero()[:, 0]
    r = environment.vectors[near].norm(dim=1)
    centers, n_atoms = environment.centers[near], environment.n_atoms
    own, other = environment.species[centers], environment.neighbor_species[near]
    values = parameters.values.to(r)[own, other]
    charges = parameters.charges.to(r)
    terms = _pair_terms(KINDS[parameters.kind], r, values, charges[own], charges[other])
    density = r.new_zeros(n_atoms).index_add(0, centers, terms)
    if KINDS[parameters.kind] != "zbl":
        return torch.stack([density, torch.ones_like(density)], 1)
    return torch.stack([density, _nearest(r, values, centers, n_atoms)], 1)


def _pair_terms(kind: str, r: Tensor, values: Tensor, z1: Tensor, z2: Tensor) -> Tensor:
    """v [n_pairs]"""
    cutoff, width, prefactor, exponent, inner, inner_width = values.unbind(1)
    near = (r < cutoff) & (prefactor != 0)
    inside = torch.where(near, r, 0.5 * cutoff)
    if kind == "zbl":
        terms = prefactor * _screened(inside, cutoff, width, z1, z2) * step(inside, cutoff, width)
        return torch.where(near, terms, 0.0)
    square = exponent.abs() * inside**2
    fade = 0.5 * (1 + torch.cos(pi * inside / cutoff))
    terms = prefactor.abs() * torch.exp(-square) / inside * fade
    if kind == "distance":
        terms = terms * step(inside, inner, inner_width)
    return torch.where(near & (square < HIGHEST_EXPONENT), terms, 0.0)


def _screened(r: Tensor, cutoff: Tensor, width: Tensor, z1: Tensor, z2: Tensor) -> Tensor:
    """K/2 Z_i Z_j (phi(r/s)/r + S(r))"""
    length = 0.4685 / (z1**0.23 + z2**0.23)
    value, slope, curvature = _screened_coulomb(cutoff, length)
    t = (r - cutoff + width).clamp(min=0)
    a = (-3 * slope + width * curvature) / width**2
    b = (2 * slope - width * curvature) / width**3
    c = -value + width * slope / 2 - width**2 * curvature / 12
    smooth = c + a / 3 * t**3 + b / 4 * t**4
    return 0.5 * COULOMB * z1 * z2 * (_screened_coulomb(r, length)[0] + smooth)


def _screened_coulomb(r: Tensor, length: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """phi(r/s)/r, its slope and its curvature."""
    phi, slope, curvature = (torch.zeros_like(r) for _ in range(3))
    for share, rate in SCREENING:
        term = share * torch.exp(-rate * r / length)
        phi = phi + term
        slope = slope - rate / length * term
        curvature = curvature + (rate / length) ** 2 * term
    second = curvature / r - 2 * slope / r**2 + 2 * phi / r**3
    return phi / r, slope / r - phi / r**2, second


def _nearest(r: Tensor, values: Tensor, centers: Tensor, n_atoms: int) -> Tensor:
    """f [n_atoms] of kind zbl; 1 without neighbours."""
    inner, width = values[:, 4], values[:, 5]
    gaps = torch.where(r < values[:, 0], (r - inner + width).detach(), torch.inf)
    least = gaps.new_full((n_atoms,), torch.inf)
    least = least.scatter_reduce(0, centers, gaps, "amin")
    chosen = torch.nonzero((gaps == least[centers]) & gaps.isfinite()).flatten()
    # Of several that are equally near one counts.
    places = torch.full((n_atoms,), -1, device=r.device).scatter(0, centers[chosen], chosen)
    found = places >= 0
    pairs = places.clamp(min=0)
    if not len(r):
        return r.new_ones(n_atoms)
    return torch.where(found, step(inner[pairs] - r[pairs], width[pairs], width[pairs]), 1.0)


_OPERATIONS = Reference(_forward)
forward = _forward
vjp = _OPERATIONS.vjp
jvp = _OPERATIONS.jvp
jacobian = _OPERATIONS.jacobian
