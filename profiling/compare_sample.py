"""Some frames of a data set that stand for all of them, in one pass over it."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

OPENERS = {".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open}


@dataclass
class Sample:
    """What a pass over a data set leaves.

    Attributes:
        images: frames spread evenly over it.
        n_frames, n_atoms: of the whole set.
        elements: chemical symbols of the whole set, sorted.
        smallest, largest: a frame with the fewest atoms, and one with the most.
    """

    images: list[Atoms]
    n_frames: int
    n_atoms: int
    elements: list[str]
    smallest: Atoms
    largest: Atoms

    @classmethod
    def of(cls, frames: Iterable[Atoms], count: int, size: int) -> Sample:
        """Of ``count`` frames, ``size`` of them (all where there are fewer).

        Raises:
            ValueError: there is no frame.
        """
        wanted = {place * count // size for place in range(size)}
        images, n_atoms, elements = [], 0, set()
        extremes: list[Atoms] = []
        for place, image in enumerate(frames):
            if place in wanted:
                images.append(image)
            n_atoms += len(image)
            elements.update(image.symbols.species())
            ordered = sorted([*extremes, image], key=len)
            extremes = [ordered[0], ordered[-1]]
        if not images:
            raise ValueError("data: expected at least one frame, got none")
        return cls(images, count, n_atoms, sorted(elements), *extremes)

    @property
    def share(self) -> float:
        """Atoms of the whole set for each atom of the sample."""
        return self.n_atoms / sum(map(len, self.images))


def plain_file(path: Path, folder: Path) -> Path:
    """The file, or what a compressed one holds, in a folder: ASE goes back and forth in what it
    reads, which takes minutes in a compressed file."""
    opener = OPENERS.get(path.suffix)
    if opener is None:
        return path
    plain = folder / path.stem
    with opener(path, "rb") as packed, plain.open("wb") as file:
        shutil.copyfileobj(packed, file)
    return plain
