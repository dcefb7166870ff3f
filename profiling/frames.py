"""Data sets of any size out of a file of some frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read

# Å: far below what a frame's neighbours notice, enough that no geometry comes twice.
DISPLACEMENT = 0.01


class Frames:
    """The first ``count`` frames of a file.

    Where the file has fewer, its frames come again with their atoms displaced at random by 0.01 Å
    (standard deviation) and with the same energies and forces: right for measuring time and memory,
    and for nothing else.

    Attributes:
        from_file: how many of them are in the file.
    """

    def __init__(self, path: Path, count: int) -> None:
        self._frames = read(path, f":{count}")
        self.count = count
        self.from_file = len(self._frames)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Atoms]:
        for index in range(self.count):
            frame = self._frames[index % self.from_file]
            yield frame if index < self.from_file else _displaced(frame, index)


def _displaced(frame: Atoms, seed: int) -> Atoms:
    copy = Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
    random = np.random.default_rng(seed)
    copy.positions += random.normal(0.0, DISPLACEMENT, copy.positions.shape)
    energy = frame.get_potential_energy(apply_constraint=False)
    forces = frame.get_forces(apply_constraint=False)
    copy.calc = SinglePointCalculator(copy, energy=energy, forces=forces)
    return copy
