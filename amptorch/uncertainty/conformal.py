"""Conformal prediction: a heuristic scaled so that it covers errors as often as asked for.

Hu, Musielewicz, Ulissi and Medford, Mach. Learn.: Sci. Technol. 3, 045028 (2022). The score of a
calibration image is the error in units of its heuristic uncertainty h, s_i = |e_i| / h_i. With

    qhat = quantile of s_1..s_n at level ceil((n + 1)(1 - alpha)) / n,    u = qhat h,

|e| <= u holds for a new image with a probability of at least 1 - alpha, whatever the model and the
heuristic, if calibration and new images are exchangeable (drawn alike). The quantile is
interpolated linearly between order statistics as in AMPTorch, which never is below the
ceil((n + 1)(1 - alpha))-th smallest score that the theorem asks for.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .checks import Array, fraction, not_negative, same_length, vector


class ConformalPrediction:
    """Calibrated uncertainty from a heuristic one.

    Args:
        residuals_calib: errors of the calibration images, [n].
        heuristic_uncertainty_calib: their heuristic uncertainties, [n], all positive.
        alpha: tolerated fraction of errors outside the uncertainty.

    Without arrays call :meth:`fit` before :meth:`predict`.

    Attributes:
        qhat: factor from heuristic to calibrated uncertainty.

    Raises:
        ValueError: too few calibration images for alpha, lengths that differ, a heuristic that is
            not positive, values that are not finite.
    """

    def __init__(
        self,
        residuals_calib: ArrayLike | None = None,
        heuristic_uncertainty_calib: ArrayLike | None = None,
        alpha: float = 0.1,
    ) -> None:
        fraction(alpha, "alpha")
        self.alpha = alpha
        self.qhat: float | None = None
        if residuals_calib is None and heuristic_uncertainty_calib is None:
            return
        if residuals_calib is None or heuristic_uncertainty_calib is None:
            raise ValueError(
                "expected both residuals_calib and heuristic_uncertainty_calib, or neither "
                "(and then fit), got one of them"
            )
        self.fit(residuals_calib, heuristic_uncertainty_calib)

    def fit(self, residuals_calib: ArrayLike, heuristic_uncertainty_calib: ArrayLike) -> None:
        """Find ``qhat``; arguments as of the class."""
        residuals = vector(residuals_calib, "residuals_calib")
        name = "heuristic_uncertainty_calib"
        heuristic = vector(heuristic_uncertainty_calib, name)
        same_length(residuals, "residuals_calib", heuristic, name)
        if heuristic.min() <= 0:
            index = int(heuristic.argmin())
            raise ValueError(f"{name}: expected values > 0, got {heuristic[index]} at [{index}]")
        scores = np.abs(residuals) / heuristic
        self.qhat = float(np.quantile(scores, self._level(len(scores))))

    def _level(self, n: int) -> float:
        # Rounded, so that a product meant to be whole is not taken as the next number.
        rank = math.ceil(round((n + 1) * (1 - self.alpha), 9))
        if rank > n:
            needed = math.ceil(round((1 - self.alpha) / self.alpha, 9))
            raise ValueError(
                f"residuals_calib: alpha {self.alpha} needs at least {needed} calibration images, "
                f"got {n}"
            )
        return rank / n

    def predict(self, heuristic_uncertainty_test: ArrayLike) -> tuple[Array, float]:
        """Calibrated uncertainties of images with these heuristic ones, [n], and ``qhat``."""
        if self.qhat is None:
            raise RuntimeError("predict: call fit() first")
        heuristic = vector(heuristic_uncertainty_test, "heuristic_uncertainty_test")
        not_negative(heuristic, "heuristic_uncertainty_test")
        return heuristic * self.qhat, self.qhat
