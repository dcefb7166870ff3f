"""Errors of elements, groups and sizes: a row each, a dot for every set."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..errors import Errors
from ..units import Quantity
from .axes import Axis
from .style import kind_of
from .svg import RIGHT, Figure, across, image, line, text

MOST = 24  # rows; of more, those with the largest errors
ROW, TOP = 19.0, 24.0
LETTERS = 16  # of a name
START = 118.0


def ranked(
    name: str,
    title: str,
    caption: str,
    quantity: Quantity,
    by_set: Mapping[str, Mapping[str, Errors]],
) -> Figure | None:
    """RMSE of one quantity, by set and row; None where there are none.

    Args:
        name, title, caption: of the figure.
        quantity: whose errors these are.
        by_set: errors by set and by name of the row, in the order drawn.
    """
    rmse = {kind: _finite(quantity, rows) for kind, rows in by_set.items()}
    keys = list(dict.fromkeys(key for rows in rmse.values() for key in rows))
    if not keys:
        return None
    if len(keys) > MOST:
        caption += f" The {MOST} with the largest errors, of {len(keys)}."
        keys.sort(key=lambda key: -max(rows.get(key, 0.0) for rows in rmse.values()))
        keys = keys[:MOST]
    most = max(rows.get(key, 0.0) for rows in rmse.values() for key in keys)
    label = f"{title}: " + ", ".join(_said(quantity, key, rmse) for key in keys)
    height = TOP + ROW * len(keys) + 36
    x = Axis(0.0, 1.08 * most or 1.0, START, RIGHT)
    drawn = _drawn(x, TOP + ROW * len(keys), quantity, keys, rmse)
    return Figure(name, title, caption, image(height, label, drawn), "parts")


def _finite(quantity: Quantity, rows: Mapping[str, Errors]) -> dict[str, float]:
    """RMSE of the rows that have one."""
    found = {key: quantity.factor * float(each["rmse"] or 0.0) for key, each in rows.items()}
    return {key: value for key, value in found.items() if math.isfinite(value)}


def _said(quantity: Quantity, key: str, rmse: Mapping[str, Mapping[str, float]]) -> str:
    values = [f"{kind} {rows[key]:.3g}" for kind, rows in rmse.items() if key in rows]
    return f"{key or 'none'}: {', '.join(values)} {quantity.unit}"


def _drawn(
    x: Axis,
    bottom: float,
    quantity: Quantity,
    keys: list[str],
    rmse: Mapping[str, Mapping[str, float]],
) -> list[str]:
    parts = across(x, Axis(0.0, 1.0, bottom, TOP), f"RMSE ({quantity.unit})")
    for row, key in enumerate(keys):
        down = TOP + ROW * (row + 0.5)
        shown = key if len(key) <= LETTERS else key[: LETTERS - 1] + "…"
        parts.append(line([x.start, x.end], [down, down], "grid"))
        parts.append(text(x.start - 6, down + 4, shown or "(none)", "tick", "end"))
        parts += [mark(kind, x(rows[key]), down) for kind, rows in rmse.items() if key in rows]
    return parts + _legend(list(rmse))


def _legend(kinds: list[str]) -> list[str]:
    return [
        part
        for place, kind in enumerate(kinds)
        for left in [START - 60 + 85 * place]
        for part in (mark(kind, left, 11), text(left + 9, 15, kind, "tick"))
    ]


def mark(kind: str, x: float, y: float) -> str:
    """A shape of its own for every set: circle, square, diamond."""
    shape = {
        "training": f"M{x - 4.5:.1f} {y:.1f}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
        "validation": f"M{x - 4:.1f} {y - 4:.1f}h8v8h-8z",
    }.get(kind, f"M{x - 5.5:.1f} {y:.1f}l5.5-5.5l5.5 5.5l-5.5 5.5z")
    return f'<path class="bars {kind_of(kind)}" d="{shape}"/>'
