"""Symmetry functions in plain torch: any floating dtype, any device, any order of derivative.

The equations are those of :mod:`amptorch.kernels.symmetry_functions`, written down as they
stand, over lists of all pairs and of all triples. Slow and plain on purpose: it is what the
kernels are held against.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..environment import Environment
from .cutoff_functions import cutoff_function

if TYPE_CHECKING:
    from ..symmetry_functions import SymmetryFunctions


def forward(environment: Environment, functions: SymmetryFunctions) -> Tensor:
    """Fingerprints ``G`` [n_atoms, n_features] in the dtype of the vectors.

    Args:
        environment: of one or many frames.
        functions: the set of symmetry functions.
    """
    vectors = environment.vectors
    fingerprints = vectors.new_zeros(environment.n_atoms, functions.n_features)
    pairs, triples = _Pairs(environment), _Triples(environment)
    values = functions.values.to(vectors)
    for kind, rows in _groups(functions):
        features = functions.kinds[rows, 1].to(vectors.device)
        if kind[1] == 2:
            centers, terms = pairs.terms(kind, values[rows], functions)
        else:
            centers, terms = triples.terms(kind, values[rows], functions)
        block = vectors.new_zeros(environment.n_atoms, len(rows)).index_add(0, centers, terms)
        fingerprints = fingerprints.index_add(1, features, block * values[rows, 5])
    return fingerprints


def _groups(functions: SymmetryFunctions) -> list[tuple[tuple[int, ...], list[int]]]:
    """Rows by (species of centre, type, species of j, species of k)."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, (center, _, kind, j, k) in enumerate(functions.kinds.tolist()):
        groups.setdefault((center, kind, j, k), []).append(row)
    return list(groups.items())


class _Pairs:
    """All pairs, and the terms of G2 over them."""

    def __init__(self, environment: Environment) -> None:
        self.centers = environment.centers
        self.center_species = environment.species[self.centers]
        self.neighbor_species = environment.neighbor_species
        self.distances = environment.vectors.norm(dim=1)

    def terms(
        self, kind: tuple[int, ...], values: Tensor, functions: SymmetryFunctions
    ) -> tuple[Tensor, Tensor]:
        """Centres [n] and terms [n, n_functions] of the pairs that a group sums over."""
        chosen = (self.center_species == kind[0]) & (self.neighbor_species == kind[2])
        r = self.distances[chosen].unsqueeze(1)
        return self.centers[chosen], _weight(r, values, functions)


class _Triples:
    """All triples j < k around a common centre, and the terms of G4 and G5 over them."""

    def __init__(self, environment: Environment) -> None:
        self.vectors = environment.vectors
        self.centers = environment.centers
        self.center_species = environment.species[self.centers]
        self.neighbor_species = environment.neighbor_species
        self.j, self.k = _pairs_of_pairs(environment)

    def terms(
        self, kind: tuple[int, ...], values: Tensor, functions: SymmetryFunctions
    ) -> tuple[Tensor, Tensor]:
        """Centres [n] and terms [n, n_functions] of the triples that a group sums over."""
        j, k = self._chosen(kind)
        zeta, sign = values[:, 3:5].unbind(1)
        r_j, r_k = self.vectors[j], self.vectors[k]
        r_ij, r_ik = r_j.norm(dim=1, keepdim=True), r_k.norm(dim=1, keepdim=True)
        cosine = (r_j * r_k).sum(1, keepdim=True) / (r_ij * r_ik)
        weight = _weight(r_ij, values, functions) * _weight(r_ik, values, functions)
        if kind[1] == 4:
            r_jk = (r_k - r_j).norm(dim=1, keepdim=True)
            weight = weight * _weight(r_jk, values, functions)
        return self.centers[j], 2 * _power((1 + sign * cosine) / 2, zeta) * weight

    def _chosen(self, kind: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Triples whose centre and unordered pair of neighbours have the species of a group."""
        a, b = self.neighbor_species[self.j], self.neighbor_species[self.k]
        neighbors = ((a == kind[2]) & (b == kind[3])) | ((a == kind[3]) & (b == kind[2]))
        chosen = neighbors & (self.center_species[self.j] == kind[0])
        return self.j[chosen], self.k[chosen]


def _pairs_of_pairs(environment: Environment) -> tuple[Tensor, Tensor]:
    """Indices of both pairs of every triple, [n_triples] each, the first one smaller."""
    index = torch.arange(environment.n_pairs, device=environment.first.device)
    partners = environment.first[environment.centers + 1] - 1 - index
    j = torch.repeat_interleave(index, partners)
    before = partners.cumsum(0) - partners
    k = torch.arange(len(j), device=index.device) - before[j] + j + 1
    return j, k


def _weight(r: Tensor, values: Tensor, functions: SymmetryFunctions) -> Tensor:
    """w(r) [n, n_functions] of distances [n, 1]."""
    cutoff, eta, rs = values[:, :3].unbind(1)
    return torch.exp(-eta * (r - rs) ** 2) * cutoff_function(r, cutoff, functions)


def _power(base: Tensor, zeta: Tensor) -> Tensor:
    """``base**zeta`` for base >= 0 up to rounding.

    For a zeta that is not whole the derivatives of a power diverge at base 0, which is theta = 0
    or pi, while those of the whole function with respect to the vectors vanish for zeta > 1:
    there the power is taken as constant.
    """
    whole = zeta == zeta.round()
    safe = whole | (base > torch.finfo(base.dtype).tiny)
    power = torch.where(safe, base, torch.ones_like(base)) ** zeta
    return torch.where(safe, power, torch.zeros_like(base))
