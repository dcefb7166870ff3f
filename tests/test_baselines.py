"""Baselines: taken off what a model is fitted to, and added to what it predicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from ase import Atoms
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import voigt_6_to_full_3x3_stress

import amptorch
from amptorch import AmpTorch, AtomsTrainer, Potential
from amptorch.cli import main
from amptorch.data.baseline import Contribution, content_key
from amptorch.data.targets import TargetReader
from amptorch.preprocessing import AtomicCorrectionScaler, baselines
from amptorch.store import StoreError, build_store, open_store

from .made_potentials import COSINE, GAUSSIAN, alloy_frames, config, trained, weights

pytestmark = pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")

ENERGIES = {"Cu": -3.0, "Pd": 2.0}
ELEMENTS = {"name": "elements", "energies": ENERGIES}
PAIRS = {"name": "pairs", "epsilon": 0.03}
SETUP = ("gaussian", GAUSSIAN, COSINE, ["Cu", "Pd"])


class Pairs:
    """ASE's Lennard-Jones potential, whose energies of atoms are withheld."""

    name = "pairs"

    def __init__(self, epsilon: float) -> None:
        self.epsilon = epsilon

    @classmethod
    def from_settings(cls, epsilon: float) -> Pairs:
        return cls(epsilon)

    def state(self) -> dict[str, Any]:
        return {"epsilon": torch.tensor(self.epsilon, dtype=torch.float64)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Pairs:
        return cls(float(state["epsilon"]))

    def evaluate(self, images: list[Atoms], forces: bool = True) -> Contribution:
        energies, of_atoms, virials = [], [], []
        for image in images:
            bare = image.copy()
            bare.calc = LennardJones(sigma=2.3, epsilon=self.epsilon, rc=4.0, smooth=True)
            energies.append(bare.get_potential_energy())
            of_atoms.append(bare.get_forces())
            stress = voigt_6_to_full_3x3_stress(bare.get_stress())
            virials.append(stress * bare.get_volume())
        return Contribution(np.array(energies), None, of_atoms, virials)


@pytest.fixture(autouse=True)
def pairs(monkeypatch) -> None:
    monkeypatch.setattr(baselines, "_REGISTERED", {})
    baselines.register(Pairs)


def above(images: list[Atoms], kind: Any) -> list[Atoms]:
    """Images whose energies, forces and stresses are what a baseline leaves."""
    fixed = baselines.Wanted.of(kind).fixed
    left = []
    for image in images:
        found = fixed.evaluate([image])
        copied = image.copy()
        forces = image.get_forces()
        if found.forces is not None:
            forces = forces - found.forces[0]
        energy = image.get_potential_energy() - found.energy[0]
        copied.calc = SinglePointCalculator(copied, energy=energy, forces=forces)
        left.append(copied)
    return left


KINDS: dict[str, Any] = {
    "elements": ELEMENTS,
    "pairs": PAIRS,
    "both": [PAIRS, ELEMENTS],
    "pairs and a fit": [PAIRS, "linear"],
}


def from_store(path: Path, folder: Path, kind: Any) -> AtomsTrainer:
    fixed = baselines.Wanted.of(kind).fixed
    build_store(FRAMES, path, SETUP, torch.float64, processes=1, verbose=False, baseline=fixed)
    dataset = {"raw_data": None, "fp_params": None, "lmdb_path": [str(path)], "baseline": kind}
    return trained(None, folder, dataset=dataset)


FRAMES = alloy_frames(6)


@pytest.mark.parametrize("way", ["memory", "store", "store of the run"])
@pytest.mark.parametrize("given", ["elements", "pairs", "both"])
def test_a_model_is_fitted_to_what_is_left(tmp_path, monkeypatch, given, way):
    """The same weights as from images that the baseline was taken off before."""
    kinds = KINDS[given] if given == "both" else [KINDS[given]]
    left = trained(above(FRAMES, kinds), tmp_path / "left", dataset={"baseline": "linear"})
    if way == "store of the run":
        monkeypatch.setattr("amptorch.dataset.training_data.fits_in_memory", lambda needed: False)
    if way == "store":
        trainer = from_store(tmp_path / "a.lmdb", tmp_path, [*kinds, "linear"])
    else:
        trainer = trained(FRAMES, tmp_path, dataset={"baseline": [*kinds, "linear"]})
    for key, value in weights(left).items():
        torch.testing.assert_close(weights(trainer)[key], value, rtol=1e-9, atol=1e-10)
    found, expected = trainer.predict(FRAMES), left.predict(FRAMES)
    added = baselines.Wanted.of(kinds).fixed.evaluate(FRAMES)
    np.testing.assert_allclose(found["energy"], expected["energy"] + added.energy, rtol=1e-9)
    if added.forces is not None:
        forces = np.add(expected["forces"], added.forces)
        np.testing.assert_allclose(found["forces"], forces, atol=1e-9)


def assert_consistent(potential: Potential) -> None:
    """Forces and stress are derivatives of the energy; energies of atoms add up to it."""
    image = FRAMES[0].copy()
    image.calc = AmpTorch(potential)
    forces, stress = image.get_forces(), image.get_stress(voigt=False)
    assert image.get_potential_energies().sum() == pytest.approx(image.get_potential_energy())
    moved, strained = [], []
    for step in (1e-4, -1e-4):
        other = image.copy()
        other.positions[1, 2] += step
        moved.append(other)
        other = image.copy()
        other.set_cell(image.cell @ (np.eye(3) + step * np.eye(3)[[2]].T @ np.eye(3)[[2]]), True)
        strained.append(other)
    up, down = potential.predict(moved).energy
    assert forces[1, 2] == pytest.approx(-(up - down) / 2e-4, rel=1e-5, abs=1e-6)
    up, down = potential.predict(strained).energy
    assert stress[2, 2] == pytest.approx((up - down) / 2e-4 / image.get_volume(), rel=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_files_checkpoints_and_stores_keep_it(tmp_path, name):
    trainer = trained(FRAMES, tmp_path, dataset={"baseline": KINDS[name]})
    expected = trainer.potential.predict(FRAMES)
    trainer.potential.save(tmp_path / "saved")
    loaded = AtomsTrainer()
    loaded.load_pretrained(trainer.cp_dir)
    again = AtomsTrainer(config(FRAMES, tmp_path, dataset={"baseline": KINDS[name]}))
    again.load_pretrained(trainer.cp_dir)
    opened = [amptorch.load(tmp_path / "saved"), amptorch.load(trainer.cp_dir)]
    for each in (*opened, loaded.potential, again.potential):
        found = each.predict(FRAMES)
        np.testing.assert_array_equal(found.energy, expected.energy)
        np.testing.assert_array_equal(found.forces, expected.forces)
        np.testing.assert_array_equal(found.stress, expected.stress)
    again.train()
    assert len(again.net.history) == 6
    assert_consistent(again.potential)


def test_targets_are_read_above_it():
    image = FRAMES[0]
    reader = TargetReader(stress=True, baseline=AtomicCorrectionScaler.from_settings(ENERGIES))
    targets = reader.read(image)
    assert targets.energy == pytest.approx(image.get_potential_energy() + 2 * 3.0 - 2 * 2.0)
    np.testing.assert_array_equal(targets.forces, image.get_forces())
    assert targets.stress is None


def test_a_store_of_another_baseline_is_refused(tmp_path):
    fixed = baselines.Wanted.of(ELEMENTS).fixed
    path = tmp_path / "a.lmdb"
    build_store(FRAMES, path, SETUP, torch.float64, processes=1, verbose=False, baseline=fixed)
    assert open_store(path).header.baseline == content_key(fixed)
    for kind in (None, PAIRS, {"name": "elements", "energies": {"Cu": -3.0, "Pd": 2.5}}):
        dataset = {"raw_data": None, "fp_params": None, "lmdb_path": [str(path)], "baseline": kind}
        with pytest.raises(StoreError, match=r"baseline: .*a\.lmdb was built with the baseline"):
            trained(None, tmp_path, dataset=dataset)


def test_the_command_line_takes_it(tmp_path, run_dir, capsys):
    import ase.io

    ase.io.write(tmp_path / "a.extxyz", FRAMES)
    section = {"fp_scheme": "gaussian", "fp_params": GAUSSIAN, "baseline": ELEMENTS}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(section))
    arguments = ["--config", str(tmp_path / "a.yaml"), "--out", str(tmp_path / "a.lmdb"), "--quiet"]
    assert main(["fingerprint", str(tmp_path / "a.extxyz"), *arguments]) == 0
    fixed = baselines.Wanted.of(ELEMENTS).fixed
    assert open_store(tmp_path / "a.lmdb").header.baseline == content_key(fixed)


def test_keys_tell_numbers_apart():
    one, same = (AtomicCorrectionScaler.from_settings(ENERGIES) for _ in range(2))
    other = AtomicCorrectionScaler.from_settings({**ENERGIES, "Cu": -3.0 + 1e-12})
    assert content_key(one) == content_key(same)
    assert len({content_key(each) for each in (one, other, Pairs(0.1), Pairs(0.2))}) == 4


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("linera", r"dataset: baseline: unknown name 'linera'; did you mean 'linear'"),
        ({"energies": {}}, r"dataset: baseline: unknown name 'energies'"),
        ({}, r"dataset: baseline: expected 'linear', the name of a kind, a mapping"),
        (["linear", 3], r"dataset: baseline: expected .* got 3"),
    ],
)
def test_settings_that_mean_nothing(tmp_path, setting, message):
    with pytest.raises(ValueError, match=message):
        AtomsTrainer(config(FRAMES, tmp_path, dataset={"baseline": setting}))


@pytest.mark.parametrize("energies", [{"Xx": 1.0}, {"Cu": "low"}])
def test_energies_that_are_none(tmp_path, energies):
    kind = {"name": "elements", "energies": energies}
    with pytest.raises(ValueError, match="baseline: elements: expected energies in eV by chemical"):
        trained(FRAMES, tmp_path, dataset={"baseline": kind})


def test_an_element_without_energy(tmp_path):
    kind = {"name": "elements", "energies": {"Cu": 1.0}}
    with pytest.raises(ValueError, match=r"baseline: no energy for atomic numbers \[46\]"):
        trained(FRAMES, tmp_path, dataset={"baseline": kind})
