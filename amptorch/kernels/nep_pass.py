"""Energies of atoms and gradients of their pairs of a neuroevolution potential in one pass.

The equations are those of ``amptorch.potentials.nep.model``. Here an atom goes all the way, so that
radial functions and harmonics, worked out for its descriptors, are still in the cache when the
gradients need them; and sums over neighbours are those of the few contracted functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from .. import _native
from .environment import Environment
from .force_pass import Passed
from .registration import Context

_CLASSES = {torch.float64: _native.NepPass64, torch.float32: _native.NepPass32}


class _Kept(Context):
    """What a backward needs of its forward."""

    compiled: NepPass
    features: Tensor
    species: Tensor


@dataclass(frozen=True)
class Potential:
    """What the pass copies.

    Attributes:
        parameters: in the order of nep.txt, on the CPU; their precision is the pass's.
        scales: [n_descriptors], of the descriptors.
        cutoffs: [2, n_species, n_species], float64, Å, radial and angular.
        n_networks: one, or one for each element.
        n_max, basis_size: radial and angular.
        l_max: of 3-body invariants.
        neurons: of the layers.
        own_constants: whether networks have constants of their own.
        invariants: of more than three bodies, each as places [n_terms, 3], int64, and factors
            [n_terms] of a polynomial in A_lm; none for 7/15 q_1^2.
    """

    parameters: Tensor
    scales: Tensor
    cutoffs: Tensor
    n_networks: int
    n_max: Sequence[int]
    basis_size: Sequence[int]
    l_max: int
    neurons: Sequence[int]
    own_constants: bool
    invariants: Sequence[tuple[Tensor, Tensor]]


class NepPass:
    """The pass of a potential.

    Args:
        potential: what it copies.
    """

    def __init__(self, potential: Potential) -> None:
        self.dtype = potential.parameters.dtype
        self.n_descriptors, self.n_parameters = len(potential.scales), len(potential.parameters)
        places = [each for each, _ in potential.invariants]
        factors = [each for _, each in potential.invariants]
        empty = potential.parameters.new_empty(0)
        self.native = _CLASSES[self.dtype](
            potential.parameters.detach().contiguous(),
            potential.scales.to(self.dtype).contiguous(),
            potential.cutoffs.contiguous(),
            potential.n_networks,
            list(potential.n_max),
            list(potential.basis_size),
            potential.l_max,
            list(potential.neurons),
            potential.own_constants,
            torch.cat([torch.empty(0, 3, dtype=torch.int64), *places]),
            torch.cat([empty, *(each.to(self.dtype) for each in factors)]),
            np.cumsum([len(each) for each in factors]).tolist(),
        )

    def run(
        self, environment: Environment, with_gradients: bool, n_atoms: int | None = None
    ) -> Passed:
        """Descriptors, without their scales, energies and, if asked for, gradients."""
        vectors = environment.vectors.to(self.dtype).contiguous().numpy()
        n_atoms = environment.n_atoms if n_atoms is None else n_atoms
        # Arrays of numpy: kernels take them in a fraction of the time of tensors.
        descriptors = np.empty((n_atoms, self.n_descriptors), vectors.dtype)
        energies = np.empty(n_atoms, vectors.dtype)
        gradients = np.empty((len(vectors) if with_gradients else 0, 3), vectors.dtype)
        self.native.run(
            vectors,
            environment.first.numpy(),
            environment.neighbors.numpy(),
            environment.species.numpy(),
            descriptors,
            energies,
            gradients,
            torch.get_num_threads(),
        )
        return Passed(0, *(torch.from_numpy(each) for each in (descriptors, energies, gradients)))


def energies_and_slopes(
    potential: Potential, features: Tensor, species: Tensor, with_slopes: bool
) -> tuple[Tensor, Tensor]:
    """Energies [n_atoms] and, if asked for, their slopes in sums over neighbours [n_atoms,
    n_features], that can be differentiated once in the parameters.

    Args:
        potential: whose parameters are to be differentiated in.
        features: sums over neighbours, of the precision of the parameters.
        species: [n_atoms], int64, places of the elements.
        with_slopes: else these are empty.
    """
    found: tuple[Tensor, Tensor] = _Energies.apply(
        potential.parameters, potential, features, species, with_slopes
    )
    return found


class _Energies(Function):
    @staticmethod
    def forward(
        ctx: _Kept,
        parameters: Tensor,
        potential: Potential,
        features: Tensor,
        species: Tensor,
        with_slopes: bool,
    ) -> tuple[Tensor, Tensor]:
        features = features.contiguous()
        compiled = NepPass(potential)
        energies = features.new_empty(len(features))
        slopes = features.new_empty((len(features) if with_slopes else 0, features.shape[1]))
        compiled.native.energies(features, species, energies, slopes, torch.get_num_threads())
        ctx.compiled, ctx.features, ctx.species = compiled, features, species
        return energies, slopes

    @staticmethod
    @once_differentiable
    def backward(ctx: _Kept, energies: Tensor, slopes: Tensor) -> tuple[Tensor | None, ...]:
        features = ctx.features
        if len(slopes) < len(features):
            slopes = torch.zeros_like(features)
        gradient = features.new_empty(ctx.compiled.n_parameters)
        ctx.compiled.native.gradient(
            features,
            ctx.species,
            energies.contiguous(),
            slopes.contiguous(),
            gradient,
            torch.get_num_threads(),
        )
        return gradient, None, None, None, None
