"""What in images is in all likelihood a mistake: another unit, energies and forces of two kinds.

A doubt is its kind, by which it is counted, and a sentence on the image where it arose.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray

from ..descriptor.base_descriptor import check_coincidence
from ..kernels.environment import Environment
from ..kernels.neighbors import find_neighbors_of_frames
from .keys import DEFAULT_KEYS, Keys, holds, lookup
from .targets import Targets

Doubt = tuple[str, str]

DENSE, LOOSE = 0.03, 30
"""Of the volume of the atoms' covalent spheres: matter has 1 to 20, hydrogen in fusion 0.1. Lengths
in nm make 0.001 to 0.03 of it, those of crystals in Bohr 7 to 30."""

NEAR, FAR = 0.25, 1.5
"""Of the sum of two covalent radii; in matter, nearest neighbours have 0.6 to 1.25 of it."""

CROWDED = 2000
"""Neighbours of an atom: to compute and keep so many is slow, and hardly meant."""

LARGEST = {
    "energy": (1e6, "eV an atom"),  # all electrons of uranium: 0.8e6
    "forces": (1e4, "eV/Å"),
    "stress": (10.0, "eV/Å^3"),  # 1600 GPa
}

FREE_ENERGY_GAP = 1e-6
"""eV an atom, from which on a free energy counts as another than the energy."""

_NOBLE_GASES = [2, 10, 18, 36, 54, 86]


def check_density(image: Atoms, name: str) -> None:
    """Raise a ``ValueError`` if a periodic image is so dense that an atom would have thousands of
    neighbours."""
    if not image.pbc.all():
        return
    if image.get_volume() < DENSE * _spheres(image):
        raise ValueError(
            f"{name}: its {len(image)} atoms share {image.get_volume():.3g} Å^3; expected lengths "
            "in Å"
        )


def crowding(images: Sequence[tuple[int, Atoms]], cutoff: float) -> Iterator[Doubt]:
    """Doubts on images, given with their places, that have too many neighbours within a cutoff
    (Å)."""
    for place, image in images:
        if not image.pbc.all():
            continue
        number = len(image) / image.get_volume() * 4 / 3 * np.pi * cutoff**3
        if number > CROWDED:
            yield (
                "crowded",
                f"image {place}: an atom has about {number:.0f} neighbours within the cutoff of "
                f"{cutoff:g} Å",
            )


def sizes(image: Atoms, targets: Targets, name: str) -> Iterator[Doubt]:
    """Doubts on numbers that are too large."""
    energy = None if targets.energy is None else targets.energy / len(image)
    values = {"energy": energy, "forces": targets.forces, "stress": targets.stress}
    for kind, value in values.items():
        largest, unit = LARGEST[kind]
        if value is not None and np.abs(value).max() > largest:
            size = np.abs(value).max()
            yield f"large {kind}", f"{name}: its {kind}: {size:.3g} {unit}; expected {unit}"


def kinds(image: Atoms, targets: Targets, keys: Keys, name: str) -> Iterator[Doubt]:
    """Doubts whether energy and forces belong together: forces are the derivatives of one of the
    energies that an image may hold, and of no other."""
    if targets.energy is None or targets.forces is None:
        return
    yield from _free_energy(image, targets.energy, keys.energy or "energy", name)
    if keys == DEFAULT_KEYS:
        return
    for one, other in (("energy", "forces"), ("forces", "energy")):
        named, used = getattr(keys, one), getattr(keys, other) or other
        partner = named.replace(one, other) if named is not None and one in named else used
        if partner != used and holds(image, other, Keys(**{other: partner})):
            yield (
                "mixed",
                f"{name}: {one} is read from {named!r} and {other} from {used!r}, though there is "
                f"{partner!r}",
            )


def _free_energy(image: Atoms, energy: float, key: str, name: str) -> Iterator[Doubt]:
    other = key.replace("energy", "free_energy")
    if "free_energy" in key or not holds(image, "energy", Keys(energy=other)) or other == key:
        return
    free = np.asarray(lookup(image, other))
    if free.dtype.kind not in "iuf" or free.size != 1:
        return
    gap = abs(free.item() - energy) / len(image)
    if gap > FREE_ENERGY_GAP:
        offer = f'dataset: {{"keys": {{"energy": {other!r}}}}} reads it'
        yield (
            "free energy",
            f"{name}: its {other!r} differs from {key!r} by {gap:.2g} eV an atom; {key!r} is used, "
            f"but forces belong to the other: {offer}",
        )


def distances(images: Sequence[Atoms], names: Sequence[str]) -> Iterator[Doubt]:
    """Doubts on atoms that are too near to each other.

    Raises:
        ValueError: two atoms on one spot.
    """
    radius = max(float(covalent_radii[image.numbers].max()) for image in images)
    environments = _environments(images, 2 * NEAR * radius)
    for image, environment, name in zip(images, environments, names, strict=True):
        check_coincidence(environment, name)
        ratios = _ratios(image, environment)
        if len(ratios) and ratios.min() < NEAR:
            pair = int(ratios.argmin())
            i, j = int(environment.centers[pair]), int(environment.neighbors[pair])
            length = float(environment.vectors[pair].norm())
            yield (
                "near",
                f"{name}: atoms {i} ({image.symbols[i]}) and {j} ({image.symbols[j]}) are "
                f"{length:.3g} Å apart; expected positions in Å",
            )


def has_bonds(image: Atoms) -> bool | None:
    """Whether any two atoms of dense matter are as near as bonded ones, or None where they need not
    be: molecules that are torn apart, gases, noble gases."""
    loose = not image.pbc.all() or image.get_volume() > LOOSE * _spheres(image)
    if loose or np.isin(image.numbers, _NOBLE_GASES).any():
        return None
    radius = float(covalent_radii[image.numbers].max())
    (environment,) = _environments([image], 2 * FAR * radius)
    return bool((_ratios(image, environment) < FAR).any())


def _spheres(image: Atoms) -> float:
    """Volume of the covalent spheres, Å^3, as if they did not overlap."""
    return float(4 / 3 * np.pi * (covalent_radii[image.numbers] ** 3).sum())


def _environments(images: Sequence[Atoms], cutoff: float) -> list[Environment]:
    frames = [(each.positions, each.cell.array, each.pbc, each.numbers) for each in images]
    return find_neighbors_of_frames(frames, cutoff)


def _ratios(image: Atoms, environment: Environment) -> NDArray[np.float64]:
    """Length of every pair over the sum of its covalent radii."""
    radii = covalent_radii[image.numbers]
    lengths = environment.vectors.norm(dim=1).numpy()
    return lengths / (radii[environment.centers.numpy()] + radii[environment.neighbors.numpy()])
