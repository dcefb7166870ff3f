"""From the densities of an atom to its energy, E = sum_p a_p F(rho_p; m_p)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import nearest

SHIFTED, PLAIN = "FinnisSinclairShiftedScaled", "FinnisSinclair"
KINDS = (SHIFTED, PLAIN)
# Of the plain kind: F is linear for |rho| much under 1 / STEEPNESS.
STEEPNESS = 1e6
HIGHEST_EXPONENT = 30.0
LINEAR = 1e-10


@dataclass(frozen=True)
class Embedding:
    """Of an element.

    With y = |rho|, F has the sign of rho and the size of

    FinnisSinclairShiftedScaled  (u + y)^m - w,  u = n^(n/(1-n)) exp(-y),  w = n^(1/(1-n)) exp(-y),
                                 n = 1/m; y for m = 1
    FinnisSinclair               (1 - q) y^m + W^(1-m) q y,  q = exp(-(W y)^3),  W = 10^6

    Attributes:
        prefactors: a_p.
        exponents: m_p.
        kind: of F.
        core_cutoff, core_width: rho_cut and drho_cut, see :mod:`amptorch.kernels.core_repulsion`.
    """

    prefactors: Sequence[float] = (1.0,)
    exponents: Sequence[float] = (1.0,)
    kind: str = SHIFTED
    core_cutoff: float = 1e5
    core_width: float = 250.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"embedding: unknown kind {self.kind!r}; {nearest(self.kind, KINDS)}")
        if len(self.prefactors) != len(self.exponents) or not self.exponents:
            raise ValueError(
                "embedding: expected a prefactor and an exponent for each density, got "
                f"{len(self.prefactors)} and {len(self.exponents)}"
            )

    @property
    def is_linear(self) -> bool:
        """Whether the energy is the density."""
        return tuple(self.exponents) == (1.0,) and self.kind == SHIFTED

    def energies(self, densities: Tensor) -> Tensor:
        """[n_atoms] of densities [n_atoms, at least as many as there are]."""
        total = torch.zeros_like(densities[:, 0])
        for p in range(len(self.exponents)):
            total = total + self._energies(densities[:, p], p)
        return total

    def slopes(self, density: Tensor, p: int) -> Tensor:
        """a_p F' [n_atoms] of values [n_atoms] of density p, differentiable in these."""
        with torch.enable_grad():
            at = density if density.requires_grad else density.detach().requires_grad_()
            energies = self._energies(at, p).sum()
            return torch.autograd.grad(energies, at, create_graph=True)[0]

    def _energies(self, density: Tensor, p: int) -> Tensor:
        function = _shifted if self.kind == SHIFTED else _plain
        return self.prefactors[p] * function(density, self.exponents[p])


def _shifted(density: Tensor, m: float) -> Tensor:
    if m == 1:
        return density
    sign, n = _sign(density), 1 / m
    size = sign * density
    fade = torch.exp(-size)
    shifted = n ** (n / (1 - n)) * fade + size
    return sign * (shifted**m - n ** (1 / (1 - n)) * fade)


def _plain(density: Tensor, m: float) -> Tensor:
    sign, factor = _sign(density), STEEPNESS ** (1 - m)
    size = sign * density
    large = size > LINEAR
    inside = torch.where(large, size, 1.0)
    cube = (STEEPNESS * inside) ** 3
    q = torch.where(cube > HIGHEST_EXPONENT, 0.0, torch.exp(-cube.clamp(max=HIGHEST_EXPONENT)))
    found = (1 - q) * inside**m + factor * q * inside
    return torch.where(large, sign * found, factor * density)


def _sign(density: Tensor) -> Tensor:
    """1 at 0, so that slopes there are those on either side."""
    return torch.where(density < 0, -1.0, 1.0).to(density)
