"""Parts of a data set to train and to validate on."""

from __future__ import annotations

from typing import Any

from torch.utils.data import Subset


class InOrderSplit:
    """Train split whose validation part is the last ``val_frac`` of the data."""

    def __init__(self, val_frac: float) -> None:
        self.val_frac = val_frac

    def __call__(self, dataset: Any, y: Any = None, groups: Any = None) -> tuple[Subset, Subset]:
        """Training and validation subsets."""
        stop = len(dataset) - int(len(dataset) * self.val_frac)
        indices = range(len(dataset))
        return Subset(dataset, list(indices[:stop])), Subset(dataset, list(indices[stop:]))
