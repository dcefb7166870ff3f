"""Extrapolation grades against another program's active set and grades."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

import amptorch
from amptorch.potentials.ace.extrapolation import ActiveSets, maximum_volume

from . import golden


def frames(positions, cells):
    pairs = zip(positions, cells, strict=True)
    return [Atoms("Mo4", each, cell=cell, pbc=True) for each, cell in pairs]


@pytest.fixture(scope="module")
def known():
    golden.index()
    potential = amptorch.load(golden.FOLDER / "mo_chebpow_core.yaml")
    with np.load(golden.FOLDER / "gamma.npz") as file:
        return potential, dict(file)


def test_grades_are_those_of_the_program(known, tmp_path):
    potential, values = known
    images = frames(values["positions"], values["cells"])
    sets = ActiveSets.read(potential, golden.FOLDER / "mo_chebpow_core.asi")
    np.testing.assert_allclose(np.stack(sets.grades(images)), values["gamma"], rtol=1e-7)
    sets.write(tmp_path / "again.asi")
    again = ActiveSets.read(potential, tmp_path / "again.asi")
    np.testing.assert_array_equal(again.inverses["Mo"], sets.inverses["Mo"])


def test_the_active_set_is_as_large_as_the_programs(known):
    potential, values = known
    train = frames(values["train_positions"], values["train_cells"])
    sets = ActiveSets.of(potential, train)
    _, size = np.linalg.slogdet(sets.inverses["Mo"])
    assert -size >= float(values["log_abs_det"]) - 0.01 * 15
    assert max(grades.max() for grades in sets.grades(train)) <= 1.001 * (1 + 1e-9)


def test_no_swap_raises_the_determinant():
    rows = np.random.default_rng(1).normal(size=(60, 7))
    chosen = maximum_volume(rows)
    shares = rows @ np.linalg.inv(rows[chosen])
    assert np.abs(shares).max() <= 1.001


def test_too_few_atoms_are_refused(known):
    potential, values = known
    few = frames(values["positions"][:1], values["cells"][:1])
    with pytest.raises(ValueError, match="at least 15 atoms"):
        ActiveSets.of(potential, few)
