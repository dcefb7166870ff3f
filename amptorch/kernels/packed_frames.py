"""Positions and cells of frames, one frame after the other: what neighbours are looked for in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.geometry import complete_cell
from numpy.typing import ArrayLike, NDArray

Frame = tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike]
"""Positions, cell, periodicity and species: the arguments of
:func:`amptorch.kernels.neighbors.find_neighbors`."""


@dataclass(frozen=True)
class PackedFrames:
    """Frames as the kernels take them.

    Attributes:
        positions: [n_atoms, 3], Å, wrapped or not.
        cells: [n_frames, 3, 3], Å, rows are the cell vectors; full ones.
        inverses: [n_frames, 3, 3], 1/Å, of the cells.
        pbc: [n_frames, 3], 1 where a cell vector is periodic.
        species: [n_atoms], index of each atom's element.
        first: [n_frames + 1]; the atoms of frame ``k`` are ``first[k]`` to ``first[k + 1]``.
    """

    positions: NDArray[np.float64]
    cells: NDArray[np.float64]
    inverses: NDArray[np.float64]
    pbc: NDArray[np.uint8]
    species: NDArray[np.int64]
    first: NDArray[np.int64]

    @classmethod
    def of(cls, frames: Sequence[Frame]) -> PackedFrames:
        """A copy of frames, of one at least."""
        pbc = np.array([frame[2] for frame in frames], dtype=bool)
        cells = np.array([frame[1] for frame in frames], dtype=np.float64)
        for k in np.flatnonzero(~pbc.all(1)):
            cells[k] = full_cell(cells[k], pbc[k])
        positions = [np.asarray(frame[0], dtype=np.float64).reshape(-1, 3) for frame in frames]
        species = [np.asarray(frame[3], dtype=np.int64) for frame in frames]
        return cls(
            np.ascontiguousarray(np.concatenate(positions)),  # which keeps Fortran's order
            cells,
            np.linalg.inv(cells).astype(np.float64, copy=False),
            pbc.astype(np.uint8),
            np.concatenate(species),
            np.cumsum([0, *map(len, species)], dtype=np.int64),
        )

    @property
    def n_frames(self) -> int:
        """How many there are."""
        return len(self.cells)

    @property
    def n_atoms(self) -> int:
        """Of all frames."""
        return len(self.species)

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """All of them."""
        return self.positions, self.cells, self.inverses, self.pbc, self.species, self.first


def full_cell(cell: ArrayLike, pbc: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The cell with unit vectors, orthogonal to the rest, in place of non-periodic ones."""
    cell = np.asarray(cell, dtype=np.float64)
    return cell if pbc.all() else complete_cell(np.where(pbc[:, None], cell, 0.0))
