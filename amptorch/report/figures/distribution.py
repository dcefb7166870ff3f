"""How errors are distributed, beside the normal distribution of the same mean and deviation."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..errors import Values
from ..units import Quantity
from .axes import Axis
from .style import kind_of
from .svg import LEFT, RIGHT, Figure, image, line, surround, text

Array = NDArray[np.float64]

BINS = 60
TOP, ROW, GAP = 6.0, 96.0, 18.0
SHOWN = 0.99  # part of the values within the axis
NORMAL_BEYOND = math.erfc(3 / math.sqrt(2))  # part of a normal distribution beyond 3 deviations


def distribution(quantity: Quantity, parts: Mapping[str, Values]) -> Figure:
    """A plot of each set, under one another on one axis."""
    errors = {kind: _finite(quantity, part) for kind, part in parts.items()}
    width = max((float(np.quantile(np.abs(each), SHOWN)) for each in errors.values()), default=0.0)
    x = Axis(-(width or 1.0), width or 1.0, LEFT, RIGHT)
    drawn = []
    for place, (kind, each) in enumerate(errors.items()):
        bottom = TOP + ROW * (place + 1) + GAP * place
        last = place == len(errors) - 1
        drawn += _plot(kind, each, x, bottom, f"error ({quantity.unit})" if last else "")
    height = TOP + (ROW + GAP) * len(errors) + 18
    label = f"Distribution of the errors of {quantity.plural.lower()}, by set"
    return Figure(
        f"errors_{quantity.name}",
        f"{quantity.plural}: distribution of errors",
        "Dashed: the normal distribution of the same mean and deviation (σ). Heavy tails are "
        f"outliers: {NORMAL_BEYOND:.1%} of normal errors lie beyond 3 σ.",
        image(height, label, drawn),
        quantity.name,
    )


def _finite(quantity: Quantity, part: Values) -> Array:
    errors = part.difference.ravel()
    errors = quantity.factor * errors[np.isfinite(errors)]
    return errors if errors.size else np.zeros(1)


def _plot(kind: str, errors: Array, x: Axis, bottom: float, label: str) -> list[str]:
    edges = np.linspace(x.low, x.high, BINS + 1)
    share = np.histogram(errors, edges)[0] / errors.size
    mean, deviation = float(errors.mean()), float(errors.std())
    at = np.linspace(x.low, x.high, 121)
    normal = _normal(at, mean, deviation) * (edges[1] - edges[0]) if deviation else 0 * at
    # A normal curve much narrower than a bin must not flatten what was counted.
    y = Axis(
        0.0, 1.45 * max(float(share.max()), min(float(normal.max()), 1.0)), bottom, bottom - ROW
    )
    kind_class = kind_of(kind)
    return [
        *surround(x, y, label, "share", 3),
        _bars(x(edges), y(share), bottom, kind_class),
        line(x(at), np.maximum(y(normal), bottom - ROW), "normal"),
        text(LEFT + 6, bottom - ROW + 13, kind, "note"),
        *_words(errors, mean, deviation, bottom - ROW + 13),
    ]


def _normal(at: Array, mean: float, deviation: float) -> Array:
    return np.exp(-(((at - mean) / deviation) ** 2) / 2) / (deviation * math.sqrt(2 * math.pi))


def _bars(edges: Array, tops: Array, bottom: float, kind: str) -> str:
    steps = "".join(f"V{top:.1f}H{right:.1f}" for top, right in zip(tops, edges[1:], strict=True))
    return f'<path class="bars {kind}" d="M{edges[0]:.1f} {bottom:.1f}{steps}V{bottom:.1f}Z"/>'


def _words(errors: Array, mean: float, deviation: float, top: float) -> list[str]:
    """Mean, deviation, and the part beyond three of these."""
    beyond = float((np.abs(errors - mean) > 3 * deviation).mean()) if deviation else 0.0
    decimals = max(0, 2 - math.floor(math.log10(deviation))) if deviation else 3
    numbers = [f"{each:.{decimals}f}" for each in (mean, deviation)]
    words = [f"mean {numbers[0]}", f"σ {numbers[1]}", f"beyond 3 σ {beyond:.1%}"]
    return [
        text(RIGHT - 4, top + 14 * row, each.replace("-", "−"), "faint", "end")
        for row, each in enumerate(words)
    ]
