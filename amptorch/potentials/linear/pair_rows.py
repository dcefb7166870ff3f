"""Sums over pairs that rows of forces and virials are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...data.frame import AtomsBatch
from ...data.primes import JacobianBatch, OnTheFly, PairJacobian
from ...kernels.environment import split


@dataclass
class Blocks:
    """Slopes of the features of a frame, or of frames laid one after the other.

    Attributes:
        slopes: [n_pairs, n_features, 3], dG_i/dR_ij.
        factors: [n_atoms, n_features], what those of each atom i are to be multiplied by.
        vectors: [n_pairs, 3], R_ij, Å.
        centers, neighbors: [n_pairs], i and j.
        n_atoms: number of atoms.
    """

    slopes: Tensor
    factors: Tensor
    vectors: Tensor
    centers: Tensor
    neighbors: Tensor
    n_atoms: int

    def by_element(self, species: Tensor, n_elements: int) -> tuple[Tensor, Tensor]:
        """Slopes, and factors [n_elements, n_features] of their sums over the neighbours of atoms
        of an element: sums are far fewer. Atoms of an element that differ have their slopes
        multiplied, and factors of 1."""
        shared = self.factors.new_ones((n_elements, self.factors.shape[1]))
        shared[species] = self.factors
        if torch.equal(shared[species], self.factors):
            return self.slopes, shared
        return self.slopes * self.factors[self.centers][:, :, None], torch.ones_like(shared)


def blocks_of(batch: AtomsBatch) -> Iterator[Blocks] | None:
    """Those of the frames of a batch, one after the other; None where its primes have no pairs.

    Primes that are not stored are computed frame by frame, as slopes of one frame stay in a cache.
    """
    primes = batch.primes
    assert primes is not None, "forces need images converted with primes"
    if isinstance(primes, OnTheFly):
        return map(_blocks, _computed(primes, batch.natoms.tolist()))
    if isinstance(primes, JacobianBatch):
        return map(_blocks, primes.parts)
    return iter([_blocks(primes)]) if isinstance(primes, PairJacobian) else None


def _computed(primes: OnTheFly, sizes: Sequence[int]) -> Iterator[PairJacobian]:
    descriptor, touch = primes.descriptor, primes.descriptor.touch.to(primes.factors.device)
    parts = zip(split(primes.environment, sizes), primes.factors.split(sizes), strict=True)
    for environment, factors in parts:
        yield PairJacobian(environment, factors, descriptor.jacobian(environment)[1], touch)


def _blocks(primes: PairJacobian) -> Blocks:
    environment = primes.environment
    pairs = environment.vectors, environment.centers, environment.neighbors
    return Blocks(_all_features(primes), primes.factors, *pairs, environment.n_atoms)


def _all_features(primes: PairJacobian) -> Tensor:
    """[n_pairs, n_features, 3] of blocks that leave out what a neighbour does not change."""
    environment, n_features = primes.environment, primes.factors.shape[1]
    same = torch.arange(n_features, device=primes.touch.device)
    if primes.touch.shape[-1] == n_features and bool((primes.touch == same).all()):
        return primes.values
    centers = environment.centers
    columns = primes.touch[environment.species[centers], environment.neighbor_species]
    # Features that no neighbour of this element changes lie in one more column, cut off.
    spare = torch.where(columns < 0, n_features, columns)[:, :, None].expand_as(primes.values)
    dense = primes.values.new_zeros((len(centers), n_features + 1, 3))
    return dense.scatter_(1, spare, primes.values)[:, :-1]


def products(left: Tensor | None, right: Tensor, groups: Tensor, n_groups: int) -> Tensor:
    """Sums [n_groups, a, b] of left (x) right over the members of each group.

    Args:
        left: [n, a], or None: [n, 1] of ones.
        right: [n, b].
        groups: [n], the group of each.
        n_groups: their number.
    """
    if left is None:
        return right.new_zeros((n_groups, right.shape[1])).index_add_(0, groups, right)[:, None]
    order = torch.argsort(groups, stable=True)
    groups = groups[order]
    counts = torch.bincount(groups, minlength=n_groups)
    starts = counts.cumsum(0) - counts
    places = torch.arange(len(groups), device=groups.device) - starts[groups]
    # Padded to the largest group, so that matrix products do the sums.
    size = (n_groups, int(counts.max()) if len(groups) else 0)
    padded = [each.new_zeros((*size, each.shape[1])) for each in (left, right)]
    for values, each in zip(padded, (left, right), strict=True):
        values[groups, places] = each[order]
    return padded[0].transpose(1, 2) @ padded[1]
