"""Sums over pairs that rows of forces and virials are made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...data.frame import AtomsBatch
from ...data.primes import JacobianBatch, OnTheFly, PairJacobian


@dataclass
class Blocks:
    """Slopes of the features of a batch.

    Attributes:
        slopes: [n_pairs, n_features, 3], dG_i/dR_ij.
        vectors: [n_pairs, 3], R_ij, Å.
        centers, neighbors: [n_pairs], i and j.
    """

    slopes: Tensor
    vectors: Tensor
    centers: Tensor
    neighbors: Tensor


def blocks_of(batch: AtomsBatch) -> Blocks | None:
    """Those of a batch; None where its primes have no pairs."""
    primes = batch.primes
    assert primes is not None, "forces need images converted with primes"
    if isinstance(primes, JacobianBatch):
        primes = primes.joined()
    if isinstance(primes, OnTheFly):
        _, values = primes.descriptor.jacobian(primes.environment)
        touch = primes.descriptor.touch.to(values.device)
        primes = PairJacobian(primes.environment, primes.factors, values, touch)
    return _blocks(primes) if isinstance(primes, PairJacobian) else None


def _blocks(primes: PairJacobian) -> Blocks:
    environment, factors = primes.environment, primes.factors
    centers, neighbors = environment.centers, environment.neighbors
    columns = primes.touch[environment.species[centers], environment.species[neighbors]]
    # Features that no neighbour of this element changes lie in one more column, cut off.
    spare = torch.where(columns < 0, factors.shape[1], columns)[:, :, None].expand_as(primes.values)
    dense = primes.values.new_zeros((len(centers), factors.shape[1] + 1, 3))
    slopes = dense.scatter_(1, spare, primes.values)[:, :-1] * factors[centers][:, :, None]
    return Blocks(slopes, environment.vectors, centers, neighbors)


def products(left: Tensor, right: Tensor, groups: Tensor, n_groups: int) -> Tensor:
    """Sums [n_groups, a, b] of left (x) right over the members of each group.

    Args:
        left: [n, a].
        right: [n, b].
        groups: [n], the group of each.
        n_groups: their number.
    """
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


def voigt(matrices: Tensor) -> Tensor:
    """[n, K, 6], in the order xx yy zz yz xz xy, of matrices [n, 3, K, 3], the off-diagonal
    entries averaged."""
    symmetric = 0.5 * (matrices + matrices.transpose(1, 3))
    return symmetric[:, [0, 1, 2, 1, 0, 0], :, [0, 1, 2, 2, 2, 1]].permute(1, 2, 0)
