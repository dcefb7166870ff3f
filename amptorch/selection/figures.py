"""Figures of a study: errors against numbers of functions, and functions as curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..report.figures.axes import Axis, padded
from ..report.figures.svg import LEFT, RIGHT, Figure, dots, image, line, surround, text
from .curves import Curves

Array = NDArray[np.float64]
TOP, BOTTOM = 14.0, 190.0
HEIGHT = BOTTOM + 36.0
ROW = 11.0  # of the picture of what is kept


def against_size(report: Mapping[str, Any], method: str) -> Figure:
    """Errors on test frames of a method's sets, one standard deviation over seeds to either side;
    dotted what the pool's are."""
    sets, pool = report["methods"][method]["sets"], report["pool"]
    sizes = np.array([each["size"] for each in sets], float)
    x = Axis(1.0, max(float(pool["size"]), 2.0), LEFT, RIGHT, logarithmic=True)
    every = [each["test"]["score"] for own in report["methods"].values() for each in own["sets"]]
    values = np.concatenate([*map(np.asarray, every), pool["test"]["score"]])
    y = Axis(0.9 * values.min(), 1.1 * values.max(), BOTTOM, TOP, logarithmic=True)
    parts = surround(x, y, "functions", _label(report))
    parts += _band(x, y, pool["test"]["score"])
    means = np.array([np.mean(each["test"]["score"]) for each in sets])
    for size, each in zip(sizes, sets, strict=True):
        scores = np.asarray(each["test"]["score"])
        ends = np.clip(scores.mean() + scores.std(ddof=1) * np.array([-1, 1]), y.low, y.high)
        parts.append(line([x(size)] * 2, y(ends), "curve training"))
    parts.append(line(x(sizes), y(means), "curve training"))
    worse = np.array([each["worse"] for each in sets])
    for kind, which in (("test", ~worse), ("validation", worse)):
        parts.append(dots(x(sizes[which]), y(means[which]), kind))
    said = "; ".join(f"{e['size']}: p {e['p']:.2g}{' worse' * e['worse']}" for e in sets)
    label = f"{method}: errors against the number of functions"
    return Figure(f"method-{method}", method, said, image(HEIGHT, label, parts), "methods")


def _label(report: Mapping[str, Any]) -> str:
    forces = any(report["pool"]["test"]["force"])
    return "√(meV/atom · meV/Å)" if forces else "meV/atom"


def _band(x: Axis, y: Axis, scores: Sequence[float]) -> list[str]:
    mean, wide = float(np.mean(scores)), float(np.std(scores, ddof=1))
    levels = [("exact", mean), ("exact dotted", mean - wide), ("exact dotted", mean + wide)]
    return [line([x.start, x.end], [y(v)] * 2, kind) for kind, v in levels if y.low < v < y.high]


def kept(report: Mapping[str, Any]) -> Figure:
    """Which functions the best set of each method has: a row a method, a column a function."""
    methods = report["methods"]
    number = len(report["functions"])
    height = TOP + ROW * len(methods)
    x = Axis(*padded(0.0, number - 1.0, 0.01), 108.0, RIGHT)
    y = Axis(0.0, float(len(methods)), TOP, height)
    parts = []
    for row, (name, own) in enumerate(methods.items()):
        parts.append(text(104, y(row + 0.8), name, "tick", "end"))
        places = np.asarray(own["best"]["kept"], float)
        parts += [line([a, a], [y(row + 0.1), y(row + 0.9)], "curve training") for a in x(places)]
    parts.append(text((x.start + x.end) / 2, height + 14, f"1 to {number}", "label", "middle"))
    caption = "A line for each function of the pool, in its order, that the best set has."
    svg = image(height + 22, "Functions that the best set of each method has", parts)
    return Figure("kept", "What each method keeps", caption, svg, "functions")


def functions(found: Curves, chosen: Sequence[int]) -> list[Figure]:
    """Functions of the pool as thin lines, and those of the chosen set."""
    made = []
    kinds = (
        ("radial", found.distances, found.radial, "distance (Å)", "Radial functions"),
        ("angular", found.angles, found.angular, "angle (°)", "Angular functions"),
    )
    for name, x_of, values, label, title in kinds:
        if values:
            survivors = {place: y for place, y in values.items() if place in set(chosen)}
            svg = _lines(x_of, values, survivors, label, title)
            caption = f"{len(survivors)} of {len(values)}, each over its largest value."
            made.append(Figure(name, title, caption, svg, "functions"))
    return made


def _lines(
    x_of: Array, pool: Mapping[int, Array], chosen: Mapping[int, Array], label: str, title: str
) -> str:
    x = Axis(float(x_of[0]), float(x_of[-1]), LEFT, RIGHT)
    y = Axis(*padded(0.0, 1.0), BOTTOM, TOP)
    parts = surround(x, y, label, "value over the largest")
    parts += [line(x(x_of), y(np.clip(each, 0, 1)), "grid") for each in pool.values()]
    parts += [line(x(x_of), y(np.clip(each, 0, 1)), "exact training") for each in chosen.values()]
    return image(HEIGHT, f"{title}: those of the pool, and those of the chosen set", parts)
