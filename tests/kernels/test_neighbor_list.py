"""Neighbours that are kept while nothing has moved far, against those that are found anew."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms

from amptorch.kernels.environment import Environment
from amptorch.kernels.neighbors import NeighborList, find_neighbors

from ..systems import SYSTEMS

CUTOFF, SKIN = 5.0, 0.6


def frame_of(atoms: Atoms) -> tuple:
    return atoms.positions, atoms.cell.array, atoms.pbc, atoms.numbers


def rows(environment: Environment) -> np.ndarray:
    """A row a pair, in an order that does not depend on rounding."""
    pairs = torch.column_stack([environment.centers, environment.neighbors]).numpy()
    vectors = environment.vectors.numpy()
    order = np.lexsort((*np.round(vectors, 6).T, *pairs.T))
    return np.column_stack([pairs, vectors])[order]


def assert_same(found: Environment, atoms: Atoms, cutoff: float = CUTOFF) -> None:
    expected = find_neighbors(*frame_of(atoms), cutoff)
    assert torch.equal(found.first, expected.first)
    assert torch.equal(found.species, expected.species)
    np.testing.assert_allclose(rows(found), rows(expected), atol=1e-9)


def shaken(atoms: Atoms, size: float, seed: int) -> Atoms:
    """All atoms moved by so much, in directions of their own."""
    moves = np.random.default_rng(seed).normal(size=(len(atoms), 3))
    atoms = atoms.copy()
    atoms.positions += size * moves / np.linalg.norm(moves, axis=1)[:, None]
    return atoms


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("system", SYSTEMS)
def test_neighbors_of_a_walk_are_those_found_anew(system: str, threads: int) -> None:
    atoms, kept = SYSTEMS[system](), NeighborList(SKIN)
    torch.set_num_threads(threads)
    try:
        for step in range(12):
            atoms = shaken(atoms, 0.07, step)
            assert_same(kept.environment(*frame_of(atoms), CUTOFF), atoms)
    finally:
        torch.set_num_threads(1)
    assert kept.n_built < 8


@pytest.mark.parametrize(
    "system", ["nial_triclinic", "water_on_cu", "fe_primitive", "four_species"]
)
def test_neighbors_in_a_cell_that_changes(system: str) -> None:
    """Sheared, stretched and turned, as barostats do: little by little, with atoms that move along."""
    atoms, kept = SYSTEMS[system](), NeighborList(SKIN)
    random = np.random.default_rng(1)
    for step in range(30):
        strain = np.eye(3) + random.normal(0.0, 0.02, (3, 3))
        atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
        atoms = shaken(atoms, 0.01, step)
        assert_same(kept.environment(*frame_of(atoms), CUTOFF), atoms)
    assert 1 < kept.n_built < 30


def test_a_cell_that_changes_around_atoms_that_stay() -> None:
    atoms, kept = SYSTEMS["four_species"](), NeighborList(SKIN)
    for step in range(8):
        atoms.set_cell(atoms.cell * (0.99 if step % 3 else 1.01), scale_atoms=False)
        assert_same(kept.environment(*frame_of(atoms), CUTOFF), atoms)


def test_they_are_kept_until_an_atom_has_moved_half_the_skin() -> None:
    atoms, kept = SYSTEMS["nial_triclinic"](), NeighborList(SKIN)
    for moved, built in ((0.0, 1), (0.29, 1), (0.31, 2), (0.31, 2)):
        changed = atoms.copy()
        changed.positions[3, 1] += moved
        kept.environment(*frame_of(changed), CUTOFF)
        assert kept.n_built == built


def test_a_pair_that_comes_from_beyond_the_skin_is_found() -> None:
    """Two atoms go towards each other, each by less than the skin."""
    atoms, kept = Atoms("H2", [(0, 0, 0), (CUTOFF + SKIN + 0.01, 0, 0)]), NeighborList(SKIN)
    assert kept.environment(*frame_of(atoms), CUTOFF).n_pairs == 0
    atoms.positions[:, 0] += [0.32, -0.32]
    assert kept.environment(*frame_of(atoms), CUTOFF).n_pairs == 2


def changes() -> dict[str, Atoms]:
    """What is another system than ``four_species``, where positions alone do not say so."""
    atoms = SYSTEMS["four_species"]()
    found = {name: atoms.copy() for name in ("pbc", "species", "number", "wrapped")}
    found["pbc"].pbc = (True, False, True)
    found["species"].numbers[0] = 1
    found["number"] = atoms[:-1]
    found["wrapped"].positions[2] += atoms.cell.array[0]
    return found


@pytest.mark.parametrize("change", ["pbc", "species", "number", "wrapped"])
def test_other_systems_are_looked_at_anew(change: str) -> None:
    atoms, kept = SYSTEMS["four_species"](), NeighborList(SKIN)
    kept.environment(*frame_of(atoms), CUTOFF)
    other = changes()[change]
    assert_same(kept.environment(*frame_of(other), CUTOFF), other)
    assert kept.n_built == 2


def test_another_cutoff_is_looked_at_anew() -> None:
    atoms, kept = SYSTEMS["four_species"](), NeighborList(SKIN)
    for cutoff in (4.0, 5.0, 4.5):
        assert_same(kept.environment(*frame_of(atoms), cutoff), atoms, cutoff)


def test_the_caller_may_write_to_what_it_gave() -> None:
    atoms, kept = SYSTEMS["four_species"](), NeighborList(SKIN)
    kept.environment(*frame_of(atoms), CUTOFF)
    for _ in range(3):
        atoms.positions += np.linspace(0.0, 0.3, len(atoms))[:, None]
        assert_same(kept.environment(*frame_of(atoms), CUTOFF), atoms)
