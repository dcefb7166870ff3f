"""Derivatives of fingerprints as a sparse matrix."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from .fingerprints import Part


def sparse_primes(parts: Iterable[Part], n_atoms: int, n_features: int) -> tuple[Tensor, Tensor]:
    """Fingerprints [n_atoms, n_features], and what is not zero of their dense derivatives as COO
    [n_atoms * n_features, 3 * n_atoms]: row atom * n_features + feature, column 3 * (moved atom) +
    axis."""
    fingerprints = np.zeros((n_atoms, n_features))
    rows, columns, values = [], [], []
    for part in parts:
        n_centers, n_functions = part.fingerprints.shape
        fingerprints[part.centers, :n_functions] = part.fingerprints
        dense = part.primes.reshape(n_centers * n_functions, 3 * n_atoms)
        row, column = np.nonzero(dense)
        center, feature = np.divmod(row, max(n_functions, 1))
        rows.append(part.centers[center] * n_features + feature)
        columns.append(column)
        values.append(dense[row, column])
    indices = np.stack([np.concatenate(rows), np.concatenate(columns)])
    matrix = torch.sparse_coo_tensor(
        torch.from_numpy(indices),
        torch.from_numpy(np.concatenate(values)),
        (n_atoms * n_features, 3 * n_atoms),
        check_invariants=False,
    )
    return torch.from_numpy(fingerprints), matrix
