"""Which elements atoms have around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from ..kernels.neighbors import find_neighbors
from .distances import Pair

FRAMES = 40
"""Frames that are looked at, all over those given."""


def mean_neighbors(
    frames: Sequence[Atoms], elements: Sequence[str], cutoffs: Mapping[Pair, float]
) -> dict[str, dict[str, float]]:
    """Mean numbers of neighbours, by the element of the centre, then of the neighbour.

    Args:
        frames: of which some are looked at.
        elements: chemical symbols.
        cutoffs: Å, of pairs of elements, in the order of ``elements``.
    """
    n = len(elements)
    reach = np.array([[cutoffs[_ordered(elements, a, b)] for b in range(n)] for a in range(n)])
    pairs, atoms = np.zeros((n, n)), np.zeros(n)
    for frame in frames[:: max(len(frames) // FRAMES, 1)]:
        species = np.array([elements.index(each) for each in frame.symbols])
        pairs += _counted(frame, species, reach)
        atoms += np.bincount(species, minlength=n)
    means = pairs / np.maximum(atoms, 1)[:, None]
    return {
        center: {other: round(float(means[a, b]), 2) for b, other in enumerate(elements)}
        for a, center in enumerate(elements)
    }


def _ordered(elements: Sequence[str], a: int, b: int) -> Pair:
    return elements[min(a, b)], elements[max(a, b)]


def _counted(frame: Atoms, species: NDArray, reach: NDArray) -> NDArray:
    """[n, n], pairs of a frame within reach."""
    most = float(reach.max())
    found = find_neighbors(frame.positions, frame.cell.array, frame.pbc, species, most)
    ends = species[found.centers.numpy()], species[found.neighbors.numpy()]
    near = found.vectors.norm(dim=1).numpy() < reach[ends]
    return np.bincount(ends[0][near] * len(reach) + ends[1][near], minlength=reach.size).reshape(
        reach.shape
    )
