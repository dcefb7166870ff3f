"""Statistics of a data set in one pass over it, for its scalers."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .frame import AtomsData


@dataclass
class FeatureStatistics:
    """Minimum, maximum, mean and spread of fingerprints, all [n_features] in float64.

    Parts are joined by the update of T. F. Chan, G. H. Golub and R. J. LeVeque, Am. Stat. 37, 242
    (1983), which loses no digits where the mean is large beside the spread.

    Attributes:
        count: number of fingerprints.
        squares: sum of squared deviations from the mean.
    """

    count: int
    minimum: Tensor
    maximum: Tensor
    mean: Tensor
    squares: Tensor

    @classmethod
    def of(cls, fingerprints: Tensor) -> FeatureStatistics:
        """Those of some fingerprints [n, n_features], n >= 1."""
        values = fingerprints.double()
        mean = values.mean(0)
        squares = (values - mean).square().sum(0)
        return cls(len(values), values.amin(0), values.amax(0), mean, squares)

    def joined(self, other: FeatureStatistics) -> FeatureStatistics:
        """Those of both parts together."""
        count = self.count + other.count
        change = other.mean - self.mean
        return FeatureStatistics(
            count,
            torch.minimum(self.minimum, other.minimum),
            torch.maximum(self.maximum, other.maximum),
            self.mean + change * (other.count / count),
            self.squares + other.squares + change.square() * (self.count * other.count / count),
        )

    @property
    def std(self) -> Tensor:
        """Population standard deviation."""
        return (self.squares / self.count).sqrt()


@dataclass
class ImageStatistics:
    """What one image adds to the statistics of a data set.

    Attributes:
        features: by atomic number.
        energy: eV, or None.
        force_squares: sum of squared force components, (eV/Å)^2.
        force_count: number of force components.
    """

    features: dict[int, FeatureStatistics]
    energy: float | None
    force_squares: float
    force_count: int

    @classmethod
    def of(
        cls, numbers: Tensor, fingerprint: Tensor, energy: float | None, forces: Tensor | None
    ) -> ImageStatistics:
        """Those of atomic numbers [n_atoms], fingerprints [n_atoms, n_features] and targets."""
        # numpy: torch would start threads for every mask of a hundred atoms.
        elements, values = numbers.numpy(), fingerprint.numpy()
        features = {
            int(number): FeatureStatistics.of(torch.from_numpy(values[elements == number]))
            for number in np.unique(elements)
        }
        if forces is None:
            return cls(features, energy, 0.0, 0)
        return cls(features, energy, float(forces.double().square().sum()), forces.numel())


@dataclass
class Statistics:
    """What scalers ask of a data set.

    Attributes:
        features: by atomic number.
        energies: [n_images], eV; empty where there are none.
        compositions: [n_images, n_elements], atoms of each of ``numbers``.
        numbers: atomic numbers, ascending.
        force_squares: sum of squared force components, (eV/Å)^2; 0 where there are no forces.
        force_count: number of force components.
    """

    features: dict[int, FeatureStatistics] = field(default_factory=dict)
    energies: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    compositions: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 0), np.int64))
    force_squares: float = 0.0
    force_count: int = 0

    @property
    def numbers(self) -> list[int]:
        """Atomic numbers, ascending."""
        return sorted(self.features)

    @classmethod
    def of(cls, images: Iterable[AtomsData]) -> Statistics:
        """One pass; holds a number per image and element, and no fingerprints."""
        running = RunningStatistics()
        for data in images:
            energy = float(data.energy) if "energy" in data else None
            forces = data.forces if "forces" in data else None
            running.add(ImageStatistics.of(data.atomic_numbers, data.fingerprint, energy, forces))
        return running.result()

    @classmethod
    def joined(cls, parts: Sequence[Statistics]) -> Statistics:
        """Those of data sets one after the other."""
        numbers = sorted({number for part in parts for number in part.features})
        features = {
            number: functools.reduce(
                FeatureStatistics.joined,
                (part.features[number] for part in parts if number in part.features),
            )
            for number in numbers
        }
        compositions = [np.zeros((0, len(numbers)), np.int64)]
        for part in parts:
            columns = np.zeros((len(part.compositions), len(numbers)), np.int64)
            columns[:, np.searchsorted(numbers, part.numbers)] = part.compositions
            compositions.append(columns)
        return cls(
            features,
            np.concatenate([part.energies for part in parts]),
            np.concatenate(compositions),
            sum(part.force_squares for part in parts),
            sum(part.force_count for part in parts),
        )

    @property
    def all_features(self) -> FeatureStatistics:
        """Those of all elements together."""
        return functools.reduce(
            FeatureStatistics.joined, (self.features[number] for number in self.numbers)
        )

    @property
    def sizes(self) -> NDArray[np.int64]:
        """[n_images], atoms."""
        return self.compositions.sum(1)

    def baseline(self, elementwise: bool = True) -> dict[int, float]:
        """Energy per element (eV) by least squares, of smallest norm where compositions do not
        fix it; without ``elementwise`` one for atoms of all elements."""
        counts = self.compositions if elementwise else self.sizes[:, None]
        solution, *_ = np.linalg.lstsq(counts.astype(float), self.energies, rcond=None)
        of_elements = np.broadcast_to(solution, len(self.numbers))
        return dict(zip(self.numbers, of_elements.tolist(), strict=True))

    def above(self, baseline: dict[int, float]) -> Statistics:
        """The same with a baseline taken off the energies."""
        per_element = np.array([baseline[number] for number in self.numbers])
        return replace(self, energies=self.energies - self.compositions @ per_element)


class RunningStatistics:
    """Statistics that take in one image after the other."""

    def __init__(self) -> None:
        self._features: dict[int, FeatureStatistics] = {}
        self._rows: list[dict[int, int]] = []
        self._energies: list[float] = []
        self._force_squares, self._force_count = 0.0, 0

    def add(self, image: ImageStatistics) -> None:
        """Take in an image."""
        for number, part in image.features.items():
            before = self._features.get(number)
            self._features[number] = part if before is None else before.joined(part)
        self._rows.append({number: part.count for number, part in image.features.items()})
        if image.energy is not None:
            self._energies.append(image.energy)
        self._force_squares += image.force_squares
        self._force_count += image.force_count

    def result(self) -> Statistics:
        """Those of all images so far."""
        columns = sorted(self._features)
        compositions = np.array([[row.get(z, 0) for z in columns] for row in self._rows], np.int64)
        return Statistics(
            self._features,
            np.array(self._energies),
            compositions.reshape(len(self._rows), len(columns)),
            self._force_squares,
            self._force_count,
        )
