"""Parts of a data set to train and to validate on."""

from __future__ import annotations

from typing import Any

from torch.utils.data import Subset

from ..dataset.frames import Images, part
from ..dataset.settings import DatasetConfig


class InOrderSplit:
    """Train split whose validation part is the last ``val_frac`` of the data."""

    def __init__(self, val_frac: float) -> None:
        self.val_frac = val_frac

    def __call__(
        self, dataset: Images, y: object = None, groups: object = None
    ) -> tuple[Subset, Subset]:
        """Training and validation subsets."""
        stop = len(dataset) - int(len(dataset) * self.val_frac)
        indices = range(len(dataset))
        return part(dataset, indices[:stop]), part(dataset, indices[stop:])


class FixedSplit:
    """Train split that repeats the one of the run that is resumed."""

    def __init__(self, split: list[list[int]]) -> None:
        self.train, self.valid = split

    def __call__(
        self, dataset: Images, y: object = None, groups: object = None
    ) -> tuple[Subset, Subset]:
        """Training and validation subsets."""
        return part(dataset, self.train), part(dataset, self.valid)


def check_parts(settings: DatasetConfig, n_images: int) -> None:
    """Raise a ``ValueError`` where ``val_split`` leaves one of the two parts empty."""
    fraction = settings.val_split
    if fraction and not 1 <= int(n_images * fraction) < n_images:
        raise ValueError(
            f"dataset: val_split {fraction} of {n_images} images leaves no validation part"
        )


def train_split(settings: DatasetConfig, resumed: list[list[int]] | None = None) -> Any:
    """What splits a data set into a training and a validation part; None takes all to train.

    Args:
        settings: with ``val_split`` and ``val_split_mode``.
        resumed: indices of both parts in the run that is gone on with.
    """
    if not settings.val_split:
        return None
    if resumed is not None:
        return FixedSplit(resumed)
    if settings.val_split_mode == "inorder":
        return InOrderSplit(settings.val_split)
    # Its packages take a second to import, which other fits have no need of.
    from skorch.dataset import ValidSplit

    return ValidSplit(cv=settings.val_split)
