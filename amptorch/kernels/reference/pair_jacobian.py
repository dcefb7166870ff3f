"""Plain torch products of pair Jacobians; all frames in one environment."""

from __future__ import annotations

import torch
from torch import Tensor

from ..environment import Environment


def pull(
    blocks: Tensor, environment: Environment, touch: Tensor, weights: Tensor, with_virials: bool
) -> tuple[Tensor, Tensor]:
    """Forces and virials of the atoms, see ``kernels/pair_jacobian.py``.

    g_ij = sum_k dE/dG[i, columns[ij, k]] blocks[ij, k], where -1 columns are 0;
    F_i = sum_j (g_ij - g_ji), W_i = sum_j R_ij (x) g_ij.
    """
    centers, columns = environment.centers, _columns(environment, touch)
    touched = weights[centers[:, None], columns.clamp_min(0)] * (columns >= 0)
    gradients = (touched[:, :, None] * blocks).sum(1)
    zeros = gradients.new_zeros((environment.n_atoms, 3))
    forces = zeros.index_add(0, centers, gradients)
    forces = forces.index_add(0, environment.neighbors, -gradients)
    if not with_virials:
        return forces, forces.new_empty((0, 3, 3))
    outer = environment.vectors[:, :, None] * gradients[:, None, :]
    return forces, zeros.new_zeros((environment.n_atoms, 3, 3)).index_add(0, centers, outer)


def push(
    blocks: Tensor,
    environment: Environment,
    touch: Tensor,
    forces: Tensor,
    virials: Tensor,
    n_features: int,
) -> Tensor:
    """dG [n_atoms, n_features]: sum_j blocks_ij . (dF_i - dF_j + R_ij . dW_i)."""
    centers, columns = environment.centers, _columns(environment, touch)
    vectors = forces[centers] - forces[environment.neighbors]
    if len(virials):
        vectors = vectors + (environment.vectors[:, :, None] * virials[centers]).sum(1)
    slopes = (blocks * vectors[:, None, :]).sum(2) * (columns >= 0)
    flat = centers[:, None] * n_features + columns.clamp_min(0)
    out = torch.zeros(environment.n_atoms * n_features, dtype=blocks.dtype, device=blocks.device)
    return out.index_add(0, flat.flatten(), slopes.flatten()).view(-1, n_features)


def _columns(environment: Environment, touch: Tensor) -> Tensor:
    return touch[environment.species[environment.centers], environment.neighbor_species]
