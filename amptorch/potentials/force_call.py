"""Force calls in one pass over atoms, for the potentials that have a kernel for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from ..descriptor.base_descriptor import BaseDescriptor
from ..kernels import cuda
from ..kernels.environment import Environment, Part
from ..kernels.force_pass import Pass, Passed, Scaling, forces_and_virials
from ..preprocessing.utils import FeatureScaler
from ..processes.stages import stage
from .model import Model
from .prediction import Array
from .staged_pass import StagedPass


@dataclass
class Outcome:
    """Of images one after the other, scaled as the model's targets are.

    Attributes:
        fingerprints: [n_atoms, n_features], unscaled, a tensor.
        energies: of atoms [n_atoms].
        n_outside: atoms that have a fingerprint outside the range seen in training; None where they
            were not counted.
        forces, virials: [n_atoms, 3] and [n_images, 3, 3]; None where not asked for.
    """

    fingerprints: Tensor
    energies: Array
    n_outside: int | None
    forces: Array | None = None
    virials: Array | None = None


class ForceCall:
    """The pass of a model as it is now; made once, and again when :meth:`fits` says so.

    Attributes:
        on_gpu: whether all of it runs on a GPU, neighbours too.
    """

    def __init__(
        self,
        model: Model,
        descriptor: BaseDescriptor,
        scaler: FeatureScaler,
        state: object,
    ) -> None:
        self._parts = (model, descriptor, descriptor.parameters, scaler)
        self._state = state
        self.device = next(model.parameters()).device
        self.on_gpu = cuda.runs_on(self.device) and cuda.load("neighbor_parts") is not None
        layers = list(model.modules())
        self._hooks = [each._forward_hooks for each in layers]
        self._hooks += [each._forward_pre_hooks for each in layers]
        self._pass = self._made(model, descriptor, scaler)

    def _made(self, model: Model, descriptor: BaseDescriptor, scaler: FeatureScaler) -> Pass | None:
        if descriptor.prime_threshold:
            return None
        numbers = torch.from_numpy(descriptor.element_indices)
        if not scaler.knows(numbers):
            return None
        if self.on_gpu:
            return StagedPass(model, descriptor, scaler)
        limits = scaler.limits(numbers, next(model.parameters()).dtype)
        scaling = Scaling(*scaler.affine(numbers), *limits)
        return model.force_pass(descriptor, scaling, numbers)

    def fits(
        self,
        model: Model,
        descriptor: BaseDescriptor,
        scaler: FeatureScaler,
        state: object,
    ) -> bool:
        """Whether all is as it was."""
        parts = (model, descriptor, descriptor.parameters, scaler)
        same = all(one is other for one, other in zip(parts, self._parts, strict=True))
        return same and self._state == state

    @property
    def possible(self) -> bool:
        """Whether there is a kernel for all, and nothing wants to see what layers do."""
        if self._pass is None:
            return False
        return not any(self._hooks)

    def run(self, environment: Environment, sizes: Sequence[int], forces: bool) -> Outcome:
        """Energies and, if asked for, forces and virials of images of so many atoms each."""
        with stage("amptorch::force_pass"):
            environment = environment.with_vectors(self._rounded(environment.vectors))
            found = self._kernel.run(environment, forces)
            energies = found.energies.numpy().astype(np.float64)
            n_outside = None if found.n_outside is None else int(found.n_outside)
            outcome = Outcome(found.fingerprints, energies, n_outside)
            if forces:
                first = np.array([0, *accumulate(sizes)])
                outcome.forces, outcome.virials = forces_and_virials(
                    environment, found.gradients, first
                )
            return outcome

    def run_part(self, part: Part, forces: bool) -> Passed:
        """Energies and, if asked for, gradients of the pairs of some atoms of an image."""
        with stage("amptorch::force_pass"):
            return self._kernel.run(part.environment, forces, part.n_centers)

    @property
    def dtype(self) -> torch.dtype:
        """Of the pass."""
        return self._kernel.dtype

    def _rounded(self, vectors: Tensor) -> Tensor:
        # By numpy, whose conversions take a fraction of the time of torch's.
        if self._kernel.dtype == torch.float64:
            return vectors
        return torch.from_numpy(vectors.numpy().astype(np.float32))

    @property
    def _kernel(self) -> Pass:
        assert self._pass is not None
        return self._pass
