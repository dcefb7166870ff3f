"""The likelihood fit: known parameters come back, and no other search finds better ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import norm

from amptorch.uncertainty.utils import NegativeLeastLikelihoodEstimator

N = 20_000


def fitted(errors, distances):
    model = NegativeLeastLikelihoodEstimator()
    model.fit(errors, distances)
    return model


def negative_log_likelihood(s1, s2, errors, distances):
    return -norm.logpdf(errors, scale=s1 + s2 * distances).sum()


def standard_errors(s1, s2, distances):
    """Of s1 and s2, from the Fisher information sum 2/sigma^2 (1, d)(1, d)^T."""
    design = np.column_stack([np.ones_like(distances), distances]) / (s1 + s2 * distances)[:, None]
    return np.sqrt(np.diag(np.linalg.inv(2.0 * design.T @ design)))


@pytest.mark.parametrize("s1", [1e-3, 0.5, 20.0])
@pytest.mark.parametrize("s2", [1e-3, 0.5, 20.0])
@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_known_parameters_come_back(s1, s2, unit):
    random = np.random.default_rng(int(1e3 * s1 + s2))
    distances = random.lognormal(0.0, 0.8, N)
    errors = unit * random.normal(0.0, s1 + s2 * distances)
    model = fitted(errors, distances)
    e1, e2 = unit * standard_errors(s1, s2, distances)
    assert abs(model.s1 - unit * s1) < 4 * e1
    assert abs(model.s2 - unit * s2) < 4 * e2


@pytest.mark.parametrize("s1", [0.0, 0.3])
def test_on_the_edge_of_the_allowed_range(s1):
    """Spread that does not depend on the distance, or is proportional to it."""
    random = np.random.default_rng(1)
    distances = random.uniform(0.5, 5.0, N)
    s2 = 0.0 if s1 else 0.3
    model = fitted(random.normal(0.0, s1 + s2 * distances), distances)
    assert model.s1 == pytest.approx(s1, abs=0.02)
    assert model.s2 == pytest.approx(s2, abs=0.01)
    assert min(model.s1, model.s2) >= 0.0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_other_search_finds_better_parameters(seed):
    random = np.random.default_rng(seed)
    n = int(random.integers(5, 60))
    distances = random.lognormal(0.0, random.uniform(0.1, 2.0), n)
    errors = random.normal(0.0, 0.2 + random.uniform(0.0, 2.0) * distances)
    model = fitted(errors, distances)

    def cost(logarithms):
        return negative_log_likelihood(*np.exp(logarithms), errors, distances)

    others = [
        minimize(cost, start, method="Nelder-Mead", bounds=[(-12, 5)] * 2).fun
        for start in ([0.0, 0.0], [-6.0, 0.0], [0.0, -6.0])
    ]
    found = negative_log_likelihood(model.s1, model.s2, errors, distances)
    assert found <= min(others) + 1e-6 * n


def test_shrinking_spread_gives_the_constant():
    """Errors that shrink with distance: the best allowed spread does not depend on it."""
    random = np.random.default_rng(2)
    distances = random.uniform(0.5, 5.0, N)
    errors = random.normal(0.0, 1.0 / distances)
    model = fitted(errors, distances)
    assert model.s2 == 0.0
    assert model.s1 == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-12)


def test_distances_that_are_all_zero():
    errors = np.array([1.0, -2.0, 2.0])
    model = fitted(errors, np.zeros(3))
    assert (model.s1, model.s2) == (pytest.approx(np.sqrt(3.0)), 0.0)


def test_a_zero_distance_keeps_the_likelihood_finite():
    model = fitted([0.1, 1.0, -2.0, 3.0], [0.0, 1.0, 2.0, 3.0])
    assert model.s1 > 0.0


def test_predict():
    model = fitted([0.1, 1.0, -2.0, 3.5], [0.1, 1.0, 2.0, 3.0])
    assert model.predict([0.0, 2.0]) == pytest.approx([model.s1, model.s1 + 2 * model.s2])


ONES = np.ones(5)


@pytest.mark.parametrize(
    ("errors", "distances", "message"),
    [
        (ONES, ONES[1:], "calib_dist: expected as many values as calib_y, 5, got 4"),
        (ONES[:2], ONES[:2], "calib_y: expected at least 3 calibration images .* got 2"),
        (0 * ONES, ONES, "calib_y: expected errors that are not all zero"),
        (ONES, -ONES, r"calib_dist: expected values >= 0, got -1.0 at \[0\]"),
        (ONES * np.inf, ONES, r"calib_y: expected finite values, got inf at \[0\]"),
        ([], [], "calib_y: expected at least one value, got none"),
    ],
)
def test_errors(errors, distances, message):
    with pytest.raises(ValueError, match=message):
        fitted(errors, distances)


def test_predict_before_fit():
    with pytest.raises(RuntimeError, match="call fit"):
        NegativeLeastLikelihoodEstimator().predict(ONES)
