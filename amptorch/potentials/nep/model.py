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
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.profiler import record_function

from ...data.frame import AtomsBatch, AtomsData
from ...data.primes import Computed
from ...descriptor.base_descriptor import BaseDescriptor
from ...descriptor.nep import NepDensity
from ...kernels import nep_pass
from ...kernels.capability import in_cpp
from ...kernels.force_pass import Pass, Scaling
from ..elements import places_by_number
from ..model import Model
from . import invariants
from .shape import Shape

Y00 = 1 / math.sqrt(4 * math.pi)


class Network(nn.Module):
    """Of one element: tensors in the order of nep.txt.

    Args:
        n_inputs: number of descriptors.
        neurons: of one layer, or two.
        constant: whether it has a constant of its own.
        dtype: of its tensors.
    """

    def __init__(
        self, n_inputs: int, neurons: tuple[int, ...], constant: bool, dtype: torch.dtype
    ) -> None:
        super().__init__()
        widths = [n_inputs, *neurons]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for n_in, n_out in pairwise(widths):
            self.weights.append(torch.zeros(n_out, n_in, dtype=dtype))
            self.biases.append(torch.zeros(n_out, dtype=dtype))
        self.last = nn.Parameter(torch.zeros(widths[-1], dtype=dtype))
        self.constant = nn.Parameter(torch.zeros(1, dtype=dtype)) if constant else None

    def forward(self, inputs: Tensor) -> Tensor:
        """Energies [n], without the constant of all, of scaled descriptors [n, n_inputs]."""
        for weights, biases in zip(self.weights, self.biases, strict=True):
            inputs = torch.tanh(inputs @ weights.T - biases)
        energies = inputs @ self.last
        return energies if self.constant is None else energies - self.constant

    def in_order(self) -> Iterator[Tensor]:
        """Its tensors as nep.txt has them."""
        for weights, biases in zip(self.weights, self.biases, strict=True):
            yield weights
            yield biases
        yield self.last
        if self.constant is not None:
            yield self.constant


class Nep(Model):
    """A neuroevolution potential on the descriptor "nep"; its parameters are 0 at first, s is 1.

    Args:
        shape: how large it is.
        get_forces, get_stress: see :class:`amptorch.potentials.model.Model`.
        dtype: of its tensors.

    Attributes:
        networks: one for each element, or one for all.
        constant: b.
        radial, angular: c [n, k, a, b] and d.
        q_scaler: s [n_descriptors].
        most_neighbors: [2], of an atom within the radial and the angular cutoff, as far as known.
    """

    q_scaler: Tensor
    most_neighbors: Tensor

    def __init__(
        self,
        shape: Shape,
        get_forces: bool = True,
        get_stress: bool = False,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__(get_forces, get_stress)
        self.shape = shape
        self._places = places_by_number(shape.elements)
        of_network = (shape.n_descriptors, shape.neurons, shape.version == 5, dtype)
        self.networks = nn.ModuleList(Network(*of_network) for _ in range(shape.n_networks))
        self.constant = nn.Parameter(torch.zeros(1, dtype=dtype))
        n = shape.n_elements
        sizes = [
            (n_max + 1, k + 1, n, n) for n_max, k in zip(shape.n_max, shape.basis_size, strict=True)
        ]
        self.radial, self.angular = (nn.Parameter(torch.zeros(*s, dtype=dtype)) for s in sizes)
        self.register_buffer("q_scaler", torch.ones(shape.n_descriptors, dtype=dtype))
        self.register_buffer("most_neighbors", torch.zeros(2, dtype=torch.int64))

    def of_elements(self) -> list[Network]:
        """The networks, one for each element or one for all."""
        return cast("list[Network]", list(self.networks))

    @property
    def dtype(self) -> torch.dtype:
        """Of its tensors."""
        return self.constant.dtype

    def in_order(self) -> Iterator[Tensor]:
        """What is trained, in the order of nep.txt and nep.restart."""
        for network in self.of_elements():
            yield from network.in_order()
        yield from (self.constant, self.radial, self.angular)

    def vector(self) -> Tensor:
        """All that is trained as one vector, in the order of nep.txt and nep.restart."""
        return torch.cat([each.detach().flatten() for each in self.in_order()])

    def set_vector(self, values: Tensor) -> None:
        """Take up what :meth:`vector` gave.

        Raises:
            ValueError: another length.
        """
        if values.shape != (self.num_params,):
            raise ValueError(f"values: expected [{self.num_params}], got {list(values.shape)}")
        with torch.no_grad():
            start = 0
            for each in self.in_order():
                each.copy_(values[start : start + each.numel()].view_as(each))
                start += each.numel()

    def randomize(self) -> None:
        """Give all parameters random values; what they are multiplied with is not known yet."""
        with torch.no_grad():
            for network in self.of_elements():
                for each in network.in_order():
                    each.uniform_(-1.0, 1.0)
                network.last.div_(math.sqrt(len(network.last)))
            for each in (self.radial, self.angular):
                each.normal_(0.0, 0.1).add_(torch.rand_like(each) - 0.5)

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
        with record_function("amptorch::forward"):
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
