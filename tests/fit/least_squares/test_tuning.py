"""Tuning of weights and penalty against fits to rows, finite differences and a plain search."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amptorch.fit.least_squares import solvers
from amptorch.fit.least_squares.moments import Gram, Key, Moments
from amptorch.fit.least_squares.problem import Problem
from amptorch.fit.least_squares.settings import LeastSquaresSettings
from amptorch.fit.least_squares.tuning import _Search, _Stack, tune

P, CONSTANTS = 9, torch.tensor([0])
START = LeastSquaresSettings(weights={"energy": 20.0}, alpha=1e-3)
FOLDS = range(4)
FACTORS = [None, torch.linspace(1.0, 4.0, P).double()]


def rows(kind: str, group: str, fold: int) -> torch.Tensor:
    """Targets follow the columns; those of one group less well."""
    random = np.random.default_rng([ord(kind[0]), ord(group[0]), fold])
    n = 2 if kind == "energy" else 5
    matrix = random.normal(size=(n, P))
    matrix[:, 0] = kind == "energy"
    noise = random.normal(size=n) * (1.0 if group == "wild" else 0.03)
    return torch.from_numpy(np.column_stack([matrix, matrix @ np.arange(1.0, P + 1) + noise]))


def moments() -> Moments:
    found = Moments(P + 1, Gram)
    for group in ("calm", "wild"):
        for kind in ("energy", "forces"):
            for fold in FOLDS:
                found.add(Key(group, kind, fold), rows(kind, group, fold))
    return found


def fold_errors(
    weights: dict[tuple[str, str], float], alpha: float, factors: torch.Tensor | None = None
) -> dict[str, float]:
    """RMSE of folds left out, each by a fit to the others."""
    squares, counts = {"energy": 0.0, "forces": 0.0}, {"energy": 0, "forces": 0}
    every = moments()
    for left_out in FOLDS:
        inside = {k: weights[k[:2]] for k in every.parts if k.fold != left_out}
        problem = Problem.of(every.gram(inside), CONSTANTS, every.count(inside))
        if factors is None:
            (solution,) = solvers.path(problem, "ridge", [alpha], 0.5)
        else:
            (solution,) = solvers.by_factor(problem, problem.of_others(factors), [alpha])
        for key in every.parts:
            if key.fold == left_out:
                squares[key.kind] += every.parts[key].squares(solution.coefficients)
                counts[key.kind] += every.parts[key].count
    return {kind: (squares[kind] / counts[kind]) ** 0.5 for kind in squares}


@pytest.mark.parametrize("factors", FACTORS)
@pytest.mark.parametrize("by_group", [True, False])
def test_errors_are_those_of_fits_to_the_other_folds(by_group, factors):
    found = tune(moments(), CONSTANTS, START, by_group=by_group, factors=factors)
    weights = {(g, kind): w for g, own in found.weights.items() for kind, w in own.items()}
    expected = fold_errors(weights, found.alpha, factors)
    assert found.errors == pytest.approx(expected, rel=1e-8)
    assert found.score == pytest.approx((expected["energy"] * expected["forces"]) ** 0.5, rel=1e-8)


def test_what_is_tuned_predicts_better_and_trusts_the_wild_group_less():
    found = tune(moments(), CONSTANTS, START)
    start = {(g, k): START.weight(g, k) for g in ("calm", "wild") for k in ("energy", "forces")}
    before = fold_errors(start, START.alphas[0])
    assert found.score < 0.999 * (before["energy"] * before["forces"]) ** 0.5
    assert found.weights["wild"]["forces"] < 0.7 * found.weights["calm"]["forces"]


@pytest.mark.parametrize("factors", FACTORS)
def test_the_slope_is_that_of_finite_differences(factors):
    search = _Search(_Stack.of(moments(), CONSTANTS, None, factors), START, by_group=True)
    x = np.random.default_rng(0).normal(size=search.size)
    _, slope = search.value_and_slope(x)
    steps = 1e-5 * np.eye(search.size)
    both = [[search.value_and_slope(x + s * step)[0] for s in (1, -1)] for step in steps]
    expected = np.array([(up - down) / 2e-5 for up, down in both])
    # How norms of columns move with weights is taken into account to first order.
    np.testing.assert_allclose(slope, expected, rtol=1e-3, atol=1e-4)


def test_folds_that_are_kept_apart_have_no_say():
    every, some = moments(), moments()
    for key in every.parts:
        if key.fold == 3:
            some.parts[key].matrix *= 7.0
    one, other = (tune(each, CONSTANTS, START, folds=[0, 1, 2]) for each in (every, some))
    assert one == other


def test_settings_are_relative_to_the_largest_group():
    found = tune(moments(), CONSTANTS, START)
    settings = found.settings({"calm": 5, "wild": 2})
    assert settings["weights"]["forces"] == 1.0
    assert set(settings["groups"]) == {"wild"}
    made = LeastSquaresSettings(**settings)
    ratio = found.weights["wild"]["energy"] / found.weights["calm"]["forces"]
    assert made.weight("wild", "energy") == pytest.approx(ratio, rel=1e-3)


def test_one_fold_is_an_error():
    with pytest.raises(ValueError, match="2 folds or more, got 1"):
        tune(moments(), CONSTANTS, START, folds=[1])
