"""Opening potentials, whatever they are kept in."""

from __future__ import annotations

from pathlib import Path

import torch

from . import saved
from .potential import HasPotential, Potential
from .registry import Format, families
from .run_folder import is_run_folder, read_run_folder

OF_ALL = (
    Format("a saved potential", saved.fits, Potential.load),
    Format("a checkpoint folder", is_run_folder, read_run_folder),
)


def load(path: str | Path, device: str | torch.device = "cpu") -> Potential:
    """Open a potential: one that was saved, or a checkpoint folder, of this package or of the
    original.

    Args:
        path: file or folder.
        device: where its model is to be.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: it is not of a kind that is known, or damaged.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"path: no such file or folder: {path}")
    formats = [*OF_ALL, *(each for family in families().values() for each in family.formats)]
    for each in formats:
        if each.fits(path):
            return each.read(path, torch.device(device))
    known = ", ".join(each.name for each in formats)
    raise ValueError(f"{path}: not a potential of a kind that is known: {known}")


def opened(source: HasPotential | str | Path) -> HasPotential:
    """The potential at a path; what has one already as it is."""
    return load(source) if isinstance(source, (str, Path)) else source
