"""Levenberg-Marquardt against numpy's normal equations and least squares."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amptorch.fit.optimizers import observations
from amptorch.fit.optimizers.levenberg_marquardt import damped_step, normal_equations

from .problems import LINEAR, TANH, LinearProblem, loaded, start_of


@pytest.mark.parametrize("mu", [1e-3, 0.5, 20.0])
def test_step_is_that_of_numpys_normal_equations(mu):
    random = np.random.default_rng(0)
    j, r = random.normal(size=(30, 8)), random.normal(size=30)
    rows = zip(torch.from_numpy(j).split(7), torch.from_numpy(r).split(7), strict=True)
    normal, slope = normal_equations(rows, 8)
    expected = np.linalg.solve(j.T @ j + mu * np.eye(8), j.T @ r)
    np.testing.assert_allclose(damped_step(normal, slope, mu).numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize("rows", [1, 10_000_000])
def test_first_step_of_a_linear_model(rows, tmp_path, monkeypatch):
    """One epoch from the loss written out: mu is relative to the largest diagonal element."""
    monkeypatch.setattr(observations, "_ROWS", rows)
    optim = {"epochs": 1, "batch_size": 6}
    trainer = loaded(tmp_path, "levenberg_marquardt", LINEAR, optim=optim, damping=1e-2)
    start = start_of(trainer)
    a, b = LinearProblem.of(trainer).rows_of_loss()
    mu = 1e-2 * np.diag(a.T @ a).max()
    step = np.linalg.solve(a.T @ a + mu * np.eye(len(start)), a.T @ (b - a @ start))
    trainer.net.fit(trainer.train_dataset, None)
    np.testing.assert_allclose(start_of(trainer), start + step, rtol=1e-8, atol=1e-10)
    loss = 0.5 * ((b - a @ start) ** 2).sum()
    assert trainer.net.history[-1, "train_loss"] == pytest.approx(loss, rel=1e-10)


def test_a_linear_model_reaches_least_squares(tmp_path):
    optim = {"epochs": 40, "batch_size": 6}
    trainer = loaded(tmp_path, "levenberg_marquardt", LINEAR, optim=optim, damping=1e-6)
    best = LinearProblem.of(trainer).least_loss()
    trainer.net.fit(trainer.train_dataset, None)
    assert trainer.net.history[-1, "train_loss"] == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("name", ["singlenn", "bpnn"])
def test_fits_a_tiny_problem_and_never_climbs(name, tmp_path):
    optim = {"epochs": 40, "batch_size": 6}
    model = {**TANH, "name": name}
    trainer = loaded(tmp_path, "levenberg_marquardt", model, optim=optim)
    trainer.net.fit(trainer.train_dataset, None)
    losses = np.array(trainer.net.history[:, "train_loss"])
    assert (np.diff(losses) <= 1e-12 * losses[:-1]).all()
    assert losses[-1] < 1e-3 * losses[0]


def test_a_step_that_climbs_is_taken_back(tmp_path):
    """A step ten times too long never lowers the loss of a linear model near its minimum."""
    optim = {"epochs": 4, "batch_size": 6, "lr": 10.0}
    trainer = loaded(tmp_path, "levenberg_marquardt", LINEAR, optim=optim, damping=1e-9, tries=1)
    start = start_of(trainer)
    trainer.net.fit(trainer.train_dataset, None)
    np.testing.assert_array_equal(start_of(trainer), start)
    losses = trainer.net.history[:, "train_loss"]
    assert losses == pytest.approx([losses[0]] * 4, rel=1e-12)


def test_batches_and_a_fraction_of_the_forces(tmp_path):
    optim = {"epochs": 30, "batch_size": 2}
    trainer = loaded(tmp_path, "levenberg_marquardt", TANH, optim=optim, fraction=0.5)
    trainer.net.fit(trainer.train_dataset, None)
    losses = trainer.net.history[:, "train_loss"]
    assert losses[-1] < 1e-2 * losses[0]
