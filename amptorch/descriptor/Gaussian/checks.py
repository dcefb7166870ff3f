"""Checks of values that several of the modules here take."""

from __future__ import annotations

import numpy as np


def check_weighted(weighted: bool, where: str) -> bool:
    """The value of ``weighted``, or a ``ValueError`` if it is not True or False."""
    if not isinstance(weighted, bool):
        raise ValueError(f"{where}: expected weighted to be True or False, got {weighted!r}")
    return weighted


def check_cutoff(cutoff: float) -> float:
    """The cutoff as a float, or a ``ValueError`` if it is not a positive length."""
    if not isinstance(cutoff, (int, float, np.number)) or not 0 < cutoff < np.inf:
        raise ValueError(f"cutoff: expected a length > 0 in Å, got {cutoff!r}")
    return float(cutoff)
