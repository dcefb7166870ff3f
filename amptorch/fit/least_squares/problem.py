"""Least squares of which only [A | b]^T [A | b] is known, and what their solution is worth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Relative to the norm of a column: what is left of it when constants are taken off is rounding.
CONSTANT = 1e-13
EPSILON = torch.finfo(torch.float64).eps


@dataclass
class Solution:
    """Coefficients.

    Attributes:
        coefficients: [p].
        penalty: [p], D of the normal matrix A^T A + D that they solve.
    """

    coefficients: Tensor
    penalty: Tensor


@dataclass
class Problem:
    """Unknowns g of columns of norm 1, and b of norm 1, when constants, which are never penalised,
    are eliminated: with G = A^T A and C the constants, K the rest,

        S = G_KK - G_KC G_CC^+ G_CK,   s = A_K^T b - G_KC G_CC^+ A_C^T b

    Attributes:
        gram: S, scaled to a diagonal of ones.
        moment: s, scaled likewise.
        norms: [q], of the columns; infinite where nothing is left of one.
        norm: of b.
        rows: number of rows.
    """

    gram: Tensor
    moment: Tensor
    norms: Tensor
    norm: float
    rows: int
    _whole: Tensor
    _constants: Tensor
    _others: Tensor

    @classmethod
    def of(cls, whole: Tensor, constants: Tensor, rows: int) -> Problem:
        """That of [A | b]^T [A | b], [p + 1, p + 1]."""
        p = len(whole) - 1
        free = torch.ones(p, dtype=torch.bool)
        free[constants] = False
        others = torch.arange(p)[free]
        rest = torch.cat([others, torch.tensor([p])])
        across = whole[rest][:, constants]
        left = whole[rest][:, rest] - across @ inverse(whole[constants][:, constants]) @ across.T
        squares, before = left.diagonal(), whole.diagonal()[rest]
        kept = squares > CONSTANT * before
        norms = torch.where(kept, squares.clamp_min(0).sqrt(), torch.inf)
        scaled = left / norms[:, None] / norms
        made = scaled[:-1, :-1], scaled[:-1, -1], norms[:-1], float(norms[-1]), rows
        return cls(*made, whole, constants, others)

    def of_others(self, values: Tensor) -> Tensor:
        """[q] of [p]: those of the coefficients that are not constants."""
        return values[self._others]

    def solution(self, scaled: Tensor, penalty: Tensor | float) -> Solution:
        """That of g [q], with a penalty [q] of its squares."""
        whole, constants, p = self._whole, self._constants, len(self._whole) - 1
        found, diagonal = torch.zeros(p, dtype=torch.float64), torch.zeros(p, dtype=torch.float64)
        if self.norm < torch.inf:
            found[self._others] = scaled / self.norms * self.norm
        left = whole[constants, p] - whole[constants][:, :p] @ found
        found[constants] = inverse(whole[constants][:, constants]) @ left
        squares = torch.where(self.norms < torch.inf, self.norms, 1.0).square()
        diagonal[self._others] = penalty * squares
        return Solution(found, diagonal)


def inverse(matrix: Tensor) -> Tensor:
    """Of a symmetric matrix with no negative eigenvalues, scaled to a diagonal of ones; what is
    singular to rounding is left out."""
    if not len(matrix):
        return matrix
    squares = matrix.diagonal()
    scales = torch.where(squares > 0, squares, 1.0).rsqrt()
    values, vectors = torch.linalg.eigh(matrix * scales[:, None] * scales)
    kept = values > len(matrix) * EPSILON * values.max()
    halves = scales[:, None] * vectors[:, kept] * values[kept].rsqrt()
    return halves @ halves.T


@dataclass
class Spread:
    """What errors of coefficients follow from.

    Attributes:
        inverse: [p, p], of A^T A + D among the coefficients that are not 0.
        noise: variance of weighted residuals, |A c - b|^2 / (n - trace(inverse A^T A)).
    """

    inverse: Tensor
    noise: float

    @classmethod
    def of(
        cls, whole: Tensor, solution: Solution, constants: Tensor, rows: int, errors: float
    ) -> Spread:
        """That of a solution of [A | b]^T [A | b] with so many rows and |A c - b|^2 ``errors``."""
        active = solution.coefficients != 0
        active[constants] = True
        normal = whole[:-1, :-1][active][:, active]
        small = inverse(normal + torch.diag(solution.penalty[active]))
        fitted = float((small * normal).sum())
        found = torch.zeros_like(whole[:-1, :-1])
        found[torch.outer(active, active)] = small.flatten()
        left = max(rows - fitted, 1.0)
        return cls(found, errors / left)
