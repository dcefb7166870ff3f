"""How close atoms come in some frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols, covalent_radii

from ..kernels.neighbors import find_neighbors

REACH = 3.0
"""Å; how far is looked, or as far as two of the largest atoms touch."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class Distances:
    """The shortest distance of every pair of elements.

    Attributes:
        reach: Å; farther than this nothing is known.
        known: Å, of the pairs of elements, symbols sorted, that are within reach anywhere.
    """

    reach: float
    known: dict[Pair, float] = field(default_factory=dict)

    @classmethod
    def of(cls, frames: Iterable[Atoms], elements: Iterable[str]) -> Distances:
        """Those in frames of some elements."""
        radii = [float(covalent_radii[atomic_numbers[each]]) for each in elements]
        found = cls(max(REACH, 2 * max(radii, default=0.0)))
        for frame in frames:
            for pair, distance in _shortest(frame, found.reach).items():
                found.known[pair] = min(distance, found.known.get(pair, found.reach))
        return found

    def shortest(self, first: str, second: str) -> float:
        """Å; the reach of two that are nowhere within it."""
        return self.known.get((min(first, second), max(first, second)), self.reach)

    @property
    def closest(self) -> float | None:
        """The smallest distance over the sum of covalent radii; None where it is more than 1."""
        found = [
            distance / sum(float(covalent_radii[atomic_numbers[each]]) for each in pair)
            for pair, distance in self.known.items()
        ]
        smallest = min(found, default=np.inf)
        return smallest if smallest <= 1 else None


def _shortest(frame: Atoms, reach: float) -> dict[Pair, float]:
    """Of the pairs of elements within reach, Å."""
    found = find_neighbors(frame.positions, frame.cell.array, frame.pbc, frame.numbers, reach)
    numbers, lengths = frame.numbers, found.vectors.norm(dim=1).numpy()
    ends = numbers[np.stack([found.centers.numpy(), found.neighbors.numpy()])]
    kinds = ends.min(0) * len(chemical_symbols) + ends.max(0)
    shortest: dict[Pair, float] = {}
    for kind in np.unique(kinds):
        first, second = sorted(chemical_symbols[k] for k in divmod(kind, len(chemical_symbols)))
        shortest[first, second] = float(lengths[kinds == kind].min())
    return shortest
