"""Learning curves, in the units of the tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..learning import Curve
from .axes import Axis
from .style import kind_of
from .svg import LEFT, RIGHT, Figure, image, line, surround, text

Array = NDArray[np.float64]

TOP, BOTTOM = 22.0, 250.0
MOST = 800  # points of a line


def learning(curve: Curve, epochs: Sequence[int], best: int | None) -> Figure:
    """One error against the epochs, of every set; an arrow marks the best epoch."""
    lines = {kind: np.array(values, float) for kind, values in curve.lines.items()}
    every = np.concatenate(list(lines.values()))
    every = every[np.isfinite(every) & (every > 0)]
    low, high = (float(every.min()), float(every.max())) if every.size else (0.1, 1.0)
    # Room below for the names of the lines.
    room = max(1.15, (high / low) ** 0.18)
    y = Axis(low / room, high * 1.1, BOTTOM, TOP, logarithmic=True)
    pad = max(0.02 * (epochs[-1] - epochs[0]), 0.5)
    x = Axis(epochs[0] - pad, epochs[-1] + pad, LEFT, RIGHT)
    parts = surround(x, y, "epoch", f"{curve.label} ({curve.unit})" if curve.unit else curve.label)
    for row, (kind, values) in enumerate(lines.items()):
        place = BOTTOM - 10 - 15 * (len(lines) - 1 - row)
        parts += _line(x, y, np.asarray(epochs, float), values, kind, place)
    if best is not None:
        parts.append(_arrow(x(float(best)), best))
    label = f"{curve.label} against epochs; the best is epoch {best}"
    caption = f"{curve.note} The arrow marks the best epoch, which is what was kept."
    if best is None:
        label, caption = f"{curve.label} against epochs", curve.note
    return Figure(
        f"learning_{curve.name}", curve.title, caption.strip(), image(290, label, parts), "learning"
    )


def _line(x: Axis, y: Axis, epochs: Array, values: Array, kind: str, place: float) -> list[str]:
    keep = np.unique(np.linspace(0, len(epochs) - 1, min(MOST, len(epochs))).astype(int))
    down = np.where(values[keep] > 0, y(np.maximum(values[keep], 1e-300)), np.nan)
    kind_class = kind_of(kind)
    last = down[np.isfinite(down)]
    end = f", last {values[np.isfinite(values)][-1]:.3g}" if last.size else ""
    return [
        line(x(epochs[keep]), down, f"curve {kind_class}"),
        line([LEFT + 6, LEFT + 18], [place - 4, place - 4], f"curve {kind_class}"),
        text(LEFT + 22, place, kind + end, "note"),
    ]


def _arrow(x: float, best: int) -> str:
    """From above down to the plot."""
    anchor = "end" if x > (LEFT + RIGHT) / 2 else "start"
    words = text(x + (-8 if anchor == "end" else 8), TOP - 10, f"best: {best}", "note", anchor)
    head = f"M{x:.1f} {TOP + 8:.1f}l-4-9h8z"
    down = line([x, x], [TOP + 8, BOTTOM], "exact dotted")
    return f'<path class="mark" d="M{x:.1f} 4V{TOP:.1f}{head}"/>{words}{down}'
