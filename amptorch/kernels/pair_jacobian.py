"""From dE/dG to forces and virials through the pair Jacobian dG_i/dR_ij.

With g_ij = dE_i/dR_ij and R_ij = r_j - r_i (images included):

    forces   F_i = sum_j (g_ij - g_ji)                      eV/Å
    virial   W   = sum_ij R_ij (x) g_ij  per frame          eV

The Jacobian lies in blocks over pairs [n_pairs, n_touched, 3] that hold only the features which the
neighbour's element can change (``touch``, [n_species, n_species, n_touched], padded with -1).
Both products are torch operators that autograd differentiates any number of times in their
vector argument; each is the other's transpose. The blocks are constants.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .. import _native
from .environment import Environment
from .reference import pair_jacobian as reference

_ON_CPP = (torch.float32, torch.float64)


def vjp(values: Tensor, environment: Environment, touch: Tensor, weights: Tensor) -> Tensor:
    """dE/dR_ij [n_pairs, 3] from dE/dG ``weights`` [n_atoms, n_features]."""
    first, neighbors, species = environment.first, environment.neighbors, environment.species
    return _vjp(values, first, neighbors, species, touch, weights)


def jvp(
    values: Tensor, environment: Environment, touch: Tensor, vectors: Tensor, n_features: int
) -> Tensor:
    """dG [n_atoms, n_features] from changes ``vectors`` [n_pairs, 3] of the pair vectors."""
    first, neighbors, species = environment.first, environment.neighbors, environment.species
    return _jvp(values, first, neighbors, species, touch, vectors, n_features)


def forces(environment: Environment, pair_gradients: Tensor) -> Tensor:
    """Forces [n_atoms, 3] from dE/dR_ij [n_pairs, 3]."""
    zeros = pair_gradients.new_zeros((environment.n_atoms, 3))
    pulled = zeros.index_add(0, environment.centers, pair_gradients)
    return pulled.index_add(0, environment.neighbors, -pair_gradients)


def virials(environment: Environment, pair_gradients: Tensor, frames: Tensor, n: int) -> Tensor:
    """Virials [n, 3, 3] in eV of ``n`` frames; ``frames`` [n_atoms] is the frame of each atom.

    Divided by the volume this is the stress in ASE's sign (positive under tension).
    """
    outer = environment.vectors[:, :, None] * pair_gradients[:, None, :]
    zeros = pair_gradients.new_zeros((n, 3, 3))
    return zeros.index_add(0, frames[environment.centers], outer)


@torch.library.custom_op("amptorch::pair_jacobian_vjp", mutates_args=())
def _vjp(
    values: Tensor,
    first: Tensor,
    neighbors: Tensor,
    species: Tensor,
    touch: Tensor,
    weights: Tensor,
) -> Tensor:
    if values.device.type == "cpu" and values.dtype in _ON_CPP:
        out = values.new_zeros((values.shape[0], 3))
        _native.pair_jacobian_vjp(
            values, first, neighbors, species, touch, weights.contiguous(), out, _threads()
        )
        return out
    centers, columns = _columns(first, neighbors, species, touch)
    return reference.vjp(values, columns, centers, weights)


@torch.library.custom_op("amptorch::pair_jacobian_jvp", mutates_args=())
def _jvp(
    values: Tensor,
    first: Tensor,
    neighbors: Tensor,
    species: Tensor,
    touch: Tensor,
    vectors: Tensor,
    n_features: int,
) -> Tensor:
    if values.device.type == "cpu" and values.dtype in _ON_CPP:
        out = values.new_zeros((species.shape[0], n_features))
        _native.pair_jacobian_jvp(
            values, first, neighbors, species, touch, vectors.contiguous(), out, _threads()
        )
        return out
    centers, columns = _columns(first, neighbors, species, touch)
    return reference.jvp(values, columns, centers, vectors, species.shape[0], n_features)


def _columns(
    first: Tensor, neighbors: Tensor, species: Tensor, touch: Tensor
) -> tuple[Tensor, Tensor]:
    environment = Environment(neighbors[:, None], first, neighbors, species)
    return environment.centers, touch[species[environment.centers], species[neighbors]]


def _threads() -> int:
    return torch.get_num_threads()


@_vjp.register_fake
def _(values, first, neighbors, species, touch, weights):  # type: ignore[no-untyped-def]
    return values.new_empty((values.shape[0], 3))


@_jvp.register_fake
def _(values, first, neighbors, species, touch, vectors, n_features):  # type: ignore[no-untyped-def]
    return values.new_empty((species.shape[0], n_features))


def _save(ctx, inputs, output):  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*inputs[:5])
    ctx.n_features = inputs[5].shape[1]


def _vjp_backward(ctx, gradient):  # type: ignore[no-untyped-def]
    change = _jvp(*ctx.saved_tensors, gradient, ctx.n_features)
    return None, None, None, None, None, change


def _jvp_backward(ctx, gradient):  # type: ignore[no-untyped-def]
    return None, None, None, None, None, _vjp(*ctx.saved_tensors, gradient), None


_vjp.register_autograd(_vjp_backward, setup_context=_save)
_jvp.register_autograd(_jvp_backward, setup_context=_save)
