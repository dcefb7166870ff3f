"""Neighbours on a GPU some atoms at a time, of frames too large to hold all their pairs at once.

Only how many neighbours each atom has is known of all; the pairs of a part are made when it is
asked for. A list keeps the keys of all pairs up to a reach beyond the cutoff, 8 bytes each, and
makes of them the pairs within the cutoff wherever atoms have moved since.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..device_memory import copied, free_bytes
from ..environment import Part
from ..packed_frames import PackedFrames
from .neighbors import Search, offsets

KEY_BYTES = 8
SHARE = 4
"""A list takes no more than such a part of the memory that is free."""
AT_ONCE = 1 << 24
"""Keys of a list that are sorted at a time."""


class Found:
    """Neighbours of the atoms of frames one after the other.

    Args:
        frames: which.
        cutoff: Å.
        device: where.

    Attributes:
        first: [n_atoms + 1], on the host, where the pairs of each atom begin, or those that there
            may be of it.
        frames: [n_atoms], on the device, the frame of each atom.
        n_frames: how many there are.
        moves: whether it is a list, which can be moved.
    """

    moves = False

    def __init__(self, frames: PackedFrames, cutoff: float, device: torch.device) -> None:
        with torch.cuda.device(device if device.type == "cuda" else -1):
            self.search = Search(frames, cutoff, device)
            counts, nearest = self.search.count()
            self.begins = offsets(counts)
            # The only time that the host waits.
            known = torch.cat([self.begins.double(), nearest.min()[None]]).cpu().numpy()
        self.frames, self.n_frames = self.search.frames, frames.n_frames
        self.first: NDArray[np.int64] = known[:-1].astype(np.int64)
        self._nearest = float(known[-1]) ** 0.5

    def nearest(self) -> float:
        """Å, the shortest vector of all parts; infinity where there is none."""
        return self._nearest

    def end(self, begin: int, most: int) -> int:
        """The end of the part from an atom on that has so many pairs at most, or one atom."""
        end = int(np.searchsorted(self.first, self.first[begin] + most, "right")) - 1
        return max(end, begin + 1)

    def n_pairs(self, begin: int, end: int) -> int:
        """How many there are of the atoms from ``begin`` to ``end``, or may be."""
        return int(self.first[end] - self.first[begin])

    def part(self, begin: int, end: int, dtype: torch.dtype) -> Part:
        """The atoms from ``begin`` to ``end`` with their neighbours."""
        with torch.cuda.device_of(self.frames):
            vectors, neighbors = self.search.pairs(self._keys(begin, end), dtype)
            return self._part(vectors, self._first(begin, end), neighbors, begin)

    def _first(self, begin: int, end: int) -> Tensor:
        return self.begins[begin : end + 1] - self.begins[begin]

    def _keys(self, begin: int, end: int) -> Tensor:
        first = self.begins - self.begins[begin]
        return self.search.keys(first, self.n_pairs(begin, end), begin, end)

    def _part(self, vectors: Tensor, first: Tensor, neighbors: Tensor, begin: int) -> Part:
        species, n_species = self.search.species, self.search.strides["n_species"]
        return Part.of(vectors, first, neighbors, species, begin, n_species)


class Listed(Found):
    """Neighbours of one frame, whose atoms and cell may move since they were looked for.

    Args:
        frames: of one frame, as it is when it is looked through.
        cutoff: Å, of pairs that are given.
        skin: Å, to how much beyond that they are looked for.
        device: where.
    """

    moves = True

    def __init__(
        self, frames: PackedFrames, cutoff: float, skin: float, device: torch.device
    ) -> None:
        super().__init__(frames, cutoff + skin, device)
        self.square = cutoff * cutoff

    def fits(self) -> bool:
        """Whether there is the memory to keep it."""
        free = free_bytes(self.frames.device)
        return KEY_BYTES * int(self.first[-1]) <= free / SHARE

    def keep(self) -> None:
        """Find all keys, and by how many cells each atom was moved to be in the home cell."""
        search, begin = self.search, 0
        self.keys = self.begins.new_empty(int(self.first[-1]))
        with torch.cuda.device_of(self.keys):
            while begin < search.n_atoms:
                end = self.end(begin, AT_ONCE)
                self.keys[self.first[begin] : self.first[end]] = self._keys(begin, end)
                begin = end
            moves = (search.wrapped - search.positions) @ search.inverses[0]
            self.cells_moved = moves.round_()

    def move(self, positions: NDArray[np.float64], cell: NDArray[np.float64]) -> None:
        """Take the atoms to where they are in a frame of which these are all neighbours."""
        search = self.search
        search.positions = copied(positions, self.keys.device)
        search.cells = copied(cell[None], self.keys.device)
        search.wrapped = search.positions + self.cells_moved @ search.cells[0]
        self._squares = search.wrapped.new_full([], torch.inf)

    def nearest(self) -> float:
        return float(self._squares) ** 0.5

    def part(self, begin: int, end: int, dtype: torch.dtype) -> Part:
        with torch.cuda.device_of(self.keys):
            # A copy, as kernels are compiled anew for pointers that are aligned in another way.
            keys = self.keys[self.first[begin] : self.first[end]].clone()
            vectors, neighbors = self.search.pairs(keys, torch.float64)
            squares = vectors.square().sum(1)
            near = squares < self.square
            if len(squares):
                self._squares = torch.minimum(self._squares, squares.min())
            first = offsets(near).index_select(0, self._first(begin, end))
            (places,) = near.nonzero(as_tuple=True)
            vectors = vectors.index_select(0, places).to(dtype)
            return self._part(vectors, first, neighbors.index_select(0, places), begin)


def parted(
    frames: PackedFrames, cutoff: float, device: torch.device, skin: float | None = None
) -> Found:
    """Neighbours on a GPU, some atoms at a time; with a ``skin`` in Å beyond the cutoff a list of
    one frame, unless it would take too much memory."""
    if skin is not None:
        found = Listed(frames, cutoff, skin, device)
        if found.fits():
            found.keep()
            return found
    return Found(frames, cutoff, device)


KERNELS = parted
