"""Parts of a data set to train and to validate on."""

from __future__ import annotations

from torch.utils.data import Subset

from ..dataset.frames import Images, part


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
