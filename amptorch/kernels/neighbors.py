"""Neighbour lists: from positions, cell and periodicity to the vectors R_ij.

All images with ``|R_ij| < cutoff`` are neighbours, an atom's own images included, the atom itself
not; along a non-periodic axis there is only the atom itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from ase.geometry import complete_cell
from numpy.typing import ArrayLike, NDArray

from .. import _native
from .environment import Environment

# Positions, cell, periodicity and species of a frame: the arguments of find_neighbors.
Frame = tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike]


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
    return find_neighbors_of_frames([(positions, cell, pbc, species)], cutoff)[0]


def find_neighbors_of_frames(frames: Sequence[Frame], cutoff: float) -> list[Environment]:
    """Neighbours of the atoms of many frames in one call, threads over frames.

    Args:
        frames: (positions, cell, pbc, species) of each, see :func:`find_neighbors`.
        cutoff: Å.
    """
    pbc = np.array([frame[2] for frame in frames], dtype=bool).reshape(-1, 3)
    cells = np.array([_full_cell(frame[1], each) for frame, each in zip(frames, pbc, strict=True)])
    species = [torch.from_numpy(np.array(frame[3], dtype=np.int64)) for frame in frames]
    sizes = [len(each) for each in species]
    positions = [np.asarray(frame[0], dtype=np.float64).reshape(-1, 3) for frame in frames]
    found = _native.find_neighbors(
        np.ascontiguousarray(np.concatenate(positions)),  # which keeps Fortran's order
        cells,
        np.linalg.inv(cells),
        pbc.astype(np.uint8),
        torch.cat(species),
        np.cumsum([0, *sizes], dtype=np.int64),
        cutoff,
        min(torch.get_num_threads(), len(frames)),
    )
    return [
        Environment(
            torch.from_numpy(vectors), torch.from_numpy(first), torch.from_numpy(neighbors), each
        )
        for (vectors, first, neighbors), each in zip(found, species, strict=True)
    ]


def find_nearest(environment: Environment) -> tuple[int, float]:
    """The pair with the shortest vector and its length in Å, in float64 on the CPU; -1 and infinity
    where there are no pairs."""
    return _native.find_nearest(environment.vectors)


def _full_cell(cell: ArrayLike, pbc: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The cell with unit vectors, orthogonal to the rest, in place of non-periodic ones."""
    cell = np.asarray(cell, dtype=np.float64)
    return cell if pbc.all() else complete_cell(np.where(pbc[:, None], cell, 0.0))
