"""Ways to solve least squares, with b and all columns but constants scaled to norm 1 (g, and S, s of
``problem.py``).

    svd          |A c - b|^2 of least norm, singular values under 1e-13 of the largest left out
    ridge        |A g - b|^2 + alpha |g|^2
    lasso        1/2 |A g - b|^2 + alpha |g|_1
    elastic_net  1/2 |A g - b|^2 + alpha (r |g|_1 + (1 - r) / 2 |g|^2),  r = l1_ratio
    ard          evidence: each g_k has a prior N(0, 1 / gamma_k), residuals have the variance 1 / tau;
                 D. J. C. MacKay, Neural Comput. 4, 415 (1992), M. E. Tipping, J. Mach. Learn. Res. 1, 211 (2001)
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from ...errors import FitWarning
from .problem import EPSILON, Problem, Solution

CUTOFF = 1e-13
SWEEPS = 20_000
TOLERANCE = 1e-10
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
    ratio = 1.0 if solver == "lasso" else ratio
    return [_elastic_net(problem, alpha, ratio) for alpha in alphas]


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


def _elastic_net(problem: Problem, alpha: float, ratio: float) -> Solution:
    try:
        from sklearn.linear_model import ElasticNet
    except ImportError:
        raise ImportError(
            "optim: solver lasso and elastic_net need scikit-learn: pip install scikit-learn"
        ) from None
    # As many rows as columns and one more have the same squares as all rows.
    values, vectors = torch.linalg.eigh(problem.gram)
    kept = values > len(values) * EPSILON * values.max()
    roots = values[kept].sqrt()
    target = (vectors[:, kept].T @ problem.moment) / roots
    matrix = (roots[:, None] * vectors[:, kept].T).numpy()
    model = ElasticNet(
        alpha=alpha / len(matrix),
        l1_ratio=ratio,
        fit_intercept=False,
        max_iter=SWEEPS,
        tol=TOLERANCE,
    )
    model.fit(matrix, target.numpy())
    return problem.solution(torch.from_numpy(model.coef_), alpha * (1 - ratio))


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
