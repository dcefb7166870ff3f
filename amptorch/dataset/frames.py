"""What a model is fitted to: data sets, and parts of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from torch.utils.data import Sampler, Subset

from ..data.frame import AtomsData
from ..data.statistics import Statistics
from ..preprocessing.scaling import Scalers, unscaled
from ..preprocessing.utils import TargetScaler


class Images(Protocol):
    """Scaled images by their places."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> AtomsData: ...


Order = Callable[[Images], Sampler[int]]
"""From images to the order in which they are read."""


class Frames(Images, Protocol):
    """What a model is fitted to: a data set in memory, in stores or in files of the original, or a
    part of one.

    Attributes:
        prefetch: whether batches are best read ahead, as ``BatchLoader`` does.
    """

    prefetch: bool

    @property
    def scalers(self) -> Scalers:
        """What scaled the images."""

    @property
    def target_scaler(self) -> TargetScaler:
        """That of the scalers."""

    def statistics(self) -> Statistics:
        """Of the images before they were scaled."""

    def order(self, val_split: float = 0.0) -> Order | None:
        """In which images are read to train; ``val_split`` is the last part, which is left out."""


def part(images: Images, indices: Sequence[int]) -> Subset[AtomsData]:
    """Images at some places."""
    return Subset(images, indices)  # type: ignore[arg-type]  # torch's Dataset has no length


class Part(Subset[AtomsData]):
    """Images at some places of a data set.

    Args:
        frames: the data set.
        indices: the places.
    """

    def __init__(self, frames: Frames, indices: Sequence[int]) -> None:
        super().__init__(frames, indices)  # type: ignore[arg-type]  # torch's Dataset has no length
        self.frames = frames
        self.prefetch = frames.prefetch

    @property
    def scalers(self) -> Scalers:
        """Those of the data set."""
        return self.frames.scalers

    @property
    def target_scaler(self) -> TargetScaler:
        """That of the data set."""
        return self.frames.target_scaler

    def statistics(self) -> Statistics:
        """Of these images alone."""
        return Statistics.of(unscaled(self[place], self.scalers) for place in range(len(self)))

    def order(self, val_split: float = 0.0) -> Order | None:
        """As they stand: the data set's is of all of it."""
        return None
