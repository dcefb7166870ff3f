"""Data sets of images held in memory, and collation of batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from ase import Atoms
from torch import Tensor
from torch.utils.data import Dataset, RandomSampler

from ..data.frame import AtomsBatch, AtomsData, collate
from ..data.inspection import Inspection
from ..data.large_pages import LargePages
from ..data.memory import Survey, report_memory
from ..data.reading import load_images
from ..data.statistics import Statistics
from ..data.targets import TargetReader, Targets
from ..descriptor import BaseDescriptor, Setup, construct_descriptor
from ..preprocessing import AtomsToData
from ..preprocessing.scaling import Scaling, fit_scalers, scale
from .frames import Order

__all__ = ["AtomsDataset", "DataCollater", "construct_descriptor"]


@dataclass
class Seen:
    """What was found of images before they are converted.

    Attributes:
        descriptor: for them.
        targets: of each.
        survey: of all, with the neighbours in some.
    """

    descriptor: BaseDescriptor
    targets: Sequence[Targets]
    survey: Survey


class AtomsDataset(Dataset):
    """Scaled fingerprints, primes and targets of images.

    Args:
        images: list of ``Atoms``, or the path of a file that ASE reads.
        descriptor_setup: (fp_scheme, fp_params, cutoff_params, elements).
        forcetraining: read forces and compute primes.
        save_fps: keep fingerprints on disk under ``cache_dir``.
        scaling: see :class:`amptorch.preprocessing.FeatureScaler`, or all of the scaling.
        cores: of the original, which does not use it either.
        process: convert the images now; else call :meth:`process` later.
        dtype: of the scaled values; statistics are always taken in float64.
        cache_dir: folder of ``save_fps``.
        verbose: print the memory estimate and show progress bars.
        derivatives: "cached" or "on_the_fly", see ``AtomsToData``.
        reader: of energies, forces, stresses and weights.
        seen: what was found of the images before.
        large_pages: copy primes to where they are read faster, which pays from a few readings on.

    Attributes:
        scalers: what a checkpoint keeps, see :data:`amptorch.preprocessing.scaling.Scalers`.
    """

    def __init__(
        self,
        images: str | Path | Sequence[Atoms],
        descriptor_setup: Setup,
        forcetraining: bool = True,
        save_fps: bool = True,
        scaling: Mapping[str, Any] | Scaling | None = None,
        cores: int = 1,
        process: bool = True,
        *,
        dtype: torch.dtype = torch.float64,
        cache_dir: str = "processed",
        verbose: bool = False,
        derivatives: str = "cached",
        reader: TargetReader | None = None,
        seen: Seen | None = None,
        large_pages: bool = True,
    ) -> None:
        # Without images there still is a descriptor to look at.
        self.images = load_images(images, "images") if process or images else []
        self.descriptor_setup = descriptor_setup
        self.descriptor = seen.descriptor if seen else construct_descriptor(descriptor_setup)
        self.elements = self.descriptor.elements
        self.forcetraining = forcetraining
        self.scaling = scaling if isinstance(scaling, Scaling) else Scaling(scaling)
        self.dtype = dtype
        self.verbose = verbose
        self.a2d = AtomsToData(
            self.descriptor,
            save_fps=save_fps,
            fprimes=forcetraining,
            derivatives=derivatives,
            cache_dir=cache_dir,
            reader=replace(
                reader or TargetReader(forces=forcetraining), baseline=self.scaling.fixed
            ),
            pages=LargePages(dtype) if large_pages else None,
        )
        self._seen = seen
        self.data_list: list[AtomsData] = self.process() if process else []

    def _look(self) -> Seen:
        """Before anything is computed."""
        inspection = Inspection(self.a2d.reader)
        targets = inspection.read(self.images)
        inspection.require()
        inspection.warn()
        if self.verbose:
            print(inspection.summary())
        return Seen(self.descriptor, targets, Survey.of(self.images))

    def process(self) -> list[AtomsData]:
        """Read, convert, fit scalers unless they were given, and scale."""
        seen = self._seen or self._look()
        if self.verbose:
            settings = (self.forcetraining, self.dtype, self.a2d.derivatives)
            print(report_memory(seen.survey, self.descriptor, *settings))
        known = seen.survey.neighbors(self.descriptor)
        data = self.a2d.convert_all(
            self.images, disable_tqdm=not self.verbose, targets=seen.targets, known=known
        )
        self._statistics = Statistics.of(data)
        self.scalers = fit_scalers(self._statistics, self.forcetraining, self.scaling)
        self.feature_scaler = self.scalers["feature"]
        self.target_scaler = self.scalers["target"]
        self.baseline = self.scalers.get("baseline")
        scale(data, self.scalers)
        if self.dtype != torch.float64:
            # One by one in the same list, so that never all of them are there in both forms.
            for index, image in enumerate(data):
                data[index] = image.to(self.dtype)
        return data

    prefetch = False

    def statistics(self) -> Statistics:
        """Of the images before they were scaled."""
        return self._statistics

    def order(self, val_split: float = 0.0) -> Order:
        """Any."""
        return RandomSampler

    @property
    def input_dim(self) -> int:
        """Length of a fingerprint."""
        return int(self.data_list[0].fingerprint.shape[1])

    def __len__(self) -> int:
        return len(self.data_list)

    def __getitem__(self, index: int) -> AtomsData:
        return self.data_list[index]


class DataCollater:
    """Lays images of a batch one after the other.

    Args:
        train: give ``(batch, (energies, forces))``; else the batch alone.
        forcetraining: targets hold forces.
    """

    def __init__(self, train: bool = True, forcetraining: bool = True) -> None:
        self.train = train
        self.forcetraining = forcetraining

    def __call__(
        self, images: Sequence[AtomsData]
    ) -> AtomsBatch | tuple[AtomsBatch, tuple[Tensor, ...]]:
        return self.labelled(collate(images))

    def labelled(self, batch: AtomsBatch) -> AtomsBatch | tuple[AtomsBatch, tuple[Tensor, ...]]:
        """A batch as it is handed out."""
        if not self.train:
            return batch
        if self.forcetraining:
            return batch, (batch.energy, batch.forces)
        return batch, (batch.energy,)
