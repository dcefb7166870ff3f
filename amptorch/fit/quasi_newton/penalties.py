"""Penalties of coefficients, and of radial functions that are not smooth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...descriptor.base_descriptor import BaseDescriptor
from ...kernels.reference.spherical_expansion import radial
from ...kernels.spherical_expansion import KINDS, SphericalExpansion
from ...potentials.ace.model import Ace
from .settings import QuasiNewtonSettings

POINTS = 100


@dataclass(frozen=True)
class Penalties:
    """l1 sum |c_fp| + l2 sum c_fp^2 + alpha sum n_f^2 c_fp^2 + sum_q smoothness_q S_q,

    S_q = mean over pairs of elements, in both orders, of
          rc^-2 int_0^rc r^2 sum_nl |d^q R_nl/dr^q| dr,    q = 0, 1, 2,

    with n_f the norm of a function's column in the linear problem, times (sum n + sum l)^p of the
    function, p = ``degree_power``.

    Attributes:
        settings: of the fit.
        squares: n_f^2 [functions].
        tables: for each q with a weight, d^q f_k/dr^q times r^2 dr / rc^2, [pairs, k, points].
        shares: [pairs], of a pair of elements among those in both orders.
    """

    settings: QuasiNewtonSettings
    squares: Tensor
    tables: Sequence[Tensor | None]
    shares: Tensor

    @classmethod
    def of(
        cls, settings: QuasiNewtonSettings, squares: Tensor, descriptor: BaseDescriptor
    ) -> Penalties:
        """Those of a fit."""
        expansion: SphericalExpansion = descriptor.parameters.expansion
        pairs = torch.combinations(torch.arange(expansion.n_species), with_replacement=True)
        shares = 1 + (pairs[:, 0] != pairs[:, 1]).double()
        tables: list[Tensor | None] = [None, None, None]
        if any(settings.smoothness):
            found = torch.stack([_table(expansion, *pair) for pair in pairs.tolist()], 1)
            tables = [t if w else None for t, w in zip(found, settings.smoothness, strict=True)]
        return cls(settings, squares, tables, shares / shares.sum())

    @property
    def curvature(self) -> Tensor:
        """[functions], second derivatives in the coefficients of a density."""
        return 2 * (self.settings.l2 + self.settings.alpha * self.squares)

    def __call__(self, model: Ace) -> Tensor:
        """Of the coefficients as they are, differentiable."""
        own, c = self.settings, model.coefficients
        by_function = c.square().sum(1)
        total = own.l2 * by_function.sum() + own.alpha * (self.squares.to(c) * by_function).sum()
        if own.l1:
            total = total + own.l1 * c.abs().sum()
        for weight, table in zip(own.smoothness, self.tables, strict=True):
            if table is not None:
                sizes = torch.einsum("pnlk,pkx->pnlx", model.radial, table.to(c)).abs()
                total = total + weight * (self.shares.to(c) * sizes.sum((1, 2, 3))).sum()
        return total


def _table(expansion: SphericalExpansion, a: int, b: int) -> Tensor:
    """[3, k, points] of two elements."""
    number, kind = int(expansion.parts[0, 0]), KINDS[int(expansion.kinds[0, a, b])]
    values = expansion.values[0, a, b].double()
    cutoff = float(values[0])
    r = ((torch.arange(POINTS, dtype=torch.float64) + 0.5) * cutoff / POINTS).requires_grad_()
    derivatives = [radial(kind, r, values.expand(POINTS, -1), number)]
    for _ in range(2):
        last = derivatives[-1]
        rows = [
            torch.autograd.grad(last[:, k].sum(), r, create_graph=True)[0] for k in range(number)
        ]
        derivatives.append(torch.stack(rows, 1))
    weight = r.square() / (cutoff * POINTS)
    return torch.stack([(each * weight[:, None]).T for each in derivatives]).detach()
