"""Coordinates in which the loss is curved alike in all directions.

With J the derivatives of energies and forces, times square roots of the loss's factors, in the
coefficients c_f of the first density and the radial ones, on some frames, and L L^T = 2 J^T J,
these change by L^-T x. Another density p has coordinates of its own; when it changes, the first one
takes back the change of energies at first order, by -F_p'/F_1' c_fp, slopes at the mean density.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

# Added to diagonals until there is a factor.
JITTER = 1e-14


@dataclass
class Part:
    """Coordinates y of another density.

    Attributes:
        places: of its coefficients among all parameters.
        partners: of those of the first density.
        ratios: F_p'/F_1' of each.
        factor: L of L L^T, y = L^T (coefficients).
    """

    places: Tensor
    partners: Tensor
    ratios: Tensor
    factor: Tensor


@dataclass
class Coordinates:
    """From x to parameters.

    Attributes:
        origin: parameters [n] at x = 0.
        places: of the first density and radial coefficients among them.
        factor: L of these.
        parts: of other densities.
    """

    origin: Tensor
    places: Tensor
    factor: Tensor
    parts: Sequence[Part] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Of x."""
        return len(self.places) + sum(len(each.places) for each in self.parts)

    def parameters(self, x: Tensor) -> Tensor:
        """[n]"""
        own, *others = x.split([len(self.places), *(len(each.places) for each in self.parts)])
        found = self.origin.clone()
        found[self.places] += _solve(self.factor.T, own, upper=True)
        for part, y in zip(self.parts, others, strict=True):
            change = _solve(part.factor.T, y, upper=True)
            found[part.places] += change
            found[part.partners] -= part.ratios * change
        return found

    def gradient(self, of_parameters: Tensor) -> Tensor:
        """That in x of one in parameters [n]."""
        rows = [_solve(self.factor, of_parameters[self.places], upper=False)]
        for part in self.parts:
            own = of_parameters[part.places] - part.ratios * of_parameters[part.partners]
            rows.append(_solve(part.factor, own, upper=False))
        return torch.cat(rows)

    def state(self) -> dict[str, Any]:
        """Plain values and tensors."""
        return {**vars(self), "parts": [vars(each) for each in self.parts]}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Coordinates:
        """Those of :meth:`state`."""
        return cls(**{**state, "parts": [Part(**each) for each in state["parts"]]})


def _solve(matrix: Tensor, vector: Tensor, upper: bool) -> Tensor:
    return torch.linalg.solve_triangular(matrix, vector[:, None], upper=upper)[:, 0]


def cholesky(matrix: Tensor) -> Tensor:
    """L of L L^T, of a symmetric matrix without negative eigenvalues but for rounding."""
    diagonal = matrix.diagonal()
    diagonal = torch.where(diagonal > 0, diagonal, diagonal.max().clamp_min(1e-300))
    jitter = JITTER
    while True:
        factor, failed = torch.linalg.cholesky_ex(matrix + torch.diag(jitter * diagonal))
        if not failed and bool(factor.isfinite().all()):
            return factor
        if jitter > 1:
            raise ValueError("a matrix of derivatives is not finite; see the data")
        jitter *= 10
