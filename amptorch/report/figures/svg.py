"""Parts of SVG images, whose colours are classes of the page's style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
from numpy.typing import NDArray

from .axes import Axis

Array = NDArray[np.float64]

WIDTH = 320
LEFT, RIGHT = 54.0, 312.0  # pixels at the ends of a plot's x axis
FONT = 11
DIGIT = 6.5  # pixels of a digit


@dataclass
class Figure:
    """An image with words.

    Attributes:
        name: of its file, without ending.
        title, caption: what it shows, and what to look for.
        svg: the image.
        hover: what a browser tells of the points under the pointer, see :mod:`.hover`.
        row: figures of one row of the page have one.
    """

    name: str
    title: str
    caption: str
    svg: str
    row: str
    hover: dict[str, object] = field(default_factory=dict)


def image(height: float, label: str, parts: Sequence[str]) -> str:
    """The whole image; ``label`` says in words what it shows."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Words, whose start, middle or end is at a place."""
    kind = f' class="{kind}"' if kind else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x: Array | Sequence[float], y: Array | Sequence[float], kind: str) -> str:
    """A line through points; where one is not a number it is broken."""
    path, pen = [], "M"
    for across, down in zip(x, y, strict=True):
        if np.isfinite(down):
            path.append(f"{pen}{across:.1f} {down:.1f}")
        pen = "L" if np.isfinite(down) else "M"
    return f'<path class="{kind}" d="{"".join(path)}"/>'


def dots(x: Array, y: Array, kind: str) -> str:
    """A round dot at each point."""
    path = "".join(f"M{across:.1f} {down:.1f}h0" for across, down in zip(x, y, strict=True))
    return f'<path class="dots {kind}" d="{path}"/>'


def picture(x: Axis, y: Axis, address: str) -> str:
    """An image that fills the plot."""
    top = min(y.start, y.end)
    return (
        f'<image href="{address}" x="{x.start:g}" y="{top:g}" width="{x.end - x.start:g}" '
        f'height="{abs(y.start - y.end):g}" preserveAspectRatio="none" class="density"/>'
    )


def surround(x: Axis, y: Axis, x_label: str, y_label: str, most: int = 5) -> list[str]:
    """Grid, ticks and labels of a plot; no numbers along x without ``x_label``."""
    parts = across(x, y, x_label)
    for value, written in y.ticks(most):
        place = y(value)
        parts.append(line([x.start, x.end], [place, place], "grid"))
        parts.append(text(x.start - 5, place + 4, written, "tick", "end"))
    down = (y.start + y.end) / 2
    turned = f' transform="rotate(-90 11 {down:.1f})"'
    parts.append(text(11, down, y_label, "label", "middle").replace(">", turned + ">", 1))
    return parts


def across(x: Axis, y: Axis, label: str) -> list[str]:
    """Grid, ticks and label of the x axis."""
    parts = []
    for value, written in x.ticks():
        place = x(value)
        parts.append(line([place, place], [y.start, y.end], "grid"))
        if label:
            # The number at the right end must not stick out of the image.
            middle = min(place, WIDTH - 1 - DIGIT * len(written) / 2)
            parts.append(text(middle, y.start + 14, written, "tick", "middle"))
    if label:
        parts.append(text((x.start + x.end) / 2, y.start + 30, label, "label", "middle"))
    return parts
