"""What batches are read from: data sets, and parts of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch.utils.data import Subset

from ..data.frame import AtomsData
from ..preprocessing.scaling import Scalers
from ..preprocessing.utils import TargetScaler


class Frames(Protocol):
    """Scaled images by their places: a data set or a part of one."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> AtomsData: ...


class ScaledFrames(Frames, Protocol):
    """A data set: scaled images, and what scaled them."""

    scalers: Scalers
    target_scaler: TargetScaler


def part(frames: Frames, indices: Sequence[int]) -> Subset[AtomsData]:
    """Images at some places."""
    return Subset(frames, indices)  # type: ignore[arg-type]  # torch's Dataset has no length
