"""Energies add up over atoms: a cell's supercell has as many times its energy, and systems that do
not see each other have the sum of theirs, whatever was taken off before training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms

from amptorch import AtomsTrainer
from amptorch.dataset.convert import convert_lmdb
from amptorch.files import checkpoint
from amptorch.preprocessing.scaling import NotAdditiveWarning
from amptorch.store import build_store
from amptorch.uncertainty.committee import AmpTorchCommittee, Committee

from ..dataset.test_golden_lmdb import construct_lmdb
from ..made_potentials import COSINE, GAUSSIAN, alloy_frames, config, trained, with_emt

TOLERANCE = 1e-10  # eV/atom
SETUP = ("gaussian", GAUSSIAN, COSINE, ["Cu", "Pd"])
ADDITIVE = [("linear", "energy"), ("linear", "per_atom"), ("linear", "forces")]
ADDITIVE += [(None, "per_atom"), (None, "forces")]

pytestmark = pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")


def frames() -> list[Atoms]:
    """Cells of 4 and of 3 atoms, so that neither mean energy nor composition is that of all."""
    images = alloy_frames(6)
    for image in images[::2]:
        del image[0]
        with_emt(image)
    return images


def memory(run_dir: Path, **dataset: Any) -> AtomsTrainer:
    return trained(frames(), run_dir, dataset=dataset)


def from_store(path: Path, run_dir: Path, dataset: dict[str, Any]) -> AtomsTrainer:
    dataset = {"raw_data": None, "fp_params": None, "lmdb_path": [str(path)], **dataset}
    return trained(None, run_dir, dataset=dataset)


def store(run_dir: Path, **dataset: Any) -> AtomsTrainer:
    path = run_dir / "frames.lmdb"
    build_store(frames(), path, SETUP, torch.float64, processes=1, verbose=False).close()
    return from_store(path, run_dir, dataset)


def converted(run_dir: Path, **dataset: Any) -> AtomsTrainer:
    """From a file of the original, whose scaling is undone."""
    construct_lmdb(run_dir / "a.lmdb", frames(), run_dir / "scalers.pt", SETUP)
    convert_lmdb(run_dir / "a.lmdb", run_dir / "b.lmdb", verbose=False).close()
    return from_store(run_dir / "b.lmdb", run_dir, dataset)


def loaded(run_dir: Path, **dataset: Any) -> AtomsTrainer:
    """From the checkpoint of a run, gone on with."""
    settings = config(frames(), run_dir, dataset=dataset)
    trainer = AtomsTrainer(settings)
    trainer.train()
    again = AtomsTrainer(settings)
    again.load_pretrained(trainer.cp_dir)
    again.train()
    alone = AtomsTrainer()
    alone.load_pretrained(again.cp_dir)
    return alone


SOURCES: list[Callable[..., AtomsTrainer]] = [memory, store, converted, loaded]


def excess(energies: Callable[[list[Atoms]], Sequence[float]]) -> np.ndarray:
    """eV by which the energy of a supercell, and of two clusters far apart, differs from the sum of
    its parts."""
    cell, other = frames()[:2]
    clusters = [Atoms(image.numbers, image.positions) for image in (cell, other)]
    apart = clusters[0] + clusters[1]
    apart.positions[len(cell) :] += 50.0
    one, six, a, b, both = energies([cell, cell.repeat((3, 2, 1)), *clusters, apart])
    return np.array([six - 6 * one, both - a - b])


def of_trainer(trainer: AtomsTrainer) -> np.ndarray:
    return excess(lambda images: trainer.predict(images)["energy"])


@pytest.mark.parametrize(("baseline", "target_scaling"), ADDITIVE)
@pytest.mark.parametrize("source", SOURCES)
def test_energies_add_up(source, baseline, target_scaling, tmp_path):
    trainer = source(tmp_path, baseline=baseline, target_scaling=target_scaling)
    assert np.abs(of_trainer(trainer)).max() < TOLERANCE


@pytest.mark.parametrize("source", SOURCES)
def test_the_originals_scaling_warns_where_they_do_not(source, tmp_path):
    """By the mean, once for each system too many or too few."""
    with pytest.warns(NotAdditiveWarning, match=r"3 to 4 atoms.*baseline"):
        trainer = source(tmp_path)
    mean = float(trainer.target_scaler.target_mean)
    assert of_trainer(trainer) == pytest.approx([-5 * mean, -mean], abs=TOLERANCE)
    assert abs(mean) > 0.1


def test_frames_of_one_size_warn_of_nothing(tmp_path):
    trained(alloy_frames(4), tmp_path)


def test_a_committee_adds_up(tmp_path):
    one, other = (
        trained(frames(), tmp_path, dataset={"baseline": "linear"}, cmd={"seed": seed})
        for seed in (1, 2)
    )
    committee = Committee([one, other])
    assert np.abs(excess(lambda images: committee.predict(images)["energy"])).max() < TOLERANCE
    calculator = AmpTorchCommittee(committee)

    def one_by_one(images: list[Atoms]) -> list[float]:
        return [calculator.get_potential_energy(image) for image in images]

    assert np.abs(excess(one_by_one)).max() < TOLERANCE


@pytest.mark.parametrize("constant", [0.0, 1e-13, 0.5])
def test_a_checkpoint_with_a_constant_beside_its_baseline(constant, tmp_path):
    """As this package wrote them once: it predicts what it did, and says so. Rounding is none."""
    trainer = memory(tmp_path, baseline="linear")
    trainer.target_scaler.target_mean = torch.tensor(constant, dtype=torch.float64)
    checkpoint.save(trainer.scalers, Path(trainer.cp_dir) / "normalizers.pt")
    again = AtomsTrainer()
    told = pytest.warns(NotAdditiveWarning, match="0.5 eV a frame")
    with told if constant > TOLERANCE else nullcontext():
        again.load_pretrained(trainer.cp_dir)
    expected = memory(tmp_path, baseline="linear").predict(frames())["energy"]
    found = again.predict(frames())["energy"]
    np.testing.assert_allclose(found, np.add(expected, constant), rtol=1e-12)


def test_single_precision_adds_up_to_its_rounding(tmp_path):
    trainer = trained(
        frames(), tmp_path, dataset={"baseline": "linear"}, cmd={"dtype": torch.FloatTensor}
    )
    assert np.abs(of_trainer(trainer)).max() < 1e-5
