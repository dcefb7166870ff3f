"""Optimizers, by name or class: see ``docs/optimizers.md``."""

from .annealing import Annealing
from .choice import Choice, check_settings, choose, defaults
from .full_batch import BFGS, LBFGSB
from .kalman import KalmanFilter
from .levenberg_marquardt import LevenbergMarquardt
from .soap import SOAP

__all__ = [
    "BFGS",
    "LBFGSB",
    "SOAP",
    "Annealing",
    "Choice",
    "KalmanFilter",
    "LevenbergMarquardt",
    "check_settings",
    "choose",
    "defaults",
]
