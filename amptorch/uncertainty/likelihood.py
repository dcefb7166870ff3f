"""Standard deviation of errors as a function of distance, by maximum likelihood.

Errors are taken as Gaussian about zero with a standard deviation that grows with the distance d
to the training data, as AMPTorch does after J. P. Janet et al., Chem. Sci. 10, 7913 (2019):

    e ~ N(0, sigma^2),   sigma = s1 + s2 d,   s1, s2 >= 0,

    -ln L = sum_i [ ln sigma_i + e_i^2 / (2 sigma_i^2) ] + const.

In terms of scale and shape, sigma = c h with h = (1 - w) + w d/<d> and 0 <= w <= 1, the best scale
for a given shape is c^2 = <e^2 / h^2>. What remains is a minimum along one line,

    -ln L / n = ln c(w) + <ln h(w)> + const,

searched on a grid over ln(w / (1 - w)) and refined around its best point and at both ends.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from .checks import Array, not_negative, same_length, vector

# ln(w / (1 - w)); at the ends one term of sigma is 3e-7 of the other (at the mean distance).
_GRID = np.linspace(-15.0, 15.0, 61)


class NegativeLeastLikelihoodEstimator:
    """Gaussian standard deviation s1 + s2 d that makes calibration errors most likely.

    Attributes:
        s1: standard deviation at distance 0, in the unit of the errors.
        s2: its growth per unit of distance.
    """

    s1: float | None = None
    s2: float | None = None

    def fit(self, calib_y: ArrayLike, calib_dist: ArrayLike) -> None:
        """Find ``s1`` and ``s2``.

        Args:
            calib_y: errors of the calibration images, [n], n >= 3.
            calib_dist: their distances, [n], >= 0.

        Raises:
            ValueError: fewer than 3 images, lengths that differ, negative distances, values that
                are not finite, errors that are all zero.
            RuntimeError: the search did not converge.
        """
        errors, distances = vector(calib_y, "calib_y"), vector(calib_dist, "calib_dist")
        same_length(errors, "calib_y", distances, "calib_dist")
        not_negative(distances, "calib_dist")
        if len(errors) < 3:
            raise ValueError(
                f"calib_y: expected at least 3 calibration images for 2 parameters, "
                f"got {len(errors)}"
            )
        if not errors.any():
            raise ValueError("calib_y: expected errors that are not all zero")
        mean = float(distances.mean())
        if mean == 0.0:
            weight, scale = 0.0, float(np.sqrt((errors**2).mean()))
        else:
            weight, scale = _best_shape(errors, distances / mean)
        self.s1 = scale * (1.0 - weight)
        self.s2 = scale * weight / mean if mean else 0.0

    def predict(self, test_dist: ArrayLike) -> Array:
        """Standard deviations [n] of the errors of images at distances ``test_dist`` [n]."""
        if self.s1 is None or self.s2 is None:
            raise RuntimeError("predict: call fit() first")
        distances = vector(test_dist, "test_dist")
        not_negative(distances, "test_dist")
        return self.s1 + self.s2 * distances


def _best_shape(errors: Array, distances: Array) -> tuple[float, float]:
    """Weight w of the most likely shape, and its scale; distances in units of their mean."""

    def cost(weight: float) -> float:
        shape = (1.0 - weight) + weight * distances
        return 0.5 * np.log(((errors / shape) ** 2).mean()) + np.log(shape).mean()

    def cost_of_logit(logit: float) -> float:
        return cost(_logistic(logit))

    best = int(np.argmin([cost_of_logit(logit) for logit in _GRID]))
    bounds = _GRID[max(best - 1, 0)], _GRID[min(best + 1, len(_GRID) - 1)]
    found = minimize_scalar(cost_of_logit, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    if not found.success:
        raise RuntimeError(f"calib_y: the likelihood fit did not converge: {found.message}")
    # sigma = s2 d needs all distances positive, or it would be 0 where an error may not be.
    candidates = [_logistic(found.x), 0.0] + ([1.0] if distances.min() > 0 else [])
    weight = min(candidates, key=cost)
    shape = (1.0 - weight) + weight * distances
    return weight, float(np.sqrt(((errors / shape) ** 2).mean()))


def _logistic(logit: float) -> float:
    return float(1.0 / (1.0 + np.exp(-logit)))
