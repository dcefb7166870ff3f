"""Neighbour lists against ASE's, and their order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list

from amptorch.kernels.environment import Environment, concatenate
from amptorch.kernels.neighbors import (
    NeighborList,
    find_nearest,
    find_neighbors,
    find_neighbors_of_frames,
    parts_of_frame,
)
from tests.systems import SYSTEMS

CUTOFFS = (3.1, 6.0)


def _frame(atoms: Atoms) -> tuple:
    species = np.unique(atoms.numbers, return_inverse=True)[1]
    return atoms.positions, atoms.cell.array, atoms.pbc, species


def _rows(centers: np.ndarray, neighbors: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    rows = np.column_stack([centers, neighbors, np.round(vectors, 6) + 0.0])
    return rows[np.lexsort(rows.T[::-1])]


@pytest.mark.parametrize("cutoff", CUTOFFS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_pairs_are_those_of_ase(system: str, cutoff: float) -> None:
    atoms = SYSTEMS[system]()
    found = find_neighbors(*_frame(atoms), cutoff)
    i, j, vectors, lengths = neighbor_list("ijDd", atoms, cutoff)
    inside = lengths < cutoff
    expected = _rows(i[inside], j[inside], vectors[inside])
    rows = _rows(found.centers.numpy(), found.neighbors.numpy(), found.vectors.numpy())
    np.testing.assert_allclose(rows, expected, atol=2e-6)


@pytest.mark.parametrize("pbc", [True, False, (True, False, True)])
@pytest.mark.parametrize("n_atoms", [40, 900])
def test_pairs_of_large_frames_are_those_of_vesin(n_atoms: int, pbc: bool | tuple) -> None:
    """Wide enough for several bins along each axis; some atoms are far outside the cell."""
    vesin = pytest.importorskip("vesin", reason="needs vesin, which a machine with a GPU may lack")
    random = np.random.default_rng(n_atoms)
    cell = np.array([[23.0, 0.0, 0.0], [4.0, 25.0, 0.0], [-3.0, 2.0, 31.0]])
    atoms = Atoms("H" * n_atoms, cell=cell, pbc=pbc)
    atoms.set_scaled_positions(random.uniform(-1.5, 2.5, (n_atoms, 3)))
    found = find_neighbors(*_frame(atoms), 4.5)
    box = np.where(atoms.pbc[:, None], cell, 0.0)
    search = vesin.NeighborList(cutoff=4.5, full_list=True)
    i, j, vectors = search.compute(atoms.positions, box, atoms.pbc, "ijD")
    rows = _rows(found.centers.numpy(), found.neighbors.numpy(), found.vectors.numpy())
    np.testing.assert_allclose(rows, _rows(i, j, vectors), atol=2e-6)


@pytest.mark.parametrize("system", SYSTEMS)
def test_neighbors_come_sorted_by_species_then_atom(system: str) -> None:
    found = find_neighbors(*_frame(SYSTEMS[system]()), 6.0)
    keys = torch.stack([found.centers, found.neighbor_species, found.neighbors], 1).tolist()
    assert keys == sorted(keys)
    assert found.first[0] == 0
    assert found.first[-1] == found.n_pairs


@pytest.mark.parametrize("system", SYSTEMS)
def test_wrapping_changes_neither_pairs_nor_their_order(system: str) -> None:
    atoms = SYSTEMS[system]()
    moved = atoms.copy()
    moved.positions += np.where(atoms.pbc, [3, -2, 1], 0) @ atoms.cell.array
    one, other = (find_neighbors(*_frame(each), 5.9) for each in (atoms, moved))
    torch.testing.assert_close(one.vectors, other.vectors, rtol=0, atol=1e-12)
    assert torch.equal(one.neighbors, other.neighbors)


def test_pairs_come_in_both_directions() -> None:
    found = find_neighbors(*_frame(SYSTEMS["nial_triclinic"]()), 5.0)
    torch.testing.assert_close(found.vectors.sum(0), torch.zeros(3, dtype=torch.float64))


@pytest.mark.parametrize("system", SYSTEMS)
def test_nearest_pair_is_that_of_ase(system: str) -> None:
    atoms = SYSTEMS[system]()
    found = find_neighbors(*_frame(atoms), 6.0)
    pair, distance = find_nearest(found)
    lengths = neighbor_list("d", atoms, 6.0)
    assert distance == pytest.approx(lengths.min(initial=np.inf), rel=1e-12)
    assert pair == -1 or float(found.vectors[pair].norm()) == pytest.approx(distance, rel=1e-15)


@pytest.mark.parametrize("threads", [1, 2])
def test_many_frames_at_once_are_the_frames_one_by_one(threads: int) -> None:
    frames = [_frame(build()) for build in SYSTEMS.values()]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        together = find_neighbors_of_frames(frames, 5.0)
    finally:
        torch.set_num_threads(before)
    for frame, found in zip(frames, together, strict=True):
        _assert_same(found, find_neighbors(*frame, 5.0))


@pytest.mark.parametrize("system", ["nial_triclinic", "water_on_cu", "water_molecule"])
@pytest.mark.parametrize("threads", [1, 3])
def test_parts_of_a_frame_are_the_frame_whatever_the_threads(system: str, threads: int) -> None:
    """To the last bit, of a kept list to rounding; what stands for a neighbour has its species."""
    atoms = SYSTEMS[system]()
    atoms = atoms.repeat([5 if each else 1 for each in atoms.pbc])
    frame, n = _frame(atoms), len(atoms)
    whole = find_neighbors(*frame, CUTOFFS[1])
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        _assert_same(find_neighbors(*frame, CUTOFFS[1]), whole)
        for found in (
            parts_of_frame(frame, CUTOFFS[1], 70),
            NeighborList(0.5).parts(frame, CUTOFFS[1], 70),
        ):
            parts = list(found)
            assert [part.begin for part in parts] == list(range(0, n, 70))
            own = [each.environment.vectors for each in parts]
            torch.testing.assert_close(torch.cat(own), whole.vectors, rtol=0, atol=1e-12)
            assert torch.equal(torch.cat([each.neighbors for each in parts]), whole.neighbors)
            species = torch.cat([each.environment.neighbor_species for each in parts])
            assert torch.equal(species, whole.neighbor_species)
            counts = [each.environment.first.diff()[: each.n_centers] for each in parts]
            assert torch.equal(torch.cat(counts), whole.first.diff())
        pair, distance = find_nearest(whole)
    finally:
        torch.set_num_threads(before)
    lengths = whole.vectors.norm(dim=1)
    assert float(lengths[pair]) == pytest.approx(float(lengths.min()), rel=1e-14)
    assert distance == pytest.approx(float(lengths.min()), rel=1e-14)


def test_concatenation_keeps_each_frame() -> None:
    frames = [_frame(SYSTEMS[name]()) for name in ("cuco_box", "isolated_atom", "nial_triclinic")]
    parts = find_neighbors_of_frames(frames, 5.0)
    joined = concatenate(parts)
    atoms = pairs = 0
    for part in parts:
        rows = slice(int(joined.first[atoms]), int(joined.first[atoms + part.n_atoms]))
        assert (rows.start, rows.stop) == (pairs, pairs + part.n_pairs)
        assert torch.equal(joined.vectors[rows], part.vectors)
        assert torch.equal(joined.neighbors[rows], part.neighbors + atoms)
        assert torch.equal(joined.centers[rows], part.centers + atoms)
        atoms, pairs = atoms + part.n_atoms, pairs + part.n_pairs


def _assert_same(one: Environment, other: Environment) -> None:
    for name in ("vectors", "first", "neighbors", "species"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
