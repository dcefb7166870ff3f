"""LassoNet for sums over atoms: its proximal step, its descent and its path."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from amptorch.selection.hierarchy import descend, gradient, hier_prox, lengths, path, projected
from amptorch.selection.networks import losses, made, trained

from .made import TRUE, material, problem

M = 3.0


def groups(seed: int, n: int = 40, m: int = 2, k: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    drawn = torch.Generator().manual_seed(seed)
    options = {"generator": drawn, "dtype": torch.float64}
    return torch.randn(n, m, **options), torch.randn(n, k, **options)


def network(samples, skip=True, seed=3):
    n_species = int(samples.species.max()) + 1
    return made(samples.n_functions, n_species, 5, [seed], skip, torch.float64)


@pytest.mark.parametrize("penalty", [0.0, 0.3, 2.0, 20.0])
def test_the_proximal_step_is_the_minimum(penalty):
    theta, w = groups(0)
    b, cut = hier_prox(theta, w, penalty, M)
    for j in range(len(theta)):
        size = float(theta[j].norm())

        def cost(t, j=j, size=size):
            over = (w[j].abs() - M * t).clamp(min=0).square().sum()
            return 0.5 * (t - size) ** 2 + penalty * t + 0.5 * float(over)

        best = minimize_scalar(cost, bounds=(0, 20), method="bounded", options={"xatol": 1e-11})
        assert float(b[j].norm()) == pytest.approx(best.x, abs=1e-6)
        assert cost(float(b[j].norm())) <= best.fun + 1e-12
        np.testing.assert_allclose(
            cut[j], w[j].clamp(-M * b[j].norm(), M * b[j].norm()), atol=1e-12
        )
        if b[j].norm() > 0:  # the direction stays
            assert float(torch.dot(b[j], theta[j]) / b[j].norm() / size) == pytest.approx(1.0)
    assert (cut.abs().amax(1) <= M * b.norm(dim=1) + 1e-12).all()


def test_no_penalty_and_no_bound_change_nothing():
    theta, w = groups(1)
    for bound in (math.inf, 1e9):
        for one, other in zip(hier_prox(theta, w, 0.0, bound), (theta, w), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-14)


@pytest.mark.parametrize("n_species", [1, 2])
def test_gradients_are_those_of_finite_differences(n_species):
    samples = problem(4, 6, n_species)
    weights = network(samples)
    weights["theta"] = 0.1 * torch.ones_like(weights["theta"])
    loss, slopes = gradient(weights, samples)
    assert loss == pytest.approx(float(losses(weights, samples).sum()), rel=1e-14)
    for name, each in weights.items():
        step = torch.randn(each.shape, generator=torch.Generator().manual_seed(1), dtype=each.dtype)
        ends = [
            float(losses({**weights, name: each + h * step}, samples).sum()) for h in (1e-5, -1e-5)
        ]
        assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(
            float((slopes[name] * step).sum()), rel=1e-6
        )


def test_without_penalty_and_bound_the_loss_is_that_of_plain_descent():
    """A network with the skip connection held at 0 has the plain network's loss, and steps are those
    of gradient descent."""
    samples = problem(6, 6)
    plain, skipping = network(samples, skip=False), network(samples)
    torch.testing.assert_close(losses(plain, samples), losses(skipping, samples), rtol=0, atol=0)
    _, slope = gradient(skipping, samples)
    stepped, loss, _ = descend(skipping, samples, 0.0, math.inf, 1, 1e-3)
    by_hand = {name: each - 1e-3 * slope[name] for name, each in skipping.items()}
    assert loss == pytest.approx(float(losses(by_hand, samples).sum()), rel=1e-12)
    for name, each in stepped.items():
        torch.testing.assert_close(each, by_hand[name], rtol=1e-13, atol=1e-13)


def test_steps_never_make_the_penalised_loss_larger():
    samples, penalty = problem(6, 6), 0.05
    weights = projected(trained(network(samples), samples, 3), penalty, M)
    before = math.inf
    for _ in range(10):
        now = float(losses(weights, samples).sum()) + penalty * float(
            lengths(weights["theta"]).sum()
        )
        assert now <= before
        before = now
        weights, _, _ = descend(weights, samples, penalty, M, 1)
        assert _overstepped(weights) <= 1e-12


def _overstepped(weights) -> float:
    w1 = weights["w1"][0].abs().amax((0, 2))
    return float((w1 - M * lengths(weights["theta"])).max())


@pytest.mark.parametrize("n_species", [1, 2])
def test_the_path_falls_and_leaves_what_energies_are_made_of(n_species):
    given = material(problem(n_species=n_species), epochs=30)
    samples = given.training.to(torch.float64)
    dense = trained(network(samples), samples, 20)
    steps = list(path(dense, samples, len(TRUE)))
    for before, after in itertools.pairwise(steps):
        assert set(after.kept) <= set(before.kept)
        assert after.penalty > before.penalty
    assert steps[0].penalty == 0.0
    assert steps[-1].kept == list(TRUE)
