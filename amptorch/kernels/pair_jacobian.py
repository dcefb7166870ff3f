"""From dE/dG to forces and virials through the pair Jacobian dG_i/dR_ij.

With g_ij = dE_i/dR_ij and R_ij = r_j - r_i (images included):

    forces   F_i = sum_j (g_ij - g_ji)                              eV/Å
    virials  W_i = sum_j R_ij (x) g_ij, summed over a frame's atoms   eV

The Jacobian lies in blocks over pairs [n_pairs, n_touched, 3] that hold only the features which the
neighbour's element can change (``touch``, [n_species, n_species, n_touched], padded with -1).
The blocks of a batch are many times the rest of its data, so they stay where they are: the
operators take them frame by frame and copy nothing. ``pull`` goes from dE/dG to forces and virials,
``push`` is its transpose; autograd differentiates both any number of times in these arguments.
Blocks and vectors are constants.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .. import _native
from .environment import Environment, concatenate
from .reference import pair_jacobian as reference

_ON_CPP = (torch.float32, torch.float64)


def pull(
    blocks: Sequence[Tensor],
    environments: Sequence[Environment],
    touch: Tensor,
    weights: Tensor,
    with_virials: bool,
) -> tuple[Tensor, Tensor]:
    """Forces and virials of the atoms of frames that are laid one after the other.

    Args:
        blocks: of each frame [n_pairs, n_touched, 3].
        environments: of each frame.
        touch: see above.
        weights: dE/dG [n_atoms, n_features] of all frames.
        with_virials: else they are empty.

    Returns:
        F [n_atoms, 3] and W [n_atoms, 3, 3].
    """
    return _pull(list(blocks), *_unzip(environments), touch, weights, with_virials)


def push(
    blocks: Sequence[Tensor],
    environments: Sequence[Environment],
    touch: Tensor,
    forces: Tensor,
    virials: Tensor,
    n_features: int,
) -> Tensor:
    """dG [n_atoms, n_features] from changes of forces [n_atoms, 3] and of virials
    [n_atoms, 3, 3] (or empty): the transpose of :func:`pull`."""
    return _push(list(blocks), *_unzip(environments), touch, forces, virials, n_features)


def forces(environment: Environment, pair_gradients: Tensor) -> Tensor:
    """Forces [n_atoms, 3] from dE/dR_ij [n_pairs, 3]."""
    zeros = pair_gradients.new_zeros((environment.n_atoms, 3))
    pulled = zeros.index_add(0, environment.centers, pair_gradients)
    return pulled.index_add(0, environment.neighbors, -pair_gradients)


def virials(environment: Environment, pair_gradients: Tensor) -> Tensor:
    """Virials [n_atoms, 3, 3] in eV of the atoms from dE/dR_ij [n_pairs, 3].

    Summed over a frame and divided by the volume this is the stress in ASE's sign (positive under
    tension).
    """
    outer = environment.vectors[:, :, None] * pair_gradients[:, None, :]
    zeros = pair_gradients.new_zeros((environment.n_atoms, 3, 3))
    return zeros.index_add(0, environment.centers, outer)


@torch.library.custom_op("amptorch::pair_jacobian_pull", mutates_args=())
def _pull(
    blocks: Sequence[Tensor],
    vectors: Sequence[Tensor],
    first: Sequence[Tensor],
    neighbors: Sequence[Tensor],
    species: Sequence[Tensor],
    touch: Tensor,
    weights: Tensor,
    with_virials: bool,
) -> tuple[Tensor, Tensor]:
    if _compiled(weights):
        forces, virials = _empty_results(weights, with_virials)
        table = _addresses(weights, blocks, vectors, first, neighbors, species)
        weights = weights.contiguous()
        _native.pair_jacobian_pull(
            table, touch, weights, forces.zero_(), virials.zero_(), torch.get_num_threads()
        )
        return forces, virials
    environment = _concatenated(vectors, first, neighbors, species)
    return reference.pull(torch.cat(list(blocks)), environment, touch, weights, with_virials)


@torch.library.custom_op("amptorch::pair_jacobian_push", mutates_args=())
def _push(
    blocks: Sequence[Tensor],
    vectors: Sequence[Tensor],
    first: Sequence[Tensor],
    neighbors: Sequence[Tensor],
    species: Sequence[Tensor],
    touch: Tensor,
    forces: Tensor,
    virials: Tensor,
    n_features: int,
) -> Tensor:
    if _compiled(forces):
        changes = forces.new_zeros((forces.shape[0], n_features))
        table = _addresses(forces, blocks, vectors, first, neighbors, species)
        forces, virials = forces.contiguous(), virials.contiguous()
        _native.pair_jacobian_push(table, touch, forces, virials, changes, torch.get_num_threads())
        return changes
    environment = _concatenated(vectors, first, neighbors, species)
    return reference.push(torch.cat(list(blocks)), environment, touch, forces, virials, n_features)


def _compiled(values: Tensor) -> bool:
    return values.device.type == "cpu" and values.dtype in _ON_CPP


def _empty_results(weights: Tensor, with_virials: bool) -> tuple[Tensor, Tensor]:
    n = weights.shape[0]
    return weights.new_empty((n, 3)), weights.new_empty((n if with_virials else 0, 3, 3))


def _addresses(values: Tensor, *parts: Sequence[Tensor]) -> Tensor:
    """A row a frame: where its blocks, vectors and indices lie, and its number of atoms."""
    for index, part in enumerate(parts):
        dtype = values.dtype if index < 2 else torch.int64
        for tensor in part:
            if tensor.dtype != dtype or not tensor.is_contiguous() or tensor.device.type != "cpu":
                raise ValueError(
                    f"pair Jacobian: expected contiguous {dtype} on the CPU as the gradient is, "
                    f"got {tensor.dtype} on {tensor.device} with strides {tensor.stride()}"
                )
    rows = [
        [*(tensor.data_ptr() for tensor in frame), frame[-1].shape[0]]
        for frame in zip(*parts, strict=True)
    ]
    return torch.tensor(rows, dtype=torch.int64)


def _unzip(environments: Sequence[Environment]) -> tuple[list[Tensor], ...]:
    return (
        [each.vectors for each in environments],
        [each.first for each in environments],
        [each.neighbors for each in environments],
        [each.species for each in environments],
    )


def _concatenated(*parts: Sequence[Tensor]) -> Environment:
    return concatenate([Environment(*frame) for frame in zip(*parts, strict=True)])


@_pull.register_fake
def _(blocks, vectors, first, neighbors, species, touch, weights, with_virials):  # type: ignore[no-untyped-def]
    return _empty_results(weights, with_virials)


@_push.register_fake
def _(blocks, vectors, first, neighbors, species, touch, forces, virials, n_features):  # type: ignore[no-untyped-def]
    return forces.new_empty((forces.shape[0], n_features))


# What is constant is kept as it is: saved tensors would cost more time than they are worth.
def _save_pull(ctx, inputs, output):  # type: ignore[no-untyped-def]
    ctx.constants, ctx.n_features = inputs[:6], inputs[6].shape[1]


def _save_push(ctx, inputs, output):  # type: ignore[no-untyped-def]
    ctx.constants, ctx.with_virials = inputs[:6], inputs[7].shape[0] > 0


def _pull_backward(ctx, forces, virials):  # type: ignore[no-untyped-def]
    change = _push(*ctx.constants, forces, virials, ctx.n_features)
    return *_no_gradients(ctx), change, None


def _push_backward(ctx, gradient):  # type: ignore[no-untyped-def]
    forces, virials = _pull(*ctx.constants, gradient, ctx.with_virials)
    return *_no_gradients(ctx), forces, virials, None


def _no_gradients(ctx):  # type: ignore[no-untyped-def]
    *lists, _ = ctx.constants
    return *([None] * len(each) for each in lists), None


_pull.register_autograd(_pull_backward, setup_context=_save_pull)
_push.register_autograd(_push_backward, setup_context=_save_push)
