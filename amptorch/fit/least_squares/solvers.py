"""Ways to solve least squares, with b and all columns but constants scaled to norm 1: unknowns g,
and S and s of ``problem.py``.

    svd          |A c - b|^2 of least norm, singular values under 1e-13 of the largest left out
    ridge        |A g - b|^2 + alpha |g|^2
    lasso        1/2 |A g - b|^2 + alpha |g|_1
    elastic_net  1/2 |A g - b|^2 + alpha (r |g|_1 + (1 - r) / 2 |g|^2),  r = l1_ratio
    ard          evidence: each g_k has a prior N(0, 1 / gamma_k), residuals the variance 1 / tau

lasso and elastic_net go by least angles: B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, Ann.
Stat. 32, 407 (2004); ard by D. J. C. MacKay, Neural Comput. 4, 415 (1992), and M. E. Tipping, J.
Mach. Learn. Res. 1, 211 (2001).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import FitWarning
from .problem import EPSILON, Problem, Solution, inverse

CUTOFF = 1e-13
# By least angles: steps a coefficient, and a penalty of squares without which equal columns, of
# whose coefficients the lasso fixes only the sum, would end the path.
STEPS = 20
LEAST_RIDGE = 1e-9
# Of ARD: a coefficient is 0 where its prior's precision is this many times that of the data.
PRUNED = 1e10


def svd(root: Tensor) -> Solution:
    """By R [p + 1, p + 1] of [A | b] = Q R."""
    matrix, target = root[:, :-1], root[:, -1]
    norms = matrix.norm(dim=0)
    norms = torch.where(norms > 0, norms, 1.0)
    left, values, right = torch.linalg.svd(matrix / norms, full_matrices=False)
    kept = values > CUTOFF * values.max()
    scaled = right[kept].T @ ((left[:, kept].T @ target) / values[kept])
    return Solution(scaled / norms, torch.zeros_like(scaled))


def path(problem: Problem, solver: str, alphas: Sequence[float], ratio: float) -> list[Solution]:
    """Solutions for some penalties.

    Args:
        problem: what to solve.
        solver: any but "svd".
        alphas: the penalties.
        ratio: r of "elastic_net".

    Raises:
        ImportError: scikit-learn is not there, which "lasso" and "elastic_net" need.
    """
    if solver == "ridge":
        return _ridge(problem, alphas)
    if solver == "ard":
        return [_ard(problem)]
    if solver == "lasso":
        return _lars(problem, 0.0, alphas)
    return [_lars(problem, alpha * (1 - ratio), [alpha * ratio])[0] for alpha in alphas]


def _ridge(problem: Problem, alphas: Sequence[float]) -> list[Solution]:
    values, vectors = torch.linalg.eigh(problem.gram)
    moment, values = vectors.T @ problem.moment, values.clamp_min(0)
    cutoff = len(values) * EPSILON * values.max()
    found = []
    for alpha in alphas:
        shifted = values + alpha
        scaled = vectors @ torch.where(shifted > cutoff, moment / shifted, 0.0)
        found.append(problem.solution(scaled, alpha))
    return found


def by_factor(problem: Problem, factors: Tensor, alphas: Sequence[float]) -> list[Solution]:
    """ "ridge" with penalties alpha times ``factors`` [q] of squares of g, which may differ by many
    orders of magnitude; what is singular to rounding is left out."""
    found = []
    for alpha in alphas:
        penalty = alpha * factors
        whole = problem.gram + torch.diag(penalty)
        scales = whole.diagonal().clamp_min(1e-300).rsqrt()
        factor, failed = torch.linalg.cholesky_ex(whole * scales[:, None] * scales)
        if bool(failed):
            scaled = inverse(whole) @ problem.moment
        else:
            moment = (problem.moment * scales)[:, None]
            scaled = torch.cholesky_solve(moment, factor)[:, 0] * scales
        found.append(problem.solution(scaled, penalty))
    return found


def _lars(problem: Problem, ridge: float, penalties: Sequence[float]) -> list[Solution]:
    """By least angles, whose solutions are linear in the penalty between the steps of its path.

    Coordinate descent does not end where columns are nearly dependent, as those of descriptors are.
    """
    try:
        from sklearn.linear_model import lars_path_gram
    except ImportError:
        raise ImportError(
            "optim: solver lasso and elastic_net need scikit-learn: pip install 'amptorch[linear]'"
        ) from None
    ridge = max(ridge, LEAST_RIDGE)
    gram, moment = problem.gram + ridge * torch.eye(len(problem.gram)), problem.moment
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it says is seen in where it ends
        steps, _, values = lars_path_gram(
            moment.numpy(),
            gram.numpy(),
            n_samples=1,
            method="lasso",
            alpha_min=min(penalties),
            max_iter=STEPS * len(moment),
        )
    if steps[-1] > 1.1 * min(penalties):
        warnings.warn(
            f"lasso: the path ends at a penalty of {steps[-1]:.3g}, columns are too nearly "
            "dependent for less; see elastic_net",
            FitWarning,
            stacklevel=2,
        )
    found = [_between(steps[::-1], values[:, ::-1], each) for each in penalties]
    return [problem.solution(torch.from_numpy(each), ridge) for each in found]


def _between(
    steps: NDArray[np.float64], values: NDArray[np.float64], penalty: float
) -> NDArray[np.float64]:
    """Of values [p, n] at ascending steps [n] those at a penalty."""
    place = int(np.clip(np.searchsorted(steps, penalty), 1, max(len(steps) - 1, 1)))
    if len(steps) == 1:
        return values[:, 0]
    low, high = steps[place - 1], steps[place]
    share = np.clip((penalty - low) / max(high - low, EPSILON), 0.0, 1.0)
    return (1 - share) * values[:, place - 1] + share * values[:, place]


def _ard(problem: Problem, steps: int = 300) -> Solution:
    gram, moment = problem.gram, problem.moment
    there = torch.isfinite(problem.norms)
    precision, noise = torch.ones_like(moment), float(problem.rows)
    scaled = torch.zeros_like(moment)
    for _ in range(steps):
        before = scaled.clone()
        spread = torch.linalg.inv(noise * gram[there][:, there] + torch.diag(precision[there]))
        scaled = torch.zeros_like(moment)
        scaled[there] = noise * spread @ moment[there]
        known = 1 - precision[there] * spread.diagonal()
        left = 1 - 2 * scaled @ moment + scaled @ gram @ scaled
        noise = float((problem.rows - known.sum()) / left.clamp_min(EPSILON))
        precision[there] = known.clamp_min(0) / scaled[there].square().clamp_min(1e-300)
        there = there & (precision < PRUNED * noise)
        if float((scaled - before).abs().max()) < 1e-8 * float(scaled.abs().max()):
            break
    else:
        warnings.warn(
            f"ard: coefficients still change after {steps} steps", FitWarning, stacklevel=2
        )
    scaled = torch.where(there, scaled, 0.0)
    return problem.solution(scaled, torch.where(there, precision / noise, 0.0))
