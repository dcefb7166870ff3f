"""Evolution: its formulas, GPUMD's numbers, and folders that go on as if nothing had been."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from amptorch.data.gpumd import read_gpumd
from amptorch.fit.evolution.directory import Directory, predictions
from amptorch.fit.evolution.distribution import Distribution, utilities
from amptorch.fit.evolution.evolver import batches
from amptorch.fit.evolution.losses import Regularizer
from amptorch.fit.evolution.outputs import LossRow, read_losses
from amptorch.fit.evolution.training import Training
from amptorch.potentials.loading import load
from amptorch.potentials.nep.nep_in import NepIn
from amptorch.potentials.nep.population import owners, without_constant
from amptorch.trainer import AtomsTrainer

from ...nep import PBTE, alloys, folder, needs_pbte

TABLES = [
    f"{kind}_{of}.out"
    for kind in ("energy", "force", "virial", "stress")
    for of in ("train", "test")
]


def run(path: Path) -> list[LossRow]:
    return list(Training(Directory(path)).run())


def test_utilities_and_update_are_those_of_the_paper():
    u = utilities(4)
    raw = np.maximum(0, math.log(3) - np.log([1, 2, 3, 4]))
    np.testing.assert_allclose(u, raw / raw.sum() - 0.25)
    groups = np.array([0, 0, 1])
    own = Distribution(np.zeros(3), np.array([0.1, 0.2, 0.9]), groups, 0.5)
    s = np.random.default_rng(0).normal(size=(4, 3))
    own.update(s, np.array([[3.0, 1.0, 2.0, 4.0], [1.0, 2.0, 3.0, 4.0]]))
    for v, order in enumerate([[1, 2, 0, 3], [1, 2, 0, 3], [0, 1, 2, 3]]):
        sigma = [0.1, 0.2, 0.9][v]
        assert own.mean[v] == pytest.approx(
            sigma * sum(u[k] * s[p, v] for k, p in enumerate(order))
        )
        grown = sigma * math.exp(0.5 * sum(u[k] * (s[p, v] ** 2 - 1) for k, p in enumerate(order)))
        assert own.sigma[v] == pytest.approx(min(1.0, grown))


def test_batches_are_dealt_out_by_energy():
    parts = batches(np.array([5.0, 1.0, 4.0, 1.0, 3.0]), 2)
    assert [each.tolist() for each in parts] == [[1, 2], [3, 0], [4]]


@needs_pbte
def test_the_sizes_of_gpumds_parameters_are_the_last_line_of_its_loss_out():
    directory = Directory(PBTE)
    model, weights = directory.model(), directory.weights
    shape = directory.shape
    regularizer = Regularizer(owners(shape), without_constant(shape), 2, weights.l1, weights.l2)
    l1, l2 = regularizer(model.vector().numpy()[None])
    last = read_losses(PBTE / "loss.out")[-1]
    assert (round(l1[-1, 0], 5), round(l2[-1, 0], 5)) == (last.l1, last.l2)


@needs_pbte
def test_lines_of_gpumds_loss_out_are_written_as_it_writes_them():
    lines = (PBTE / "loss.out").read_text().splitlines(keepends=True)
    assert "".join(row.line() for row in read_losses(PBTE / "loss.out")) == "".join(lines)


@needs_pbte
def test_the_columns_of_a_line_are_those_of_gpumds_predictions():
    """E, F and V of the 20 of its 25 frames that are here, from what it printed for them."""
    directory, printed = Directory(PBTE), np.load(PBTE / "gpumd_predictions.npz")
    train, model = directory.train, directory.model()
    plain = directory.data(train)[1]
    own = plain.errors(model.vector().numpy()[None], 1.0).rms()[:, 0]
    energies = printed["energy_per_atom"] - train.references.energies
    forces = printed["forces"].reshape(-1, 3) - train.targets[1]
    theirs = [np.std(energies), np.sqrt(np.mean(forces**2)), 0.0]
    both = [LossRow(20000, 0.0, 0.0, 0.0, *map(float, each)) for each in (own, theirs)]
    assert both[0].line() == both[1].line()


@needs_pbte
def test_predictions_of_gpumds_potential_are_gpumds():
    directory, golden = Directory(PBTE), np.load(PBTE / "gpumd_predictions.npz")
    model, train = directory.model(), directory.train
    train.frames = train.frames[:2]
    found = predictions(train, directory.shape, model.q_scaler.numpy(), model.vector().numpy())
    n_atoms = len(found.forces)
    names = {key.lower(): key for key in golden.files}
    energy = next(golden[names[k]] for k in names if k.startswith("e"))
    forces = next(golden[names[k]] for k in names if k.startswith("f"))
    np.testing.assert_allclose(found.energies / train.sizes, energy.ravel()[:2], atol=1e-5)
    np.testing.assert_allclose(found.forces, forces.reshape(-1, 3)[:n_atoms], atol=3e-5)


@pytest.mark.parametrize("more", ["", "version 3\nbatch 3 1\nzbl 2\n"], ids=["usual", "full"])
def test_a_run_that_is_stopped_goes_on_as_it_would_have(tmp_path, more):
    whole = folder(tmp_path / "whole", f"generation 6\noutput_interval 2\n{more}")
    parts = folder(tmp_path / "parts", f"generation 4\noutput_interval 2\n{more}")
    rows = run(whole)
    assert [each.generation for each in rows] == [2, 4, 6]
    assert [each.generation for each in run(parts)] == [2, 4]
    text = (parts / "nep.in").read_text().replace("generation 4", "generation 6")
    (parts / "nep.in").write_text(text)
    assert [each.generation for each in run(parts)] == [6]
    for name in ("loss.out", "nep.restart", "nep.txt", *TABLES):
        assert (whole / name).read_text() == (parts / name).read_text(), name
    # And after the last one as many again.
    assert [each.generation for each in run(parts)] == [8, 10, 12]


def test_what_is_written_is_what_the_potential_says(tmp_path):
    path = folder(tmp_path, "generation 8\noutput_interval 4\nbatch 1000\n")
    row = run(path)[-1]
    potential = load(path / "nep.txt")
    for name, energy_rmse, force_rmse, virial_rmse in (
        ("train", row.train_energy, row.train_force, row.train_virial),
        ("test", row.test_energy, row.test_force, row.test_virial),
    ):
        frames = read_gpumd(path / f"{name}.xyz")
        found = potential.predict([each.atoms for each in frames])
        sizes = np.array([len(each.atoms) for each in frames])
        energies, forces = np.array(found.energy) / sizes, np.concatenate(found.forces)
        wanted = np.array([each.energy for each in frames]) / sizes
        of_forces = np.concatenate([each.forces for each in frames])
        table = np.loadtxt(path / f"energy_{name}.out")
        np.testing.assert_allclose(table, np.stack([energies, wanted], 1), atol=2e-5)
        np.testing.assert_allclose(np.loadtxt(path / f"force_{name}.out")[:, :3], forces, atol=2e-4)
        assert energy_rmse == pytest.approx(np.sqrt(np.mean((energies - wanted) ** 2)), abs=2e-5)
        assert force_rmse == pytest.approx(np.sqrt(np.mean((forces - of_forces) ** 2)), abs=2e-4)
        virials = np.loadtxt(path / f"virial_{name}.out")
        errors = virials[:, :6] - virials[:, 6:]
        assert virial_rmse == pytest.approx(np.sqrt(np.mean(errors**2)), abs=2e-4)


def test_losses_fall(tmp_path):
    path = folder(tmp_path, "generation 60\noutput_interval 20\npopulation 30\nbatch 99\n")
    rows = run(path)
    assert rows[-1].loss < 0.97 * rows[0].loss
    again = folder(
        tmp_path / "again", "generation 20\noutput_interval 20\npopulation 30\nbatch 99\n"
    )
    (again / "train.xyz").write_text((path / "train.xyz").read_text())
    assert run(again)[0] == rows[0]


def test_fine_tuning_takes_the_elements_of_a_larger_potential(tmp_path):
    large = folder(tmp_path / "large", "generation 1\noutput_interval 1\n")
    text = (large / "nep.in").read_text()
    (large / "nep.in").write_text(text.replace("type 2 Cu Ag", "type 3 Ag Au Cu"))
    run(large)
    small = folder(tmp_path / "small", f"fine_tune {large}/nep.txt {large}/nep.restart 0\n")
    directory = Directory(small)
    start, model = directory.distribution(), directory.model
    source = load(large / "nep.txt").model
    np.testing.assert_array_equal(directory.scale, source.q_scaler.numpy())
    restart = np.loadtxt(large / "nep.restart")[:, 0]
    n = directory.shape.n_descriptors * 5 + 10
    np.testing.assert_array_equal(start.mean[:n], restart[2 * n : 3 * n])
    np.testing.assert_array_equal(start.mean[n : 2 * n], restart[:n])
    assert not start.sigma[2 * n + 1 :].any()
    assert start.sigma[: 2 * n].all()
    assert callable(model)


def test_a_restart_of_another_shape_is_refused(tmp_path):
    path = folder(tmp_path, "generation 2\n")
    (path / "nep.restart").write_text("1 2\n")
    with pytest.raises(
        ValueError, match=r"nep\.restart: expected .* lines, a parameter each, got 1"
    ):
        Directory(path).distribution()


def test_prediction_and_descriptors(tmp_path):
    path = folder(tmp_path, "generation 2\noutput_interval 2\nbatch 99\n")
    row = run(path)[-1]
    settings = NepIn.parse((path / "nep.in").read_text() + "prediction 1\noutput_descriptor 2\n")
    energy, force, _ = Directory(path, settings).predict()
    assert energy == pytest.approx(row.train_energy, abs=2e-5)
    assert force == pytest.approx(row.train_force, abs=2e-5)
    table = np.loadtxt(path / "descriptor.out")
    assert table.shape == (28, Directory(path).shape.n_descriptors)


def configuration(images, **optim):
    return {
        "model": {"name": "nep", "n_max": [2, 2], "neurons": [5], "get_forces": True},
        "optim": {"fit": "evolution", "population": 10, "interval": 5, **optim},
        "dataset": {
            "raw_data": images,
            "fp_scheme": "nep",
            "fp_params": {"cutoff": [5.0, 4.0], "basis_size": [3, 3], "l_max": 3},
            "target_scaling": "forces",
            "baseline": "linear",
            "save_fps": False,
        },
        "cmd": {"seed": 1, "dtype": "float64", "verbose": False},
    }


def test_as_a_fit_of_the_trainer_it_judges_what_the_trainer_predicts(run_dir):
    images = alloys(5)
    trainer = AtomsTrainer(configuration(images, generations=10))
    trainer.train()
    row = trainer.history[-1]
    found = trainer.predict(images)
    forces = np.concatenate([each.get_forces() for each in images])
    error = np.sqrt(np.mean((np.concatenate(found["forces"]) - forces) ** 2))
    assert row["train_forces_rmse"] == pytest.approx(error, rel=1e-4)
    energies = np.array([each.get_potential_energy() for each in images])
    error = np.sqrt(np.mean(((np.array(found["energy"]).ravel() - energies) / 4) ** 2))
    assert row["train_energy_rmse"] == pytest.approx(error, rel=1e-3)
    assert torch.isfinite(trainer.model.vector()).all()


@pytest.mark.parametrize("bad", [{"sigma": 0}, {"lambda_e": -1}, {"generations": 0}])
def test_settings_that_cannot_be_are_errors(bad):
    with pytest.raises(ValueError, match=f"optim: expected {next(iter(bad))}"):
        AtomsTrainer(configuration(alloys(2), **bad)).load()
