"""GMP fingerprints in plain torch: the Cartesian sums as they stand in ``kernels/gmp.py``.

Every component of every order is formed, so nothing here shares a formula with the harmonics that
the compiled kernel sums. Differentiable as often as needed, on any device, in any precision.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from math import comb, factorial, prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..environment import Environment

if TYPE_CHECKING:
    from ..gmp import GaussianMultipoles

Exponents = tuple[int, int, int]


def forward(environment: Environment, multipoles: GaussianMultipoles) -> Tensor:
    """Fingerprints, [n_atoms, n_features], see :func:`amptorch.kernels.gmp.forward`."""
    vectors = environment.vectors
    features = vectors.new_zeros(environment.n_atoms, multipoles.n_features)
    for order in multipoles.orders.unique().tolist():
        columns = (multipoles.orders == order).nonzero().squeeze(1)
        moments = _order_moments(environment, multipoles, order, columns)
        features[:, columns.to(vectors.device)] = _norms(moments, multipoles, order, columns)
    return features


@cache
def components(order: int) -> tuple[Exponents, ...]:
    """Exponents (n1, n2, n3) of all components of an order, in reverse lexicographic order."""
    candidates = product(range(order, -1, -1), repeat=3)
    return tuple((i, j, k) for i, j, k in candidates if i + j + k == order)


@cache
def permutation_groups(order: int) -> tuple[tuple[Exponents, ...], ...]:
    """The components of an order by group: those whose exponents are permutations of each other,
    groups by descending exponents: 300, 210, 111 for order 3."""
    heads = [n for n in components(order) if n[0] >= n[1] >= n[2]]
    return tuple(
        tuple(n for n in components(order) if sorted(n, reverse=True) == list(head))
        for head in heads
    )


def _order_moments(
    environment: Environment, multipoles: GaussianMultipoles, order: int, columns: Tensor
) -> Tensor:
    """mu_n of the features ``columns``, all of one order: [n_atoms, n_columns, n_components]."""
    own = environment.vectors.new_zeros(environment.n_atoms, 3)
    atoms = torch.arange(environment.n_atoms, device=own.device)
    vectors = torch.cat([environment.vectors, own])
    species = torch.cat([environment.neighbor_species, environment.species])
    weights, contraction, variance = _overlaps(vectors, species, multipoles, columns)
    if multipoles.solid:
        radial = (weights * contraction**order).sum(-1)
        terms = radial[:, :, None] * _solid_harmonics(vectors, order)[:, None, :]
    else:
        scale = multipoles.inverse_rs[columns].to(vectors)
        terms = _surface_terms(vectors, order, weights, contraction, variance, scale)
    centers = torch.cat([environment.centers, atoms])
    moments = terms.new_zeros(environment.n_atoms, *terms.shape[1:])
    return moments.index_add(0, centers, terms)


def _overlaps(
    vectors: Tensor, species: Tensor, multipoles: GaussianMultipoles, columns: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """w, lambda and 1/(2 gamma) of every neighbour, feature and Gaussian: [n, n_columns, n_g]."""
    sigmas, prefactors = (
        values[columns][None, :, None].to(vectors)
        for values in (multipoles.sigmas, multipoles.prefactors)
    )
    height, beta = multipoles.densities.to(vectors)[species].unbind(-1)
    height, beta = height[:, None, :], beta[:, None, :]
    alpha = 1 / (2 * sigmas**2)
    gamma = alpha + beta
    square = (vectors**2).sum(-1)[:, None, None]
    weights = prefactors * height * (torch.pi / gamma) ** 1.5
    weights = weights * torch.exp(-alpha * beta / gamma * square)
    return weights, beta / gamma, 1 / (2 * gamma)


def _terms(exponents: Exponents) -> Iterator[tuple[int, int, Exponents]]:
    """Terms of H_n: coefficient, s and the exponents n - 2m that remain."""
    order = sum(exponents)
    for m in product(*(range(n // 2 + 1) for n in exponents)):
        s = sum(m)
        pairings = prod(
            factorial(n) // (factorial(k) * factorial(n - 2 * k) * 2**k)
            for n, k in zip(exponents, m, strict=True)
        )
        left = tuple(n - 2 * k for n, k in zip(exponents, m, strict=True))
        yield (-1) ** s * _odd_product(2 * (order - s) - 1) * pairings, s, left  # type: ignore


def _odd_product(n: int) -> int:
    return prod(range(n, 1, -2))


def _solid_harmonics(vectors: Tensor, order: int) -> Tensor:
    """H_n of every vector and component: [n, n_components]."""
    powers = _powers(vectors, order)
    squares = _powers((vectors**2).sum(-1), order // 2)
    columns = []
    for exponents in components(order):
        harmonic = torch.zeros_like(vectors[:, 0])
        for coefficient, s, (i, j, k) in _terms(exponents):
            monomial = powers[i][:, 0] * powers[j][:, 1] * powers[k][:, 2]
            harmonic = harmonic + coefficient * monomial * squares[s]
        columns.append(harmonic)
    return torch.stack(columns, -1)


def _surface_terms(
    vectors: Tensor,
    order: int,
    weights: Tensor,
    contraction: Tensor,
    variance: Tensor,
    inverse_rs: Tensor,
) -> Tensor:
    """Summands of mu_n with a constant in the place of r^(2s): [n, n_columns, n_components]."""
    x, y, z = (
        _gaussian_moments(contraction * coordinate[:, None, None], variance, order)
        for coordinate in vectors.unbind(-1)
    )
    columns = []
    for exponents in components(order):
        total = torch.zeros_like(weights[..., 0])
        for coefficient, s, (i, j, k) in _terms(exponents):
            moment = (weights * x[i] * y[j] * z[k]).sum(-1)
            total = total + coefficient * moment * inverse_rs ** (order - 2 * s)
        columns.append(total)
    return torch.stack(columns, -1)


def _gaussian_moments(mean: Tensor, variance: Tensor, order: int) -> list[Tensor]:
    """P_k = <x^k> of a Gaussian for k up to ``order``: P_(k+1) = mean P_k + k variance P_(k-1)."""
    moments = [torch.ones_like(mean), mean]
    for k in range(1, order):
        moments.append(mean * moments[k] + k * variance * moments[k - 1])
    return moments[: order + 1]


def _powers(base: Tensor, highest: int) -> list[Tensor]:
    powers = [torch.ones_like(base)]
    for _ in range(highest):
        powers.append(powers[-1] * base)
    return powers


def _norms(moments: Tensor, multipoles: GaussianMultipoles, order: int, columns: Tensor) -> Tensor:
    """Features from the components of one order: [n_atoms, n_columns]."""
    groups = multipoles.groups[columns].tolist()
    weights = moments.new_tensor([_component_weights(order, group) for group in groups])
    squares = (weights * moments**2).sum(-1)
    if multipoles.square:
        return squares
    signed = [group > 0 and len(permutation_groups(order)[group - 1]) == 1 for group in groups]
    roots = safe_sqrt(squares)
    return torch.where(moments.new_tensor(signed).bool(), (weights * moments).sum(-1), roots)


def _component_weights(order: int, group: int) -> list[float]:
    if group == 0:
        return [float(_multinomial(n)) for n in components(order)]
    members = permutation_groups(order)[group - 1]
    return [float(n in members) for n in components(order)]


def _multinomial(exponents: Exponents) -> int:
    return comb(sum(exponents), exponents[0]) * comb(sum(exponents[1:]), exponents[1])


def safe_sqrt(squares: Tensor) -> Tensor:
    """Square root whose derivatives of all orders are zero where the root is within
    sqrt(machine epsilon) of zero: there the direction of the derivative is rounding noise."""
    steep = squares > torch.finfo(squares.dtype).eps
    root = torch.where(steep, squares, 1.0).sqrt()
    return torch.where(steep, root, squares.detach().sqrt())
