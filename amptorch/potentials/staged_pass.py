"""Fingerprints, model and their derivatives one after the other, where a model lies."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data.frame import AtomsBatch
from ..descriptor.base_descriptor import BaseDescriptor
from ..kernels.capability import COMPILED
from ..kernels.environment import Environment
from ..kernels.force_pass import Passed, Scaling
from ..preprocessing.utils import FeatureScaler
from .model import Model


class StagedPass:
    """The pass for any model and any descriptor without a ``prime_threshold``, see
    :class:`amptorch.kernels.force_pass.Pass`; it reads nothing back from a GPU.

    Args:
        model: on the device where environments are, or will be moved.
        descriptor: makes the fingerprints.
        scaler: of the fingerprints, of which environments have no element that it does not know.
    """

    def __init__(self, model: Model, descriptor: BaseDescriptor, scaler: FeatureScaler) -> None:
        self.model, self.descriptor = model, descriptor
        weights = next(model.parameters())
        self.dtype, self.device = weights.dtype, weights.device
        numbers = torch.from_numpy(descriptor.element_indices)
        self.numbers = numbers.to(self.device)
        self.scaling = {each: _scaling(scaler, numbers, self.device, each) for each in COMPILED}

    def run(
        self, environment: Environment, with_gradients: bool, n_atoms: int | None = None
    ) -> Passed:
        """Fingerprints, energies and, if asked for, gradients; of the first ``n_atoms`` alone where
        that is given."""
        n = environment.n_atoms if n_atoms is None else n_atoms
        fingerprints = self.descriptor.fingerprints(environment)[:n].to(self.device)
        species = environment.species[:n].to(self.device)
        with torch.no_grad():
            energies, slopes = self.model.atomic_energies_and_gradient(
                self._batch(fingerprints, species), with_gradients
            )
            gradients = energies.new_empty(0, 3)
            if with_gradients:
                whole = slopes.new_zeros(environment.n_atoms, slopes.shape[1])
                whole[:n] = slopes * self.scaling[slopes.dtype].factors[species]
                there = environment.to(whole.device, whole.dtype)
                gradients = self.descriptor.vjp(there, whole)
        return Passed(self._outside(fingerprints, species), fingerprints, energies, gradients)

    def _batch(self, fingerprints: Tensor, species: Tensor) -> AtomsBatch:
        """Scaled as the model takes it."""
        scaling = self.scaling[fingerprints.dtype]
        scaled = fingerprints * scaling.factors[species] + scaling.shifts[species]
        return AtomsBatch(
            fingerprint=scaled.to(self.dtype),
            atomic_numbers=self.numbers[species],
            num_nodes=len(species),
            num_graphs=1,
            batch=torch.zeros_like(species),
            natoms=species.new_full((1,), len(species)),
        )

    def _outside(self, fingerprints: Tensor, species: Tensor) -> Tensor:
        scaling = self.scaling[fingerprints.dtype]
        low, high = scaling.low[species], scaling.high[species]
        return ((fingerprints < low) | (fingerprints > high)).any(1).sum()


def _scaling(
    scaler: FeatureScaler, numbers: Tensor, device: torch.device, dtype: torch.dtype
) -> Scaling:
    """Of fingerprints in a precision; NaN for elements that the scaler does not know."""
    known = torch.tensor([scaler.knows(number[None]) for number in numbers])
    own, (places,) = numbers[known], known.nonzero(as_tuple=True)
    return Scaling(
        *(
            each.new_full((len(numbers), each.shape[1]), torch.nan)
            .index_copy(0, places, each)
            .to(device, dtype)
            for each in (*scaler.affine(own), *scaler.limits(own, dtype))
        )
    )
