"""Neighbour lists: from positions, cell and periodicity to the vectors R_ij.

All images with ``|R_ij| < cutoff`` are neighbours, an atom's own images included, the atom itself
not; along a non-periodic axis there is only the atom itself.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from vesin import NeighborList

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
    species = np.asarray(species, dtype=np.int64)
    box = np.where(periodic[:, None], np.asarray(cell, dtype=np.float64), 0.0)
    search = NeighborList(cutoff=cutoff, full_list=True)
    i, j, shifts, vectors, distances = search.compute(
        positions, box, periodic, quantities="ijSDd"
    )
    inside = distances < cutoff
    i, j = i[inside].astype(np.int64), j[inside].astype(np.int64)
    order = _neighbor_order(i, j, shifts[inside], species)
    return Environment(
        torch.from_numpy(np.ascontiguousarray(vectors[inside][order])),
        torch.from_numpy(np.searchsorted(i[order], np.arange(len(species) + 1))),
        torch.from_numpy(j[order]),
        torch.from_numpy(species),
    )


def _neighbor_order(
    i: NDArray[np.int64], j: NDArray[np.int64], shifts: NDArray[np.int32], species: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Permutation that sorts pairs by centre, neighbour's species, neighbour, image."""
    return np.lexsort((shifts[:, 2], shifts[:, 1], shifts[:, 0], j, species[j], i))
