"""Forces and stress against finite differences of the energy, and the symmetries of the energy.

For every scheme, both models and named systems, with networks that were not trained but whose
fingerprints are scaled as in training.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress

from amptorch.dataset.in_memory import construct_descriptor
from amptorch.potentials.networks.model import BPNN, SingleNN
from amptorch.potentials.potential import Potential
from amptorch.preprocessing import AtomsToData, FeatureScaler, TargetScaler

from .made_potentials import SCHEMES
from .systems import SYSTEMS

STEP = 3e-5
"""Å, or strain; with four points the error goes with its fourth power."""

FORCE_TOLERANCE = 1e-6
"""eV/Å."""

STRESS_TOLERANCE = 1e-6
"""eV/Å^3."""

SYMMETRY_TOLERANCE = 1e-9
"""eV and eV/Å; neighbours in another order only round."""

MODELS = {"bpnn": BPNN, "singlenn": SingleNN}
IN_A_CELL = ["pdo_box", "nial_triclinic", "fe_primitive", "water_on_cu", "four_species"]
ALONE = ["water_molecule", "dimer", "linear_co2", "isolated_atom"]
SQUARE_ROOTS = {
    # The slope of a root at a zero, where an order vanishes by symmetry, is not defined.
    "gmpordernorm_unsquared": ("fe_primitive", "linear_co2", "isolated_atom"),
    "gmp": ("fe_primitive", "linear_co2", "isolated_atom"),
}


def rattled(image: Atoms, number: int) -> list[Atoms]:
    """Copies with moved atoms and, where there is a cell, strained."""
    random = np.random.default_rng(7)
    images = []
    for _ in range(number):
        copy = image.copy()
        copy.set_cell(copy.cell.array @ (np.eye(3) + random.normal(0, 0.03, (3, 3))), True)
        copy.positions += random.normal(0.0, 0.1, copy.positions.shape)
        images.append(copy)
    return images


@cache
def predictor(scheme: str, model: str, system: str) -> Potential:
    """A network with the seed's weights, and scalers that fit the surroundings of a system."""
    torch.manual_seed(11)
    image = SYSTEMS[system]()
    elements = sorted(set(image.get_chemical_symbols()))
    descriptor = construct_descriptor((*SCHEMES[scheme], elements))
    data = AtomsToData(descriptor, fprimes=False).convert_all(
        [image, *rattled(image, 5)], disable_tqdm=True
    )
    for index, each in enumerate(data):
        each.energy = torch.tensor(2.0 * index, dtype=torch.float64)
    scaling = {"type": "normalize", "range": (-1, 1), "threshold": 1e-2}
    return Potential(
        model=MODELS[model](elements, descriptor.n_features, num_nodes=8, num_layers=2),
        descriptor=descriptor,
        scalers={
            "feature": FeatureScaler(data, True, scaling),
            "target": TargetScaler(data, True),
        },
    )


def slopes(calculator: Potential, families: list[list[Atoms]]) -> np.ndarray:
    """Slope of the energy along each family of four images at -2, -1, 1, 2 steps."""
    images = [image for family in families for image in family]
    energies = np.reshape(calculator.evaluate(images, forces=False).energy, (-1, 4))
    return energies @ np.array([1.0, -8.0, 8.0, -1.0]) / (12.0 * STEP)


def displaced(image: Atoms, direction: np.ndarray) -> list[Atoms]:
    family = []
    for steps in (-2, -1, 1, 2):
        copy = image.copy()
        copy.positions += steps * STEP * direction
        family.append(copy)
    return family


def strained(image: Atoms, strain: np.ndarray) -> list[Atoms]:
    family = []
    for steps in (-2, -1, 1, 2):
        copy = image.copy()
        copy.set_cell(image.cell.array @ (np.eye(3) + steps * STEP * strain), scale_atoms=False)
        copy.positions = image.positions @ (np.eye(3) + steps * STEP * strain)
        family.append(copy)
    return family


def directions(image: Atoms) -> np.ndarray:
    """All coordinates of up to three atoms, else nine random directions; [n, n_atoms, 3]."""
    size = 3 * len(image)
    if size <= 9:
        return np.eye(size).reshape(size, -1, 3)
    random = np.random.default_rng(5).normal(size=(size, 9))
    return np.linalg.qr(random)[0].T.reshape(9, -1, 3)


def cases(systems: list[str]) -> list[Any]:
    return [
        pytest.param(scheme, model, system, id=f"{scheme}-{model}-{system}")
        for scheme in SCHEMES
        # They see fingerprints, of whatever scheme.
        for model in (MODELS if scheme == "gaussian_cosine" else ["bpnn"])
        for system in systems
        if system not in SQUARE_ROOTS.get(scheme, ())
    ]


@pytest.mark.parametrize(("scheme", "model", "system"), cases(IN_A_CELL + ALONE))
def test_forces_are_the_slope_of_the_energy(scheme, model, system):
    image = SYSTEMS[system]()
    calculator = predictor(scheme, model, system)
    forces = calculator.evaluate([image], forces=True).forces[0]
    along = directions(image)
    expected = -slopes(calculator, [displaced(image, direction) for direction in along])
    found = np.einsum("nax,ax->n", along, forces)
    np.testing.assert_allclose(found, expected, rtol=0, atol=FORCE_TOLERANCE)
    np.testing.assert_allclose(forces.sum(0), 0.0, atol=SYMMETRY_TOLERANCE)
    if system not in ("isolated_atom", "fe_primitive"):
        assert np.abs(forces).max() > 1e-3


@pytest.mark.parametrize(("scheme", "model", "system"), cases(IN_A_CELL))
def test_stress_is_the_slope_of_the_energy_under_strain(scheme, model, system):
    image = SYSTEMS[system]()
    calculator = predictor(scheme, model, system)
    stress = calculator.evaluate([image], forces=True).stress[0]
    strains = [voigt_6_to_full_3x3_stress(row) for row in np.diag([1, 1, 1, 0.5, 0.5, 0.5])]
    families = [strained(image, strain) for strain in strains]
    expected = slopes(calculator, families) / image.get_volume()
    np.testing.assert_allclose(stress, expected, rtol=0, atol=STRESS_TOLERANCE)
    assert np.abs(stress).max() > 1e-5


@pytest.mark.parametrize("system", ALONE)
def test_no_stress_without_a_cell(system):
    image = SYSTEMS[system]()
    predicted = predictor("gaussian_cosine", "bpnn", system).evaluate([image], forces=True)
    assert predicted.stress == [None]


def rotation() -> np.ndarray:
    matrix, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    return matrix * np.sign(np.linalg.det(matrix))


def rotated(image: Atoms) -> tuple[Atoms, Any]:
    turned, matrix = image.copy(), rotation()
    turned.set_cell(image.cell.array @ matrix, scale_atoms=False)
    turned.positions = image.positions @ matrix
    return turned, lambda forces: forces @ matrix


def mirrored(image: Atoms) -> tuple[Atoms, Any]:
    turned, matrix = image.copy(), np.diag([1.0, 1.0, -1.0])
    turned.set_cell(image.cell.array @ matrix, scale_atoms=False)
    turned.positions = image.positions @ matrix
    return turned, lambda forces: forces @ matrix


def translated(image: Atoms) -> tuple[Atoms, Any]:
    moved = image.copy()
    moved.positions += [0.37, -1.21, 5.03]
    return moved, lambda forces: forces


def permuted(image: Atoms) -> tuple[Atoms, Any]:
    order = np.random.default_rng(8).permutation(len(image))
    return image[order], lambda forces: forces[order]


def in_other_cells(image: Atoms) -> tuple[Atoms, Any]:
    moved = image.copy()
    shifts = np.random.default_rng(2).integers(-3, 4, (len(image), 3)) * image.pbc
    moved.positions += shifts @ image.cell.array
    return moved, lambda forces: forces


def wrapped(image: Atoms) -> tuple[Atoms, Any]:
    moved = in_other_cells(image)[0]
    moved.wrap()
    return moved, lambda forces: forces


@pytest.mark.parametrize("system", [*IN_A_CELL, "water_molecule"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_energy_is_invariant_and_forces_turn_along(scheme, system):
    image = SYSTEMS[system]()
    changes = [mirrored, translated, permuted, in_other_cells, wrapped]
    if scheme != "gmp":  # of which single groups of an order are not invariant
        changes.append(rotated)
    others, turns = zip(*(change(image) for change in changes), strict=True)
    predicted = predictor(scheme, "bpnn", system).evaluate([image, *others], forces=True)
    energy, forces = predicted.energy[0], predicted.forces[0]
    for k, turn in enumerate(turns, 1):
        said = changes[k - 1].__name__
        np.testing.assert_allclose(
            predicted.energy[k], energy, rtol=0, atol=SYMMETRY_TOLERANCE, err_msg=said
        )
        np.testing.assert_allclose(
            predicted.forces[k], turn(forces), rtol=0, atol=SYMMETRY_TOLERANCE, err_msg=said
        )


def test_stress_turns_along():
    image = SYSTEMS["nial_triclinic"]()
    other, _ = rotated(image)
    calculator = predictor("gaussian_cosine", "bpnn", "nial_triclinic")
    one, two = map(
        voigt_6_to_full_3x3_stress, calculator.evaluate([image, other], forces=True).stress
    )
    matrix = rotation()
    np.testing.assert_allclose(two, matrix.T @ one @ matrix, atol=SYMMETRY_TOLERANCE)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_supercell_has_the_energy_of_its_cells(scheme):
    image = SYSTEMS["fe_primitive"]()
    calculator = predictor(scheme, "singlenn", "fe_primitive")
    energies = calculator.evaluate([image, image.repeat((2, 1, 2))], forces=False).energy
    mean = float(calculator.scalers["target"].target_mean)
    assert energies[1] - mean == pytest.approx(4 * (energies[0] - mean), abs=1e-9)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_atoms_beyond_the_cutoff_do_not_meet(scheme):
    image = SYSTEMS["water_molecule"]()
    far = image.copy()
    far.positions += [0.0, 0.0, 40.0]
    calculator = predictor(scheme, "bpnn", "water_molecule")
    predicted = calculator.evaluate([image, image + far], forces=True)
    mean = float(calculator.scalers["target"].target_mean)
    assert predicted.energy[1] - mean == pytest.approx(2 * (predicted.energy[0] - mean))
    np.testing.assert_allclose(
        predicted.forces[1], np.vstack([predicted.forces[0]] * 2), atol=SYMMETRY_TOLERANCE
    )
