"""Checks of the images a user hands in; every error says which frame and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from numpy.typing import NDArray


def load_images(raw_data: str | Path | Sequence[Atoms], name: str = "raw_data") -> list[Atoms]:
    """Images from a file that ASE reads, or from a list.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file ASE cannot read, no image at all, or an entry that is not ``Atoms``.
    """
    images = _read(Path(raw_data), name) if isinstance(raw_data, (str, Path)) else list(raw_data)
    if not images:
        raise ValueError(f"{name}: expected at least one image, got none")
    for index, image in enumerate(images):
        if not isinstance(image, Atoms):
            raise ValueError(f"{name}: expected ase.Atoms, entry {index} is {type(image).__name__}")
    return images


def _read(path: Path, name: str) -> list[Atoms]:
    if not path.is_file():
        raise FileNotFoundError(f"{name}: file not found: {path}")
    try:
        return list(ase.io.read(path, index=":"))
    except Exception as error:  # ASE's readers raise whatever their parsers meet
        raise ValueError(f"{name}: ASE cannot read {path}: {error}") from error


def elements_of(images: Sequence[Atoms]) -> list[str]:
    """Chemical symbols found in the images, sorted."""
    return sorted({symbol for image in images for symbol in set(image.get_chemical_symbols())})


def read_energy(image: Atoms, name: str) -> float:
    """Potential energy in eV, constraints left out."""
    energy = _ask(lambda: image.get_potential_energy(apply_constraint=False), "energy", name)
    if not np.isfinite(energy):
        raise ValueError(f"{name}: its energy is {energy}")
    return float(energy)


def read_forces(image: Atoms, name: str) -> NDArray[np.float64]:
    """Forces [n_atoms, 3] in eV/Å, constraints left out."""
    forces = np.asarray(_ask(lambda: image.get_forces(apply_constraint=False), "forces", name))
    if not np.isfinite(forces).all():
        atom = int(np.argwhere(~np.isfinite(forces))[0, 0])
        raise ValueError(f"{name}: the force on atom {atom} is {forces[atom].tolist()}")
    return forces


def _ask(getter, what: str, name: str):  # type: ignore[no-untyped-def]
    try:
        return getter()
    except (PropertyNotImplementedError, RuntimeError) as error:
        raise ValueError(f"{name}: expected {what}, found none ({error})") from error
