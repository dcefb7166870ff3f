"""Optimizers, by name or class: see ``docs/optimizers.md``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .choice import Choice, check_settings, choose, defaults
from .full_batch import BFGS, LBFGSB
from .kalman import KalmanFilter
from .levenberg_marquardt import LevenbergMarquardt
from .soap import SOAP

if TYPE_CHECKING:
    from .annealing import Annealing

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


def __getattr__(name: str) -> Any:
    # A callback of skorch, which is imported only to train.
    if name != "Annealing":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .annealing import Annealing

    return Annealing
