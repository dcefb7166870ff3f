"""The scalers of a data set together: fitted in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..data.frame import AtomsData
from .statistics import Statistics
from .utils import AtomicCorrectionScaler, FeatureScaler, TargetScaler

Scalers = dict[str, Any]
"""By "feature", "target" and, if there is one, "baseline"."""


def fit_scalers(
    statistics: Statistics,
    forcetraining: bool,
    scaling: Mapping[str, Any] | None = None,
    baseline: str | None = None,
    target_scaling: str = "energy",
) -> Scalers:
    """Scalers of a data set from its statistics.

    Args:
        statistics: of the unscaled data.
        forcetraining: forces and primes are scaled too.
        scaling: see :class:`FeatureScaler`.
        baseline: "linear" takes per-element energies off first, see ``AtomicCorrectionScaler``.
        target_scaling: see :class:`TargetScaler`.
    """
    scalers: Scalers = {}
    if baseline == "linear":
        scalers["baseline"] = AtomicCorrectionScaler(statistics)
        statistics = statistics.above(scalers["baseline"].energies)
    scalers["target"] = TargetScaler(statistics, forcetraining, target_scaling)
    scalers["feature"] = FeatureScaler(statistics, forcetraining, scaling)
    return scalers


def scale(data_list: Sequence[AtomsData], scalers: Scalers) -> None:
    """Scale images in place: fingerprints and, by factors that are kept beside them, primes."""
    if "baseline" in scalers:
        scalers["baseline"].norm(data_list)
    scalers["feature"].norm(data_list, disable_tqdm=True)
    scalers["target"].norm(data_list, disable_tqdm=True)
