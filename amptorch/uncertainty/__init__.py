"""Uncertainties of predicted energies and forces, see ``docs/uncertainty.md``."""

from .committee import AmpTorchCommittee, Committee
from .ensemble import EnsembleSDEstimator, bootstrap_trainers
from .estimators import (
    ConformalPredictionFeatureSpace,
    ConformalPredictionLatentSpace,
    NegativeLeastLikelihoodFeatureSpace,
    NegativeLeastLikelihoodLatentSpace,
)
from .linear import LinearErrors, linear_errors

__all__ = [
    "AmpTorchCommittee",
    "Committee",
    "ConformalPredictionFeatureSpace",
    "ConformalPredictionLatentSpace",
    "EnsembleSDEstimator",
    "LinearErrors",
    "NegativeLeastLikelihoodFeatureSpace",
    "NegativeLeastLikelihoodLatentSpace",
    "bootstrap_trainers",
    "linear_errors",
]
