"""Statistics of a data set in one pass over it, for its scalers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

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
    """

    features: dict[int, FeatureStatistics] = field(default_factory=dict)
    energies: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    compositions: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 0), np.int64))

    @property
    def numbers(self) -> list[int]:
        """Atomic numbers, ascending."""
        return sorted(self.features)

    @property
    def all_features(self) -> FeatureStatistics:
        """Those of all elements together."""
        first, *others = (self.features[number] for number in self.numbers)
        for other in others:
            first = first.joined(other)
        return first

    def baseline(self) -> dict[int, float]:
        """Energy per element (eV) by least squares, of smallest norm where compositions do not
        fix it: what ``AtomicCorrectionScaler`` takes off."""
        counts = self.compositions.astype(float)
        solution, *_ = np.linalg.lstsq(counts, self.energies, rcond=None)
        return dict(zip(self.numbers, solution.tolist(), strict=True))

    def energy_mean_and_std(self, baseline: dict[int, float] | None = None) -> tuple[float, float]:
        """Mean and standard deviation (Bessel's correction) of energies, less a baseline, in eV."""
        rest = self.energies
        if baseline is not None:
            rest = rest - self.compositions @ np.array([baseline[z] for z in self.numbers])
        return float(rest.mean()), float(rest.std(ddof=1)) if len(rest) > 1 else 0.0


def statistics(images: Iterable[AtomsData]) -> Statistics:
    """One pass; holds a number per image and element, and no fingerprints."""
    features: dict[int, FeatureStatistics] = {}
    energies: list[float] = []
    rows: list[dict[int, int]] = []
    for data in images:
        numbers = data.atomic_numbers
        elements, counts = torch.unique(numbers, return_counts=True)
        rows.append(dict(zip(elements.tolist(), counts.tolist(), strict=True)))
        for number in rows[-1]:
            part = FeatureStatistics.of(data.fingerprint[numbers == number])
            features[number] = features[number].joined(part) if number in features else part
        if "energy" in data:
            energies.append(float(data.energy))
    columns = sorted(features)
    compositions = np.array([[row.get(z, 0) for z in columns] for row in rows], np.int64)
    return Statistics(features, np.array(energies), compositions.reshape(len(rows), len(columns)))
