"""Opening potentials, whatever they are kept in."""

from __future__ import annotations

from pathlib import Path

import torch

from . import saved
from .potential import HasPotential, Potential
from .registry import Format, families, formats_of_several
from .run_folder import is_run_folder, read_run_folder

OF_ALL = (
    Format("a saved potential", saved.fits, Potential.load),
    Format("a checkpoint folder", is_run_folder, read_run_folder),
)


def load(
    path: str | Path,
    device: str | torch.device = "cpu",
    length_unit: str | None = None,
    energy_unit: str | None = None,
) -> Potential:
    """Open a potential: one that was saved, a checkpoint folder, of this package or of the
    original, a folder of n2p2, or SNAP's ``.snapcoeff`` or ``.snap`` files.

    Args:
        path: file or folder.
        device: where its model is to be.
        length_unit, energy_unit: of files that do not say theirs, which are those of n2p2, such as
            "Bohr" and "Hartree" (``amptorch.data.units``); default Å and eV.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: it is not of a kind that is known, or damaged, or units are given for what has
            its own.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"path: no such file or folder: {path}")
    of_families = [each for family in families().values() for each in family.formats]
    formats = [*OF_ALL, *of_families, *formats_of_several()]
    for each in formats:
        if each.fits(path):
            units = each.units(length_unit, energy_unit)
            return each.read(path, torch.device(device), *units)
    known = ", ".join(dict.fromkeys(each.name for each in formats))
    raise ValueError(f"{path}: not a potential of a kind that is known: {known}")


def opened(source: HasPotential | str | Path) -> HasPotential:
    """The potential at a path; what has one already as it is."""
    return load(source) if isinstance(source, (str, Path)) else source
