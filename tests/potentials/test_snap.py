"""Linear and quadratic models on bispectrum components against LAMMPS' energies, forces and virials,
and rows against its derivatives, with its coefficients."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.data import atomic_numbers

from amptorch import AmpTorch, Potential
from amptorch.data.frame import AtomsBatch, collate
from amptorch.descriptor import construct_descriptor
from amptorch.potentials.linear.family import FAMILY
from amptorch.potentials.linear.model import Linear, Quadratic
from amptorch.potentials.linear.settings import LinearSettings
from amptorch.potentials.registry import Inputs
from amptorch.preprocessing import AtomsToData
from amptorch.preprocessing.utils import FeatureScaler, TargetScaler

from ..snap import Golden, golden_cases
from ..systems import SHARED
from ..tolerances import GOLDEN_FINGERPRINT

FOLDER = SHARED / "golden" / "snap"
NAMES = (
    "linear_2j4",
    "linear_2j6_lonely",
    "bzero0",
    "three_elements",
    "quadratic_2j4",
    "quadratic_2j6_bzero0",
    "quadratic_chem",
)


@dataclass
class Case:
    """A frame, its potential as a model, and LAMMPS' numbers."""

    model: Linear
    batch: AtomsBatch
    arrays: Any

    @classmethod
    def of(cls, name: str) -> Case:
        index = Path(FOLDER / "index.json")
        if not index.is_file():
            pytest.skip(f"no {index}")
        entry = next(e for e in json.loads(index.read_text())["cases"] if e["name"] == name)
        arrays = np.load(FOLDER / entry["file"])
        parameters, elements = dict(entry["parameters"]), entry["elements"]
        kind = Quadratic if parameters.pop("quadraticflag") else Linear
        parameters |= {each: arrays[each].tolist() for each in ("radelem", "wj")}
        descriptor = construct_descriptor(("snap", parameters, None, elements))
        geometry = {each: arrays[each] for each in ("numbers", "positions", "cell", "pbc")}
        converter = AtomsToData(descriptor, r_energy=False, r_forces=False, fprimes=True)
        batch = collate([converter.convert(Atoms(**geometry))])
        model = kind(elements, descriptor.n_features)
        with torch.no_grad():
            model.coefficients.copy_(torch.from_numpy(arrays["coefficients"]).flatten())
        return cls(model, batch, arrays)


def assert_golden(found: torch.Tensor, expected: np.ndarray) -> None:
    """Relative to the largest number, at least 1; a sum over products of components that cancel."""
    tolerance = GOLDEN_FINGERPRINT * max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_energies_forces_and_virials(name):
    case = Case.of(name)
    rows, c = case.model.rows(case.batch), case.model.coefficients.detach()
    energies, forces = case.model(case.batch)
    virial = -case.arrays["virial"][[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    for found in (energies, rows.energies @ c):
        assert_golden(found, case.arrays["energy"][None])
    for found in (forces, (rows.forces @ c).view(-1, 3)):
        assert_golden(found, case.arrays["forces"])
    assert_golden(rows.virials @ c, virial)


@pytest.mark.parametrize("name", NAMES)
def test_rows(name):
    case = Case.of(name)
    rows, arrays = case.model.rows(case.batch), case.arrays
    n_atoms, n_elements, _, n_features = arrays["dbispectrum"].shape
    forces = rows.forces.view(n_atoms, 3, n_elements, -1)[..., 1 : 1 + n_features]
    assert_golden(forces, arrays["dbispectrum"].transpose(0, 2, 1, 3))
    virials = rows.virials.view(6, n_elements, -1)[..., 1 : 1 + n_features]
    assert_golden(virials, -arrays["dbispectrum_virial"].transpose(1, 0, 2))


@pytest.mark.parametrize("golden", golden_cases())
def test_what_a_calculator_says(golden: Golden) -> None:
    """Every case, from the configuration that a user writes to ASE's interface."""
    elements = golden.elements
    descriptor = construct_descriptor(("snap", golden.fp_params, None, elements))
    inputs = Inputs(elements, descriptor.n_features, descriptor)
    settings = LinearSettings(name="quadratic" if golden.quadratic else "linear", covariance=False)
    model = FAMILY.make(settings, inputs, torch.float64)
    with torch.no_grad():
        model.coefficients.copy_(torch.from_numpy(golden.arrays["coefficients"]).flatten())
    numbers = [atomic_numbers[each] for each in elements]
    feature = FeatureScaler.identity(numbers, descriptor.n_features)
    scalers = {"feature": feature, "target": TargetScaler.of(0.0, 1.0)}
    atoms = golden.atoms
    atoms.calc = AmpTorch(Potential(model, descriptor, scalers))
    energy = torch.tensor(atoms.get_potential_energy(), dtype=torch.float64)
    assert_golden(energy, golden.arrays["energy"])
    if "forces" not in golden.arrays:
        return  # those of LAMMPS are not the slope of its energy here
    assert_golden(torch.from_numpy(atoms.get_forces()), golden.arrays["forces"])
    if atoms.cell.rank == 3:
        virial = -atoms.get_volume() * atoms.get_stress(voigt=False)
        assert_golden(torch.from_numpy(virial), golden.arrays["virial"])
