"""Data sets of any size out of a file of some frames."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read

from amptorch.store.source import count_images, read_images

# Å: far below what a frame's neighbours notice, enough that no geometry comes twice.
DISPLACEMENT = 0.01


class Frames:
    """The first ``count`` frames of a file.

    Where the file has fewer, its frames come again with their atoms displaced at random by 0.01 Å
    (standard deviation) and with the same energies and forces: right for measuring time and memory,
    and for nothing else.

    A file that can tell how many it has, and has enough, is read anew each time, never held whole.

    Attributes:
        from_file: how many of them are in the file.
    """

    def __init__(self, path: Path, count: int) -> None:
        self.path = path
        self.count = count
        there = count_images(path)
        self._held = [] if there is not None and there >= count else read(path, f":{count}")
        self.from_file = len(self._held) or count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Atoms]:
        if not self._held:
            yield from itertools.islice(read_images(self.path), self.count)
        for index in range(self.count if self._held else 0):
            frame = self._held[index % self.from_file]
            yield frame if index < self.from_file else _displaced(frame, index)


def _displaced(frame: Atoms, seed: int) -> Atoms:
    copy = Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
    random = np.random.default_rng(seed)
    copy.positions += random.normal(0.0, DISPLACEMENT, copy.positions.shape)
    energy = frame.get_potential_energy(apply_constraint=False)
    forces = frame.get_forces(apply_constraint=False)
    copy.calc = SinglePointCalculator(copy, energy=energy, forces=forces)
    return copy
