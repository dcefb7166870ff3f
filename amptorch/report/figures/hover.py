"""Points that a browser tells of: all of them, or where they are many the worst and some more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import Evaluation, Frame, Integers, Values
from ..units import Quantity

Array = NDArray[np.float64]

MANY = 1000  # values in a plot from which on their density is drawn
WORST, SAMPLED = 150, 350
VOIGT = ("xx", "yy", "zz", "yz", "xz", "xy")


def shown(values: Values) -> tuple[Integers, Integers]:
    """Which values are drawn as points, and which more can be pointed at; each in their order."""
    size = values.difference.size
    if size <= MANY:
        return np.arange(size), np.arange(0)
    errors = np.abs(values.difference).ravel()
    worst = np.sort(np.argpartition(-np.nan_to_num(errors, nan=np.inf), WORST)[:WORST])
    some = np.unique(np.random.default_rng(0).integers(size, size=SAMPLED))
    return worst, np.setdiff1d(some, worst)


def columns(
    evaluation: Evaluation,
    quantity: Quantity,
    values: Values,
    indices: Integers,
    places: Sequence[Array],
) -> dict[str, object]:
    """What is told of some values: a column each, and the units.

    Args:
        evaluation: with the frames.
        quantity, values, indices: what is shown, and which of the values.
        places: pixels across, and down in one or more plots.
    """
    frames, within = values.owners(indices)
    owners = [evaluation.frames[place] for place in frames]
    factor = quantity.axis_factor
    return {
        "unit": quantity.unit,
        "axis": quantity.axis_unit,
        "x": _rounded(places[0], 1),
        "y": [_rounded(each, 1) for each in places[1:]],
        "frame": [owner.index for owner in owners],
        "group": [owner.group for owner in owners],
        "what": [_part(quantity, *each) for each in zip(owners, within, strict=True)],
        "reference": _rounded(factor * values.reference.ravel()[indices], 5),
        "predicted": _rounded(factor * values.predicted.ravel()[indices], 5),
        "error": [quantity.text(each) for each in values.difference.ravel()[indices]],
    }


def _rounded(values: Array, digits: int) -> list[float | None]:
    """No numbers that JSON cannot hold."""
    return [round(each, digits) if np.isfinite(each) else None for each in values.tolist()]


def _part(quantity: Quantity, frame: Frame, place: int) -> str:
    """Of which atom and in which direction."""
    if quantity.name == "energy":
        return ""
    if quantity.name == "stress":
        return VOIGT[place]
    atom = int(place) // 3
    return f"{frame.image.symbols[atom]} {atom}, {'xyz'[int(place) % 3]}"
