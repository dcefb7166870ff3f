"""Small helpers of the descriptors: hashes, checks of an image, element lists."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray
from torch import Tensor

# Two nuclei nearer than this (Å) are one atom written twice, not a configuration.
COINCIDENT = 1e-3


def get_hash(image: Atoms) -> str:
    """md5 over periodicity, cell, atomic numbers and wrapped positions, to 15 decimals."""
    digest = hashlib.md5(usedforsecurity=False)
    digest.update(np.asarray(image.pbc, dtype=np.uint8).tobytes())
    digest.update(np.asarray(image.numbers, dtype=np.int64).tobytes())
    for array in (image.cell.array, image.get_positions(wrap=True)):
        # Adding zero turns -0.0, which differs from 0.0 in its bytes, into 0.0.
        digest.update((np.round(array, 15) + 0.0).tobytes())
    return digest.hexdigest()


def hash_of(settings: Mapping[str, object]) -> str:
    """md5 of plain values and arrays by name."""
    digest = hashlib.md5(usedforsecurity=False)
    for key, value in sorted(settings.items()):
        digest.update(f"{key}={_canonical(value)};".encode())
    return digest.hexdigest()


def _canonical(value: object) -> str:
    if isinstance(value, (np.ndarray, Tensor)):
        return f"{tuple(value.shape)}{value.tolist()!r}"
    return repr(value)


def validate_image(image: Atoms, name: str = "image") -> None:
    """Raise a ``ValueError`` if an image has no well-defined neighbourhoods.

    Checks that there are atoms, all of an element, that positions and cell are finite and that
    periodic cell vectors span a volume. Whether atoms coincide is checked where neighbours are
    known.
    """
    check_numbers(image, name)
    check_geometry(image, name)


def check_numbers(image: Atoms, name: str) -> None:
    """Raise a ``ValueError`` if there are no atoms, or some of no element."""
    if len(image) == 0:
        raise ValueError(f"{name}: expected at least one atom, found none")
    if not 0 < image.numbers.min() <= image.numbers.max() < len(chemical_symbols):
        atom = int(np.argmax((image.numbers < 1) | (image.numbers >= len(chemical_symbols))))
        raise ValueError(
            f"{name}: atom {atom} is of no element, its atomic number is {image.numbers[atom]}"
        )


def check_geometry(image: Atoms, name: str) -> None:
    """Raise a ``ValueError`` if positions or cell are not finite, or periodic cell vectors span
    nothing."""
    for what, array in (("positions", image.positions), ("cell", image.cell.array)):
        if not _is_finite(array):
            raise ValueError(f"{name}: {what} hold NaN or infinite values")
    if _volume_spanned(image.cell.array, image.pbc) < 1e-8:
        raise ValueError(
            f"{name}: its periodic cell vectors span no volume: {image.cell.array.tolist()}, "
            f"pbc {image.pbc.tolist()}"
        )


def _is_finite(array: NDArray[np.float64]) -> bool:
    # One pass; a sum of squares that overflows says nothing yet.
    return math.isfinite(np.vdot(array, array)) or bool(np.isfinite(array).all())


def _volume_spanned(cell: NDArray[np.float64], pbc: NDArray[np.bool_]) -> float:
    """Length, area or volume that the periodic vectors span; 1 where there are none."""
    if all(pbc.tolist()):
        return volume_of(cell)
    periodic = cell[pbc]
    return float(np.sqrt(max(np.linalg.det(periodic @ periodic.T), 0.0)))


def volume_of(cell: NDArray[np.float64]) -> float:
    """Volume in Å^3 of a cell [3, 3]."""
    # In plain numbers, which takes a tenth of the time of a determinant by numpy.
    (a, b, c), (d, e, f), (g, h, i) = cell.tolist()
    return float(abs(a * (e * i - f * h) + b * (f * g - d * i) + c * (d * h - e * g)))


def list_symbols_to_indices(symbols: Iterable[str]) -> NDArray[np.int64]:
    """Atomic numbers of chemical symbols."""
    return np.array([atomic_numbers[symbol] for symbol in symbols], dtype=np.int64)


def list_indices_to_symbols(numbers: Iterable[int]) -> list[str]:
    """Chemical symbols of atomic numbers."""
    return [chemical_symbols[number] for number in numbers]


def check_elements(elements: Sequence[str]) -> list[str]:
    """The elements as a list of distinct chemical symbols, or a ``ValueError``."""
    symbols = [str(element) for element in elements]
    # ASE's "X", number 0, is a place without an atom.
    unknown = [symbol for symbol in symbols if not atomic_numbers.get(symbol)]
    if not symbols or unknown or len(set(symbols)) < len(symbols):
        raise ValueError(
            f"elements: expected distinct chemical symbols such as ['H', 'O'], got {symbols}"
        )
    return symbols
