"""Scalers for more elements and features: what they did they go on doing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ..data.statistics import Statistics
from .utils import AtomicCorrectionScaler, FeatureScaler

Affine = tuple[Tensor, Tensor]


def features_with_elements(
    old: FeatureScaler, fitted: FeatureScaler, places: Mapping[int, Sequence[int]]
) -> FeatureScaler:
    """A scaler that scales old features of old elements as ``old`` does, the others as ``fitted``.

    Args:
        old: by it ``len(places[z])`` features of element z are scaled.
        fitted: to data with the new elements; elementwise.
        places: by atomic number of an old element, where its features are among the new ones.
    """
    n_features = len(next(iter(fitted.scales.values()))["scale"])
    scales = {number: _affine(fitted, number) for number in fitted.scales}
    ranges = dict(fitted.ranges)
    zeros = torch.zeros(n_features, dtype=torch.float64)
    for number, where in places.items():
        new, low_high = scales.get(number, (zeros + 1, zeros)), ranges.get(number, (zeros, zeros))
        scales[number] = _put(_affine(old, number), where, new)
        if hasattr(old, "ranges"):
            # Without a new element near it a new feature was 0 in training, too.
            low_high = low_high[0].clamp(max=0), low_high[1].clamp(min=0)
            known = old.ranges[number if old.elementwise else 0]
            ranges[number] = _put(known, where, low_high)
        else:
            ranges.pop(number, None)
    return FeatureScaler.of_affine(scales, ranges)


def _affine(scaler: FeatureScaler, number: int) -> Affine:
    factors, shifts = scaler.affine(torch.tensor([number]))
    return factors[0], shifts[0]


def _put(old: Affine, where: Sequence[int], new: Affine) -> Affine:
    """The new pair of vectors with the first entries of the old ones at some places."""
    first, second = (each.clone() for each in new)
    first[list(where)], second[list(where)] = (each[: len(where)].to(first) for each in old)
    return first, second


def baseline_with_elements(
    old: AtomicCorrectionScaler, statistics: Statistics
) -> AtomicCorrectionScaler:
    """Energies of elements, those of new ones by least squares over what the old ones leave.

    Args:
        old: whose energies are kept.
        statistics: of data with the new elements.
    """
    counts = dict(zip(statistics.numbers, statistics.compositions.T, strict=True))
    new = [number for number in counts if number not in old.energies]
    known = [counts[number] * old.energies[number] for number in counts if number in old.energies]
    rest = statistics.energies - np.sum(known, 0)
    found = np.linalg.lstsq(np.stack([counts[number] for number in new], 1), rest, rcond=None)[0]
    energies = {**old.energies, **dict(zip(new, found.tolist(), strict=True))}
    return AtomicCorrectionScaler.from_state({"energies": energies})
