"""Pictures of a report as SVG text: the same numbers give the same text, byte for byte.

What is black in a picture takes the colour of the text around it, on a transparent ground, so that
one picture fits light and dark pages.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from .parts import Measurement

# Told apart by people who see colours otherwise, and on dark and light ground.
COLORS = ("#cc7733", "#4477aa", "#228833", "#aa3377", "#66aacc", "#999933")
STYLE = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 10,
}
NO_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}
# What matplotlib says of all elements; in a page it would be said of the page's too.
RULE = re.compile(r'<style type="text/css">\*\{.*?\}</style>', re.DOTALL)
INHERITED = 'fill="currentColor" stroke-linejoin="round" stroke-linecap="butt"'


def panels(number: int = 1, width: float = 5.6, height: float = 3.8) -> tuple[Figure, list[Axes]]:
    """An empty figure of ``number`` axes side by side, each of this size in inches."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width * number, height), layout="constrained")
        axes = figure.subplots(1, number, squeeze=False)[0]
    return figure, list(axes)


def figure_svg(figure: Figure) -> str:
    """A figure of matplotlib as one ``<svg>`` element; text stays text, legends lose frames."""
    for legend in figure.findobj(Legend):
        legend.set_frame_on(False)
    content = io.StringIO()
    settings: dict[str, Any] = {"svg.fonttype": "none", "svg.hashsalt": "amptorch"}
    with matplotlib.rc_context(STYLE | settings):
        figure.savefig(content, format="svg", transparent=True, metadata=NO_METADATA)
    text = content.getvalue()
    text = RULE.sub("", text[text.index("<svg") :])
    text = text.replace("<svg", f"<svg {INHERITED}", 1).replace("#000000", "currentColor")
    return re.sub(r"<defs>\s*</defs>\s*", "", text).strip() + "\n"


def bars(measurements: Sequence[Measurement]) -> str:
    """Stages of two sides (or one, or more) beside each other on a logarithmic axis.

    Bars are medians, written beside them, whiskers quartiles.

    Args:
        measurements: of one unit, with keys "side/stage"; a side may lack a stage. Sides and stages
            come in the order in which they are first seen.

    Raises:
        ValueError: units differ, or there is nothing above zero to draw.
    """
    units = sorted({each.unit for each in measurements})
    if len(units) != 1:
        raise ValueError(f"measurements: expected one unit, got {units}")
    found = {tuple(each.key.split("/", 1)): each for each in measurements if each.median > 0}
    if not found:
        raise ValueError("measurements: expected a median above zero, got none")
    sides = list(dict.fromkeys(key[0] for key in found))
    stages = list(dict.fromkeys(key[-1] for key in found))
    figure, (axis,) = panels(width=8.0, height=0.8 + (0.08 + 0.24 * len(sides)) * len(stages))
    thickness = 0.8 / len(sides)
    for (side, *_, stage), each in found.items():
        place = stages.index(stage) + (sides.index(side) - (len(sides) - 1) / 2) * thickness
        low, high = each.quartiles
        axis.barh(
            place,
            each.median,
            thickness * 0.92,
            color=COLORS[sides.index(side) % len(COLORS)],
            label=side,
            xerr=[[each.median - low], [high - each.median]],
            error_kw={"elinewidth": 1.0, "ecolor": "black"},
        )
        axis.annotate(
            f"{each.median:.3g}",
            (high, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    medians = [each.median for each in found.values()]
    axis.set(xscale="log", xlabel=units[0], xlim=(0.5 * min(medians), 3.0 * max(medians)))
    axis.set_yticks(range(len(stages)), stages)
    axis.set_ylim(len(stages) - 0.5, -0.5)
    axis.tick_params("y", length=0)
    if len(sides) > 1:
        handles = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
        figure.legend(handles.values(), handles.keys(), loc="outside upper right", ncols=len(sides))
    return figure_svg(figure)


def exponent(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """p and c of the power law y = c x^p, by least squares of logarithms; at least two points."""
    power, constant = np.polyfit(np.log(x), np.log(y), 1)
    return float(power), float(np.exp(constant))


def curves(
    points: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    x_label: str,
    y_label: str,
    fitted: bool = True,
) -> str:
    """Cost against size, both logarithmic.

    Args:
        points: x and y of each curve, by its name; all above zero.
        x_label, y_label: with units.
        fitted: draw a power law through each curve of two points or more and write its exponent in
            the legend; otherwise join the points.
    """
    figure, (axis,) = panels()
    for color, (name, (x, y)) in zip(_colors(len(points)), points.items(), strict=True):
        if fitted and len(set(x)) > 1:
            power, constant = exponent(x, y)
            ends = np.array([min(x), max(x)], dtype=float)
            axis.loglog(ends, constant * ends**power, color=color, linewidth=1.2)
            axis.loglog(x, y, "o", color=color, label=f"{name}: exponent {power:.2f}")
        else:
            axis.loglog(x, y, "o-", color=color, label=name)
    axis.set(xlabel=x_label, ylabel=y_label)
    axis.legend()
    return figure_svg(figure)


def _colors(number: int) -> list[str]:
    return [COLORS[index % len(COLORS)] for index in range(number)]
