"""Calibration and sharpness by hand."""

from __future__ import annotations

import numpy as np
import pytest

from amptorch.uncertainty.utils import calc_uncertainty_metrics


def test_by_hand():
    """One of four errors is larger than its uncertainty; one is equal to it, which is inside."""
    calibration, sharpness = calc_uncertainty_metrics([0.5, -3.0, 2.0, -0.1], [1.0, 1.0, 2.0, 4.0])
    assert calibration == 0.25
    assert sharpness == 2.0


def test_gaussian_errors_and_their_standard_deviation():
    random = np.random.default_rng(0)
    n = 100_000
    widths = random.uniform(0.5, 2.0, n)
    calibration, sharpness = calc_uncertainty_metrics(random.normal(0.0, widths), widths)
    assert calibration == pytest.approx(0.3173, abs=4 * np.sqrt(0.32 * 0.68 / n))
    assert sharpness == pytest.approx(1.25, abs=0.01)


@pytest.mark.parametrize(
    ("residuals", "uncertainty", "message"),
    [
        ([1.0, 2.0], [1.0], "uncertainty: expected as many values as residuals, 2, got 1"),
        ([], [], "residuals: expected at least one value, got none"),
        ([1.0], [np.nan], r"uncertainty: expected finite values, got nan at \[0\]"),
        ([1.0], [-1.0], r"uncertainty: expected values >= 0, got -1.0 at \[0\]"),
    ],
)
def test_errors(residuals, uncertainty, message):
    with pytest.raises(ValueError, match=message):
        calc_uncertainty_metrics(residuals, uncertainty)
