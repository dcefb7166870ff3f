"""A path of 2.0's scripts: optimizers live in :mod:`amptorch.fit.optimizers`."""

from ..fit.optimizers import BFGS, LBFGSB, SOAP, KalmanFilter, LevenbergMarquardt

__all__ = ["BFGS", "LBFGSB", "SOAP", "KalmanFilter", "LevenbergMarquardt"]
