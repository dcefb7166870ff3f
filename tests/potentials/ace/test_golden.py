"""ACE against numbers of another program, from files as a user opens them."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

import amptorch
from amptorch.ase_utils import AmpTorch
from amptorch.data.frame import collate
from amptorch.potentials.ace.couplings import invariants
from amptorch.potentials.ace.ladder import Label, functions_of
from amptorch.preprocessing import AtomsToData

from ...tolerances import GOLDEN_ACE, GOLDEN_ACE_PARAMETERS, GOLDEN_FLOOR
from . import golden

VOIGT = [0, 1, 2, 5, 4, 3]  # xx yy zz xy xz yz of xx yy zz yz xz xy


@pytest.mark.parametrize("case", golden.CASES)
def test_energies_forces_and_stresses_are_those_of_the_program(case):
    values = golden.arrays(case)
    for file in golden.files(case):
        frame = golden.frame(values)
        frame.calc = AmpTorch(amptorch.load(golden.FOLDER / file))
        largest = max(np.abs(values["forces_exact_radial"]).max(), 1e-3)
        energy = frame.get_potential_energy()
        assert energy == pytest.approx(float(values["energy_exact_radial"]), rel=GOLDEN_ACE)
        assert energy == pytest.approx(float(values["energy"]), abs=1e-10)
        np.testing.assert_allclose(
            frame.calc.results["energies"], values["energies"], rtol=GOLDEN_ACE, atol=1e-10
        )
        forces = frame.get_forces()
        np.testing.assert_allclose(
            forces, values["forces_exact_radial"], rtol=0, atol=GOLDEN_ACE * largest
        )
        # The program interpolates radial functions.
        np.testing.assert_allclose(forces, values["forces"], rtol=0, atol=1e-7)
        if frame.cell.rank == 3 and frame.pbc.all():
            found = frame.get_stress()[VOIGT] * frame.get_volume()
            np.testing.assert_allclose(
                found, values["dE_dstrain_voigt_xx_yy_zz_xy_xz_yz"], rtol=0, atol=1e-7
            )


@pytest.mark.parametrize("case", [each for each in golden.CASES if "_e0" not in each])
def test_functions_are_those_of_the_program(case):
    values = golden.arrays(case)
    (file,) = [each for each in golden.files(case) if each.endswith(".yaml")]
    potential = amptorch.load(golden.FOLDER / file)
    environment = potential.descriptor.environment(golden.frame(values))
    features = potential.descriptor.fingerprints(environment)
    for atom, element in enumerate(environment.species.tolist()):
        found = potential.model.basis(features[atom : atom + 1], element)[0].detach().numpy()
        np.testing.assert_allclose(found, values[f"B_{atom}"], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("compiled", [True, False])
def test_gradients_in_parameters_are_those_of_the_program(compiled):
    golden.index()
    with np.load(golden.FOLDER / "parameter_gradients.npz") as file:
        expected = dict(file)
    potential = amptorch.load(golden.FOLDER / "si_chebexpcos_fs.yaml")
    model, descriptor = potential.model, potential.descriptor
    frame = golden.frame(golden.arrays("si_chebexpcos_fs--si_cluster"))
    converter = AtomsToData(descriptor, fprimes=True, derivatives="on_the_fly")
    batch = collate(converter.convert_all([frame], True))
    if compiled:
        energy, forces = model(batch)
    else:
        atomic, slope = model.by_autograd(batch.fingerprint, batch.atomic_numbers, True)
        energy, forces = atomic.sum(), batch.primes.forces(slope)
    projected = (forces * torch.from_numpy(expected["v"])).sum()
    parameters = [model.radial, model.coefficients]
    for name, value in (("dE", energy), ("dFv", projected)):
        radial, own = torch.autograd.grad(value, parameters, retain_graph=True)
        for found, key in ((radial[0], f"{name}_dcrad"), (own, f"{name}_dc")):
            largest = np.abs(expected[key]).max()
            np.testing.assert_allclose(
                found.numpy(), expected[key], rtol=0, atol=GOLDEN_ACE_PARAMETERS * largest
            )


def test_there_are_as_many_invariants_as_in_the_program():
    for markers, expected in golden.index()["invariants_per_class"].items():
        if len(markers.split()) < 4:  # a second for the rest
            found = invariants(tuple(map(int, markers.split())), expected["lmax"])
            assert len(found) == expected["n"], markers


def _line(label: Label) -> str:
    parts = [label.elements, label.ns, label.ls, label.lint]
    return "|".join(" ".join(map(str, each)) for each in parts) + "\n"


def test_the_ladder_is_that_of_the_program():
    for name, expected in golden.index()["ladder"].items():
        elements = name.split()[0].split("-")
        blocks = functions_of(elements, expected["functions_per_element"])
        assert sum(map(len, blocks.values())) == expected["total"]
        for block, labels in blocks.items():
            known = expected["block"][" ".join([block.center, *block.others])]
            text = "".join(map(_line, labels))
            assert hashlib.sha256(text.encode()).hexdigest() == known["sha256"], (name, block)


def test_an_isolated_atom_has_its_own_energy():
    golden.index()
    potential = amptorch.load(golden.FOLDER / "hopt_mixed_e0.yace")
    lone = golden.frame(golden.arrays("hopt_mixed_e0--water_dimer"))[:1]
    lone.set_pbc(False)
    (energy,) = potential.predict([lone]).energy
    energies = potential.scalers["baseline"].energies
    assert energy == pytest.approx(energies[int(lone.numbers[0])], abs=GOLDEN_FLOOR)
