"""Weights of groups and kinds of rows, and the penalty, by cross-validation on matrices alone.

What is made small, with the folds f left out one after the other and x the logarithms of weights
and of the penalty relative to those of the start, is

    J(x) = mean over kinds k of log RMSE_k(x) + PULL |x|^2 / n_frames
    RMSE_k^2 = sum_f |A_fk c_f - b_fk|^2 / n_k,   c_f the ridge solution of all folds but f

RMSE of energies per atom, forces and, where they are fitted, stresses; no weights stand in them. So
exp of the mean is the geometric mean of the errors. Of S c = s, the normal equations, the slope of
c follows from those of S and s by one more solution with S: dc = -S^-1 (dS c - ds).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import Diverged
from .moments import Key, Moments
from .problem import EPSILON, inverse
from .settings import KINDS, LeastSquaresSettings

# Of logarithms of weights, towards their start: few frames of a group say little of its weight.
PULL = 0.3
FARTHEST = 4.0
# A step of the penalty is as much as this of a weight.
PENALTY_STEP = 5.0
LOWEST = 1e-13
# With few and with many unknowns: steps at most, and a relative change of J that ends them.
STEPS, TOLERANCE = (10, 25), (1e-4, 1e-5)


@dataclass
class Tuned:
    """What suits moments best.

    Attributes:
        weights: by group, of each kind.
        alpha: the penalty.
        errors: RMSE of each kind on the frames left out, in the units of the rows.
        score: geometric mean of the errors.
    """

    weights: dict[str, dict[str, float]]
    alpha: float
    errors: dict[str, float]
    score: float

    def settings(self, counts: Mapping[str, int]) -> dict[str, object]:
        """Keys of the section "optim", relative to the forces of the largest group."""
        largest = max(self.weights, key=lambda group: counts.get(group, 0))
        own = self.weights[largest]
        unit = own.get("forces", 1.0)
        groups = {
            group: {kind: float(f"{value / unit:.4g}") for kind, value in weights.items()}
            for group, weights in self.weights.items()
        }
        found: dict[str, object] = {"weights": groups.pop(largest)}
        if groups:
            found["groups"] = groups
        return {**found, "alpha": float(f"{self.alpha:.4g}")}


def tune(
    moments: Moments,
    constants: Tensor,
    start: LeastSquaresSettings,
    folds: Sequence[int] | None = None,
    by_group: bool = True,
    factors: Tensor | None = None,
) -> Tuned:
    """The weights and the penalty that predict frames left out best, by L-BFGS.

    Args:
        moments: of frames in at least two folds.
        constants: indices of coefficients that are not penalised.
        start: with weights and a penalty to start from.
        folds: those to look at, default all.
        by_group: weights for each group; else all groups have those of the start times one factor.
        factors: [p], of the penalty, default 1.
    """
    from scipy.optimize import minimize

    stack = _Stack.of(moments, constants, folds, factors)
    search = _Search(stack, start, by_group)
    bound = [(-FARTHEST, FARTHEST)] * search.size
    found = minimize(
        search.value_and_slope,
        np.zeros(search.size),
        jac=True,
        bounds=bound,
        method="L-BFGS-B",
        options={"maxiter": STEPS[by_group], "ftol": TOLERANCE[by_group]},
    )
    return search.tuned(torch.from_numpy(found.x))


@dataclass
class _Stack:
    """Matrices of moments beside one another.

    Attributes:
        keys: of each.
        matrices: [n, p + 1, p + 1].
        kind: [n], place among ``kinds``.
        inside: [folds, n], 1 where the rows are not those of the fold.
        counts: [kinds], number of rows.
        constants: indices of coefficients that are not penalised.
        factors: [p], of the penalty.
    """

    keys: list[Key]
    kinds: list[str]
    matrices: Tensor
    kind: Tensor
    inside: Tensor
    counts: Tensor
    constants: Tensor
    factors: Tensor
    diagonals: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.diagonals = self.matrices.diagonal(dim1=1, dim2=2)[:, :-1]

    @classmethod
    def of(
        cls,
        moments: Moments,
        constants: Tensor,
        folds: Sequence[int] | None,
        factors: Tensor | None = None,
    ) -> _Stack:
        keys = [key for key in moments.parts if folds is None or key.fold in folds]
        there = sorted({key.fold for key in keys})
        if len(there) < 2:
            raise ValueError(f"tuning: expected frames in 2 folds or more, got {len(there)}")
        kinds = [kind for kind in KINDS if any(key.kind == kind for key in keys)]
        kind = torch.tensor([kinds.index(key.kind) for key in keys])
        matrices = torch.stack([moments.parts[key].gram() for key in keys])
        inside = torch.tensor([[float(key.fold != fold) for key in keys] for fold in there])
        counts = torch.zeros(len(kinds), dtype=torch.float64)
        numbers = torch.tensor([float(moments.parts[key].count) for key in keys])
        counts.index_add_(0, kind, numbers.double())
        own = torch.ones(moments.size - 1).double() if factors is None else factors
        return cls(keys, kinds, matrices, kind, inside.double(), counts, constants, own)

    def solved(self, squares: Tensor, alpha: float) -> tuple[Tensor, Tensor, Tensor]:
        """Coefficients [folds, p] of squared weights [n], factors of the scaled normal matrices,
        and the scales [folds, p]."""
        p = self.matrices.shape[1] - 1
        sums = ((squares * self.inside) @ self.matrices.flatten(1)).view(-1, p + 1, p + 1)
        normal, moment = sums[:, :p, :p], sums[:, :p, p]
        scales = torch.stack([self._norms(each) for each in normal]).rsqrt()
        penalty = alpha * self.factors
        penalty[self.constants] = 1e3 * EPSILON
        scaled = normal * scales[:, :, None] * scales[:, None] + penalty.diag()
        factors, failed = torch.linalg.cholesky_ex(scaled)
        if bool(failed.any()):
            factors, failed = torch.linalg.cholesky_ex(scaled + 1e-10 * torch.eye(p).double())
        if bool(failed.any()):
            raise Diverged("tuning: rows are not finite, or columns depend on each other")
        found = torch.cholesky_solve((moment * scales)[:, :, None], factors)[:, :, 0] * scales
        return found, factors, scales

    def _norms(self, normal: Tensor) -> Tensor:
        """Squares [p] of norms of columns, of what constants leave of them."""
        whole, c = normal.diagonal(), self.constants
        across = normal[:, c]
        taken = ((across @ inverse(normal[c][:, c])) * across).sum(1)
        left = torch.where(whole - taken > 1e-13 * whole, whole - taken, torch.inf)
        left[c] = torch.where(whole[c] > 0, whole[c], 1.0)
        return left


class _Search:
    """J of x: logarithms of weights, then of the penalty."""

    def __init__(self, stack: _Stack, start: LeastSquaresSettings, by_group: bool) -> None:
        self.stack, self.alpha = stack, max(float(start.alphas[0]), 1e-10)
        names = [(key.group if by_group else "", key.kind) for key in stack.keys]
        self.names = sorted(set(names))
        # The kinds' weights are relative: one is 1 where groups have none of their own.
        if not by_group and len(self.names) > 1:
            self.names = [name for name in self.names if name[1] != "forces"]
        places = {name: place for place, name in enumerate(self.names)}
        self.places = [places.get(name, len(self.names)) for name in names]
        self.start = torch.tensor(
            [start.weight(key.group, key.kind) for key in stack.keys], dtype=torch.float64
        )
        self.size = len(self.names) + 1
        self._pull = PULL / float(stack.counts.min())

    def weights(self, x: Tensor) -> Tensor:
        """[n]"""
        logarithms = torch.cat([x[:-1], x.new_zeros(1)])
        return self.start * logarithms[self.places].exp()

    def penalty(self, x: Tensor) -> Tensor:
        return (self.alpha * (PENALTY_STEP * x[-1]).exp()).clamp_min(LOWEST)

    def value_and_slope(self, values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        x = torch.from_numpy(values.copy()).requires_grad_()
        score = self._errors(x).log().mean() + self._pull * x.square().sum()
        score.backward()
        assert x.grad is not None
        return float(score.detach()), x.grad.numpy()

    def _errors(self, x: Tensor) -> Tensor:
        """RMSE [kinds], differentiable."""
        stack, squares, alpha = self.stack, self.weights(x).square(), self.penalty(x)
        with torch.no_grad():
            found, factors, scales = stack.solved(squares, float(alpha))
            p = found.shape[1]
            whole = torch.cat([found, found.new_full((len(found), 1), -1.0)], 1)
            # [folds, n, p + 1], what each matrix makes of each solution.
            products = (stack.matrices @ whole.T).permute(2, 0, 1).contiguous()
            before = (squares * stack.inside) @ stack.diagonals
            penalised = torch.where(scales > 0, 1 / (scales.square() * before), 0.0)
            penalised = penalised * stack.factors
            penalised[:, stack.constants] = 0.0
        own = squares * stack.inside
        norms = (own @ stack.diagonals) * penalised
        left = torch.einsum("fn,fni->fi", own, products[:, :, :p]) + alpha * norms * found
        step = torch.cholesky_solve((left * scales)[:, :, None], factors)[:, :, 0] * scales
        change = -(step - step.detach())
        outside = 1.0 - stack.inside
        here = torch.einsum("fni,fi->fn", products, whole)
        here = here + 2 * torch.einsum("fni,fi->fn", products[:, :, :p], change)
        sums = here.new_zeros(len(stack.kinds)).index_add(0, stack.kind, (here * outside).sum(0))
        return (sums / stack.counts).clamp_min(1e-300).sqrt()

    def tuned(self, x: Tensor) -> Tuned:
        """What x says."""
        weights: dict[str, dict[str, float]] = {}
        for key, weight in zip(self.stack.keys, self.weights(x).tolist(), strict=True):
            weights.setdefault(key.group, {})[key.kind] = weight
        errors = self._errors(x).detach()
        named = dict(zip(self.stack.kinds, errors.tolist(), strict=True))
        return Tuned(weights, float(self.penalty(x)), named, float(errors.log().mean().exp()))
