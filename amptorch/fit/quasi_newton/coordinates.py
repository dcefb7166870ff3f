"""Coordinates in which the loss is curved alike in all directions.

Parameters fall into blocks, each with J the derivatives of energies and forces, times square roots
of the loss's factors, in its own parameters, and L L^T = 2 J^T J and the curvature of penalties;
these change by L^-T x.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# Added to diagonals until there is a factor.
JITTER = 1e-14


@dataclass
class Block:
    """Attributes:
    places: [m], of its parameters among all.
    factor: L [m, m].
    """

    places: Tensor
    factor: Tensor


@dataclass
class Coordinates:
    """From x to parameters.

    Attributes:
        origin: parameters [n] at x = 0.
        blocks: of those that change.
    """

    origin: Tensor
    blocks: Sequence[Block]

    @property
    def size(self) -> int:
        """Of x."""
        return sum(len(each.places) for each in self.blocks)

    def parameters(self, x: Tensor) -> Tensor:
        """[n]"""
        found = self.origin.clone()
        parts = x.split([len(each.places) for each in self.blocks])
        for block, own in zip(self.blocks, parts, strict=True):
            found[block.places] += _solve(block.factor.T, own, upper=True)
        return found

    def gradient(self, of_parameters: Tensor) -> Tensor:
        """That in x of one in parameters [n]."""
        return torch.cat(
            [_solve(each.factor, of_parameters[each.places], upper=False) for each in self.blocks]
        )

    def state(self) -> dict[str, Any]:
        """Plain values and tensors."""
        return {"origin": self.origin, "blocks": [vars(each) for each in self.blocks]}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Coordinates:
        """Those of :meth:`state`."""
        return cls(state["origin"], [Block(**each) for each in state["blocks"]])


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
