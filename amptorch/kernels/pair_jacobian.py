"""From dE/dG to forces and virials through the pair Jacobian dG_i/dR_ij.

With g_ij = dE_i/dR_ij and R_ij = r_j - r_i (images included):

    forces   F_i = sum_j (g_ij - g_ji)                              eV/Å
    virials  W_i = sum_j R_ij (x) g_ij, summed over a frame's atoms   eV

The Jacobian lies in blocks over pairs [n_pairs, n_touched, 3] that hold only the features which the
neighbour's element can change (``touch``, [n_species, n_species, n_touched], padded with -1).
The blocks of a batch are many times the rest of its data, so they stay where they are: C++ takes
the addresses of the frames and copies nothing. ``pull`` goes from dE/dG to forces and virials,
``push`` is its transpose; autograd differentiates both any number of times in these arguments.
Blocks and vectors are constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from .. import _native
from .capability import in_cpp
from .environment import Environment, concatenate
from .reference import pair_jacobian as reference
from .registration import Context


@dataclass
class Frames:
    """The constants: frames that are laid one after the other in dE/dG and forces.

    Attributes:
        blocks: of each frame [n_pairs, n_touched, 3].
        environments: of each frame.
        touch: see above.
    """

    blocks: Sequence[Tensor]
    environments: Sequence[Environment]
    touch: Tensor

    def compiled(self, values: Tensor) -> bool:
        """Whether there is a kernel for the device and precision of ``values``."""
        if values.dtype != self.blocks[0].dtype or values.device != self.blocks[0].device:
            raise ValueError(
                f"pair Jacobian: expected {self.blocks[0].dtype} on {self.blocks[0].device} as the "
                f"blocks are, got {values.dtype} on {values.device}"
            )
        return in_cpp(values)

    @cached_property
    def addresses(self) -> Tensor:
        """A row a frame: where blocks, vectors and indices lie, and the number of atoms."""
        rows, dtype = [], self.blocks[0].dtype
        for block, each in zip(self.blocks, self.environments, strict=True):
            parts = (block, each.vectors, each.first, each.neighbors, each.species)
            if block.dtype != dtype or not (block.is_contiguous() and each.is_contiguous):
                raise ValueError(
                    f"pair Jacobian: expected contiguous {dtype} in all frames, got "
                    f"{block.dtype} and strides {[part.stride() for part in parts]}"
                )
            rows.append([*map(Tensor.data_ptr, parts), each.n_atoms])
        return torch.from_numpy(np.array(rows, dtype=np.int64))

    @cached_property
    def joined(self) -> tuple[Tensor, Environment, Tensor]:
        """Blocks, environment and touched features of one frame made of all."""
        if len(self.blocks) == 1:
            return self.blocks[0], self.environments[0], self.touch
        return torch.cat(list(self.blocks)), concatenate(self.environments), self.touch


def to_sparse(environment: Environment, values: Tensor, touch: Tensor, factors: Tensor) -> Tensor:
    """dG/dr as the original stores it, a sparse COO matrix [n_atoms * n_features, 3 * n_atoms]: row
    atom * n_features + feature, column 3 * (moved atom) + axis.

    Args:
        environment: of one frame.
        values: its blocks.
        touch: see above.
        factors: [n_atoms, n_features], of the features.
    """
    n_features, centers, neighbors = factors.shape[1], environment.centers, environment.neighbors
    columns = touch[environment.species[centers], environment.species[neighbors]]
    pair, slot = torch.nonzero(columns >= 0, as_tuple=True)
    feature, center = columns[pair, slot], centers[pair]
    rows = (center * n_features + feature).repeat_interleave(3)
    derivatives = (values[pair, slot] * factors[center, feature, None]).flatten()
    axis = torch.arange(3, device=values.device)
    moved = torch.stack([neighbors[pair], center])[:, :, None] * 3 + axis
    size = (environment.n_atoms * n_features, environment.n_atoms * 3)
    places = torch.stack([rows.repeat(2), moved.flatten()])
    entries = torch.cat([derivatives, -derivatives])
    matrix = torch.sparse_coo_tensor(places, entries, size, check_invariants=False)
    return without_small(matrix.coalesce(), 0.0)


def without_small(matrix: Tensor, threshold: float) -> Tensor:
    """A coalesced matrix without zeros and without entries whose magnitude is under a threshold."""
    values = matrix.values()
    small = (values == 0) | (values.abs() < threshold)
    return torch.sparse_coo_tensor(
        matrix.indices()[:, ~small],
        values[~small],
        matrix.shape,
        is_coalesced=True,
        check_invariants=False,
    )


def pull(frames: Frames, weights: Tensor, with_virials: bool) -> tuple[Tensor, Tensor]:
    """Forces [n_atoms, 3] and virials [n_atoms, 3, 3] (empty without ``with_virials``) of atoms.

    Args:
        frames: the constants.
        weights: dE/dG [n_atoms, n_features].
        with_virials: give virials.
    """
    return _Pull.apply(weights, frames, with_virials)


def push(frames: Frames, forces: Tensor, virials: Tensor, n_features: int) -> Tensor:
    """dG [n_atoms, n_features] from changes of forces [n_atoms, 3] and of virials
    [n_atoms, 3, 3] (or empty): the transpose of :func:`pull`."""
    return _Push.apply(forces, virials, frames, n_features)


def forces(environment: Environment, pair_gradients: Tensor) -> Tensor:
    """Forces [n_atoms, 3] from dE/dR_ij [n_pairs, 3]."""
    zeros = pair_gradients.new_zeros((environment.n_atoms, 3))
    pulled = zeros.index_add(0, environment.centers, pair_gradients)
    return pulled.index_add(0, environment.neighbors, -pair_gradients)


def pair_changes(environment: Environment, forces: Tensor) -> Tensor:
    """dL/d(dE/dR_ij) [n_pairs, 3] from dL/dF [n_atoms, 3]: the transpose of :func:`forces`."""
    at_centers = forces.index_select(0, environment.centers)
    return at_centers - forces.index_select(0, environment.neighbors)


def virials(environment: Environment, pair_gradients: Tensor) -> Tensor:
    """Virials [n_atoms, 3, 3] in eV of the atoms from dE/dR_ij [n_pairs, 3].

    Summed over a frame and divided by the volume this is the stress in ASE's sign (positive under
    tension).
    """
    outer = environment.vectors[:, :, None] * pair_gradients[:, None, :]
    zeros = pair_gradients.new_zeros((environment.n_atoms, 3, 3))
    return zeros.index_add(0, environment.centers, outer)


class _Constants(Context):
    frames: Frames
    n_features: int
    with_virials: bool


class _Pull(Function):
    @staticmethod
    def forward(
        ctx: _Constants, weights: Tensor, frames: Frames, with_virials: bool
    ) -> tuple[Tensor, ...]:
        ctx.frames, ctx.n_features = frames, weights.shape[1]
        if not frames.compiled(weights):
            return reference.pull(*frames.joined, weights, with_virials)
        n = weights.shape[0]
        forces = weights.new_zeros((n, 3))
        virials = weights.new_zeros((n if with_virials else 0, 3, 3))
        _native.pair_jacobian_pull(
            frames.addresses,
            frames.touch,
            weights.contiguous(),
            forces,
            virials,
            torch.get_num_threads(),
        )
        return forces, virials

    @staticmethod
    def backward(ctx: _Constants, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        forces, virials = gradients
        return push(ctx.frames, forces, virials, ctx.n_features), None, None


class _Push(Function):
    @staticmethod
    def forward(
        ctx: _Constants, forces: Tensor, virials: Tensor, frames: Frames, n_features: int
    ) -> Tensor:
        ctx.frames, ctx.with_virials = frames, len(virials) > 0
        if not frames.compiled(forces):
            return reference.push(*frames.joined, forces, virials, n_features)
        changes = forces.new_zeros((forces.shape[0], n_features))
        _native.pair_jacobian_push(
            frames.addresses,
            frames.touch,
            forces.contiguous(),
            virials.contiguous(),
            changes,
            torch.get_num_threads(),
        )
        return changes

    @staticmethod
    def backward(ctx: _Constants, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        forces, virials = pull(ctx.frames, gradients[0], ctx.with_virials)
        return forces, virials, None, None
