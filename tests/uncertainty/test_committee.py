"""Committees: mean and spread over trainers, and the calculator made of them."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.calculator import PropertyNotImplementedError
from ase.md.verlet import VelocityVerlet

from amptorch import AtomsTrainer
from amptorch.uncertainty import AmpTorchCommittee, Committee

from ..tolerances import FINITE_DIFFERENCE
from .frames import EXTRAPOLATES, TEST, TRAIN, config

pytestmark = EXTRAPOLATES
STEP = 1e-4  # Å


def moved(image: Atoms) -> Atoms:
    """The image with no symmetry left, within the range of the training data or near it."""
    image = image.copy()
    image.positions += np.random.default_rng(0).normal(0.0, 0.02, image.positions.shape)
    return image


@pytest.fixture
def with_forces(trained):
    return trained("bpnn_gaussian")


def test_mean_and_spread(trainers):
    found = Committee(trainers).predict(TEST)
    members = [trainer.predict(TEST) for trainer in trainers]
    energies = np.array([member["energy"] for member in members])
    assert found["energy"] == pytest.approx(np.mean(energies, 0), rel=1e-12)
    assert found["energy_std"] == pytest.approx(np.std(energies, 0), rel=1e-12)
    n_with_forces = len(TEST) if trainers[0].forcetraining else 0
    for name in ("forces", "forces_std", "stress"):
        assert len(found[name]) == n_with_forces
    for k in range(n_with_forces):
        forces = np.array([member["forces"][k] for member in members])
        stress = np.array([member["stress"][k] for member in members])
        assert found["forces"][k] == pytest.approx(forces.mean(0), rel=1e-12)
        assert found["forces_std"][k] == pytest.approx(forces.std(0), rel=1e-12)
        assert found["stress"][k] == pytest.approx(stress.mean(0), rel=1e-12)


def test_images_of_different_sizes_and_without_cell(with_forces):
    images = [TEST[20], Atoms("CuC", TEST[20].positions[:2])]
    found = Committee(with_forces).predict(images)
    assert [forces.shape for forces in found["forces_std"]] == [(3, 3), (2, 3)]
    assert found["stress"][1] is None


def test_forces_are_the_derivative_of_the_mean_energy(with_forces):
    atoms = moved(TEST[30])
    atoms.calc = AmpTorchCommittee(Committee(with_forces))
    forces = atoms.get_forces()
    expected = np.empty_like(forces)
    for i, axis in np.ndindex(forces.shape):
        values = []
        for k in (-2, -1, 1, 2):
            step = atoms.copy()
            step.positions[i, axis] += k * STEP
            step.calc = atoms.calc
            values.append(step.get_potential_energy())
        expected[i, axis] = -(values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * STEP)
    assert np.abs(forces - expected).max() < FINITE_DIFFERENCE * np.abs(expected).max()


def test_calculator_gives_the_committee(trainers):
    committee = Committee(trainers)
    calculator = AmpTorchCommittee(committee)
    image = TEST[10].copy()
    image.calc = calculator
    expected = committee.predict([image])
    assert image.get_potential_energy() == pytest.approx(expected["energy"][0])
    assert calculator.results["energy_std"] == pytest.approx(expected["energy_std"][0])
    assert calculator.get_property("energy_std", image) == calculator.results["energy_std"]
    if not trainers[0].forcetraining:
        energies = {"energy", "free_energy", "energies", "energy_std"}
        assert set(calculator.results) == energies
        with pytest.raises(PropertyNotImplementedError, match="get_forces False"):
            image.get_forces()
        with pytest.raises(PropertyNotImplementedError, match="get_forces False"):
            calculator.get_property("forces_std", image)
        return
    assert image.get_forces() == pytest.approx(expected["forces"][0])
    assert image.get_stress() == pytest.approx(expected["stress"][0])
    assert calculator.get_property("forces_std", image) == pytest.approx(expected["forces_std"][0])


def test_no_stress_without_a_cell(with_forces):
    image = Atoms("CuCO", TEST[10].positions, calculator=AmpTorchCommittee(Committee(with_forces)))
    image.get_forces()
    assert "stress" not in image.calc.results


@pytest.mark.parametrize("suffix", ["traj", "extxyz"])
def test_dynamics_and_files(with_forces, tmp_path, suffix):
    """The results that ASE does not know do not stand in the way of its writers."""
    image = TEST[40].copy()
    image.calc = AmpTorchCommittee(Committee(with_forces))
    with VelocityVerlet(image, timestep=0.5 * units.fs) as dynamics:
        start = image.get_potential_energy() + image.get_kinetic_energy()
        dynamics.run(20)
    assert image.get_kinetic_energy() > 0
    end = image.get_potential_energy() + image.get_kinetic_energy()
    assert end == pytest.approx(start, abs=1e-3)
    path = tmp_path / f"image.{suffix}"
    ase.io.write(path, image)
    assert ase.io.read(path).get_potential_energy() == pytest.approx(image.get_potential_energy())


def test_errors(trained):
    gmp, gaussian = trained("singlenn_gmpordernorm"), trained("bpnn_gaussian")
    with pytest.raises(
        ValueError, match="trainers: expected at least 2, or one trained with model: members, got 0"
    ):
        Committee([])
    with pytest.raises(
        ValueError, match="expected get_forces True for all or for none, got True for 1 of 2"
    ):
        Committee([gmp[0], gaussian[0]])


def test_different_models_can_form_a_committee(trained):
    other = AtomsTrainer(
        config("bpnn_gaussian", epochs=2, get_forces=False) | {"optim": {"epochs": 2}}
    )
    other.train()
    members = [trained("singlenn_gmpordernorm")[0], other]
    expected = np.array([member.predict(TRAIN)["energy"] for member in members])
    assert Committee(members).predict(TRAIN)["energy_std"] == pytest.approx(expected.std(0))
