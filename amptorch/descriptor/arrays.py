"""Fingerprints and primes of an image as the plain arrays that the original hands out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray
from torch import Tensor


def image_arrays(
    numbers: NDArray[np.int64],
    counts: Mapping[str, int],
    fingerprint: Tensor,
    primes: Tensor | None,
) -> dict[str, Any]:
    """Those of all atoms of an image.

    Args:
        numbers: atomic numbers [n_atoms].
        counts: features by chemical symbol, not counting those that pad.
        fingerprint: [n_atoms, n_features].
        primes: sparse [n_atoms * n_features, 3 * n_atoms], or None.

    Returns:
        "atomic_numbers", "num_atoms", "descriptors", "num_descriptors" (``counts`` of the elements
        of the image) and, with primes, "descriptor_primes": "row", "col", "val" and "size".
    """
    present = {chemical_symbols[number] for number in numbers}
    arrays = {
        "atomic_numbers": numbers,
        "num_atoms": len(numbers),
        "descriptors": fingerprint.numpy(),
        "num_descriptors": {symbol: n for symbol, n in counts.items() if symbol in present},
    }
    if primes is not None:
        matrix = primes.coalesce()
        row, col = matrix.indices().numpy()
        value, size = matrix.values().numpy(), tuple(matrix.shape)
        arrays["descriptor_primes"] = {"row": row, "col": col, "val": value, "size": size}
    return arrays


def element_arrays(arrays: Mapping[str, Any], element: str) -> tuple[Any, ...]:
    """Those of the atoms of one element, from :func:`image_arrays`.

    Returns:
        [atoms, atoms of the element, features], the fingerprints of these atoms, and of their
        primes values, rows, columns and size, None without primes. Rows count the atoms of the
        element and its features only, columns go over all atoms.
    """
    symbols = np.array(chemical_symbols)[arrays["atomic_numbers"]]
    atoms = np.flatnonzero(symbols == element)
    total, count = len(symbols), arrays["num_descriptors"].get(element, 0)
    size_info = np.array([total, len(atoms), count])
    fingerprint = arrays["descriptors"][atoms, :count]
    if "descriptor_primes" not in arrays:
        return size_info, fingerprint, None, None, None, None
    primes = arrays["descriptor_primes"]
    atom, feature = np.divmod(primes["row"], arrays["descriptors"].shape[1])
    own = symbols[atom] == element
    rows = np.searchsorted(atoms, atom[own]) * count + feature[own]
    size = np.array([len(atoms) * count, 3 * total])
    return size_info, fingerprint, primes["val"][own], rows, primes["col"][own], size
