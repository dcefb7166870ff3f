"""Neighbour lists: from positions, cell and periodicity to the vectors R_ij.

All images with ``|R_ij| < cutoff`` are neighbours, an atom's own images included, the atom itself
not; along a non-periodic axis there is only the atom itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import ArrayLike
from vesin import NeighborList

from .. import _native
from .environment import Environment


def find_neighbors(
    positions: ArrayLike,
    cell: ArrayLike,
    pbc: ArrayLike,
    species: ArrayLike,
    cutoff: float,
) -> Environment:
    """Neighbours of all atoms of one frame.

    Args:
        positions: [n_atoms, 3], Å, wrapped or not.
        cell: [3, 3], Å, rows are the cell vectors; only periodic ones need to be non-zero.
        pbc: [3], whether each cell vector is periodic.
        species: [n_atoms], index of each atom's element.
        cutoff: Å.

    Returns:
        Environment in float64. The order of a centre's neighbours is fixed by species, index
        and image, so that sums over them are reproducible to the last bit.
    """
    positions = np.ascontiguousarray(positions, dtype=np.float64)
    periodic = np.asarray(pbc, dtype=bool)
    box = np.where(periodic[:, None], np.asarray(cell, dtype=np.float64), 0.0)
    search = NeighborList(cutoff=cutoff, full_list=True, n_threads=1)
    # The arrays belong to the search, which lives until they have been put in order.
    atoms, shifts, found = search.compute(positions, box, periodic, "PSD", copy=False)
    indices = torch.from_numpy(np.ascontiguousarray(species, dtype=np.int64))
    vectors = torch.empty((len(atoms), 3), dtype=torch.float64)
    neighbors = torch.empty(len(atoms), dtype=torch.int64)
    first = torch.empty(len(indices) + 1, dtype=torch.int64)
    n_pairs = _native.order_pairs(atoms, shifts, found, indices, cutoff, vectors, neighbors, first)
    return Environment(vectors[:n_pairs], first, neighbors[:n_pairs], indices)


# Positions, cell, periodicity and species of a frame: the arguments of find_neighbors.
Frame = tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike]


def find_neighbors_of_frames(frames: Sequence[Frame], cutoff: float) -> list[Environment]:
    """Neighbours of the atoms of many frames, threads over frames.

    Args:
        frames: (positions, cell, pbc, species) of each, see :func:`find_neighbors`.
        cutoff: Å.
    """

    def find(frame: Frame) -> Environment:
        positions, cell, pbc, species = frame
        return find_neighbors(positions, cell, pbc, species, cutoff)

    threads = min(torch.get_num_threads(), len(frames))
    if threads < 2:
        return [find(frame) for frame in frames]
    # Search and ordering let other Python threads run.
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(find, frames))
