"""The parts of the estimators, under the names and at the place of AMPTorch."""

from .conformal import ConformalPrediction
from .distances import calc_dist
from .likelihood import NegativeLeastLikelihoodEstimator
from .metrics import calc_uncertainty_metrics
from .representations import (
    prepare_featureNerror_from_trainer,
    prepare_latentNerror_from_trainer,
    split_test_calib,
)

__all__ = [
    "ConformalPrediction",
    "NegativeLeastLikelihoodEstimator",
    "calc_dist",
    "calc_uncertainty_metrics",
    "prepare_featureNerror_from_trainer",
    "prepare_latentNerror_from_trainer",
    "split_test_calib",
]
