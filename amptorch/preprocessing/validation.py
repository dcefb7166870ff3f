"""Checks of the images a user hands in; every error says which frame and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from numpy.typing import NDArray

from ..errors import nearest


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


def read_stress(image: Atoms, name: str) -> NDArray[np.float64]:
    """Stress [6] in eV/Å^3, Voigt order, ASE's sign, constraints left out; NaN where the image has
    none, or no volume."""
    try:
        stress = np.asarray(image.get_stress(apply_constraint=False), dtype=np.float64)
    except (PropertyNotImplementedError, RuntimeError):
        return np.full(6, np.nan)
    if not np.isfinite(stress).all():
        raise ValueError(f"{name}: its stress is {stress.tolist()}")
    return stress if image.cell.rank == 3 else np.full(6, np.nan)


def read_volume(image: Atoms) -> float:
    """Volume in Å^3, infinite without a cell."""
    return float(image.get_volume()) if image.cell.rank == 3 else np.inf


def read_weight(image: Atoms, key: str, name: str) -> float:
    """Weight of an image in the loss, ``image.info[key]``, 1 where there is none."""
    weight = image.info.get(key, 1.0)
    if not isinstance(weight, (int, float, np.number)) or not 0 <= weight < np.inf:
        raise ValueError(f"{name}: expected info[{key!r}] to be a number >= 0, got {weight!r}")
    return float(weight)


def check_targets(images: Sequence[Atoms], stress: bool, weight_key: str | None) -> None:
    """Raise a ``ValueError`` where no image has a stress, or none has a weight, asked for."""
    if stress and all(np.isnan(read_stress(image, "image")).any() for image in images):
        raise ValueError("stress_coefficient: expected images with stresses, none has one")
    if weight_key is not None and not any(weight_key in image.info for image in images):
        found = {str(key) for image in images for key in image.info}
        raise ValueError(
            f"weight_key: no image has info[{weight_key!r}]; {nearest(weight_key, found)}"
        )


def _ask(getter, what: str, name: str):  # type: ignore[no-untyped-def]
    try:
        return getter()
    except (PropertyNotImplementedError, RuntimeError) as error:
        raise ValueError(f"{name}: expected {what}, found none ({error})") from error
