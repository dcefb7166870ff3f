"""The Kalman filter against dense formulas in numpy and against least squares."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amptorch.fit.optimizers.kalman import KalmanFilter, filter_step

from .problems import LINEAR, TANH, LinearProblem, loaded, start_of


@pytest.mark.parametrize("sizes", [(7,), (4, 6, 3)])
def test_step_is_the_dense_formula(sizes):
    """The formulas of the paper with one block-diagonal P, three steps in a row."""
    random = np.random.default_rng(0)
    n, forgetting = sum(sizes), 0.95
    weights, dense = np.zeros(n), np.zeros((n, n))
    covariances, start = [], 0
    for size in sizes:
        root = random.normal(size=(size, size))
        dense[start : start + size, start : start + size] = root @ root.T
        covariances.append(torch.from_numpy(root @ root.T))
        start += size
    for _ in range(3):
        h, residuals = random.normal(size=(n, 5)), random.normal(size=5)
        s = forgetting * np.eye(5) + h.T @ dense @ h
        gain = dense @ h @ np.linalg.inv(s)
        expected = gain @ residuals
        dense = (np.eye(n) - gain @ h.T) @ dense / forgetting
        # Decoupled networks do not learn what they have in common.
        mask = np.zeros_like(dense)
        for a, b in zip(np.cumsum((0, *sizes))[:-1], np.cumsum(sizes), strict=True):
            mask[a:b, a:b] = 1.0
        dense *= mask
        blocks = torch.from_numpy(h.T.copy()).split(list(sizes), 1)
        found = filter_step(covariances, blocks, torch.from_numpy(residuals), forgetting)
        np.testing.assert_allclose(torch.cat(found).numpy(), expected, rtol=1e-10)
        np.testing.assert_allclose(
            torch.block_diag(*covariances).numpy(), dense, rtol=1e-9, atol=1e-12
        )
        weights += expected


@pytest.mark.parametrize("batch_size", [1, 4, 6])
def test_without_forgetting_a_linear_model_is_least_squares(batch_size, tmp_path):
    """After one pass over the data, in whatever order and groups, the filter's weights minimize
    sum (residual / noise)^2 + |w - w_0|^2 / covariance."""
    options = {
        "energy_noise": 0.02,
        "force_noise": 0.4,
        "fraction": 1.0,
        "forgetting": 1.0,
        "forgetting_rate": 1.0,
        "covariance": 3.0,
    }
    optim = {"epochs": 1, "batch_size": batch_size}
    trainer = loaded(tmp_path, "kalman", LINEAR, optim=optim, **options)
    start, scale = start_of(trainer), float(trainer.target_scaler.target_std)
    trainer.net.fit(trainer.train_dataset, None)
    a, b = LinearProblem.of(trainer).rows(scale / (3 * 0.02), scale / 0.4)
    ridge = np.vstack([a, np.eye(len(start)) / np.sqrt(3.0)])
    expected = np.linalg.lstsq(ridge, np.append(b, start / np.sqrt(3.0)), rcond=None)[0]
    np.testing.assert_allclose(start_of(trainer), expected, rtol=1e-6, atol=1e-8)


def test_energies_that_are_not_drawn_say_nothing(tmp_path):
    """Without any of them the filter is the least-squares solution for the forces alone."""
    options = {"force_noise": 0.4, "fraction": 1.0, "covariance": 3.0, "energy_fraction": 0.0}
    fixed = {"forgetting": 1.0, "forgetting_rate": 1.0}
    optim = {"epochs": 1, "batch_size": 2}
    trainer = loaded(tmp_path, "kalman", LINEAR, optim=optim, **options, **fixed)
    start, scale = start_of(trainer), float(trainer.target_scaler.target_std)
    trainer.net.fit(trainer.train_dataset, None)
    a, b = LinearProblem.of(trainer).rows(0.0, scale / 0.4)
    ridge = np.vstack([a, np.eye(len(start)) / np.sqrt(3.0)])
    expected = np.linalg.lstsq(ridge, np.append(b, start / np.sqrt(3.0)), rcond=None)[0]
    np.testing.assert_allclose(start_of(trainer), expected, rtol=1e-6, atol=1e-8)


def test_a_fraction_of_the_energies_is_drawn(tmp_path, monkeypatch):
    trainer = loaded(tmp_path, "kalman", LINEAR, optim={"epochs": 40}, energy_fraction=0.25)
    seen = []
    observe = KalmanFilter.observe

    def watched(self, net, batch):
        found = observe(self, net, batch)
        seen.extend((found.scales[: batch[0].num_graphs] > 0).tolist())
        return found

    monkeypatch.setattr(KalmanFilter, "observe", watched)
    trainer.net.fit(trainer.train_dataset, None)
    assert 0.15 < np.mean(seen) < 0.35


@pytest.mark.parametrize(
    ("name", "decoupled"), [("singlenn", True), ("bpnn", True), ("bpnn", False)]
)
def test_fits_a_tiny_problem(name, decoupled, tmp_path):
    trainer = loaded(
        tmp_path,
        "kalman",
        {**TANH, "name": name},
        optim={"epochs": 40, "batch_size": 1},
        decoupled=decoupled,
        fraction=0.5,
        covariance=1.0,
    )
    trainer.net.fit(trainer.train_dataset, None)
    losses = trainer.net.history[:, "train_loss"]
    assert losses[-1] < 1e-3 * losses[0]
    covariances = trainer.net.optimizer_.memory["covariances"]
    assert len(covariances) == (3 if name == "bpnn" and decoupled else 1)


def test_forgetting_approaches_one(tmp_path):
    options = {"forgetting": 0.9, "forgetting_rate": 0.8}
    optim = {"epochs": 3, "batch_size": 2}
    trainer = loaded(tmp_path, "kalman", LINEAR, optim=optim, **options)
    trainer.net.fit(trainer.train_dataset, None)
    expected = 0.9
    for _ in range(9):
        expected = 0.8 * expected + 0.2
    assert trainer.net.optimizer_.memory["forgetting"] == pytest.approx(expected, rel=1e-12)


def test_energies_only(tmp_path):
    optim = {"epochs": 30, "batch_size": 1, "force_coefficient": 0.0}
    trainer = loaded(tmp_path, "kalman", TANH, optim=optim, covariance=1.0)
    trainer.net.fit(trainer.train_dataset, None)
    losses = trainer.net.history[:, "train_loss"]
    assert losses[-1] < 1e-3 * losses[0]
