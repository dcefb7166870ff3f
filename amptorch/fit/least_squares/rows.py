"""From frames to rows, a few frames at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from ase.units import kB
from torch import Tensor

from ...data.frame import AtomsBatch, AtomsData, collate
from ...dataset.frames import Frames, Images, part
from ...dataset.loader import BatchLoader
from ...potentials.model import LinearModel, Rows
from ...preprocessing.scaling import Scalers
from ...processes.group import is_shared
from .moments import Key, Moments
from .settings import LeastSquaresSettings


@dataclass
class RowReader:
    """Adds rows of frames to moments.

    Attributes:
        model: whose rows they are.
        settings: of the fit.
        device: to compute on.
        keep: is given the group and the rows of stresses, [6 n, p + 1], beside the moments.
    """

    model: LinearModel
    settings: LeastSquaresSettings
    device: torch.device
    keep: Callable[[str, Tensor], None] | None = None

    def read(self, frames: Frames, moments: Moments, folds: int) -> None:
        """Add the rows of all frames, each process those of its part, to folds in turn."""
        rank, count = (dist.get_rank(), dist.get_world_size()) if is_shared() else (0, 1)
        importance = Importance.of(frames, self.settings.boltzmann)
        own: Images = part(frames, range(rank, len(frames), count)) if count > 1 else frames
        size, place = self.settings.batch_size, rank
        for images in BatchLoader(own, size, list, prefetch=frames.prefetch):
            for (group, fold), together in _parted(images, place, count, folds).items():
                self._add(moments, group, fold, together, importance)
            place += count * len(images)
        moments.join()

    def _add(
        self,
        moments: Moments,
        group: str,
        fold: int,
        images: Sequence[AtomsData],
        importance: Importance,
    ) -> None:
        batch = collate(images)
        factors = importance.roots(batch)
        batch = batch.to(self.device, self.model.coefficients.dtype)  # type: ignore[assignment]
        for kind, rows, frames in self._rows(batch):
            rows = rows.double().cpu()
            rows = rows * factors[frames.cpu(), None]
            if kind == "stress":  # which a frame need not have
                rows = rows[~rows[:, -1].isnan()]
                if self.keep is not None:
                    self.keep(group, rows)
            if len(rows):
                moments.add(Key(group, kind, fold), rows)

    def _rows(self, batch: AtomsBatch) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Of each kind rows [n, p + 1] and the frame [n] of each."""
        stress, n_frames = self.settings.stress_coefficient > 0, len(batch)
        forces = self.settings.force_coefficient > 0 or stress
        found = self.model.rows(batch, forces and self.model.get_forces, virials=stress)
        fixed = self.model.fixed(batch) or Rows(torch.zeros_like(batch.energy)[:, None])
        frames, sizes = torch.arange(n_frames, device=self.device), batch.natoms[:, None]
        yield "energy", _beside(found.energies, batch.energy, fixed.energies) / sizes, frames
        if found.forces is not None and self.settings.force_coefficient > 0:
            by_force = batch.batch.repeat_interleave(3)
            yield "forces", _beside(found.forces, batch.forces, fixed.forces), by_force
        if stress:
            assert found.virials is not None, "stresses need the vectors of pairs"
            volumes = batch.volume.repeat_interleave(6)[:, None]
            known = None if fixed.virials is None else fixed.virials / volumes
            stresses = _beside(found.virials / volumes, batch.stress, known)
            yield "stress", stresses, frames.repeat_interleave(6)


@dataclass
class Importance:
    """How often squares of a frame count.

    Attributes:
        scalers: of the frames.
        temperature: in K, or None.
        lowest: the lowest energy per atom, eV.
    """

    scalers: Scalers
    temperature: float | None
    lowest: float = 0.0

    @classmethod
    def of(cls, frames: Frames, temperature: float | None) -> Importance:
        """That of some frames."""
        if temperature is None:
            return cls(frames.scalers, None)
        statistics = frames.statistics()
        if "baseline" in frames.scalers:
            statistics = statistics.above(frames.scalers["baseline"].energies)
        return cls(
            frames.scalers, temperature, float((statistics.energies / statistics.sizes).min())
        )

    def roots(self, batch: AtomsBatch) -> Tensor:
        """Square roots [n_frames] of how often."""
        often = torch.ones(len(batch), dtype=torch.float64)
        if "weight" in batch:
            often = often * batch.weight.double()
        if self.temperature is not None:
            energies = self.scalers["target"].denorm(batch.energy.double(), pred="energy")
            above = energies / batch.natoms - self.lowest
            often = often * torch.exp(-above / (kB * self.temperature))
        return often.sqrt()


def _parted(
    images: Sequence[AtomsData], first: int, step: int, folds: int
) -> dict[tuple[str, int], list[AtomsData]]:
    """Images of a batch by group and fold."""
    parts: dict[tuple[str, int], list[AtomsData]] = {}
    for index, image in enumerate(images):
        key = (str(getattr(image, "group", "")), (first + step * index) % folds)
        parts.setdefault(key, []).append(image)
    return parts


def _beside(rows: Tensor, targets: Tensor, fixed: Tensor | None) -> Tensor:
    """Rows [n, p] and what targets are above a fixed part, if there is one."""
    left = targets.reshape(-1, 1)
    return torch.cat([rows, left if fixed is None else left - fixed], 1)
