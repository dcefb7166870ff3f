"""Neuroevolution potentials from the user's end: repulsion, training, and errors of settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

import amptorch
from amptorch.preprocessing import baselines
from amptorch.trainer import AtomsTrainer

from ...nep import potential_of

REPULSIONS: dict[str, tuple[dict[str, Any], str]] = {
    "of all pairs": ({"outer": 2.0}, "zbl 1 2"),
    "by type": ({"outer": 2.5, "share": 0.7, "elements": ["Cu", "Pd"]}, "zbl 0 2.5 0.7"),
    "by pairs": ({"outer": {"Pd-Cu": 2.9, "Cu-Cu": 2.7}, "elements": ["Cu", "Pd"]}, "zbl 0 0"),
}


@pytest.mark.parametrize(("options", "line"), REPULSIONS.values(), ids=REPULSIONS)
def test_the_repulsion_of_a_configuration_goes_into_the_file(
    options: dict[str, Any], line: str, tmp_path: Path
) -> None:
    potential = potential_of(("Pd", "Cu"), torch.float64)
    potential.scalers["fixed"] = baselines.Wanted.of({"nep_zbl": options}).fixed
    pair = Atoms("CuPd", [(0, 0, 0), (0.9, 0, 0)], cell=(9, 9, 9), pbc=True)
    potential.export(tmp_path / "nep.txt", "nep")
    assert (tmp_path / "nep.txt").read_text().splitlines()[1] == line
    found, wanted = (p.predict([pair]) for p in (amptorch.load(tmp_path / "nep.txt"), potential))
    assert wanted.energy[0] > 100  # eV: the nuclei
    assert found.energy[0] == pytest.approx(wanted.energy[0], abs=1e-4)
    np.testing.assert_allclose(found.forces, wanted.forces, rtol=0, atol=1e-4)
    np.testing.assert_allclose(found.stress, wanted.stress, rtol=0, atol=1e-6)


def test_a_repulsion_beyond_the_angular_cutoff_is_refused(tmp_path: Path) -> None:
    potential = potential_of(("Pd", "Cu"), torch.float64)
    potential.scalers["fixed"] = baselines.Wanted.of({"nep_zbl": 4.5}).fixed
    with pytest.raises(ValueError, match=r"nep_zbl: expected pairs within the angular cutoffs"):
        potential.export(tmp_path / "nep.txt", "nep")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"outer": 1.0, "inner": 2.0}, "expected cutoffs 0 <= inner < outer"),
        ({"outer": "2"}, "expected cutoffs 0 <= inner < outer"),
        ({"share": -1.0}, "expected share > 0"),
        ({"cutoff": 1.0}, "baseline: nep_zbl: .*'cutoff'"),
        ({"outer": {"H-O": 0.0}}, "expected outer > 0 in Å by pairs of .*'H', 'O'.*, got .*0.0"),
        ({"outer": {"H-Ox": 1.0}}, "expected outer > 0 in Å by pairs"),
        ({"outer": {"H-O": 1.0}, "elements": ["H"]}, "by pairs of .'H'., as 'H-O'"),
        ({"outer": {"H-O": 1.0}, "share": 0.7}, "expected no inner and no share beside outer"),
    ],
)
def test_errors_of_repulsions(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        baselines.Wanted.of({"nep_zbl": options})


def frames(n: int) -> list[Atoms]:
    found = []
    for k in range(n):
        image = bulk("Cu", cubic=True)
        image.numbers[0] = 46 if k % 2 else 29
        image.rattle(0.15, seed=k)
        image.calc = EMT()
        image.get_forces()
        found.append(image)
    return found


CONFIG = {
    "model": {"name": "nep", "n_max": [2, 2], "neurons": [8]},
    "optim": {
        "optimizer": "soap",
        "lr": 0.01,
        "epochs": 40,
        "batch_size": 2,
        "energy_loss": "per_atom",
        "force_coefficient": 1.0,
    },
    "dataset": {
        "fp_scheme": "nep",
        "fp_params": {"cutoff": [5.0, 4.0], "basis_size": [4, 4], "l_max": 3},
        "target_scaling": "forces",
        "baseline": "linear",
    },
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> AtomsTrainer:
    folder = tmp_path_factory.mktemp("nep")
    dataset = {**CONFIG["dataset"], "raw_data": frames(8)}
    cmd = {"run_dir": str(folder), "verbose": False, "dtype": "float32"}
    trainer = AtomsTrainer({**CONFIG, "dataset": dataset, "cmd": cmd})
    trainer.train()
    return trainer


def test_training_learns_forces(trained: AtomsTrainer) -> None:
    images = frames(8)
    wanted = np.concatenate([image.get_forces() for image in images])
    found = np.concatenate(trained.potential.predict(images).forces)
    assert ((found - wanted) ** 2).mean() < 0.1 * (wanted**2).mean()


def test_stresses_are_trained(tmp_path: Path) -> None:
    images = []
    for k, image in enumerate(frames(6)):
        image.set_cell(image.cell * (1 + 0.01 * (k - 2)), scale_atoms=True)
        stress = image.get_stress()
        results = {"energy": image.get_potential_energy(), "forces": image.get_forces()}
        image.calc = SinglePointCalculator(image, stress=stress, **results)
        images.append(image)
    optim = {**CONFIG["optim"], "stress_coefficient": 1000.0, "epochs": 60}
    dataset = {**CONFIG["dataset"], "raw_data": images}
    cmd = {"run_dir": str(tmp_path), "verbose": False, "seed": 1}
    trainer = AtomsTrainer({**CONFIG, "optim": optim, "dataset": dataset, "cmd": cmd})
    trainer.train()
    found = np.array(trainer.potential.predict(images).stress)
    wanted = np.array([image.get_stress() for image in images])
    assert ((found - wanted) ** 2).mean() < 0.1 * (wanted**2).mean()


def test_what_was_trained_goes_through_files(trained: AtomsTrainer, tmp_path: Path) -> None:
    wanted = trained.potential.predict(frames(2))
    trained.potential.export(tmp_path / "nep.txt", "nep")
    for potential in (amptorch.load(tmp_path / "nep.txt"), amptorch.load(trained.cp_dir)):
        found = potential.predict(frames(2))
        np.testing.assert_allclose(found.energy, wanted.energy, rtol=0, atol=2e-4)
        np.testing.assert_allclose(found.forces, wanted.forces, rtol=0, atol=2e-4)


@pytest.mark.parametrize("options", [None, *[each for each, _ in REPULSIONS.values()]])
def test_calorine_reads_what_is_written(
    options: dict[str, Any] | None, trained: AtomsTrainer, tmp_path: Path
) -> None:
    calculators = pytest.importorskip("calorine.calculators", reason="needs calorine")
    file = tmp_path / "nep.txt"
    scalers = dict(trained.potential.scalers)
    if options is not None:
        scalers["fixed"] = baselines.Wanted.of({"nep_zbl": options}).fixed
    replace(trained.potential, scalers=scalers).export(file, "nep")
    images = frames(3)
    for image in images:
        image.set_cell(0.75 * image.cell, scale_atoms=True)  # neighbours at 1.9 Å
    found = amptorch.load(file).predict(images)
    for k, image in enumerate(images):
        image.calc = calculators.CPUNEP(str(file))
        assert image.get_potential_energy() == pytest.approx(found.energy[k], abs=1e-6)
        np.testing.assert_allclose(image.get_forces(), found.forces[k], rtol=0, atol=1e-6)
        np.testing.assert_allclose(image.get_stress(), found.stress[k], rtol=0, atol=1e-6)


def test_a_repulsion_of_pairs_is_that_of_each_alone() -> None:
    of_pairs = baselines.Wanted.of({"nep_zbl": {"outer": {"H-O": 1.4, "Cu-Cu": 2.9}}}).fixed
    for symbols, outer in (("HO", 1.4), ("Cu2", 2.9), ("CuO", None), ("O2", None)):
        pairs = [Atoms(symbols, [(0, 0, 0), (r, 0, 0)]) for r in (0.05, 0.9, 1.2, 2.0, 3.0)]
        found = of_pairs.evaluate(pairs)
        wanted = np.zeros(5)
        if outer is not None:
            wanted = baselines.Wanted.of({"nep_zbl": outer}).fixed.evaluate(pairs).energy
        np.testing.assert_allclose(found.energy, wanted, rtol=1e-12)
        assert np.isfinite(found.forces).all()


def test_counts_of_neighbours_are_those_of_the_data(trained: AtomsTrainer) -> None:
    """fcc Cu, rattled: 42 within 5 Å and 18 within 4 Å at rest."""
    radial, angular = trained.potential.model.most_neighbors.tolist()
    assert 36 <= radial <= 60
    assert 12 <= angular <= 24


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("model", {"n_max": [4]}, "model: expected n_max to be 2 integers"),
        ("model", {"neurons": [3, 3, 3]}, "model: expected neurons to be 1 or 2 integers"),
        ("model", {"invariants": ["333"]}, "model: expected invariants to be of"),
        ("model", {"version": 2}, "model: expected version"),
        ("dataset", {"fp_params": {"cutoff": 5.0}}, "fp_params: expected cutoff to be"),
        ("dataset", {"fp_params": {"cutoff": [4, 5]}}, "fp_params: expected cutoff to be"),
        ("dataset", {"fp_params": {"cutoff": [5, 4], "l_max": 9}}, "fp_params: expected l_max"),
        (
            "dataset",
            {"fp_params": {"cutoff": [5, 4], "basis_size": [1, 40]}},
            "fp_params: expected basis_size",
        ),
        (
            "dataset",
            {
                "fp_scheme": "gaussian",
                "fp_params": {"default": {"G2": {"etas": [1], "rs_s": [0]}, "cutoff": 5}},
            },
            "model: nep needs the descriptor",
        ),
    ],
)
def test_errors_name_the_setting(
    section: str, values: dict[str, Any], message: str, tmp_path: Path
) -> None:
    config = {**CONFIG, "cmd": {"debug": True, "verbose": False}}
    config["dataset"] = {**CONFIG["dataset"], "raw_data": frames(2), "save_fps": False}
    config[section] = {**config[section], **values}
    with pytest.raises(ValueError, match=message):
        AtomsTrainer(config).load()
