"""Energies of atoms and gradients of their pairs in one pass over the atoms of a batch of frames.

With fingerprints G_i of symmetry functions (``kernels/symmetry_functions.py``), scaled by the
atom's element to G'_i = a G_i + b, and perceptrons N_n of shares s_n (``kernels/networks.py``),

    E_i = sum_n s_n N_n(G'_i),    dE/dR_ij = J^T (a dE_i/dG'_i),    J = dG_i/dR_ij

is what forward, the networks and vjp give one after the other. Here some atoms at a time go all
the way, so that distances, cutoffs, exponentials and the triples of neighbours, worked out for G,
are still in the cache when the gradients need them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .. import _native
from . import cuda, networks
from .backends import values_of
from .environment import Environment, Part
from .symmetry_functions import SymmetryFunctions

_CLASSES = {torch.float64: _native.ForcePass64, torch.float32: _native.ForcePass32}


@dataclass(frozen=True)
class Passed:
    """What came out, in the units of the networks.

    Attributes:
        n_outside: atoms that have a fingerprint outside the range, a tensor where only the device
            knows as yet; None where none were counted.
        fingerprints: [n_atoms, n_features], unscaled; of models that have descriptors of their own
            these.
        energies: [n_atoms].
        gradients: dE/dR_ij [n_pairs, 3]; empty where not asked for.
    """

    n_outside: int | Tensor | None
    fingerprints: Tensor
    energies: Tensor
    gradients: Tensor

    def without_gradients(self) -> Passed:
        """The rest."""
        return Passed(self.n_outside, self.fingerprints, self.energies, self.gradients[:0].clone())


class Pass(Protocol):
    """The pass of a model as it was when this was made."""

    @property
    def dtype(self) -> torch.dtype: ...

    def run(
        self, environment: Environment, with_gradients: bool, n_atoms: int | None = None
    ) -> Passed:
        """Fingerprints, energies and, if asked for, gradients; of the first ``n_atoms`` alone where
        that is given."""
        ...


@dataclass(frozen=True)
class Scaling:
    """Of the fingerprints of each species, [n_species, n_features].

    Attributes:
        factors, shifts: a and b.
        low, high: the range outside of which atoms are counted.
    """

    factors: Tensor
    shifts: Tensor
    low: Tensor
    high: Tensor


class ForcePass:
    """The pass for a set of symmetry functions and of networks, which it copies.

    Args:
        functions: of the fingerprints.
        scaling: of the fingerprints.
        shares: [n_species, n_networks].
        shape: of the networks.
        parameters: as ``shape.parameters`` lists them, on the CPU; their precision is the pass's.
    """

    def __init__(
        self,
        functions: SymmetryFunctions,
        scaling: Scaling,
        shares: Tensor,
        shape: networks.Shape,
        parameters: Sequence[Tensor],
    ) -> None:
        self.n_features = functions.n_features
        flat = torch.cat([each.detach().flatten() for each in parameters])
        self.dtype = flat.dtype
        tables = (scaling.factors, scaling.shifts, scaling.low, scaling.high, shares)
        self._native = _CLASSES[self.dtype](
            *values_of(functions),
            *(each.detach().to(flat).contiguous() for each in tables),
            shape.activation.name,
            flat.new_tensor(shape.activation.constants),
            flat,
            shape.sizes,
        )

    def run(
        self, environment: Environment, with_gradients: bool, n_atoms: int | None = None
    ) -> Passed:
        """Fingerprints, energies and, if asked for, gradients; of the first ``n_atoms`` alone where
        that is given."""
        vectors = environment.vectors.to(self.dtype).contiguous().numpy()
        n_atoms = environment.n_atoms if n_atoms is None else n_atoms
        # Arrays of numpy: kernels take them in a fraction of the time of tensors.
        fingerprints = np.empty((n_atoms, self.n_features), vectors.dtype)
        energies = np.empty(n_atoms, vectors.dtype)
        slopes = np.empty((n_atoms if with_gradients else 0, self.n_features), vectors.dtype)
        gradients = np.empty((len(vectors) if with_gradients else 0, 3), vectors.dtype)
        n_outside = self._native.run(
            vectors,
            environment.first.numpy(),
            environment.neighbors.numpy(),
            environment.species.numpy(),
            fingerprints,
            energies,
            slopes,
            gradients,
            torch.get_num_threads(),
        )
        arrays = (torch.from_numpy(each) for each in (fingerprints, energies, gradients))
        return Passed(n_outside, *arrays)


def forces_and_virials(
    environment: Environment, gradients: Tensor, first_atoms: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Forces [n_atoms, 3] and virials [n_frames, 3, 3] in float64 from dE/dR_ij [n_pairs, 3].

    Args:
        environment: of frames one after the other, on the CPU.
        gradients: in float32 or float64.
        first_atoms: [n_frames + 1], int64, where the frames begin, and the number of atoms.
    """
    forces, virials = np.zeros((environment.n_atoms, 3)), np.zeros((len(first_atoms) - 1, 3, 3))
    _sum(environment, environment.neighbors, gradients, first_atoms, 0, forces, virials)
    return forces, virials


def add_part(
    part: Part, gradients: Tensor, forces: Tensor, virials: Tensor, frames: Tensor
) -> None:
    """Add to forces and virials, where the part is, those of its pairs.

    Args:
        part: on the CPU of one frame.
        gradients: dE/dR_ij [n_pairs, 3] in float32 or float64.
        forces, virials: [n_atoms, 3] and [n_frames, 3, 3], float64.
        frames: [n_atoms], of all atoms; the only one is not looked for.
    """
    if cuda.runs_on(forces.device):
        cuda.load("pair_sums")(part, gradients, forces, virials, frames)
        return
    centers = np.array([0, part.n_centers])
    sums = forces.numpy(), virials.numpy()
    _sum(part.environment, part.neighbors, gradients, centers, part.begin, *sums)


def _sum(
    environment: Environment,
    neighbors: Tensor,
    gradients: Tensor,
    first_atoms: NDArray[np.int64],
    begin: int,
    forces: NDArray[np.float64],
    virials: NDArray[np.float64],
) -> None:
    _native.sum_pairs(
        environment.vectors.to(gradients.dtype).contiguous().numpy(),
        environment.first.numpy(),
        neighbors.numpy(),
        gradients.numpy(),
        first_atoms,
        begin,
        forces,
        virials,
        torch.get_num_threads(),
    )
