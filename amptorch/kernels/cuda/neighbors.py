"""Neighbour lists on a GPU, of all frames of a batch at once.

Atoms are sorted into bins no narrower than the cutoff, as far as the cell is no narrower itself,
which is then a bin whose images lie around it. A program goes through the bins around one atom,
first to count neighbours and then to write down each as one number,

    key = ((centre * n_species + species) * n_most + atom) * n_images + image

with the atom's place in its frame, of ``n_most`` atoms at most. Sorted keys are neighbours in the
order that ``kernels/neighbors.py`` promises, and vectors are made of them. Along an axis that is
not periodic bins go on and on, and share some places in turn; what is far away is found too far.
Memory grows with atoms and pairs, and nothing depends on the order in which programs run.

The host waits once, for the number of pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..environment import Environment
from ..packed_frames import PackedFrames
from .neighbors_kernels import read_keys, visit, wrap

ATOM_BLOCK = 128
PAIR_BLOCK = 256
CENTERS = 1
BLOCK = 128
DEPTH = 4
"""Centres of a program, and atoms of a bin at once, BLOCK / DEPTH bins beside each other."""

ALIGNMENT = 16
"""Numbers of 8 bytes, after which an array may begin."""

OPTIONS = {"enable_fp_fusion": False}
"""As the C++ ones are compiled, so that both agree on who is a neighbour."""

MARGIN = 1e-9
"""Relative: bins are wider than the cutoff by what rounding cannot reach."""


@dataclass(frozen=True)
class Bins:
    """How frames are cut into bins.

    Attributes:
        counts: [n_frames, 3], bins along the axes.
        reaches: [n_frames, 3], to how many bins on either side a neighbour can be.
        scales: [n_frames, 3], bins in a unit of the fractional coordinates.
    """

    counts: NDArray[np.int64]
    reaches: NDArray[np.int64]
    scales: NDArray[np.float64]

    @classmethod
    def of(cls, frames: PackedFrames, cutoff: float) -> Bins:
        """As fine as the cutoff allows, but no more of them than a frame has atoms, or nearly."""
        periodic = frames.pbc > 0
        # A column of the inverse is as long as one over the height of the cell along its axis; an
        # axis that is not periodic has a height of 1 Å.
        cutoffs = cutoff * (1 + MARGIN) * np.linalg.norm(frames.inverses, axis=1)
        most = np.floor(np.cbrt(np.diff(frames.first)))[:, None] + 1
        closed = np.clip(np.floor(1 / cutoffs), 1, most)
        # Of less than 3 that share places one would be on both sides of another.
        counts = np.where(periodic, closed, np.where(most < 3, 1, most))
        scales = np.where(periodic, counts, 1 / cutoffs)
        reaches = np.where(periodic, np.ceil(counts * cutoffs), counts > 1)
        return cls(counts.astype(np.int64), reaches.astype(np.int64), scales)

    @property
    def first(self) -> NDArray[np.int64]:
        """[n_frames + 1], number of the first bin of each frame."""
        return np.cumsum([0, *self.counts.prod(1)], dtype=np.int64)

    @property
    def n_images(self) -> int:
        """Most images of an atom that are looked at."""
        return int((2.0 * self.reaches + 1).prod(1).max())


class Search:
    """Frames and their bins on a device."""

    def __init__(self, frames: PackedFrames, cutoff: float, device: torch.device) -> None:
        bins = Bins.of(frames, cutoff)
        self.n_atoms, self.n_bins = frames.n_atoms, int(bins.first[-1])
        sizes = np.diff(frames.first)
        self.strides = {
            "n_species": int(frames.species.max(initial=0)) + 1,
            "n_most": int(sizes.max(initial=1)),
            "n_images": bins.n_images,
        }
        if self.n_atoms * np.prod([*self.strides.values()], dtype=float) >= 2.0**62:
            raise ValueError(
                f"neighbours: {self.n_atoms} atoms with {bins.n_images} images each are too many "
                "to number their pairs: use less frames at once, or a shorter cutoff"
            )
        reals: list[NDArray[np.generic]] = [
            frames.positions,
            frames.cells,
            frames.inverses,
            bins.scales,
            np.array([cutoff * cutoff]),
        ]
        self.positions, self.cells, self.inverses, self.scales, self.square = _copied(reals, device)
        whole: list[NDArray[np.generic]] = [
            frames.species,
            np.repeat(np.arange(frames.n_frames), sizes),
        ]
        whole += [frames.first, bins.first, frames.pbc, bins.counts, bins.reaches]
        self.species, self.frames, self.first_atoms, self.first_bins, *axes = _copied(whole, device)
        self.periodic, self.counts, self.reaches = axes
        self.wrapped = torch.empty_like(self.positions)
        self.bins = torch.empty_like(self.species)
        self._sort()

    def _sort(self) -> None:
        """Atoms into bins; those of one bin stay in order."""
        wrap[(-(-self.n_atoms // ATOM_BLOCK),)](
            self.positions, self.frames, self.cells, self.inverses, self.periodic, self.scales,
            self.counts, self.first_bins, self.wrapped, self.bins, self.n_atoms,
            BLOCK=ATOM_BLOCK, **OPTIONS,
        )  # fmt: skip
        found, self.order = torch.sort(self.bins, stable=True)
        every = torch.arange(self.n_bins + 1, device=found.device)
        self.begins = torch.searchsorted(found, every)

    def count(self) -> tuple[Tensor, Tensor]:
        """Neighbours of each atom, and squares of distances of the nearest ones; after
        those, which are in another order, an infinite one."""
        counts = torch.empty_like(self.species)
        nearest = self.wrapped.new_full([self.n_atoms + 1], torch.inf)
        self._visit(self.order, counts, counts, nearest, FILL=False)
        return counts, nearest

    def keys(self, first: Tensor, n_pairs: int, begin: int, end: int) -> Tensor:
        """[n_pairs], in order, of the atoms from ``begin`` to ``end``.

        Args:
            first: [n_atoms + 1]; where the pairs of these atoms begin among those of them all.
            n_pairs: of these atoms.
            begin, end: places of atoms.
        """
        keys = first.new_empty(n_pairs)
        rows = self.order
        if end - begin < self.n_atoms:
            rows = torch.sort(self.bins[begin:end], stable=True).indices + begin
        self._visit(rows, first, keys, self.wrapped, FILL=True)
        return torch.sort(keys).values

    def _visit(
        self, rows: Tensor, first: Tensor, keys: Tensor, nearest: Tensor, FILL: bool
    ) -> None:
        visit[(-(-len(rows) // CENTERS),)](
            self.wrapped, self.frames, self.species, self.bins, self.order, self.begins,
            self.first_atoms, self.first_bins, self.cells, self.periodic, self.counts,
            self.reaches, self.square, rows, first, keys, nearest, len(rows), **self.strides,
            FILL=FILL, CENTERS=CENTERS, BLOCK=BLOCK, DEPTH=DEPTH, num_warps=1, **OPTIONS,
        )  # fmt: skip

    def pairs(self, keys: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Vectors [n_pairs, 3] and neighbours [n_pairs] that keys say."""
        n_pairs = len(keys)
        vectors = self.wrapped.new_empty((n_pairs, 3), dtype=dtype)
        neighbors = torch.empty_like(keys)
        read_keys[(-(-n_pairs // PAIR_BLOCK),)](
            keys, self.wrapped, self.frames, self.first_atoms, self.cells, self.reaches,
            vectors, neighbors, n_pairs, **self.strides, BLOCK=PAIR_BLOCK, **OPTIONS,
        )  # fmt: skip
        return vectors, neighbors


def find_neighbors(
    frames: PackedFrames, cutoff: float, device: torch.device, dtype: torch.dtype
) -> tuple[Environment, float]:
    """Neighbours of the atoms of frames, and the length in Å of the shortest vector, see
    :func:`amptorch.kernels.neighbors.find_neighbors_of_batch`.

    Raises:
        ValueError: a batch whose keys would have more than 62 bits.
    """
    with torch.cuda.device(device if device.type == "cuda" else -1):
        search = Search(frames, cutoff, device)
        counts, nearest = search.count()
        first = offsets(counts)
        # The only time that the host waits.
        n_pairs, square = torch.stack([first[-1].double(), nearest.min()]).tolist()
        keys = search.keys(first, int(n_pairs), 0, search.n_atoms)
        pairs = search.pairs(keys, dtype)
        return Environment(pairs[0], first, pairs[1], search.species), square**0.5


def offsets(counts: Tensor) -> Tensor:
    """[n + 1], int64, where things that follow one another begin, and where they end."""
    first = torch.zeros(len(counts) + 1, dtype=torch.int64, device=counts.device)
    torch.cumsum(counts, 0, out=first[1:])
    return first


def _copied(arrays: Sequence[NDArray[np.generic]], device: torch.device) -> list[Tensor]:
    """Arrays on a device, in one copy for which the host does not wait."""
    dtype = torch.float64 if arrays[0].dtype == np.float64 else torch.int64
    # Kernels are compiled anew for pointers that are aligned in another way.
    begins = np.cumsum([0, *(-(-each.size // ALIGNMENT) * ALIGNMENT for each in arrays)]).tolist()
    host = torch.empty(begins[-1], dtype=dtype, pin_memory=device.type == "cuda")
    for begin, each in zip(begins, arrays, strict=False):
        host.numpy()[begin : begin + each.size] = each.ravel()
    there = host.to(device, non_blocking=True)
    return [
        there[begin : begin + each.size].view(each.shape)
        for begin, each in zip(begins, arrays, strict=False)
    ]


KERNELS = find_neighbors
