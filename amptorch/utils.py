"""Helpers that scripts of the original import."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import Subset

from . import checkpoint
from .checkpoint import train_end_load_best_loss

__all__ = [
    "InOrderSplit",
    "check_memory",
    "save_normalizers",
    "target_extractor",
    "to_tensor",
    "train_end_load_best_loss",
]


class InOrderSplit:
    """Train split whose validation part is the last ``val_frac`` of the data."""

    def __init__(self, val_frac: float) -> None:
        self.val_frac = val_frac

    def __call__(self, dataset: Any, y: Any = None, groups: Any = None) -> tuple[Subset, Subset]:
        """Training and validation subsets."""
        stop = len(dataset) - int(len(dataset) * self.val_frac)
        indices = range(len(dataset))
        return Subset(dataset, list(indices[:stop])), Subset(dataset, list(indices[stop:]))


def target_extractor(target: Any) -> Any:
    """Targets (energies, forces) as numpy arrays."""
    if isinstance(target, Tensor):
        return target.detach().cpu().numpy()
    return type(target)(target_extractor(part) for part in target)


def to_tensor(values: Any, device: Any, accept_sparse: bool = False) -> Any:
    """Batches, tensors and nested lists of them on a device."""
    if isinstance(values, (list, tuple)):
        return type(values)(to_tensor(value, device) for value in values)
    return values.to(device)


def save_normalizers(normalizers: dict[str, Any], path: str | Path) -> None:
    """Write scalers ``{"target": ..., "feature": ...}`` to a file, whole or not at all."""
    checkpoint.save(normalizers, path)


def check_memory() -> tuple[float, float]:
    """Memory of this machine that can be had, and all of it, in GB."""
    page = os.sysconf("SC_PAGE_SIZE") / 1e9
    total = os.sysconf("SC_PHYS_PAGES") * page
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            entries = dict(line.split(":", 1) for line in file)
        # Unlike the pages that are free, this counts what files take up only for the time being.
        return int(entries["MemAvailable"].split()[0]) * 1024 / 1e9, total
    except (OSError, KeyError):
        return os.sysconf("SC_AVPHYS_PAGES") * page, total
