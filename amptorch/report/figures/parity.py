"""Predicted against reference values, with the errors below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import Evaluation, Integers, Values
from ..remarks import r2_text
from ..units import Quantity
from . import hover, png
from .axes import Axis, padded
from .style import COLORS, OTHER, kind_of
from .svg import FONT, LEFT, RIGHT, Figure, dots, image, line, picture, surround, text

Array = NDArray[np.float64]

TOP, SIDE, GAP, LOW = 6.0, RIGHT - LEFT, 12.0, 92.0
HEIGHT = TOP + SIDE + GAP + LOW + 36
BINS = 172  # across
# One value that went wrong must not hide all others: errors are drawn up to so many times what most
# of them are within, and predictions up to half a range beyond the references.
MOST, TIMES, BEYOND = 0.999, 5.0, 0.5
CHUNK = 1_000_000  # values whose pixels are in memory at once


@dataclass(frozen=True)
class Ranges:
    """Of the values in every panel of a quantity, and of their errors, in the units drawn."""

    low: float
    high: float
    error: float

    @classmethod
    def of(cls, quantity: Quantity, parts: Mapping[str, Values]) -> Ranges:
        """Ranges for all sets."""
        ends = [_ends(part) for part in parts.values()]
        low, high = min(each[0] for each in ends), max(each[1] for each in ends)
        error = max(each[2] for each in ends)
        factor = quantity.axis_factor
        return cls(*padded(factor * low, factor * high), 1.08 * quantity.factor * error or 1.0)


def _ends(part: Values) -> tuple[float, float, float]:
    low, high = float(part.reference.min()), float(part.reference.max())
    found = part.predicted[np.isfinite(part.predicted)]
    least, most = (float(found.min()), float(found.max())) if found.size else (low, high)
    reach = BEYOND * (high - low) or np.inf
    errors = np.abs(part.difference[np.isfinite(part.difference)])
    usual = float(np.quantile(errors, MOST)) if errors.size else 0.0
    error = min(float(errors.max(initial=0.0)), TIMES * usual)
    return min(low, max(least, low - reach)), max(high, min(most, high + reach)), error


def parity(quantity: Quantity, kind: str, evaluation: Evaluation, ranges: Ranges) -> Figure:
    """The panel of one quantity and one set, which must have values of it."""
    values = evaluation.parity(quantity.name)
    assert values is not None
    drawing = _Drawing(quantity, kind, values, ranges)
    points, more = hover.shown(values)
    parts = [*drawing.ground(), *drawing.points(points), *drawing.words()]
    errors = values.errors()
    label = (
        f"{quantity.plural} of the {kind} frames, predicted against reference: RMSE "
        f"{quantity.text(values.rmse)} {quantity.unit} over {errors['values']} values"
    )
    indices = np.concatenate([points, more])
    return Figure(
        f"parity_{quantity.name}_{kind}",
        f"{quantity.plural}, {kind}",
        _caption(values, drawing.outside),
        image(HEIGHT, label, parts),
        quantity.name,
        hover.columns(evaluation, quantity, values, indices, drawing.places(indices)),
    )


def _caption(values: Values, outside: int) -> str:
    texts = ["Points on the line are right; below, their errors should lie evenly around zero."]
    if values.difference.size > hover.MANY:
        texts.append("Darker is more values, by the logarithm; the largest errors are dots.")
    if outside:
        texts.append(f"{outside} beyond the axes are drawn at their edge.")
    return " ".join(texts)


class _Drawing:
    """Both plots of a panel, of one set of values."""

    def __init__(self, quantity: Quantity, kind: str, values: Values, ranges: Ranges) -> None:
        self.quantity, self.kind, self.values = quantity, kind, values
        low, high, error = ranges.low, ranges.high, ranges.error
        self.x = Axis(low, high, LEFT, RIGHT)
        self.y = Axis(low, high, TOP + SIDE, TOP)
        bottom = TOP + SIDE + GAP + LOW
        self.below = Axis(-error, error, bottom, bottom - LOW)
        self.outside = 0

    def places(self, indices: Integers | slice) -> tuple[Array, Array, Array]:
        """Pixels of values: across, down in the upper plot, down in the lower one."""
        quantity, values = self.quantity, self.values
        across = self.x(quantity.axis_factor * values.reference.ravel()[indices])
        down = self.y(quantity.axis_factor * values.predicted.ravel()[indices])
        errors = self.below(quantity.factor * values.difference.ravel()[indices])
        return (
            across,
            np.clip(np.nan_to_num(down, nan=TOP), TOP, TOP + SIDE),
            np.clip(np.nan_to_num(errors, nan=TOP), self.below.end, self.below.start),
        )

    def ground(self) -> list[str]:
        """Axes, the lines where there is no error, and the density of many values."""
        quantity = self.quantity
        unit = f"({quantity.axis_unit})"
        label = f"reference {quantity.short} {unit}"
        parts = surround(self.x, self.y, "", f"predicted {quantity.short} {unit}")
        parts += surround(self.x, self.below, label, f"error ({quantity.unit})", 4)
        parts.append(line([self.x.start, self.x.end], [self.y.start, self.y.end], "exact"))
        zero = self.below(0.0)
        parts.append(line([self.x.start, self.x.end], [zero, zero], "exact"))
        if self.values.difference.size > hover.MANY:
            parts += self._densities()
        return parts

    def _densities(self) -> list[str]:
        color = COLORS.get(self.kind, OTHER)
        axes = (self.y, self.below)
        found = [np.zeros((), np.int64)] * len(axes)
        for start in range(0, self.values.difference.size, CHUNK):
            across, *downs = self.places(slice(start, start + CHUNK))
            for place, (axis, down) in enumerate(zip(axes, downs, strict=True)):
                found[place] = found[place] + counts(across, down, self.x, axis)
        files = [png.density(each, color) for each in found]
        return [
            picture(self.x, axis, png.address(file)) for axis, file in zip(axes, files, strict=True)
        ]

    def points(self, indices: Integers) -> list[str]:
        """Dots in both plots."""
        across, *downs = self.places(indices)
        predicted = self.quantity.axis_factor * self.values.predicted
        inside = (predicted >= self.x.low) & (predicted <= self.x.high)
        self.outside = int(predicted.size - inside.sum())
        return [dots(across, down, kind_of(self.kind)) for down in downs]

    def words(self) -> list[str]:
        """RMSE and how many values, in the corner that stays empty."""
        quantity, left = self.quantity, LEFT + 8
        lines = [
            f"RMSE {quantity.text(self.values.rmse)} {quantity.unit}",
            f"R² {r2_text(self.values.errors())}",
            f"{self.values.difference.size:,} values".replace(",", "\u202f"),
        ]
        return [
            text(left, TOP + 16 + place * (FONT + 4), words, "note")
            for place, words in enumerate(lines)
        ]


def counts(across: Array, down: Array, x: Axis, y: Axis) -> NDArray[np.int64]:
    """How many points lie in each pixel of an image of a plot, whose axes are in pixels of their
    own, the first row on top."""
    height = abs(y.start - y.end)
    columns, rows = BINS, max(1, round(BINS * height / (x.end - x.start)))
    column = np.clip((across - x.start) / (x.end - x.start) * columns, 0, columns - 1)
    row = np.clip((down - min(y.start, y.end)) / height * rows, 0, rows - 1)
    place = row.astype(np.int64) * columns + column.astype(np.int64)
    return np.bincount(place, minlength=rows * columns).reshape(rows, columns)
