"""Neighbour lists: from positions, cell and periodicity to the vectors R_ij.

All images with ``|R_ij| < cutoff`` are neighbours, an atom's own images included, the atom itself
not; along a non-periodic axis there is only the atom itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from .. import _native
from . import cuda
from .environment import Environment, Part
from .packed_frames import Frame, PackedFrames, full_cell

CPU = torch.device("cpu")


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
    """Neighbours of the atoms of many frames in one call, threads over frames or, where there are
    fewer of these, over atoms.

    Args:
        frames: (positions, cell, pbc, species) of each, see :func:`find_neighbors`.
        cutoff: Å.
    """
    packed = PackedFrames.of(frames)
    found = _native.find_neighbors(*packed.arrays, cutoff, torch.get_num_threads())
    species = np.split(packed.species, packed.first[1:-1])
    return [
        Environment(*map(torch.from_numpy, (*each, own)))
        for each, own in zip(found, species, strict=True)
    ]


@dataclass(frozen=True)
class Batch:
    """Neighbours of the atoms of frames laid one after the other.

    Attributes:
        environment: of all atoms.
        nearest: Å, the shortest vector; infinity where there is none.
    """

    environment: Environment
    nearest: float


def find_neighbors_of_batch(
    frames: Sequence[Frame],
    cutoff: float,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
) -> Batch:
    """What :func:`find_neighbors_of_frames` gives, as one environment on a device, in the same
    order and of the same numbers.

    On a GPU they are found there, with Triton; which are neighbours is told in float64 whatever the
    precision.

    Args:
        frames: (positions, cell, pbc, species) of each, see :func:`find_neighbors`.
        cutoff: Å.
        device: of the environment.
        dtype: of its vectors.
    """
    device, packed = torch.device(device), PackedFrames.of(frames)
    kernels = cuda.load("neighbors") if cuda.runs_on(device) else None
    if kernels is not None:
        return Batch(*kernels(packed, cutoff, device, dtype))
    threads = torch.get_num_threads()
    found = _native.find_neighbors_of_batch(*packed.arrays, cutoff, threads)
    environment = Environment(*map(torch.from_numpy, (*found, packed.species)))
    return Batch(environment.to(device, dtype), find_nearest(environment)[1])


def parts_of_frame(frame: Frame, cutoff: float, size: int) -> Iterator[Part]:
    """Neighbours of the atoms of one frame, ``size`` atoms at a time.

    Args:
        frame: see :func:`find_neighbors`.
        cutoff: Å.
        size: atoms of a part; the last may have less.
    """
    state = State.of(*frame)
    search = _native.NeighborSearch(*state.arrays, cutoff)
    yield from _parts(state.species, size, search.find)


def _parts(
    species: NDArray[np.int64], size: int, find: Callable[[int, int, int], Sequence[Any]]
) -> Iterator[Part]:
    all_species = torch.from_numpy(species)
    for begin in range(0, len(species), size):
        found = find(begin, min(begin + size, len(species)), torch.get_num_threads())
        vectors, first, neighbors = map(torch.from_numpy, found)
        yield Part.of(vectors, first, neighbors, all_species, begin)


@dataclass(frozen=True)
class State:
    """One frame as the kernels take it, see :func:`find_neighbors`; the cell is a full one."""

    positions: NDArray[np.float64]
    cell: NDArray[np.float64]
    pbc: NDArray[np.uint8]
    species: NDArray[np.int64]

    @classmethod
    def of(cls, positions: ArrayLike, cell: ArrayLike, pbc: ArrayLike, species: ArrayLike) -> State:
        """A copy of a frame."""
        pbc = np.array(pbc, dtype=np.uint8)
        cell = np.array(full_cell(cell, pbc > 0), order="C")
        positions = np.array(positions, dtype=np.float64, order="C").reshape(-1, 3)
        return cls(positions, cell, pbc, np.array(species, dtype=np.int64))

    @cached_property
    def inverse(self) -> NDArray[np.float64]:
        """[3, 3], of the cell."""
        return np.asarray(np.linalg.inv(self.cell), dtype=np.float64)

    @cached_property
    def fixed(self) -> tuple[bytes, bytes]:
        """Bytes of what stays when atoms and cell move."""
        return self.pbc.tobytes(), self.species.tobytes()

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """All of it."""
        return self.positions, self.cell, self.inverse, self.pbc, self.species


class PartedNeighbors(Protocol):
    """Neighbours on a GPU of frames one after the other, of some atoms at a time.

    Attributes:
        frames: [n_atoms], on the device, the frame of each atom.
        n_frames: how many there are.
    """

    @property
    def frames(self) -> Tensor: ...

    @property
    def n_frames(self) -> int: ...

    def end(self, begin: int, most: int) -> int:
        """The end of the part from an atom on that has so many pairs at most, or one atom."""
        ...

    def n_pairs(self, begin: int, end: int) -> int:
        """How many there are of the atoms from ``begin`` to ``end``, at most."""
        ...

    def part(self, begin: int, end: int, dtype: torch.dtype) -> Part:
        """The atoms from ``begin`` to ``end`` with their neighbours."""
        ...

    def nearest(self) -> float:
        """Å, the shortest vector of all parts that were made; infinity where there is none."""
        ...


def parted_on(frames: Sequence[Frame], cutoff: float, device: torch.device) -> PartedNeighbors:
    """Neighbours of frames on a GPU, whose pairs are made some atoms at a time.

    Args:
        frames: (positions, cell, pbc, species) of each, see :func:`find_neighbors`.
        cutoff: Å.
        device: the GPU, with Triton.
    """
    found: PartedNeighbors = cuda.load("neighbor_parts")(PackedFrames.of(frames), cutoff, device)
    return found


class NeighborList:
    """Neighbours of one frame whose atoms and cell move, found once up to a ``skin`` beyond the
    cutoff and looked through again until something may have come in from outside that.

    A cell that goes from H to H' takes every vector R, of images too, to F (R + u_j - u_i), F =
    H^-1 H' and u what the atoms moved beside. With s the least singular value of F nothing new is
    within the cutoff while s (cutoff + skin - 2 max |u|) >= cutoff. In a cell that stays that is
    the usual rule, until an atom has moved half the skin.

    Args:
        skin: Å.

    Attributes:
        n_built: how often neighbours were looked for anew.
    """

    def __init__(self, skin: float) -> None:
        self.skin = skin
        self.n_built = 0
        self._found: _Found | None = None

    def environment(
        self,
        positions: ArrayLike,
        cell: ArrayLike,
        pbc: ArrayLike,
        species: ArrayLike,
        cutoff: float,
    ) -> Environment:
        """What :func:`find_neighbors` gives of these arguments, up to rounding."""
        found = self._moved(State.of(positions, cell, pbc, species), cutoff)
        vectors, first, neighbors = map(
            torch.from_numpy, found.find(0, len(found.species), torch.get_num_threads())
        )
        return Environment(vectors, first, neighbors, found.species)

    def parts(self, frame: Frame, cutoff: float, size: int) -> Iterator[Part]:
        """What :func:`parts_of_frame` gives of these arguments, up to rounding."""
        state = State.of(*frame)
        yield from _parts(state.species, size, self._moved(state, cutoff).find)

    def parted_on(self, frame: Frame, cutoff: float, device: torch.device) -> PartedNeighbors:
        """What :func:`parted_on` gives of these arguments, up to rounding."""
        found: PartedNeighbors = self._moved(State.of(*frame), cutoff, device).list
        return found

    def _moved(self, state: State, cutoff: float, device: torch.device = CPU) -> _Found:
        found = self._found
        if found is None or found.device != device or not found.holds(state, cutoff, self.skin):
            self.n_built += 1
            self._found = None  # whose memory the next one may need
            kind = _FoundOnDevice if cuda.runs_on(device) else _Found
            found = self._found = kind(state, cutoff, self.skin, device)
        found.move(state)
        return found


class _Found:
    """Neighbours up to cutoff and skin of a frame as it was."""

    def __init__(self, state: State, cutoff: float, skin: float, device: torch.device) -> None:
        self.state, self.cutoff, self.device = state, cutoff, device
        self.species = torch.from_numpy(state.species)
        self.list = self._listed(skin)

    def _listed(self, skin: float) -> Any:
        reach = self.cutoff + skin
        return _native.NeighborList(*self.state.arrays, reach, torch.get_num_threads())

    def holds(self, now: State, cutoff: float, skin: float) -> bool:
        """Whether all neighbours of the frame are among these."""
        was = self.state
        if cutoff != self.cutoff or now.fixed != was.fixed:
            return False
        least = 1.0
        moved = now.positions - was.positions
        if not np.array_equal(now.cell, was.cell):
            least = float(np.linalg.svd(was.inverse @ now.cell, compute_uv=False)[-1])
            if not least * (cutoff + skin) > cutoff:
                return False
            moved = now.positions @ now.inverse @ was.cell - was.positions
        farthest = float(np.einsum("ia,ia->i", moved, moved).max(initial=0.0)) ** 0.5
        # Less than rounding may make of it.
        return least * (cutoff + skin - 2 * farthest) > cutoff * (1 + 1e-12)

    def move(self, now: State) -> None:
        """Take the atoms to where they are in a frame of which these are all neighbours."""
        self.list.move(now.positions, now.cell, torch.get_num_threads())

    def find(self, begin: int, end: int, threads: int) -> Sequence[NDArray[Any]]:
        """Those within the cutoff, of some atoms."""
        return self.list.find(begin, end, self.cutoff, threads)


class _FoundOnDevice(_Found):
    """The same on a GPU, unless a list would take too much memory: then the neighbours of the frame
    as it was."""

    def _listed(self, skin: float) -> Any:
        was = self.state
        frames = PackedFrames.of([(was.positions, was.cell, was.pbc, was.species)])
        return cuda.load("neighbor_parts")(frames, self.cutoff, self.device, skin)

    def holds(self, now: State, cutoff: float, skin: float) -> bool:
        return bool(self.list.moves) and super().holds(now, cutoff, skin)

    def move(self, now: State) -> None:
        if self.list.moves:
            self.list.move(now.positions, now.cell)


def find_nearest(environment: Environment) -> tuple[int, float]:
    """The pair with the shortest vector and its length in Å, in float64 on the CPU; -1 and infinity
    where there are no pairs."""
    return _native.find_nearest(environment.vectors.numpy(), torch.get_num_threads())
