"""Conformal prediction: the coverage that the theorem promises, whatever the errors are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from amptorch.uncertainty.utils import ConformalPrediction, calc_uncertainty_metrics

DRAWS, N_TEST = 1500, 40

# Errors whose spread grows with a distance that the heuristic measures more or less well.
ERRORS = {
    "gaussian": lambda random, d: random.normal(0.0, d),
    "offset": lambda random, d: random.normal(0.05, 0.02 + 0.3 * d**2),
    "skewed": lambda random, d: d * random.exponential(1.0, d.shape),
    "heavy_tails": lambda random, d: d * random.standard_cauchy(d.shape),
    "unrelated": lambda random, d: random.normal(0.0, 1.0, d.shape),
}


def coverage(kind, n_calibration, alpha):
    """Fraction of errors inside the uncertainty, mean over draws and its standard error."""
    random = np.random.default_rng(n_calibration)
    inside = []
    for _ in range(DRAWS):
        distances = random.lognormal(0.0, 0.7, n_calibration + N_TEST)
        errors = ERRORS[kind](random, distances)
        model = ConformalPrediction(errors[:n_calibration], distances[:n_calibration], alpha)
        uncertainty, _ = model.predict(distances[n_calibration:])
        outside, _ = calc_uncertainty_metrics(errors[n_calibration:], uncertainty)
        inside.append(1.0 - outside)
    return np.mean(inside), np.std(inside) / math.sqrt(DRAWS)


@pytest.mark.parametrize("alpha", [0.1, 0.32])
@pytest.mark.parametrize("n_calibration", [10, 60])
@pytest.mark.parametrize("kind", list(ERRORS))
def test_coverage(kind, n_calibration, alpha):
    found, error = coverage(kind, n_calibration, alpha)
    rank = math.ceil((n_calibration + 1) * (1 - alpha))
    # Between the coverage of the order statistic of the theorem and of the next one.
    assert 1 - alpha - 4 * error <= found
    assert rank / (n_calibration + 1) - 4 * error <= found
    assert found <= (rank + 1) / (n_calibration + 1) + 4 * error


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.32, 0.5])
@pytest.mark.parametrize("n", [19, 20, 99, 1000])
def test_qhat_is_the_interpolated_order_statistic(n, alpha):
    random = np.random.default_rng(n)
    errors, heuristic = random.normal(size=n), random.uniform(0.5, 2.0, n)
    scores = np.sort(np.abs(errors) / heuristic)
    rank = math.ceil((n + 1) * (1 - alpha))
    place = rank / n * (n - 1)
    expected = np.interp(place, np.arange(n), scores)
    model = ConformalPrediction(errors, heuristic, alpha)
    assert model.qhat == pytest.approx(expected, rel=1e-12)
    assert model.qhat >= scores[rank - 1]


def test_predict_scales_the_heuristic():
    model = ConformalPrediction([1.0, -2.0, 3.0], [1.0, 1.0, 1.0], 0.25)
    uncertainty, qhat = model.predict([0.0, 0.5, 2.0])
    assert qhat == 3.0
    assert uncertainty.tolist() == [0.0, 1.5, 6.0]


def test_fit_after_making_is_the_same():
    random = np.random.default_rng(0)
    errors, heuristic = random.normal(size=50), random.uniform(0.5, 2.0, 50)
    model = ConformalPrediction(alpha=0.2)
    with pytest.raises(RuntimeError, match="call fit"):
        model.predict(heuristic)
    model.fit(errors, heuristic)
    assert model.qhat == ConformalPrediction(errors, heuristic, 0.2).qhat


@pytest.mark.parametrize(("alpha", "fewest"), [(0.1, 9), (0.32, 3), (0.05, 19), (0.5, 1)])
def test_fewest_calibration_images(alpha, fewest):
    ones = np.ones(fewest)
    assert ConformalPrediction(ones, ones, alpha).qhat == 1.0
    message = f"alpha {alpha} needs at least {fewest} calibration images, got {fewest - 1}"
    if fewest > 1:
        with pytest.raises(ValueError, match=message):
            ConformalPrediction(ones[1:], ones[1:], alpha)


ONES = np.ones(20)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (ONES, ONES[1:], 0.1),
            "heuristic_uncertainty_calib: expected as many values as residuals_calib, 20, got 19",
        ),
        (
            (ONES, 0 * ONES, 0.1),
            r"heuristic_uncertainty_calib: expected values > 0, got 0.0 at \[0\]",
        ),
        ((ONES * np.nan, ONES, 0.1), r"residuals_calib: expected finite values, got nan at \[0\]"),
        (([], [], 0.1), "residuals_calib: expected at least one value, got none"),
        ((ONES, ONES, 1.5), "alpha: expected a number between 0 and 1, got 1.5"),
        ((ONES, None, 0.1), "expected both residuals_calib and heuristic_uncertainty_calib"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        ConformalPrediction(*arguments)


def test_negative_heuristic():
    with pytest.raises(ValueError, match="heuristic_uncertainty_test: expected values >= 0"):
        ConformalPrediction(ONES, ONES, 0.1).predict([1.0, -1.0])
