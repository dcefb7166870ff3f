"""Data sets of any size out of a file of some frames."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read
from ase.io.trajectory import Trajectory

# Å: far below what a frame's neighbours notice, enough that no geometry comes twice.
DISPLACEMENT = 0.01


class Frames(Sequence[Atoms]):
    """``count`` frames from all over a file, evenly spread: the same mix at any size, though a file
    holds one trajectory after the other.

    Frames of a ``.traj`` are read when they are asked for, those of other files at once. Where a
    file has fewer, its frames come again with their atoms displaced at random by 0.01 Å (standard
    deviation) and with the same energies and forces: right for measuring time and memory, and for
    nothing else.

    Attributes:
        from_file: how many of them are in the file.
    """

    def __init__(self, path: Path, count: int) -> None:
        self._frames: Any
        if path.suffix == ".traj":
            self._frames = Trajectory(path)
            weakref.finalize(self, self._frames.close)
        else:
            self._frames = read(path, ":")
        self._available = len(self._frames)
        self._count = count
        self.from_file = min(count, self._available)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        """A frame, or a list of them."""
        places = range(self._count)[index]
        return [self._at(k) for k in places] if isinstance(places, range) else self._at(places)

    def _at(self, index: int) -> Atoms:
        if self._count <= self._available:
            return self._frames[index * self._available // self._count]
        frame = self._frames[index % self._available]
        return frame if index < self._available else _displaced(frame, index)


def _displaced(frame: Atoms, seed: int) -> Atoms:
    copy = Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
    random = np.random.default_rng(seed)
    copy.positions += random.normal(0.0, DISPLACEMENT, copy.positions.shape)
    energy = frame.get_potential_energy(apply_constraint=False)
    forces = frame.get_forces(apply_constraint=False)
    copy.calc = SinglePointCalculator(copy, energy=energy, forces=forces)
    return copy
