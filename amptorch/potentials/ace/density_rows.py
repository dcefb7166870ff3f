"""Rows of least squares of the coefficients of one density, where energies are not linear in it."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ...data.frame import AtomsBatch
from ...kernels.ace_rows import Density
from .embeddings import Embedding
from .linear import LinearAce
from .model import Ace


class DensityRows(LinearAce):
    """What each coefficient of density p changes, at a model as it is,

    dE_i/dc_fp = a_p F'(rho_ip) B_f(i),

    without core repulsion; for p = None B_f(i) itself. Constants of elements have rows as in all
    :class:`LinearAce <amptorch.potentials.ace.linear.LinearAce>`.

    Args:
        model: whose functions, radial and other coefficients there are.
        p: the place of the density.
    """

    def __init__(self, model: Ace, p: int | None = None) -> None:
        own = model.expansion
        linear = replace(own, embeddings=[Embedding()] * len(own.elements))
        dtype = model.coefficients.dtype
        super().__init__(linear, model.n_radial, model.l_max, covariance=False, dtype=dtype)
        self.to(model.coefficients.device)
        with torch.no_grad():
            self.as_ace().radial.copy_(model.radial)
        self._embeddings, self._p = own.embeddings, p
        if p is not None:
            self._own = model.coefficients.detach()[:, p].clone()
        self._functions = self.are_coefficients().nonzero()[:, 0]
        self.order = torch.cat([self.constants(), self._functions])
        """Places of the constants, then those of coefficients, among the columns of rows."""

    def basis(self, fingerprint: Tensor, numbers: Tensor) -> Tensor:
        found = super().basis(fingerprint, numbers)
        if self._p is None:
            return found
        constants, functions = found[:, self.constants()], found[:, self._functions]
        slopes = self._slopes(functions @ self._own, numbers)
        columns = torch.cat([constants, slopes[:, None] * functions], 1)
        return columns[:, torch.argsort(self.order)]

    def density(self, batch: AtomsBatch) -> Density | None:
        if self._p is None:
            return None
        fingerprint, numbers = batch.fingerprint.detach(), batch.atomic_numbers
        species, density = self._inner[0].species(numbers), fingerprint.new_zeros(len(fingerprint))
        for element, (first, last) in enumerate(self.expansion.spans):
            atoms = (species == element).nonzero()[:, 0]
            if len(atoms):
                with torch.no_grad():
                    values = self.functions(fingerprint[atoms], int(numbers[atoms[0]]))
                density[atoms] = values @ self._own[first:last]
        density.requires_grad_()
        slopes = self._slopes(density, numbers)
        bends = torch.zeros_like(slopes)
        if slopes.requires_grad:
            (bends,) = torch.autograd.grad(slopes.sum(), density)
        return Density(slopes.detach(), bends, self._own)

    def _slopes(self, density: Tensor, numbers: Tensor) -> Tensor:
        """a_p F' [n_atoms], differentiable in the density where that asks for it."""
        assert self._p is not None
        species, slopes = self._inner[0].species(numbers), torch.zeros_like(density)
        for element, embedding in enumerate(self._embeddings):
            atoms = (species == element).nonzero()[:, 0]
            if self._p < len(embedding.exponents):
                slopes = slopes.index_put((atoms,), embedding.slopes(density[atoms], self._p))
        return slopes
