"""Neuroevolution potentials against the numbers of NEP_CPU and of GPUMD, from their files.

A case is a nep.txt with structures. Energies, forces, virials and descriptors come by the one pass
and by the stages of the model; gradients by autograd through kernels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.io import read

import amptorch
from amptorch.kernels import pair_jacobian
from amptorch.potentials.evaluator import Asked, Evaluator
from amptorch.potentials.nep.header import Header, parse
from amptorch.potentials.potential import Potential

from ...systems import SHARED

GOLDEN = SHARED / "golden" / "nep"
PBTE = SHARED / "data" / "nep" / "pbte"

needs_pbte = pytest.mark.skipif(not PBTE.is_dir(), reason="needs shared/data/nep")

VALUES = 1e-9
"""Relative to the largest, or to 1: float64 in another order, times large slopes."""
GRADIENTS = 1e-8
"""Likewise, of sums over many atoms."""
SINGLE = 1e-5
"""Relative: float32, of which forces are differences."""


@dataclass(frozen=True)
class Case:
    file: Path
    arrays: dict[str, Any]

    @property
    def potential(self) -> Potential:
        return amptorch.load(self.file)

    @property
    def image(self) -> Atoms:
        names = ("numbers", "positions", "cell")
        return Atoms(**{name: self.arrays[name] for name in names}, pbc=True)


def cases() -> list[Any]:
    if not GOLDEN.is_dir():
        return [pytest.param(None, marks=pytest.mark.skip(reason="needs shared/golden/nep"))]
    found = []
    for name, entry in json.loads((GOLDEN / "index.json").read_text()).items():
        for system in entry["systems"]:
            arrays = dict(np.load(GOLDEN / system))
            case = Case(GOLDEN / f"{name}.nep.txt", arrays)
            found.append(pytest.param(case, id=system.removesuffix(".npz")))
    return found


def assert_close(found: Any, expected: np.ndarray, tolerance: float) -> None:
    largest = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(np.asarray(found), expected, rtol=0, atol=tolerance * largest)


def check(found: Any, case: Case, tolerance: float) -> None:
    arrays = case.arrays
    assert_close(found.energy[0], arrays["energy"], tolerance)
    assert_close(found.energies[0], arrays["energies"], tolerance)
    assert_close(found.forces[0], arrays["forces"], tolerance)
    virial = -case.image.get_volume() * found.stress[0]
    expected = arrays["virial"][[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    assert_close(virial, expected, tolerance)


@pytest.mark.parametrize("case", cases())
def test_one_pass(case: Case) -> None:
    potential = case.potential
    assert potential.evaluator.force_call() is not None
    check(potential.predict([case.image]), case, VALUES)


@pytest.mark.parametrize("case", cases())
def test_one_pass_in_single_precision(case: Case) -> None:
    potential = case.potential
    potential.model.float()
    call = potential.evaluator.force_call()
    assert call is not None
    found = potential.predict([case.image])
    assert_close(found.energies[0], case.arrays["energies"], 100 * SINGLE)
    assert_close(found.forces[0], case.arrays["forces"], 100 * SINGLE)


@pytest.mark.parametrize("case", cases())
def test_stages(case: Case) -> None:
    potential, image = case.potential, case.image
    asked = Asked(forces=True, descriptors=True)
    check(Evaluator(potential).evaluate([image], asked), case, VALUES)
    environment = potential.descriptor.environment(image)
    model, numbers = potential.model, torch.from_numpy(image.numbers)
    with torch.no_grad():
        q = model.descriptors(potential.descriptor.fingerprints(environment), numbers)
    assert_close(q * model.q_scaler, case.arrays["descriptors"], VALUES)


@pytest.mark.parametrize("case", cases())
def test_gradients(case: Case) -> None:
    potential, image = case.potential, case.image
    model, numbers = potential.model, torch.from_numpy(image.numbers)
    environment = potential.descriptor.environment(image)
    vectors = environment.vectors.requires_grad_()
    fingerprints = potential.descriptor.fingerprints(environment.with_vectors(vectors))
    energy = model.atomic_energies(fingerprints, numbers).sum()
    (pairs,) = torch.autograd.grad(energy, vectors, create_graph=True)
    forces = pair_jacobian.forces(environment, pairs)
    along = (forces * torch.from_numpy(case.arrays["cotangent"])).sum()
    for value, name in ((energy, "dE_dtheta"), (along, "dvF_dtheta")):
        parameters = list(model.in_order())
        found = torch.autograd.grad(
            value, parameters, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        assert_close(torch.cat([each.flatten() for each in found]), case.arrays[name], GRADIENTS)


@pytest.mark.parametrize("case", cases())
def test_files_are_written_as_they_were_read(case: Case, tmp_path: Path) -> None:
    case.potential.export(tmp_path / "nep.txt", "nep")
    written, given = contents(tmp_path / "nep.txt"), contents(case.file)
    assert written == given


def contents(file: Path) -> tuple[Header, list[float]]:
    lines = file.read_text().splitlines()
    header, n_lines = parse(lines)
    return header, [float(each) for each in lines[n_lines:]]


@pytest.mark.parametrize("case", cases())
def test_saved_as_it_is(case: Case, tmp_path: Path) -> None:
    case.potential.save(tmp_path / "potential")
    check(Potential.load(tmp_path / "potential").predict([case.image]), case, VALUES)


@needs_pbte
def test_what_gpumd_says_itself() -> None:
    """In single precision, with six digits."""
    potential = amptorch.load(PBTE / "nep.txt")
    images, golden = read(PBTE / "train.xyz", ":"), np.load(PBTE / "gpumd_predictions.npz")
    found = potential.predict(images)
    sizes = np.array([len(image) for image in images])
    np.testing.assert_allclose(found.energy / sizes, golden["energy_per_atom"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(np.array(found.forces), golden["forces"], rtol=0, atol=3e-5)
    stresses = np.array(found.stress)[:, [0, 1, 2, 5, 3, 4]]
    volumes = np.array([image.get_volume() for image in images])
    virials = -stresses * (volumes / sizes)[:, None]
    wanted = golden["virial_per_atom_xx_yy_zz_xy_yz_zx"]
    np.testing.assert_allclose(virials, wanted, rtol=0, atol=1e-5)
