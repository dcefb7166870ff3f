"""Training runs and checkpoints of the original AMPTorch, number for number.

All frames are in every batch, so that no shuffling matters. The history compares to 1e-6 relative;
what is measured is about 1e-15 for the CuCO runs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.emt import EMT

from amptorch import AtomsTrainer

from .systems import SHARED

GOLDEN = SHARED / "golden" / "training"
CUCO = ("bpnn_gaussian_energy_mae", "bpnn_gaussian_forces")
WATER = "singlenn_gmpordernorm_forces"
DROPPED_UNDER = 1e-5
"""The original drops primes of GMP that are smaller, before scaling."""

pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="needs shared/golden/training")


@dataclass
class Golden:
    """What the original computed in a run."""

    folder: Path
    config: dict[str, Any]
    history: list[dict[str, Any]]
    arrays: dict[str, np.ndarray]

    def weights(self, when: str) -> dict[str, np.ndarray]:
        """Weights "init" or "final" by their name in the model."""
        prefix = f"{when}::"
        names = [name for name in self.arrays if name.startswith(prefix)]
        return {name.removeprefix(prefix): self.arrays[name] for name in names}


@cache
def golden(name: str) -> Golden:
    folder = GOLDEN / name
    stored = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
    with np.load(folder / "golden.npz") as arrays:
        return Golden(folder, stored["config"], stored["history"], dict(arrays))


@cache
def frames(name: str) -> list[Atoms]:
    if name == WATER:
        return ase.io.read(GOLDEN / "water_2d_100.extxyz", ":")
    # The file has 8 decimals; the original's frames are these.
    images = [_cuco(distance) for distance in np.linspace(2, 5, 100)]
    for image, stored in zip(images, ase.io.read(GOLDEN / "cuco_emt_100.extxyz", ":"), strict=True):
        np.testing.assert_allclose(image.positions, stored.positions, rtol=0, atol=1e-8)
        assert image.get_potential_energy() == pytest.approx(stored.get_potential_energy())
    return images


def _cuco(distance: float) -> Atoms:
    x, y = distance * np.sin(0.65), distance * np.cos(0.65)
    image = Atoms("CuCO", [(-x, y, 0), (0, 0, 0), (x, y, 0)], cell=[10, 10, 10])
    image.wrap(pbc=True)
    image.calc = EMT()
    return image


def configuration(name: str, run_dir: Path, **fp_params: Any) -> dict[str, Any]:
    config = {section: dict(keys) for section, keys in golden(name).config.items()}
    config["dataset"]["raw_data"] = frames(name)
    config["dataset"]["fp_params"] = {**config["dataset"]["fp_params"], **fp_params}
    if "activation" in config["model"]:
        config["model"]["activation"] = torch.nn.Tanh
    return {**config, "cmd": {"seed": 1, "run_dir": str(run_dir), "verbose": False}}


def train(name: str, run_dir: Path, **fp_params: Any) -> tuple[AtomsTrainer, dict[str, np.ndarray]]:
    """A trained run and the weights it began with."""
    begun = AtomsTrainer(configuration(name, run_dir, **fp_params))
    begun.load()
    initial = {key: value.numpy().copy() for key, value in begun.model.state_dict().items()}
    trainer = AtomsTrainer(configuration(name, run_dir, **fp_params))
    trainer.train()
    return trainer, initial


@pytest.fixture(scope="module", params=CUCO)
def cuco_run(request, tmp_path_factory) -> Any:
    folder = tmp_path_factory.mktemp(request.param)
    return (request.param, *train(request.param, folder))


@pytest.fixture(scope="module", params=[None, DROPPED_UNDER], ids=["all_primes", "the_originals"])
def water_run(request, tmp_path_factory) -> Any:
    folder = tmp_path_factory.mktemp("water")
    return (request.param, *train(WATER, folder, prime_threshold=request.param))


def assert_same_weights(name: str, when: str, found: dict[str, np.ndarray], rtol: float) -> None:
    expected = golden(name).weights(when)
    assert expected
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=rtol, atol=rtol, err_msg=key)


def assert_same_history(name: str, trainer: AtomsTrainer, rtol: float) -> None:
    expected = golden(name).history
    assert len(trainer.net.history) == len(expected) == 60
    columns = {
        key for key in expected[0] if key.startswith("train_") and key != "train_batch_count"
    }
    assert "train_loss" in columns
    for column in columns:
        found = [row[column] for row in trainer.net.history]
        wanted = [row[column] for row in expected]
        np.testing.assert_allclose(found, wanted, rtol=rtol, err_msg=column)


def largest_difference(found: Any, expected: np.ndarray) -> float:
    return float(np.abs(np.reshape(found, expected.shape) - expected).max())


def test_cuco_initial_weights_are_the_originals(cuco_run):
    name, _, initial = cuco_run
    assert_same_weights(name, "init", initial, rtol=1e-15)


def test_cuco_history_is_the_originals(cuco_run):
    name, trainer, _ = cuco_run
    assert_same_history(name, trainer, rtol=1e-6)


def test_cuco_trained_model_is_the_originals(cuco_run):
    name, trainer, _ = cuco_run
    final = {key: value.numpy() for key, value in trainer.model.state_dict().items()}
    assert_same_weights(name, "final", final, rtol=1e-8)
    predicted = trainer.predict(frames(name)[:20])
    assert largest_difference(predicted["energy"], golden(name).arrays["energy"]) < 1e-8
    if trainer.forcetraining:
        assert largest_difference(predicted["forces"], golden(name).arrays["forces"]) < 1e-8
    else:
        assert predicted["forces"] == []


@pytest.mark.parametrize("name", CUCO)
def test_cuco_checkpoint_of_the_original_loads_and_predicts(name):
    trainer = AtomsTrainer()
    trainer.load_pretrained(golden(name).folder)
    predicted = trainer.predict(frames(name)[:20])
    assert largest_difference(predicted["energy"], golden(name).arrays["energy"]) < 1e-8
    if trainer.forcetraining:
        assert largest_difference(predicted["forces"], golden(name).arrays["forces"]) < 1e-8
    assert trainer.elements == golden(name).config["dataset"]["elements"]


def test_water_initial_weights_are_the_originals(water_run):
    assert_same_weights(WATER, "init", water_run[2], rtol=1e-15)


def test_water_history_is_the_originals(water_run):
    """To rounding with the primes that the original keeps, and near it with all of them."""
    threshold, trainer, _ = water_run
    assert_same_history(WATER, trainer, rtol=1e-6 if threshold else 1e-3)


@pytest.fixture(scope="module")
def water_checkpoint() -> AtomsTrainer:
    trainer = AtomsTrainer()
    trainer.load_pretrained(GOLDEN / WATER)
    return trainer


def test_water_checkpoint_predicts_the_originals_energies(water_checkpoint):
    energies = water_checkpoint.predict(frames(WATER)[:20])["energy"]
    assert largest_difference(energies, golden(WATER).arrays["energy"]) < 1e-8


def test_water_checkpoint_predicts_the_originals_forces_with_its_threshold(tmp_path):
    """The configuration may say which primes are dropped: fingerprints do not depend on it."""
    trainer = AtomsTrainer(configuration(WATER, tmp_path, prime_threshold=DROPPED_UNDER))
    trainer.load_pretrained(GOLDEN / WATER)
    forces = trainer.predict(frames(WATER)[:20])["forces"]
    assert largest_difference(forces, golden(WATER).arrays["forces"]) < 1e-8


def test_water_checkpoint_predicts_forces_near_the_originals(water_checkpoint):
    """Dropping primes under 1e-5, of features that scaling magnifies, moves the original's forces
    by up to 2e-4 of the largest one; ours keep all, and are the slope of the energy (below)."""
    forces, expected = (
        water_checkpoint.predict(frames(WATER)[:20])["forces"],
        golden(WATER).arrays["forces"],
    )
    difference = largest_difference(forces, expected)
    assert 1e-8 < difference < 3e-4 * np.abs(expected).max()


def test_water_forces_are_the_slope_of_the_energy(water_checkpoint):
    """Decides between the original and us: finite differences agree with us, not with it."""
    image, step = frames(WATER)[3], 1e-4
    ours = water_checkpoint.predict([image])["forces"][0]
    slope = np.empty_like(ours)
    for atom, axis in np.ndindex(ours.shape):
        displaced = []
        for sign in (1, -1):
            moved = image.copy()
            moved.positions[atom, axis] += sign * step
            displaced.append(moved)
        up, down = water_checkpoint.predict(displaced)["energy"]
        slope[atom, axis] = -(up - down) / (2 * step)
    scale = np.abs(slope).max()
    originals = golden(WATER).arrays["forces"].reshape(20, 3, 3)[3]
    assert np.abs(ours - slope).max() < 1e-6 * scale
    assert np.abs(originals - slope).max() > 10 * np.abs(ours - slope).max()
