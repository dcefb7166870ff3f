"""Axes: from values to pixels, ticks, and the lines and words around a plot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
STEPS = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """A linear or logarithmic map of values to pixels.

    Attributes:
        low, high: values at its ends.
        start, end: pixels there.
        logarithmic: whether equal factors have equal lengths.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    @overload
    def __call__(self, values: float) -> float: ...
    @overload
    def __call__(self, values: Array) -> Array: ...
    def __call__(self, values: float | Array) -> float | Array:
        """Pixels of values."""
        if self.logarithmic:
            share = np.log(np.asarray(values) / self.low) / math.log(self.high / self.low)
        else:
            share = (np.asarray(values) - self.low) / (self.high - self.low)
        pixels = self.start + share * (self.end - self.start)
        return float(pixels) if np.ndim(values) == 0 else pixels

    def ticks(self, most: int = 5) -> list[tuple[float, str]]:
        """Values at round places and how they are written, about so many."""
        return _decades(self) if self.logarithmic else _round(self.low, self.high, most)


def padded(low: float, high: float, share: float = 0.05) -> tuple[float, float]:
    """A range a bit wider, and never empty."""
    pad = max(share * (high - low), 1e-6 * max(abs(low), abs(high), 1.0))
    return low - pad, high + pad


def _round(low: float, high: float, most: int) -> list[tuple[float, str]]:
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(each for each in STEPS if each * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    values = [place * step for place in range(first, last + 1)]
    return [(value, _written(value, step)) for value in values]


def _written(value: float, step: float) -> str:
    """With as many decimals as tell the ticks apart."""
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if abs(value) >= 1e5 or decimals > 6:
        return f"{value:.3g}".replace("-", "−")
    return f"{value:.{decimals}f}".replace("-", "−") if value else "0"


def _decades(axis: Axis) -> list[tuple[float, str]]:
    first, last = math.floor(math.log10(axis.low)), math.ceil(math.log10(axis.high))
    factors = (1.0,) if last - first > 3 else (1.0, 2.0, 5.0)
    every = max(1, (last - first) // 5)
    values = [f * 10.0**power for power in range(first, last + 1, every) for f in factors]
    return [(v, f"{v:g}") for v in values if axis.low * (1 - 1e-9) <= v <= axis.high * (1 + 1e-9)]
