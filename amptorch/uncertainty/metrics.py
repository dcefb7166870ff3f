"""How good uncertainties are."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .checks import not_negative, same_length, vector


def calc_uncertainty_metrics(residuals: ArrayLike, uncertainty: ArrayLike) -> tuple[float, float]:
    """Calibration and sharpness.

    Calibration is the fraction of images whose error is larger than their uncertainty; for
    conformal prediction it should be near alpha, for a Gaussian standard deviation near 0.32. The
    fraction inside is 1 minus it. Sharpness is the mean uncertainty: the smaller the better, at
    equal calibration.

    Args:
        residuals: errors [n].
        uncertainty: uncertainties [n], >= 0, in the same unit.
    """
    errors, widths = vector(residuals, "residuals"), vector(uncertainty, "uncertainty")
    same_length(errors, "residuals", widths, "uncertainty")
    not_negative(widths, "uncertainty")
    return float(np.mean(np.abs(errors) > widths)), float(widths.mean())
