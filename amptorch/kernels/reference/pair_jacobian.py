"""Plain torch products of pair Jacobians."""

from __future__ import annotations

import torch
from torch import Tensor


def vjp(values: Tensor, columns: Tensor, centers: Tensor, weights: Tensor) -> Tensor:
    """dE/dR_ij [n_pairs, 3] = sum_k dE/dG[i, columns[ij, k]] values[ij, k]; -1 columns are 0."""
    touched = weights[centers[:, None], columns.clamp_min(0)] * (columns >= 0)
    return (touched[:, :, None] * values).sum(1)


def jvp(
    values: Tensor, columns: Tensor, centers: Tensor, vectors: Tensor, n_atoms: int, n_features: int
) -> Tensor:
    """dG [n_atoms, n_features] from changes of the pair vectors [n_pairs, 3]."""
    slopes = (values * vectors[:, None, :]).sum(2) * (columns >= 0)
    flat = centers[:, None] * n_features + columns.clamp_min(0)
    out = torch.zeros(n_atoms * n_features, dtype=values.dtype, device=values.device)
    return out.index_add(0, flat.flatten(), slopes.flatten()).view(n_atoms, n_features)
