"""Generations: members are drawn, judged on a batch of frames and ranked, and the distribution
moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...kernels.nep_population import Population
from .distribution import Distribution
from .losses import Array, Errors, References, Regularizer, Weights

Batch = NDArray[np.int64]


def batches(energies: Array, most: int) -> list[Batch]:
    """Frames by their energy an atom, dealt out in turn to as few batches as hold at most so
    many."""
    number = -(-len(energies) // most)
    order = np.argsort(energies, kind="stable")
    return [order[place::number] for place in range(number)]


@dataclass(frozen=True)
class Data:
    """Frames as the kernel has them, what they are to be, and the kernel's unit of energy in eV."""

    population: Population
    references: References
    unit: float = 1.0

    def errors(self, members: Array, shear: float, frames: Batch | None = None) -> Errors:
        """Of members on some frames, default all."""
        references = self.references if frames is None else self.references.part(frames)
        virials = bool(references.has_virial.any())
        found = self.population.evaluate(members, frames, virials)
        return Errors.of(found.times(self.unit), references, shear)


@dataclass(frozen=True)
class Best:
    """The best member of a generation: parameters, shift of energies an atom (eV), loss, and its
    parts lambda_1 L_1 and lambda_2 L_2."""

    parameters: Array
    shift: float
    loss: float
    l1: float
    l2: float


class Evolver:
    """A run.

    Args:
        data: frames to fit.
        weights: of the loss.
        regularizer: of parameters.
        distribution: where parameters are looked for, which moves.
        size: members of a generation.
        most: frames of a batch.
        full: all batches in each generation.
        seed: of the random numbers.
    """

    def __init__(
        self,
        data: Data,
        weights: Weights,
        regularizer: Regularizer,
        distribution: Distribution,
        size: int = 50,
        most: int = 1000,
        full: bool = False,
        seed: int = 0,
    ) -> None:
        self.data, self.weights, self.regularizer = data, weights, regularizer
        self.distribution, self.size, self.full, self.seed = distribution, size, full, seed
        self.batches = batches(data.references.energies, most)

    def batch(self, generation: int) -> Batch:
        """The frames of a generation."""
        return self.batches[generation % len(self.batches)]

    def step(self, generation: int) -> Best:
        """Go through a generation, counted from 0, in which nothing but the size of the parameters
        counts."""
        normal = self.distribution.normal(self.seed, generation, self.size)
        members = self.distribution.members(normal)
        l1, l2 = self.regularizer(members)
        losses, shifts = l1 + l2, np.zeros(self.size)
        if generation:
            judged, shifts = self._judge(members, generation)
            losses = losses + judged
        if not np.isfinite(losses).all():
            losses = np.where(np.isfinite(losses), losses, np.inf)
        self.distribution.update(normal, losses)
        best = int(losses[-1].argmin())
        row = (losses[-1, best], l1[-1, best], l2[-1, best])
        return Best(members[best], float(shifts[best]), *map(float, row))

    def _judge(self, members: Array, generation: int) -> tuple[Array, Array]:
        """lambda_e L_e + lambda_f L_f + lambda_v L_v [n_species + 1, P], of all last, and
        shifts."""
        frames = self.batches if self.full else [self.batch(generation)]
        parts = [self.data.errors(members, self.weights.shear, each) for each in frames]
        factors = np.array([self.weights.energy, self.weights.force, self.weights.virial])
        rows = []
        for species in (*range(self.regularizer.n_species), None):
            own = [p.rms(None if species is None else p.references.has[:, species]) for p in parts]
            rows.append(factors @ np.sqrt(np.mean(np.square(own), axis=0)))
        return np.array(rows), np.mean([each.shift for each in parts], axis=0)
