"""scipy's minimizers through the trainer and on the loss written out plainly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from amptorch import AtomsTrainer
from amptorch.fit.optimizers import BFGS, LBFGSB

from ...made_potentials import config, trained
from .problems import FRAMES, LINEAR, TANH, LinearProblem, loaded, plain_loss, sections, start_of

METHODS = {"lbfgs": "L-BFGS-B", "bfgs": "BFGS"}
OPTIONS = {
    "lbfgs": {"maxcor": 20, "ftol": 0.0, "gtol": 1e-10},
    "bfgs": {"gtol": 1e-10},
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("batch_size", [2, 6])
def test_iterations_are_scipys_on_the_plain_loss(name, batch_size, tmp_path):
    """Frames are of one size, so that a sum over batches is the loss of all."""
    optim = {"epochs": 25, "batch_size": batch_size}
    trainer = loaded(tmp_path, name, TANH, optim=optim)
    value, losses = plain_loss(trainer), []
    plain = minimize(
        value,
        start_of(trainer),
        jac=True,
        method=METHODS[name],
        callback=lambda x: losses.append(value(x)[0]),
        options={**OPTIONS[name], "maxiter": 25},
    )
    trainer.net.fit(trainer.train_dataset, None)
    np.testing.assert_allclose(trainer.net.history[:, "train_loss"], losses, rtol=1e-5)
    np.testing.assert_allclose(start_of(trainer), plain.x, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_a_linear_model_reaches_least_squares(name, tmp_path):
    trainer = loaded(tmp_path, name, LINEAR, optim={"epochs": 400, "batch_size": 6})
    best = LinearProblem.of(trainer).least_loss()
    trainer.net.fit(trainer.train_dataset, None)
    assert trainer.net.history[-1, "train_loss"] == pytest.approx(best, rel=1e-9)


def test_the_inverse_hessian_is_scipys(tmp_path):
    trainer = loaded(tmp_path, "bfgs", TANH, optim={"epochs": 12, "batch_size": 6})
    plain = minimize(
        plain_loss(trainer),
        start_of(trainer),
        jac=True,
        method="BFGS",
        options={"gtol": 1e-10, "maxiter": 12},
    )
    trainer.net.fit(trainer.train_dataset, None)
    inverse = trainer.net.optimizer_.memory["inverse_hessian"].numpy()
    np.testing.assert_allclose(inverse, plain.hess_inv, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_history_and_validation(name, tmp_path):
    """Columns are those of other optimizers, and those of the accepted weights."""
    given = sections(name, TANH, {}, epochs=6, batch_size=2)
    given["dataset"].update(val_split=0.34, val_split_mode="inorder")
    given["cmd"] = {}
    trainer = trained(FRAMES, tmp_path, **given)
    row = trainer.net.history[-1]
    assert row["train_batch_count"] == 2
    predicted = trainer.predict(FRAMES[4:])["energy"]
    errors = np.subtract(predicted, [frame.get_potential_energy() for frame in FRAMES[4:]])
    best = min(trainer.net.history[:, "val_energy_mae"])
    assert np.abs(errors).mean() == pytest.approx(best, rel=1e-5)
    again = AtomsTrainer()
    again.load_pretrained(trainer.cp_dir)
    np.testing.assert_array_equal(
        again.predict(FRAMES)["energy"], trainer.predict(FRAMES)["energy"]
    )


@pytest.mark.parametrize("name", METHODS)
def test_ends_where_there_is_no_gradient(name, tmp_path, capsys):
    given = sections(name, LINEAR, {"gtol": 1e-2}, epochs=500)
    given["cmd"] = {"verbose": True}
    trainer = trained(FRAMES, tmp_path, **given)
    assert len(trainer.net.history) < 500
    assert (
        f"{METHODS[name]} ended after {len(trainer.net.history)} epochs" in capsys.readouterr().out
    )
    assert all("train_loss" in row for row in trainer.net.history)


def test_going_on_with_bfgs_keeps_the_curvature(tmp_path):
    """scipy's line search guesses its first length anew; else the runs are the same."""
    whole = trained(FRAMES, tmp_path / "whole", **with_files("bfgs", 30))
    trained_first = trained(FRAMES, tmp_path / "parts", **with_files("bfgs", 15))
    second = AtomsTrainer(config(FRAMES, tmp_path / "parts", **with_files("bfgs", 15)))
    second.load_pretrained(trained_first.cp_dir)
    second.train()
    np.testing.assert_allclose(
        second.net.history[:, "train_loss"], whole.net.history[:, "train_loss"], rtol=1e-4
    )


def test_going_on_with_lbfgs(tmp_path):
    """It starts with an empty history from where it was, and goes on downhill."""
    first = trained(FRAMES, tmp_path, **with_files("lbfgs", 10))
    second = AtomsTrainer(config(FRAMES, tmp_path, **with_files("lbfgs", 10)))
    second.load_pretrained(first.cp_dir)
    second.train()
    losses = np.array(second.net.history[:, "train_loss"])
    assert len(losses) == 20
    assert (np.diff(losses) < 0.0).all()


def with_files(name: str, epochs: int) -> dict[str, dict[str, object]]:
    return {**sections(name, TANH, {}, epochs=epochs), "cmd": {}}


@pytest.mark.parametrize(("kind", "name"), [(LBFGSB, "lbfgs"), (BFGS, "bfgs")])
def test_a_class_is_as_good_as_a_name(kind, name, tmp_path):
    losses = []
    for optimizer in (kind, name):
        trainer = loaded(tmp_path, optimizer, TANH, optim={"epochs": 5})
        trainer.net.fit(trainer.train_dataset, None)
        losses.append(trainer.net.history[:, "train_loss"])
    assert losses[0] == losses[1]
