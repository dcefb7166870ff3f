"""Statistics of a store as plain values for its header, and back, to the last bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ..data.statistics import FeatureStatistics, ImageStatistics, Statistics
from .image import Image
from .record import Frame

_TENSORS = ("minimum", "maximum", "mean", "squares")


def image_statistics(frame: Frame, image: Image) -> ImageStatistics:
    """What an image adds to the statistics of its store."""
    return ImageStatistics.of(frame.numbers, frame.fingerprint, image.energy, image.forces)


def statistics_to_json(statistics: Statistics) -> dict[str, Any]:
    """Plain values."""
    return {
        **vars(statistics),
        "features": {
            str(number): {
                "count": part.count,
                **{name: getattr(part, name).tolist() for name in _TENSORS},
            }
            for number, part in statistics.features.items()
        },
        "energies": statistics.energies.tolist(),
        "compositions": statistics.compositions.tolist(),
    }


def statistics_from_json(values: Mapping[str, Any]) -> Statistics:
    """The statistics of :func:`statistics_to_json`."""
    features = {
        int(number): FeatureStatistics(
            count=part["count"],
            **{name: torch.tensor(part[name], dtype=torch.float64) for name in _TENSORS},
        )
        for number, part in values["features"].items()
    }
    return Statistics(
        features,
        np.array(values["energies"], np.float64),
        np.array(values["compositions"], np.int64).reshape(-1, len(features)),
        values["force_squares"],
        values["force_count"],
    )
