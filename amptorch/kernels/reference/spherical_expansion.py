"""Spherical expansions in plain torch: any floating dtype, any device, any order of derivative.

The equations are those of :mod:`amptorch.kernels.spherical_expansion`, written down as they stand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..environment import Environment

if TYPE_CHECKING:
    from ..spherical_expansion import SphericalExpansion


def forward(environment: Environment, expansion: SphericalExpansion) -> Tensor:
    """A [n_atoms, n_features] in the dtype of the vectors.

    Args:
        environment: of one or many frames.
        expansion: the set of expansions.
    """
    vectors, species = environment.vectors, environment.neighbor_species
    r = vectors.norm(dim=1)
    units = vectors / r[:, None]
    rows = environment.centers * expansion.n_species + species
    sums = []
    for part, (_, lowest, highest) in enumerate(expansion.parts.tolist()):
        functions = functions_of(expansion, part, environment, r)
        products = functions[:, :, None] * harmonics(units, highest)[:, None, lowest**2 :]
        n_rows = environment.n_atoms * expansion.n_species
        zeros = r.new_zeros(n_rows, *products.shape[1:])
        sums.append(zeros.index_add(0, rows, products).flatten(1))
    return torch.cat(sums, 1).view(environment.n_atoms, -1)


def functions_of(
    expansion: SphericalExpansion, part: int, environment: Environment, r: Tensor
) -> Tensor:
    """f_k [n_pairs, K] of a part at the distances r [n_pairs] of the pairs."""
    own, species = environment.species[environment.centers], environment.neighbor_species
    number = int(expansion.parts[part, 0])
    kinds = expansion.kinds[part].to(r.device)[own, species]
    values = expansion.values[part].to(r)[own, species]
    functions = r.new_zeros(len(r), number)
    for kind, name in enumerate(KINDS):
        if bool((kinds == kind).any()):
            found = radial(name, r, values, number)
            functions = torch.where((kinds == kind)[:, None], found, functions)
    return functions


def harmonics(units: Tensor, highest: int) -> Tensor:
    """Y_lm [n, (highest + 1)^2] of unit vectors [n, 3]."""
    x, y, z = units.unbind(1)
    cosines, sines = [torch.ones_like(x)], [torch.zeros_like(x)]
    for _ in range(highest):
        c, s = cosines[-1], sines[-1]
        cosines.append(x * c - y * s)
        sines.append(x * s + y * c)
    columns = []
    for order in range(highest + 1):
        for m in range(-order, order + 1):
            legendre = slope_of_legendre(order, abs(m), z)
            columns.append(
                norm(order, abs(m)) * legendre * (cosines[m] if m >= 0 else sines[abs(m)])
            )
    return torch.stack(columns, 1)


def norm(order: int, m: int) -> float:
    """n_lm"""
    ratio = math.factorial(order - m) / math.factorial(order + m)
    return math.sqrt((2 if m else 1) * (2 * order + 1) / (4 * math.pi) * ratio)


def slope_of_legendre(order: int, m: int, z: Tensor) -> Tensor:
    """d^m P_l/dz^m from the coefficients of P_l."""
    total = torch.zeros_like(z)
    for k in range(order // 2 + 1):
        power = order - 2 * k
        if power < m:
            continue
        factor = (-1) ** k * math.comb(order, k) * math.comb(2 * order - 2 * k, order)
        total = total + factor / 2**order * math.perm(power, m) * z ** (power - m)
    return total


def radial(kind: str, r: Tensor, values: Tensor, number: int) -> Tensor:
    """f_k [n, number] of a kind, of distances r [n] with ``values`` [n, 3 or 5]."""
    near = r < values[:, 0]
    # Beyond the cutoff any finite number does.
    inside = torch.where(near, r, 0.5 * values[:, 0])
    found = _FUNCTIONS[kind](inside, values[:, 0], values[:, 1], values[:, 2], number)
    columns = torch.stack(found, 1)
    if values.shape[1] > 3:
        columns = columns * (1 - step(inside, values[:, 3], values[:, 4]))[:, None]
    return torch.where(near[:, None], columns, 0.0)


def step(t: Tensor, end: Tensor, width: Tensor) -> Tensor:
    """P(t), a polynomial from 1 at end - width to 0 at end."""
    x = 1 - 2 * (1 + (t - end) / torch.where(width > 0, width, 1.0))
    inside = 0.5 + 3.75 * (x / 4 - x**3 / 6 + x**5 / 20)
    return torch.where(t <= end - width, 1.0, torch.where(t >= end, 0.0, inside))


def _nep(r: Tensor, cutoff: Tensor, _: Tensor, __: Tensor, number: int) -> list[Tensor]:
    fade = _fade(r / cutoff)
    x = 2 * (r / cutoff - 1) ** 2 - 1
    return [fade, *((t + 1) / 2 * fade for t in _chebyshev(x, number)[1:])]


def _sbessel(r: Tensor, cutoff: Tensor, _: Tensor, __: Tensor, number: int) -> list[Tensor]:
    columns: list[Tensor] = []
    d = 1.0
    for n in range(number):
        size = (-1) ** n * math.sqrt(2) * math.pi * (n + 1) * (n + 2) / math.hypot(n + 1, n + 2)
        # torch's sinc has pi in it.
        b = torch.sinc((n + 1) * r / cutoff) + torch.sinc((n + 2) * r / cutoff)
        b = size * cutoff**-1.5 * b
        if n:
            e = n**2 * (n + 2) ** 2 / (4 * (n + 1) ** 4 + 1)
            b, d = b + math.sqrt(e / d) * columns[-1], 1 - e / d
        columns.append(b / math.sqrt(d))
    return columns


def _cheb_exp_cos(
    r: Tensor, cutoff: Tensor, steepness: Tensor, width: Tensor, number: int
) -> list[Tensor]:
    last = torch.exp(-steepness)
    x = 1 - 2 * (torch.exp(-steepness * r / cutoff) - last) / (1 - last)
    end = (r - cutoff + width) / torch.where(width > 0, width, 1.0)
    fade = _fade(r / cutoff) * torch.where(end > 0, _fade(end.clamp(min=0)), 1.0)
    return [fade, *((1 - t) / 2 * fade for t in _chebyshev(x, number)[1:])]


def _cheb_pow(r: Tensor, cutoff: Tensor, power: Tensor, _: Tensor, number: int) -> list[Tensor]:
    x = 1 - 2 * (1 - r / cutoff) ** power
    return [(1 - t) / 2 for t in _chebyshev(x, number + 1)[1:]]


def _cheb_linear(r: Tensor, cutoff: Tensor, _: Tensor, __: Tensor, number: int) -> list[Tensor]:
    return [(1 - t) / 2 for t in _chebyshev(1 - r / cutoff, number + 1)[1:]]


def _fade(s: Tensor) -> Tensor:
    return (1 + torch.cos(torch.pi * s)) / 2


def _chebyshev(x: Tensor, number: int) -> list[Tensor]:
    """T_0 to T_(number - 1)."""
    values = [torch.ones_like(x), x]
    while len(values) < number:
        values.append(2 * x * values[-1] - values[-2])
    return values[:number]


Radial = Callable[[Tensor, Tensor, Tensor, Tensor, int], list[Tensor]]
_FUNCTIONS: dict[str, Radial] = {
    "nep": _nep,
    "sbessel": _sbessel,
    "cheb_exp_cos": _cheb_exp_cos,
    "cheb_pow": _cheb_pow,
    "cheb_linear": _cheb_linear,
}
KINDS = tuple(_FUNCTIONS)
