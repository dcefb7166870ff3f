"""What a data set holds: groups, duplicates, outliers of energy and force."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import xxhash
from ase import Atoms

from .arrays import Array
from .keys import DEFAULT_KEYS, Keys
from .targets import MissingTargetError, read_energy, read_forces

# An outlier is as many widths from the median; a width is 1.4826 times the median absolute
# deviation, which is the standard deviation of a normal distribution.
OUTLYING = 8.0
LEAST_WIDTH = 1e-3  # eV/atom, or of the logarithm of forces
DECIMALS = 6  # of positions and cells (Å) that make structures the same


@dataclass
class Frame:
    """A frame in numbers.

    Attributes:
        group: ``info["group"]``, or the chemical formula where frames have none.
        energy: eV per atom, or None.
        force: largest component, eV/Å, and root mean square, or None.
        structure: a hash of elements, positions and cell.
    """

    group: str
    symbols: Counter[str]
    energy: float | None
    force: tuple[float, float] | None
    structure: int


@dataclass
class Overview:
    """Of all frames.

    Attributes:
        frames: in their order.
    """

    frames: list[Frame] = field(default_factory=list)

    @classmethod
    def of(cls, images: Iterable[Atoms], keys: Keys = DEFAULT_KEYS) -> Overview:
        """One pass over images, which are not kept."""
        return cls([_frame(image, f"image {k}", keys) for k, image in enumerate(images)])

    def groups(self) -> dict[str, list[Frame]]:
        """Frames by group, sorted."""
        found = defaultdict(list)
        for frame in self.frames:
            found[frame.group].append(frame)
        return dict(sorted(found.items()))

    def duplicates(self) -> list[list[int]]:
        """Places of frames that have one structure, two or more in each list."""
        found = defaultdict(list)
        for place, frame in enumerate(self.frames):
            found[frame.structure].append(place)
        return [places for places in found.values() if len(places) > 1]

    def energy_outliers(self) -> list[tuple[int, float]]:
        """Places of frames whose energy (eV/atom) lies far from the others', beyond what elements
        explain by least squares, and by how much; the farthest first."""
        places = [k for k, frame in enumerate(self.frames) if frame.energy is not None]
        if not places:
            return []
        energies = np.array([self.frames[k].energy for k in places])
        elements = sorted({symbol for k in places for symbol in self.frames[k].symbols})
        counts = np.array([[self.frames[k].symbols[e] for e in elements] for k in places], float)
        shares = counts / counts.sum(1, keepdims=True)
        energies = energies - shares @ np.linalg.lstsq(shares, energies, rcond=None)[0]
        return _outliers(places, energies)

    def force_outliers(self) -> list[tuple[int, float]]:
        """Places of frames whose largest force component is far larger than the others', by its
        logarithm, and its size (eV/Å)."""
        places = [k for k, frame in enumerate(self.frames) if frame.force and frame.force[0] > 0]
        sizes = [frame.force[0] for k in places if (frame := self.frames[k]).force]
        found = [k for k, above in _outliers(places, np.log(np.array(sizes))) if above > 0]
        return [(k, force[0]) for k in found if (force := self.frames[k].force)]


def _frame(image: Atoms, name: str, keys: Keys) -> Frame:
    try:
        energy: float | None = read_energy(image, name, keys) / len(image)
    except MissingTargetError:
        energy = None
    try:
        forces: Array | None = read_forces(image, name, keys)
    except MissingTargetError:
        forces = None
    group = str(image.info.get("group", "")) or image.get_chemical_formula(empirical=True)
    symbols = Counter(image.get_chemical_symbols())
    return Frame(group, symbols, energy, None if forces is None else _sizes(forces), _hash(image))


def _sizes(forces: Array) -> tuple[float, float]:
    return float(np.abs(forces).max()), float(np.sqrt(np.square(forces).mean()))


def _hash(image: Atoms) -> int:
    digest = xxhash.xxh3_64(image.numbers.tobytes() + image.pbc.tobytes())
    for values in (image.positions, image.cell.array):
        digest.update((np.round(values, DECIMALS) + 0.0).tobytes())
    return digest.intdigest()


def _outliers(places: Sequence[int], values: Array) -> list[tuple[int, float]]:
    """Places of values far from their median, with the distance, the farthest first."""
    if not len(values):
        return []
    away = values - np.median(values)
    width = max(1.4826 * float(np.median(np.abs(away))), LEAST_WIDTH)
    found = [(k, float(d)) for k, d in zip(places, away, strict=True) if abs(d) > OUTLYING * width]
    return sorted(found, key=lambda entry: -abs(entry[1]))
