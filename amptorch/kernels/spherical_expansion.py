"""The density of the neighbours of an atom in radial functions and spherical harmonics.

    A_(mu k l m)(i) = sum over neighbours j of element mu of f_k(r_ij) Y_lm(R_ij / r_ij),

with R_ij = r_j - r_i. It has nothing that is trained: what NEP (Z. Fan et al., Phys. Rev. B 104,
104309 (2021)) and ACE (R. Drautz, Phys. Rev. B 99, 014104 (2019)) train of radial functions is
linear, sum_k c_k f_k, and so comes out of the sum over neighbours.

Y_lm are the real spherical harmonics, orthonormal, without the phase of Condon and Shortley: with
P_l the Legendre polynomials and (C_m + i S_m) = (x + i y)^m of the unit vector (x, y, z),

    Y_l0 = n_l0 P_l(z),   Y_l(+m) = n_lm C_m d^m P_l/dz^m,   Y_l(-m) = n_lm S_m d^m P_l/dz^m,
    n_lm^2 = (2 - [m = 0]) (2l + 1)/(4 pi) (l - m)!/(l + m)!,

so that Y_1m is y, z, x times sqrt(3/(4 pi)).

A set has parts, each of K radial functions and harmonics of l_min to l_max. The radial functions of
a part are of one kind for each ordered pair of elements, with cutoff rc, and zero from rc on (to
which all but cheb_linear fall smoothly). T_n are Chebyshev polynomials, s = r/rc,
F(s) = (1 + cos(pi s))/2, k counts from 0:

    nep           x = 2 (s - 1)^2 - 1;  f_0 = F,  f_k = (T_k(x) + 1)/2 F
    sbessel       g_0 = b_0,  g_k = (b_k + sqrt(e_k/d_(k-1)) g_(k-1))/sqrt(d_k),
                  b_n = (-1)^n sqrt(2) pi rc^(-3/2) (n+1)(n+2)/sqrt((n+1)^2 + (n+2)^2)
                        (sinc((n+1) pi s) + sinc((n+2) pi s)),
                  e_n = n^2 (n+2)^2/(4 (n+1)^4 + 1),  d_0 = 1,  d_n = 1 - e_n/d_(n-1)
    cheb_exp_cos  x = 1 - 2 (exp(-lambda s) - exp(-lambda))/(1 - exp(-lambda));
                  h_0 = 1,  h_k = (1 - T_k(x))/2;  f_k = h_k F(s), and for r > rc - D times
                  F((r - rc + D)/D)
    cheb_pow      x = 1 - 2 (1 - s)^lambda;  f_k = (1 - T_(k+1)(x))/2
    cheb_linear   x = 1 - s;  f_k = (1 - T_(k+1)(x))/2

With an inner cutoff all f_k are multiplied by 1 - P(r), with the polynomial

    P = 1/2 + 15/4 (x/4 - x^3/6 + x^5/20),   x = 1 - 2 (1 + (r - r_in)/d_in),

from 1 for r <= r_in - d_in to 0 for r >= r_in.

Operations, all on an :class:`Environment` of one or many frames, on the device of its vectors:

    forward   A        [n_atoms, n_features]
    vjp       dE/dR_ij [n_pairs, 3]           from dE/dA [n_atoms, n_features]
    jvp       dA       [n_atoms, n_features]  from dR_ij [n_pairs, 3]

A Jacobian is not made: each of its many entries is a product of a few numbers of a pair.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .backends import Cpp
from .environment import Environment
from .operators import Operators
from .reference import spherical_expansion as reference

KINDS = reference.KINDS
"""Of radial functions; a set names them by their places here."""
HIGHEST_L = 8
MOST_FUNCTIONS = 64
"""Radial functions of a part."""


@dataclass(frozen=True)
class SphericalExpansion:
    """A set of expansions as the kernels read it.

    Attributes:
        parts: [n_parts, 3], int64: K, l_min, l_max.
        kinds: [n_parts, n_species, n_species], int64, places in ``KINDS``, by the elements of
            centre and neighbour.
        values: [n_parts, n_species, n_species, 3 or 5], float64: rc (Å), lambda, D (Å); what a
            kind does not read is 0. Behind them, where there is an inner cutoff, r_in and d_in (Å).
        n_species: number of elements.
        n_features: number of columns, ``n_species`` times :func:`count`: by element of the
            neighbour, part, k, l, and m from -l to l.
    """

    parts: Tensor
    kinds: Tensor
    values: Tensor
    n_species: int
    n_features: int

    def __post_init__(self) -> None:
        n = (len(self.parts), self.n_species, self.n_species)
        for name, shape, dtype in (
            ("parts", (n[0], 3), torch.int64),
            ("kinds", n, torch.int64),
            ("values", (*n, 5 if self.has_inner else 3), torch.float64),
        ):
            table = getattr(self, name)
            if table.shape != shape or table.dtype != dtype:
                raise ValueError(
                    f"{name}: expected shape {tuple(shape)} and {dtype}, got shape "
                    f"{tuple(table.shape)} and {table.dtype}"
                )
        _check(self.parts, self.kinds, self.values)
        features = self.n_species * count(self.parts)
        if self.n_features != features:
            raise ValueError(f"n_features: expected {features}, got {self.n_features}")

    @property
    def has_inner(self) -> bool:
        """Whether there is an inner cutoff."""
        return self.values.shape[-1] == 5

    def touch(self) -> Tensor:
        """[n_species, n_species, n_touched], int64: the features of a centre (first index) that
        a neighbour of the second species can change: those of its element."""
        columns = torch.arange(self.n_features).view(self.n_species, -1)
        return columns.expand(self.n_species, -1, -1).contiguous()


def count(parts: Tensor) -> int:
    """Columns for one element of neighbours."""
    return sum(k * harmonics(lowest, highest) for k, lowest, highest in parts.tolist())


def harmonics(lowest: int, highest: int) -> int:
    """Number of Y_lm with l from the lowest to the highest."""
    return (highest + 1) ** 2 - lowest**2


def _check(parts: Tensor, kinds: Tensor, values: Tensor) -> None:
    for number, lowest, highest in parts.tolist():
        if not 1 <= number <= MOST_FUNCTIONS:
            raise ValueError(f"parts: expected 1 to {MOST_FUNCTIONS} functions, got {number}")
        if not 0 <= lowest <= highest <= HIGHEST_L:
            raise ValueError(
                f"parts: expected 0 <= l_min <= l_max <= {HIGHEST_L}, got {lowest} and {highest}"
            )
    if not ((kinds >= 0) & (kinds < len(KINDS))).all():
        raise ValueError(f"kinds: expected 0 to {len(KINDS) - 1}, got {kinds.tolist()}")
    if not (values[..., 0] > 0).all():
        raise ValueError(f"values: expected cutoffs > 0, got {values[..., 0].tolist()}")


_CPP = Cpp("spherical_expansion")
OPERATORS = Operators(
    "spherical_expansion", SphericalExpansion, reference.forward, native=_CPP, stored=False
)
forward = OPERATORS.forward
jacobian = OPERATORS.jacobian
vjp = OPERATORS.vjp
jvp = OPERATORS.jvp


class Rows:
    """``vjp`` and ``jvp`` of the kernel in C++ on rows of features that have more columns behind
    those of the expansion, so that they need not be copied; autograd records nothing of them.

    Args:
        environment: on the CPU, in a precision of ``COMPILED``.
        expansion: of the first columns.
    """

    def __init__(self, environment: Environment, expansion: SphericalExpansion) -> None:
        vectors = environment.vectors.detach().contiguous()
        self._environment, self._expansion = environment.with_vectors(vectors), expansion

    def vjp(self, gradient: Tensor) -> Tensor:
        """dE/dR_ij [n_pairs, 3] from dE/dA, in the first columns of [n_atoms, n]."""
        pulled = torch.empty_like(self._environment.vectors)
        self._run("vjp", gradient.shape[1], gradient.detach().contiguous(), pulled)
        return pulled

    def jvp(self, changes: Tensor, features: Tensor) -> None:
        """Write dA from dR_ij [n_pairs, 3] into the first columns of ``features`` [n_atoms, n]."""
        self._run("jvp", features.shape[1], changes.detach().contiguous(), features)

    def _run(self, operation: str, n_columns: int, *arrays: Tensor) -> None:
        wide = _Wide(**{**vars(self._expansion), "n_features": n_columns})
        _CPP.run(operation, self._environment, wide, *arrays)


class _Wide(SphericalExpansion):
    """With columns that the kernel leaves alone."""

    def __post_init__(self) -> None:
        return None
