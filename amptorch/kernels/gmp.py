"""Gaussian multipole (GMP) fingerprints of an environment.

X. Lei and A. J. Medford, J. Phys. Chem. Lett. 13, 7911 (2022). Every element has a pseudodensity
rho(r) = sum_g B_g exp(-beta_g r^2). The fingerprint measures the sum of the densities around an
atom, its own included, with probes A exp(-alpha r^2), alpha = 1/(2 sigma^2), times a multipole.
The overlap of a probe with Gaussian g of neighbour j is

    w_jg = A B_g (pi/gamma)^(3/2) exp(-alpha beta_g / gamma r_ij^2),  gamma = alpha + beta_g,

a Gaussian about lambda R_ij, lambda = beta_g/gamma, with variance 1/(2 gamma) along each axis. The
components of order l = n1 + n2 + n3 are the Cartesian harmonics

    H_n(R) = sum_m (-1)^s (2l-2s-1)!! prod_i n_i!/(m_i! (n_i-2m_i)! 2^m_i) R^(n-2m) r^(2s),
             s = m1 + m2 + m3,

and the multipoles are, for solid harmonics,

    mu_n = sum_jg w_jg lambda_jg^l H_n(R_ij),

and for surface harmonics, with r^(2s) a constant and monomials averaged over the overlap,

    mu_n = sum_jg w_jg sum_m (as in H_n) P_k1(x) P_k2(y) P_k3(z) rs^-(l-2s),  k = n - 2m,
    P_(k+1)(x) = lambda x P_k(x) + k/(2 gamma) P_(k-1)(x).

A feature is a norm of one order and sigma,

    S = sum_n c_n mu_n^2   or   sqrt(S),

over all components with the multinomial coefficients c_n = l!/(n1! n2! n3!) (the order norm, which
is invariant under rotation), or over one group of components whose exponents are permutations of
each other, with c_n = 1 (of which only orders 0 and 1 are invariant); a group of one component
gives mu instead of sqrt(mu^2). For solid harmonics the order norm is

    S_l = (2l-1)!! l! sum_m (sum_j W_jl R_lm(R_ij))^2,   W_jl = sum_g w_jg lambda_jg^l,

with the 2l+1 real solid harmonics R_lm normalised as sum_m R_lm(a) R_lm(b) = (ab)^l P_l(cos), and
this is what the compiled kernel sums.

Where a root is smaller than sqrt(machine epsilon) its derivative is taken as zero.

Operations, all on an :class:`Environment` of one or many frames, on the device of its vectors:

    forward   G          [n_atoms, n_features]
    jacobian  dG_i/dR_ij [n_pairs, n_features, 3]
    vjp       dE/dR_ij   [n_pairs, 3]             from dE/dG [n_atoms, n_features]
    jvp       dG         [n_atoms, n_features]    from dR_ij [n_pairs, 3]
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .operators import Operators
from .reference import gmp as reference


@dataclass(frozen=True)
class GaussianMultipoles:
    """A set of multipole features as the kernels read it.

    Attributes:
        orders: [n_features], int64, order l of each feature.
        groups: [n_features], int64: 0 for the order norm; g > 0 for the g-th group of
            permutations of the order, counted by descending exponents (300, 210, 111).
        sigmas: [n_features], float64, width of the probe, Å.
        prefactors: [n_features], float64, A.
        inverse_rs: [n_features], float64, 1/rs in 1/Å; solid harmonics do not use it.
        solid: solid harmonics, else surface harmonics.
        square: features are S, else sqrt(S).
        densities: [n_species, n_gaussians, 2], float64, B and beta (1/Å^2), padded with 0 and 1.
        n_species: number of elements.
        n_features: number of columns of G.
    """

    orders: Tensor
    groups: Tensor
    sigmas: Tensor
    prefactors: Tensor
    inverse_rs: Tensor
    solid: bool
    square: bool
    densities: Tensor
    n_species: int
    n_features: int

    def touch(self) -> Tensor:
        """[n_species, n_species, n_features], int64: the features of a centre (first index) that
        a neighbour of the second species can change, which are all."""
        columns = torch.arange(self.n_features)
        return columns.expand(self.n_species, self.n_species, -1).contiguous()


OPERATORS = Operators("gmp", GaussianMultipoles, reference.forward)
forward = OPERATORS.forward
jacobian = OPERATORS.jacobian
vjp = OPERATORS.vjp
jvp = OPERATORS.jvp
