"""Fingerprints and dense derivatives of frames, an element at a time."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.geometry import complete_cell
from numpy.typing import ArrayLike, NDArray

from . import library

System = tuple[int, NDArray, NDArray, NDArray, NDArray]


class Descriptor:
    """A set of symmetry functions.

    Args:
        tables: by element, [n_functions, 7]: type, atomic numbers of j and k, cutoff (Å),
            eta (1/Å^2), rs (Å) or zeta, lambda.
        gamma: exponent of the polynomial cutoff function; 0 for the cosine.

    Attributes:
        elements: chemical symbols, in the order of the networks.
        n_features: functions of the element that has most; the others' are padded with zeros.
        cutoff: the largest, Å.

    Raises:
        ValueError: element-weighted functions, which have no j.
    """

    def __init__(self, tables: Mapping[str, ArrayLike], gamma: float = 0.0) -> None:
        self._tables = {
            element: np.asarray(table, dtype=np.float64).reshape(-1, 7)
            for element, table in tables.items()
        }
        if any((table[:, 1] == 0).any() for table in self._tables.values()):
            raise ValueError("dataset: the original has no element-weighted functions")
        self._gamma = gamma
        self.elements = list(self._tables)
        self.n_features = max(len(table) for table in self._tables.values())
        self.cutoff = max(table[:, 3].max() for table in self._tables.values() if len(table))

    def neighbors(self, image: Atoms) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Centre and neighbour [n_pairs, 2] of all pairs, and vectors [n_pairs, 3] between them."""
        system, cutoff = _system(image), ctypes.c_double(self.cutoff)
        find = library.load().find_neighbors
        count = find(*_arguments(*system), cutoff, None, None)
        pairs, vectors = np.empty((count, 2), dtype=np.int64), np.empty((count, 3))
        find(*_arguments(*system), cutoff, *_arguments(pairs, vectors))
        return pairs, vectors

    def fingerprints(self, image: Atoms) -> NDArray[np.float64]:
        """[n_atoms, n_features]."""
        values = np.zeros((len(image), self.n_features))
        for part in self.parts(image, with_primes=False):
            values[part.centers, : part.fingerprints.shape[1]] = part.fingerprints
        return values

    def parts(self, image: Atoms, with_primes: bool = True) -> Iterator[Part]:
        """What is computed for the atoms of one element after the other.

        Raises:
            ValueError: an atom whose element is not described.
        """
        numbers = [atomic_numbers[element] for element in self.elements]
        unknown = set(image.numbers.tolist()) - set(numbers)
        if unknown:
            raise ValueError(f"image: no symmetry functions for atomic numbers {sorted(unknown)}")
        system = _system(image)
        for number, table in zip(numbers, self._tables.values(), strict=True):
            centers = np.flatnonzero(image.numbers == number)
            yield self._part(system, table, centers, with_primes)

    def _part(
        self, system: System, table: NDArray, centers: NDArray[np.int64], with_primes: bool
    ) -> Part:
        (n_centers, n_functions), n_atoms = (len(centers), len(table)), system[0]
        part = Part(centers, np.zeros((n_centers, n_functions)))
        if with_primes:
            part.primes = np.zeros((n_centers, n_functions, n_atoms, 3))
        kinds, values = table[:, :3].astype(np.int64), np.ascontiguousarray(table[:, 3:])
        library.load().symmetry_functions(
            *_arguments(*system, n_functions, kinds, values),
            ctypes.c_double(self._gamma),
            *_arguments(n_centers, centers, part.fingerprints),
            *(_arguments(part.primes) if with_primes else [None]),
        )
        return part


@dataclass
class Part:
    """The atoms of one element of a frame.

    Attributes:
        centers: [n_centers], their places in the frame.
        fingerprints: [n_centers, n_functions].
        primes: [n_centers, n_functions, n_atoms, 3], derivatives by all positions of the frame;
            empty where not asked for.
    """

    centers: NDArray[np.int64]
    fingerprints: NDArray[np.float64]
    primes: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))


def _system(image: Atoms) -> System:
    """Number of atoms, positions inside the cell, atomic numbers, cell and periodicity."""
    wrapped = Atoms(image.numbers, image.positions, cell=image.cell, pbc=image.pbc)
    wrapped.wrap()
    pbc = np.asarray(image.pbc)
    cell = complete_cell(np.where(pbc[:, None], image.cell.array, 0.0))
    return (
        len(image),
        np.ascontiguousarray(wrapped.positions),
        image.numbers.astype(np.int64),
        np.ascontiguousarray(cell),
        pbc.astype(np.uint8),
    )


def _arguments(*values: int | NDArray) -> list[object]:
    """Counts and arrays as C takes them."""
    return [
        ctypes.c_int64(value) if isinstance(value, int) else value.ctypes.data_as(ctypes.c_void_p)
        for value in values
    ]
