"""Runs with different settings: their errors as they fall, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .axes import Axis, padded
from .svg import LEFT, RIGHT, Figure, dots, image, line, surround, text

Array = NDArray[np.float64]
Line = tuple[Array, Array]

TOP, ROW, GAP = 20.0, 190.0, 26.0
KINDS = ("training", "validation", "test", "other")
LOOKS = [f"{kind}{dash}" for dash in ("", " dotted") for kind in KINDS]
ROOM = 14.0  # of a line of words


def falling(
    name: str, title: str, panels: Mapping[str, Mapping[str, Line]], x_label: str, y_label: str
) -> Figure:
    """Panels under one another with one y axis, so that they can be compared.

    Args:
        name, title: of the figure.
        panels: by name, lines (x, y) by setting.
        x_label, y_label: of the axes, the same for all.
    """
    ends = [
        np.concatenate([each[k] for own in panels.values() for each in own.values()])
        for k in (0, 1)
    ]
    positive = ends[1][ends[1] > 0]
    low, high = (float(positive.min()), float(positive.max())) if positive.size else (0.1, 1.0)
    x = Axis(*padded(float(ends[0].min()), float(ends[0].max()), 0.02), LEFT, RIGHT)
    parts: list[str] = []
    for place, (panel, lines) in enumerate(panels.items()):
        top = TOP + place * (ROW + GAP)
        y = Axis(low / 1.1, high * 1.1, top + ROW, top, logarithmic=True)
        last = place == len(panels) - 1
        parts += surround(x, y, x_label if last else "", y_label)
        parts.append(text(RIGHT - 4, top + 12, panel, "note", "end"))
        parts += _lines(x, y, lines)
    bottom = TOP + len(panels) * (ROW + GAP) + 22
    names = list(next(iter(panels.values())))
    parts += _legend(names, bottom)
    label = f"{title}: {', '.join(panels)} against {x_label}"
    height = bottom + ROOM * ((len(names) + 1) // 2) + 4
    return Figure(name, title, "All panels have one axis.", image(height, label, parts), "learning")


def _lines(x: Axis, y: Axis, lines: Mapping[str, Line]) -> list[str]:
    return [
        line(
            x(across), np.where(values > 0, y(np.maximum(values, 1e-300)), np.nan), f"curve {look}"
        )
        for look, (across, values) in zip(_looks(len(lines)), lines.values(), strict=True)
    ]


def _looks(number: int) -> list[str]:
    return [LOOKS[place % len(LOOKS)] for place in range(number)]


def _legend(names: list[str], top: float) -> list[str]:
    """Two columns of names."""
    parts = []
    for place, (name, look) in enumerate(zip(names, _looks(len(names)), strict=True)):
        left, down = LEFT + 130 * (place % 2), top + ROOM * (place // 2)
        parts.append(line([left, left + 14], [down - 4, down - 4], f"curve {look}"))
        parts.append(text(left + 18, down, name, "faint"))
    return parts


def costs(
    name: str, title: str, points: Mapping[str, tuple[float, float]], x_label: str, y_label: str
) -> Figure:
    """A dot with its name for each setting: seconds, error."""
    x_values, y_values = (np.array([each[k] for each in points.values()]) for k in (0, 1))
    x = Axis(*padded(float(x_values.min()), float(x_values.max()), 0.1), LEFT, RIGHT)
    y = Axis(*padded(float(y_values.min()), float(y_values.max()), 0.1), TOP + ROW, TOP)
    parts = [*surround(x, y, x_label, y_label), dots(x(x_values), y(y_values), "training")]
    for setting, (across, down) in points.items():
        anchor = "start" if across < (x.low + x.high) / 2 else "end"
        shift = 5.0 if anchor == "start" else -5.0
        parts.append(text(x(across) + shift, y(down) + 4, setting, "faint", anchor))
    label = f"{y_label} against {x_label} of each setting"
    return Figure(name, title, "", image(TOP + ROW + 40, label, parts), "learning")
