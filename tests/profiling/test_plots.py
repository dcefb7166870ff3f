"""Figures of reports: what they show, and that equal numbers give equal text."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from profiling.report import Measurement
from profiling.report.plots import bars, curves, exponent, figure_svg
from profiling.report.svg import cleaned


def measurements() -> list[Measurement]:
    stages = {"read": 1.0, "fingerprints": 400.0, "scaling": 94.0}
    found = [
        Measurement(f"original/{name}", "ms", [t, 1.1 * t, 0.8 * t]) for name, t in stages.items()
    ]
    return [*found, Measurement("optimized/fingerprints", "ms", [9.0])]


def texts(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return ["".join(each.itertext()).strip() for each in root.iter() if each.tag.endswith("}text")]


@pytest.mark.parametrize(
    "draw", [lambda: bars(measurements()), lambda: curves({"a": ([1, 2], [3, 4])}, "x", "y")]
)
def test_equal_numbers_give_equal_text(draw):
    svg = draw()
    assert svg == draw()
    assert svg == cleaned(svg, "figure")
    assert "metadata" not in svg
    assert not re.search(r"#000000|<style|\b(19|20)\d\d-\d\d", svg)


def test_bars_show_every_stage_and_median():
    shown = texts(bars(measurements()))
    for text in (
        "read",
        "fingerprints",
        "scaling",
        "original",
        "optimized",
        "ms",
        "400",
        "9",
        "94",
    ):
        assert text in shown


def test_bars_of_two_units():
    with pytest.raises(ValueError, match=r"measurements: expected one unit, got \['MB', 'ms'\]"):
        bars([*measurements(), Measurement("a/b", "MB", [1.0])])


def test_bars_of_nothing():
    with pytest.raises(ValueError, match="expected a median above zero, got none"):
        bars([Measurement("a/b", "ms", [0.0])])


def test_exponent_of_a_power_law():
    x = np.array([1.0, 3.0, 10.0, 40.0])
    assert exponent(x, 0.7 * x**1.7) == pytest.approx((1.7, 0.7))


def test_curves_name_exponents():
    points = {"square": ([1, 2, 8], [2, 8, 128]), "one point": ([3], [1])}
    shown = texts(curves(points, "frames", "time (s)"))
    assert "square: exponent 2.00" in shown
    assert "one point" in shown
    assert "square" in texts(curves(points, "frames", "time (s)", fitted=False))


def test_any_figure_of_matplotlib():
    figure = Figure()
    axis = figure.subplots()
    axis.plot([1, 2], label="a < b")
    axis.legend()
    svg = figure_svg(figure)
    assert "a < b" in texts(svg)
    assert "#ffffff" not in svg
