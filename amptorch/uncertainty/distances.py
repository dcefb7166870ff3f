"""How far images are from the training data: the heuristic behind the calibrated estimates."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from ..errors import nearest
from .checks import Array, matrix

# Exponent p of the Minkowski distance (sum_i |x_i - y_i|^p)^(1/p).
_EXPONENTS = {"minkowski": 2.0, "euclidean": 2.0, "manhattan": 1.0, "chebyshev": np.inf}

# Relative to the largest deviation or value of the data; less spread than this is rounding.
_NO_SPREAD = 1e-12


def calc_dist(
    train_X: ArrayLike,
    calib_X: ArrayLike,
    nearest_neighbors: int = 10,
    metric: str = "minkowski",
) -> Array:
    """Mean distance of images to their nearest training images.

        d_i = 1/k sum over the k nearest j of |z_i - z_j|,   z = (x - mean) / std,

    mean and population standard deviation of each feature over the training images. A feature
    that does not vary in training is shifted only.

    Args:
        train_X: [n_train, n_features].
        calib_X: [n_images, n_features].
        nearest_neighbors: k.
        metric: "minkowski" (with p = 2) or "euclidean", "manhattan", "chebyshev".

    Returns:
        [n_images], in standard deviations.

    Raises:
        ValueError: fewer than k training images, different numbers of features, no feature that
            varies, values that are not finite, an unknown metric.
    """
    train, images = matrix(train_X, "train_X"), matrix(calib_X, "calib_X")
    if metric not in _EXPONENTS:
        raise ValueError(f"metric: unknown metric {metric!r}; {nearest(str(metric), _EXPONENTS)}")
    if images.shape[1] != train.shape[1]:
        raise ValueError(
            f"calib_X: expected {train.shape[1]} features as in train_X, got {images.shape[1]}"
        )
    if not 1 <= nearest_neighbors <= len(train):
        raise ValueError(
            f"nearest_neighbors: expected 1 to {len(train)}, the number of training images, "
            f"got {nearest_neighbors}"
        )
    mean, deviation = train.mean(0), _deviation(train)
    tree = cKDTree((train - mean) / deviation)
    distances, _ = tree.query(
        (images - mean) / deviation, k=range(1, nearest_neighbors + 1), p=_EXPONENTS[metric]
    )
    return distances.mean(axis=1)


def _deviation(train: Array) -> Array:
    """Standard deviation of each feature, 1 where it does not vary."""
    deviation = train.std(axis=0)
    varies = deviation > _NO_SPREAD * np.maximum(np.abs(train).max(0), deviation.max())
    if not varies.any():
        raise ValueError(
            f"train_X: expected a feature that varies, got {len(train)} equal training images"
        )
    return np.where(varies, deviation, 1.0)
