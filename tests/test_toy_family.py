"""Families of a user's own, those of docs/architecture.md, wherever networks go: one fitted by
gradients, one by a least-squares fit of its own."""

from __future__ import annotations

import copy
import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
import yaml

import amptorch
from amptorch import AmpTorch, AtomsTrainer
from amptorch.cli import main
from amptorch.config import Config
from amptorch.data.frame import collate
from amptorch.fit.base import Run
from amptorch.fit.gradient import GradientFit
from amptorch.potentials import registry
from amptorch.report import Part, training_parts, write_report
from amptorch.store import build_store
from amptorch.uncertainty import Committee

from . import toy_families
from .dataset.test_golden_lmdb import construct_lmdb
from .made_potentials import COSINE, GAUSSIAN, alloy_frames, weights
from .processes import in_group
from .test_baselines import above

pytestmark = [
    pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning"),
    pytest.mark.filterwarnings("ignore::amptorch.preprocessing.scaling.NotAdditiveWarning"),
]

NAMES = toy_families.NAMES
FRAMES = alloy_frames(8)
SETUP = ("gaussian", GAUSSIAN, COSINE, ["Cu", "Pd"])


@pytest.fixture(scope="module", autouse=True)
def _modules(tmp_path_factory) -> Iterator[None]:
    """The modules of the documentation, imported and registered as a user does."""
    folder = tmp_path_factory.mktemp("toys")
    toy_families.write(folder)
    sys.path.insert(0, str(folder))
    before = list(registry._modules)
    for name in NAMES:
        registry.register(name)
    yield
    registry._modules[:] = before
    registry.families.cache_clear()
    sys.path.remove(str(folder))
    for name in NAMES:
        del sys.modules[name]


def trained(name: str, frames: Any, run_dir: Path, **sections: dict[str, Any]) -> AtomsTrainer:
    trainer = AtomsTrainer(toy_families.settings(name, frames, run_dir, **sections))
    trainer.train()
    return trainer


@pytest.fixture(scope="module", params=NAMES)
def trainer(request, tmp_path_factory) -> AtomsTrainer:
    folder = tmp_path_factory.mktemp(request.param)
    return trained(request.param, FRAMES, folder, dataset={"val_split": 0.25})


def assert_same(found: Any, expected: Any) -> None:
    """Predictions, to the last bit."""
    np.testing.assert_array_equal(found.energy, expected.energy)
    np.testing.assert_array_equal(found.forces, expected.forces)
    np.testing.assert_array_equal(found.stress, expected.stress)


def test_it_learns(trainer):
    found = trainer.predict(FRAMES)
    energies = np.array([image.get_potential_energy() for image in FRAMES])
    assert np.abs(found["energy"] - energies).mean() < np.abs(energies - energies.mean()).mean()
    assert len(trainer.history) == (4 if trainer.by_gradients else 1)
    train, valid = trainer.parts
    assert sorted([*train, *valid]) == list(range(8))
    assert len(valid) == 2


def test_least_squares_are_those_of_numpy(tmp_path):
    """On all rows at once, with the ridge as rows of its own."""
    trainer = trained("lines", FRAMES, tmp_path)
    batch = collate(list(trainer.train_dataset))
    rows, weight, ridge = trainer.model.rows(batch), 0.5**0.5, 1e-4**0.5
    matrix = torch.cat([rows.energies, weight * rows.forces]).numpy()
    values = torch.cat([batch.energy, weight * batch.forces.flatten()]).numpy()
    matrix = np.concatenate([matrix, ridge * np.eye(matrix.shape[1])])
    values = np.concatenate([values, np.zeros(matrix.shape[1])])
    expected, *_ = np.linalg.lstsq(matrix, values, rcond=None)
    found = trainer.model.coefficients.detach().numpy()
    np.testing.assert_allclose(matrix @ found, matrix @ expected, atol=1e-7)
    np.testing.assert_allclose(
        trainer.history[0]["train_loss"],
        np.square(matrix @ expected - values)[: -len(found)].sum(),
        rtol=1e-6,
    )


def test_rows_are_what_each_coefficient_predicts(tmp_path):
    trainer = trained("lines", FRAMES[:3], tmp_path)
    model, batch = copy.deepcopy(trainer.model), collate(list(trainer.train_dataset))
    rows = model.rows(batch)
    for k in range(model.num_params):
        with torch.no_grad():
            model.coefficients.zero_()[k] = 1.0
            energies, forces = model(batch)
            _, slope = model.energies_and_gradient(batch, gradient=True)
            _, virials = batch.primes.forces_and_virials(slope, batch.batch, batch.num_graphs)
        torch.testing.assert_close(rows.energies[:, k], energies)
        torch.testing.assert_close(rows.forces[:, k], forces.flatten())
        voigt = virials[:, [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]].flatten()
        torch.testing.assert_close(rows.virials[:, k], voigt)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_fitted_above_a_baseline(name, tmp_path):
    """As to images that the baseline was taken off before."""
    zbl = {"zbl": {"inner": 1.5, "outer": 3.6}}
    left = above(FRAMES, zbl)
    alone = trained(name, left, tmp_path / "left", dataset={"baseline": "linear"})
    trainer = trained(name, FRAMES, tmp_path, dataset={"baseline": ["linear", zbl]})
    added = trainer.fixed_baseline.evaluate(FRAMES)
    found, expected = trainer.predict(FRAMES), alone.predict(FRAMES)
    np.testing.assert_allclose(found["energy"], expected["energy"] + added.energy, rtol=1e-9)
    forces = np.add(expected["forces"], added.forces)
    np.testing.assert_allclose(found["forces"], forces, rtol=0, atol=1e-8)


def test_a_linear_model_is_fitted_by_gradients_too(tmp_path):
    optim = {"fit": "gradients", "lr": 0.05, "epochs": 30, "force_coefficient": 0.1}
    made = toy_families.settings("lines", FRAMES, tmp_path)
    trainer = AtomsTrainer({**made, "optim": optim})
    trainer.train()
    losses = trainer.net.history[:, "train_loss"]
    assert losses[-1] < 0.8 * losses[0]


def test_one_fit_goes_on_where_another_ended(tmp_path):
    """The coefficients of the one are the start of the other; neither takes the other's state."""
    first = trained("lines", FRAMES, tmp_path)
    optim = {"fit": "gradients", "lr": 1e-6, "epochs": 2, "force_coefficient": 0.5}
    made = toy_families.settings("lines", FRAMES, tmp_path, cmd={"verbose": True})
    second = AtomsTrainer({**made, "optim": optim})
    second.load_pretrained(first.cp_dir)
    second.train()
    assert [row["epoch"] for row in second.history] == [1, 2, 3]
    expected = weights(first)["coefficients"]
    torch.testing.assert_close(weights(second)["coefficients"], expected, atol=1e-4, rtol=0)
    third = AtomsTrainer(toy_families.settings("lines", FRAMES, tmp_path))
    third.load_pretrained(second.cp_dir)
    third.train()
    assert third.history[-1]["epoch"] > 1
    torch.testing.assert_close(weights(third)["coefficients"], expected, rtol=1e-9, atol=1e-9)


def test_the_fit_by_gradients_needs_no_trainer(tmp_path):
    expected = trained("waves", FRAMES, tmp_path)
    trainer = AtomsTrainer(toy_families.settings("waves", FRAMES, tmp_path, cmd={"debug": True}))
    trainer.load()
    run = Run(Config.from_dict(trainer.config))
    history = GradientFit(run).run(trainer.potential, trainer.train_dataset)
    assert [row["train_loss"] for row in history] == [r["train_loss"] for r in expected.history]


def test_files_and_checkpoints_give_it_back(trainer, tmp_path):
    expected = trainer.potential.predict(FRAMES)
    trainer.potential.save(tmp_path / "saved")
    loaded = AtomsTrainer()
    loaded.load_pretrained(trainer.cp_dir)
    opened = [amptorch.load(tmp_path / "saved"), amptorch.load(trainer.cp_dir), loaded.potential]
    opened += [pickle.loads(pickle.dumps(trainer.potential)), copy.deepcopy(trainer.potential)]
    opened += [trainer.without_data().potential]
    for each in opened:
        assert_same(each.predict(FRAMES), expected)
    rows = [dict(row) for row in loaded.history]  # until the best, where one is the best
    assert rows == [dict(row) for row in trainer.history][: len(rows)]


def test_under_ase(trainer):
    image = FRAMES[0].copy()
    image.calc = AmpTorch(trainer)
    forces, stress = image.get_forces(), image.get_stress(voigt=False)
    assert image.get_potential_energies().sum() == pytest.approx(image.get_potential_energy())
    energies, strained = [], []
    for step in (1e-4, -1e-4):
        moved, other = image.copy(), image.copy()
        moved.positions[1, 2] += step
        other.set_cell(image.cell * np.array([1, 1, 1 + step]), scale_atoms=True)
        moved.calc = other.calc = image.calc
        energies.append(moved.get_potential_energy())
        strained.append(other.get_potential_energy())
    assert forces[1, 2] == pytest.approx(-(energies[0] - energies[1]) / 2e-4, rel=1e-5, abs=1e-7)
    found = (strained[0] - strained[1]) / 2e-4 / image.get_volume()
    assert stress[2, 2] == pytest.approx(found, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_ways_to_the_data_agree(tmp_path, name):
    """In memory, from a store, from one that the run builds, and from a file of the original."""
    expected = weights(trained(name, FRAMES, tmp_path, optim=WHOLE[name]))
    build_store(FRAMES, tmp_path / "a.lmdb", SETUP, torch.float64, processes=1, verbose=False)
    construct_lmdb(tmp_path / "b.lmdb", FRAMES, tmp_path / "scalers.pt", SETUP)
    for file in ("a.lmdb", "b.lmdb"):
        dataset = {"raw_data": None, "fp_params": None, "lmdb_path": [str(tmp_path / file)]}
        run = trained(name, None, tmp_path, dataset=dataset, optim=WHOLE[name])
        for key, value in weights(run).items():
            torch.testing.assert_close(value, expected[key], rtol=1e-5, atol=1e-6)
        statistics = run.train_dataset.statistics()
        energies = [image.get_potential_energy() for image in FRAMES]
        np.testing.assert_allclose(statistics.energies, energies, rtol=1e-9)


# All images in one batch: their order in others depends on where they are read.
WHOLE: dict[str, dict[str, Any]] = {"waves": {"batch_size": 8}, "lines": {}}


@pytest.mark.parametrize("name", NAMES)
def test_it_trains_in_a_store_that_the_run_builds(tmp_path, monkeypatch, name):
    monkeypatch.setattr("amptorch.dataset.training_data.fits_in_memory", lambda needed: False)
    run = trained(name, FRAMES, tmp_path, dataset={"derivatives": "cached"})
    assert len(list((tmp_path / "processed").glob("*.lmdb"))) == 1
    assert np.isfinite(run.predict(FRAMES)["energy"]).all()


def test_two_processes(start, tmp_path):
    toy_families.write(tmp_path)
    assert in_group(start, toy_families.shared, tmp_path) == [0, 0]
    one, other = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2))
    assert one == other
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2
    for name in NAMES:
        alone = trained(name, FRAMES, tmp_path / name, dataset={"val_split": 0.25})
        losses = [row["train_loss"] for row in alone.history]
        assert one[name]["losses"] == pytest.approx(losses, rel=1e-9)
        energies = alone.predict(FRAMES)["energy"]
        assert one[name]["energies"] == pytest.approx(energies, rel=1e-9)


def test_waves_go_on_as_if_they_had_not_ended(tmp_path):
    whole = trained("waves", FRAMES, tmp_path / "whole", optim={"epochs": 6})
    first = trained("waves", FRAMES, tmp_path, optim={"epochs": 3})
    second = AtomsTrainer(toy_families.settings("waves", FRAMES, tmp_path, optim={"epochs": 3}))
    second.load_pretrained(first.cp_dir)
    second.train()
    assert len(second.history) == 6
    for name, value in weights(second).items():
        assert torch.equal(value, weights(whole)[name]), name


@pytest.mark.parametrize("config", [True, False])
def test_lines_go_on_with_more_frames(tmp_path, config):
    """Rows of both parts count: a run on all of them with the first one's scalers is the same."""
    first = trained("lines", FRAMES[:4], tmp_path)
    made = toy_families.settings("lines", FRAMES[4:], tmp_path)
    second = AtomsTrainer(made) if config else AtomsTrainer()
    second.load_pretrained(first.cp_dir)
    second.train() if config else second.train(FRAMES[4:])
    assert [row["epoch"] for row in second.history] == [1, 2]
    assert second.cp_dir != first.cp_dir
    whole = AtomsTrainer(toy_families.settings("lines", FRAMES, tmp_path / "whole"))
    whole.load_pretrained(first.cp_dir)
    (Path(first.cp_dir) / "resume.pt").unlink()
    whole.train()
    expected, found = weights(whole)["coefficients"], weights(second)["coefficients"]
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)
    third = AtomsTrainer()
    third.load_pretrained(second.cp_dir)
    assert_same(third.potential.predict(FRAMES), second.potential.predict(FRAMES))


def test_reports_and_committees(trainer, tmp_path):
    parts = training_parts(trainer, FRAMES)
    assert list(parts) == ["training", "validation"]
    report = write_report(trainer, {**parts, "test": Part(FRAMES)}, tmp_path)
    assert report["model"]["parameters"] == trainer.model.num_params
    assert report["training"]["epochs"] == len(trainer.history)
    assert (tmp_path / "report.html").is_file()
    committee = Committee([trainer, trainer.potential])
    assert committee.predict(FRAMES)["energy_std"].tolist() == [0.0] * 8


@pytest.mark.parametrize("name", NAMES)
def test_from_the_command_line(run_dir, capsys, name):
    ase.io.write(run_dir / "train.extxyz", FRAMES)
    made = toy_families.settings(name, "train.extxyz", run_dir)
    (run_dir / "config.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(made))))
    assert main(["train", "config.yaml", "--test", "train.extxyz", "--out", "report"]) == 0
    (folder,) = (run_dir / "checkpoints").iterdir()
    arguments = ["evaluate", str(folder), "train.extxyz", "--out", "again", "--no-plots"]
    assert main(arguments) == 0
    first, second = (json.loads(Path(d, "report.json").read_text()) for d in ("report", "again"))
    assert first["errors"]["test"] == second["errors"]["test"]
    assert main(["train", "config.yaml", "--resume", str(folder), "--no-plots"]) == 0
    assert len(list((run_dir / "checkpoints").iterdir())) == 2


def test_a_history_is_logged(tmp_path):
    logged: list[dict[str, Any]] = []

    class Logged(AtomsTrainer):
        def load_logger(self):
            self.wandb_run = self
            self.log = logged.append

    trainer = Logged(toy_families.settings("lines", FRAMES, tmp_path, cmd={"logger": True}))
    trainer.train()
    assert logged == [dict(row) for row in trainer.history]


def test_errors_name_the_section(tmp_path):
    for name, sections, message in (
        ("waves", {"model": {"slope": "steep"}}, "model: expected slope to be a number"),
        ("waves", {"model": {"num_nodes": 3}}, r"model: unknown key 'num_nodes'"),
        ("waves", {"optim": {"fit": "gradient"}}, "models of waves have no fit 'gradient'; did"),
        ("lines", {"optim": {"lr": 0.1}}, r"optim: unknown key 'lr'"),
        ("lines", {"optim": {"ridge": 0}}, "optim: expected ridge > 0, got 0"),
        ("lines", {"dataset": {"val_split": 0.01}}, "val_split 0.01 of 8 images leaves no"),
        ("wave", {}, "model: unknown name 'wave'; did you mean 'waves'"),
    ):
        made = toy_families.settings("lines" if name == "lines" else "waves", FRAMES, tmp_path)
        made["model"]["name"] = name
        for section, values in sections.items():
            made[section] = {**made[section], **values}
        with pytest.raises(ValueError, match=message):
            AtomsTrainer(made).train()


def test_a_family_that_is_not_registered(trainer, tmp_path, monkeypatch):
    name = trainer.settings.model.name
    trainer.potential.save(tmp_path / "saved")
    monkeypatch.setattr(registry, "_modules", [m for m in registry._modules if m not in NAMES])
    registry.families.cache_clear()
    try:
        with pytest.raises(ValueError, match=f"model: unknown name '{name}'"):
            amptorch.load(trainer.cp_dir)
        with pytest.raises(ValueError, match=f"cannot be put together: '{name}'"):
            amptorch.load(tmp_path / "saved")
    finally:
        monkeypatch.undo()
        registry.families.cache_clear()
