"""Statistics of a data set in one pass over it, for its scalers."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data import AtomsData


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
        features: dict[int, FeatureStatistics] = {}
        energies: list[float] = []
        rows: list[dict[int, int]] = []
        force_squares, force_count = 0.0, 0
        for data in images:
            # numpy: torch would start threads for every mask of a hundred atoms.
            numbers, fingerprint = data.atomic_numbers.numpy(), data.fingerprint.numpy()
            elements, counts = np.unique(numbers, return_counts=True)
            rows.append(dict(zip(elements.tolist(), counts.tolist(), strict=True)))
            for number in rows[-1]:
                part = FeatureStatistics.of(torch.from_numpy(fingerprint[numbers == number]))
                features[number] = features[number].joined(part) if number in features else part
            if "energy" in data:
                energies.append(float(data.energy))
            if "forces" in data:
                force_squares += float(data.forces.double().square().sum())
                force_count += data.forces.numel()
        columns = sorted(features)
        compositions = np.array([[row.get(z, 0) for z in columns] for row in rows], np.int64)
        compositions = compositions.reshape(len(rows), len(columns))
        return cls(features, np.array(energies), compositions, force_squares, force_count)

    @property
    def all_features(self) -> FeatureStatistics:
        """Those of all elements together."""
        return functools.reduce(
            FeatureStatistics.joined, (self.features[number] for number in self.numbers)
        )

    def baseline(self) -> dict[int, float]:
        """Energy per element (eV) by least squares, of smallest norm where compositions do not
        fix it."""
        counts = self.compositions.astype(float)
        solution, *_ = np.linalg.lstsq(counts, self.energies, rcond=None)
        return dict(zip(self.numbers, solution.tolist(), strict=True))

    def above(self, baseline: dict[int, float]) -> Statistics:
        """The same with a baseline taken off the energies."""
        per_element = np.array([baseline[number] for number in self.numbers])
        return replace(self, energies=self.energies - self.compositions @ per_element)
