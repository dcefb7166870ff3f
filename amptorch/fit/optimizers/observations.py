"""Energies and force components of a batch as observations: residuals, and their Jacobian."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...data.frame import AtomsBatch
from ...potentials.networks.model import AtomisticModel
from . import jacobian

if TYPE_CHECKING:
    from .net import BatchNet

_ROWS = 10_000_000  # numbers of a part of a Jacobian


@dataclass
class Observations:
    """Energies of all frames, then force components, round by round.

    Attributes:
        model, batch: as they say.
        components: [n_rounds, n_frames], one component of every frame in each round, as
            3 * atom of the batch + axis.
        known: [n_rounds, n_frames], false where a frame has no component in a round.
        scales: [n_observations], factors of the residuals.
    """

    model: AtomisticModel
    batch: AtomsBatch
    components: Tensor
    known: Tensor
    scales: Tensor

    @classmethod
    def of(
        cls, net: BatchNet, batch: AtomsBatch, drawn: tuple[Tensor, Tensor], scales: Tensor
    ) -> Observations:
        """Of a batch, weighted as in the loss of a net.

        Args:
            net: with model and loss.
            batch: frames.
            drawn: ``components`` and ``known``, see :func:`choose`.
            scales: without weights.
        """
        components, known = drawn
        if net.criterion_.weighted:
            frames = batch.weight.double().sqrt()
            scales = scales * torch.cat([frames, frames.expand(known.shape)[known]])
        return cls(net.module_, batch, components, known, scales)

    def residuals(self, prediction: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
        """Scaled target - prediction [n_observations], float64."""
        errors = target[0] - prediction[0]
        if self.components.numel():
            forces = (target[1] - prediction[1]).flatten()[self.components[self.known]]
            errors = torch.cat([errors, forces])
        return errors.detach().double() * self.scales

    def jacobian_parts(self, residuals: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """The Jacobian of all networks side by side, and the residuals, some rows at a time."""
        energies = jacobian.of_energies(self.model, self.batch)
        start = self.batch.num_graphs
        yield self._scaled(energies, slice(0, start), residuals)
        if not self.components.numel():
            return
        n_weights = sum(block.shape[1] for block in energies)
        rounds = max(1, _ROWS // (n_weights * self.batch.num_graphs))
        for components, known in zip(
            self.components.split(rounds), self.known.split(rounds), strict=True
        ):
            forces = jacobian.of_forces(self.model, self.batch, components)
            stop = start + int(known.sum())
            kept = [block[known.flatten()] for block in forces]
            yield self._scaled(kept, slice(start, stop), residuals)
            start = stop

    def _scaled(
        self, blocks: jacobian.Blocks, rows: slice, residuals: Tensor
    ) -> tuple[Tensor, Tensor]:
        jacobian_rows = torch.cat(blocks, 1).double() * self.scales[rows, None]
        return jacobian_rows, residuals[rows]


def choose(batch: AtomsBatch, fraction: float) -> tuple[Tensor, Tensor]:
    """Force components of each frame, drawn without replacement: ``components`` and ``known``.

    A fraction above 0 gives one component of each frame at least.
    """
    counts = [_number(3 * n, fraction) for n in batch.natoms.tolist()]
    components = torch.zeros((max(counts), len(counts)), dtype=torch.int64)
    known = torch.zeros_like(components, dtype=torch.bool)
    first = 0
    for frame, (count, n) in enumerate(zip(counts, batch.natoms.tolist(), strict=True)):
        drawn = torch.randperm(3 * n)[:count] if count < 3 * n else torch.arange(3 * n)
        components[:count, frame] = first + drawn
        components[count:, frame] = first
        known[:count, frame] = True
        first += 3 * n
    device = batch.fingerprint.device
    return components.to(device), known.to(device)


def _number(components: int, fraction: float) -> int:
    return min(components, max(1, round(fraction * components))) if fraction else 0
