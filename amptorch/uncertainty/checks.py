"""Checks of the arrays handed to the estimators; every error names argument, expected and found."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def vector(values: ArrayLike, name: str) -> Array:
    """``values`` as a float64 array [n], n >= 1, all finite."""
    return _finite(values, name, 1, "[n]")


def matrix(values: ArrayLike, name: str) -> Array:
    """``values`` as a float64 array [n_images, n_features], neither 0, all finite."""
    return _finite(values, name, 2, "[n_images, n_features]")


def _finite(values: ArrayLike, name: str, dimensions: int, shape: str) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        raise ValueError(f"{name}: expected at least one value, got none")
    if array.ndim != dimensions:
        raise ValueError(f"{name}: expected an array {shape}, got shape {list(array.shape)}")
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        where = tuple(bad[0].tolist())
        raise ValueError(f"{name}: expected finite values, got {array[where]} at {list(where)}")
    return array


def same_length(first: Array, first_name: str, second: Array, second_name: str) -> None:
    """Raise unless the two have the same length."""
    if len(first) != len(second):
        raise ValueError(
            f"{second_name}: expected as many values as {first_name}, {len(first)}, "
            f"got {len(second)}"
        )


def not_negative(values: Array, name: str) -> None:
    """Raise if a value is negative."""
    if values.min() < 0:
        index = int(values.argmin())
        raise ValueError(f"{name}: expected values >= 0, got {values[index]} at [{index}]")


def fraction(value: float, name: str) -> None:
    """Raise unless 0 < ``value`` < 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name}: expected a number between 0 and 1, got {value!r}")
