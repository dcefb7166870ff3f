"""A path of the original's: errors live in :mod:`amptorch.fit.metrics`."""

from .fit import metrics
from .fit.metrics import MemEffEpochScoring, evaluator, to_cpu

mae_energy_score, mae_forces_score = metrics.mae_energy_score, metrics.mae_forces_score
mse_energy_score, mse_forces_score = metrics.mse_energy_score, metrics.mse_forces_score

__all__ = ["MemEffEpochScoring", "evaluator", "mae_energy_score", "mae_forces_score"]
__all__ += ["mse_energy_score", "mse_forces_score", "to_cpu"]
