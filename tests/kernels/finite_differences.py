"""Derivatives by central differences, an oracle that knows nothing of how a function is made."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

STEP = 1e-5


def along(function: Callable[[Tensor], Tensor], at: Tensor, direction: Tensor) -> Tensor:
    """Derivative of ``function`` at ``at`` along ``direction`` (its length included)."""
    ahead = function(at + STEP * direction)
    behind = function(at - STEP * direction)
    return (ahead - behind) / (2 * STEP)
