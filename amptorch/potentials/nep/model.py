"""Energies of atoms from the density of their neighbours, Z. Fan et al., Phys. Rev. B 104, 104309
(2021); NEP4: K. Song et al., Nat. Commun. 15, 10208 (2024).

With the sums S_bk and S_bklm of the descriptor "nep" over neighbours of element b,

    q_n = sum_bk c_nk(a b) S_bk,    A_nlm = sum_bk d_nk(a b) S_bklm,

for an atom of element a; descriptors are q_n and the invariants of A_n (``invariants.py``), and

    E = w . tanh(W (q s) - B) - b,      or with two layers  w . tanh(V tanh(W (q s) - B) - D) - b,

with factors s that are not trained and W, B, V, D, w of the element of the atom, but b of all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from ...data.frame import AtomsBatch, AtomsData
from ...data.primes import Computed
from ...descriptor.base_descriptor import BaseDescriptor
from ...descriptor.nep import NepDensity
from ...kernels import nep_pass
from ...kernels.capability import in_cpp
from ...kernels.force_pass import Pass, Scaling
from ...processes.stages import stage
from ..elements import places_by_number
from . import invariants
from .parameters import Parameters
from .shape import Shape

Y00 = 1 / math.sqrt(4 * math.pi)


class Nep(Parameters):
    """A neuroevolution potential on the descriptor "nep", see :class:`Parameters`."""

    def __init__(
        self,
        shape: Shape,
        get_forces: bool = True,
        get_stress: bool = False,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__(shape, get_forces, get_stress, dtype)
        self._places = places_by_number(shape.elements)

    def begin(self, frames: Iterable[AtomsData]) -> None:
        """Set s to 1/(largest - smallest) descriptor with the coefficients as they are, and B to
        have the mean of what the first layer is fed with at 0, unless this has been done."""
        if self.most_neighbors.any():
            return
        with torch.no_grad():
            found = [self._described(each) for each in frames]
            q, numbers = (torch.cat(each) for each in zip(*found, strict=True))
            spread = q.amax(0) - q.amin(0)
            self.q_scaler.copy_(torch.where(spread > 0, 1 / spread, 1.0))
            species = self.elements_of(numbers)
            for element, network in enumerate(self.of_elements()):
                own = q if len(self.networks) == 1 else q[species == element]
                if len(own):
                    mean = (own * self.q_scaler).mean(0)
                    network.biases[0].add_(network.weights[0] @ mean)

    def _described(self, data: AtomsData) -> tuple[Tensor, Tensor]:
        """Descriptors and atomic numbers of an image, whose neighbours are counted."""
        numbers = data.atomic_numbers.to(self.constant.device)
        if isinstance(data.primes, Computed):
            assert isinstance(data.primes.descriptor, NepDensity)
            counts = data.primes.descriptor.most_neighbors(data.primes.environment)
            self.most_neighbors.copy_(torch.maximum(self.most_neighbors, counts))
        return self.descriptors(data.fingerprint.to(self.constant), numbers), numbers

    def elements_of(self, numbers: Tensor) -> Tensor:
        """Places [n_atoms] of atomic numbers among the elements."""
        return self._places.to(numbers.device)[numbers]

    def atomic_energies(self, fingerprint: Tensor, numbers: Tensor) -> Tensor:
        species = self.elements_of(numbers)
        energies = fingerprint.new_zeros(len(fingerprint))
        for element in range(self.shape.n_elements):
            atoms = (species == element).nonzero()[:, 0]
            inputs = self._descriptors(fingerprint[atoms], element) * self.q_scaler
            found = self.networks[element % len(self.networks)](inputs)
            energies = energies.index_copy(0, atoms, found)
        return energies - self.constant

    def descriptors(self, fingerprint: Tensor, numbers: Tensor) -> Tensor:
        """q [n_atoms, n_descriptors], without s: radial ones by n, then invariant by invariant."""
        species = self.elements_of(numbers)
        found = fingerprint.new_zeros(len(fingerprint), self.shape.n_descriptors)
        for element in range(self.shape.n_elements):
            atoms = (species == element).nonzero()[:, 0]
            own = self._descriptors(fingerprint[atoms], element)
            found = found.index_copy(0, atoms, own)
        return found

    def force_pass(
        self, descriptor: BaseDescriptor, scaling: Scaling, numbers: Tensor
    ) -> Pass | None:
        plain = not bool((scaling.factors != 1).any() or scaling.shifts.any())
        if not (plain and in_cpp(self.constant) and self.shape.compiled):
            return None
        return nep_pass.NepPass(self.of_pass(descriptor))

    def of_pass(self, descriptor: BaseDescriptor) -> nep_pass.Potential:
        """What the pass copies."""
        return self._compiled(self.vector(), descriptor.parameters.values[..., 0])

    def atomic_energies_and_gradient(
        self, batch: AtomsBatch, gradient: bool
    ) -> tuple[Tensor, Tensor]:
        """The same as the base's, by a kernel that differentiates both once."""
        fingerprint = batch.fingerprint.detach()
        same = fingerprint.dtype == self.dtype and not self._watched()
        if not (same and in_cpp(fingerprint) and self.shape.compiled):
            return super().atomic_energies_and_gradient(batch, gradient)
        n = self.shape.n_elements
        with stage("amptorch::forward"):
            return nep_pass.energies_and_slopes(
                self._compiled(
                    torch.cat([each.flatten() for each in self.in_order()]),
                    torch.ones(2, n, n, dtype=torch.float64),
                ),
                fingerprint,
                self.elements_of(batch.atomic_numbers),
                gradient,
            )

    def _watched(self) -> bool:
        """Whether somebody wants to see what networks do."""
        return any(each._forward_hooks or each._forward_pre_hooks for each in self.of_elements())

    def _compiled(self, parameters: Tensor, cutoffs: Tensor) -> nep_pass.Potential:
        """What kernels are given; sums over neighbours, which are there, need no cutoffs."""
        shape = self.shape
        return nep_pass.Potential(
            parameters,
            self.q_scaler,
            cutoffs,
            shape.n_networks,
            shape.n_max,
            shape.basis_size,
            shape.l_max,
            shape.neurons,
            shape.version == 5,
            [invariants.polynomial(each) for each in shape.invariants],
        )

    def _descriptors(self, fingerprint: Tensor, element: int) -> Tensor:
        """Of atoms of one element."""
        shape, n_atoms = self.shape, len(fingerprint)
        n_radial, n_angular = (each + 1 for each in shape.basis_size)
        width = shape.n_features // shape.n_elements
        by_element = fingerprint.view(n_atoms, shape.n_elements, width)
        radial = by_element[:, :, :n_radial].flatten(1)
        angular = by_element[:, :, n_radial:].reshape(
            n_atoms, shape.n_elements * n_angular, shape.n_harmonics
        )
        c, d = (
            each[:, :, element].transpose(1, 2).flatten(1) for each in (self.radial, self.angular)
        )
        sums = d @ angular
        of_angles = invariants.values(sums, shape.l_max, shape.invariants)
        return torch.cat([radial @ (c.T / Y00), of_angles.transpose(1, 2).flatten(1)], 1)
