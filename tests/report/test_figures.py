"""Figures: places in pixels against plain numpy, PNG files against another library."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest

from amptorch.report.drawing import figures_of
from amptorch.report.figures import hover, png
from amptorch.report.figures.axes import Axis
from amptorch.report.figures.distribution import distribution
from amptorch.report.figures.parity import BINS, Ranges, counts, parity
from amptorch.report.figures.ranked import MOST, ranked
from amptorch.report.units import ENERGY, FORCES, STRESS, number

from . import synthetic


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (Axis(-1.1, 1.1, 0, 100), ["−1.0", "−0.5", "0", "0.5", "1.0"]),
        (Axis(-5.4321, -5.4289, 0, 100), ["−5.432", "−5.431", "−5.430", "−5.429"]),
        (Axis(0, 730, 0, 100), ["0", "200", "400", "600"]),
        (Axis(0.4, 30, 100, 0, logarithmic=True), ["0.5", "1", "2", "5", "10", "20"]),
        (Axis(2e-9, 900, 100, 0, logarithmic=True), ["1e-07", "1e-05", "0.001", "0.1", "10"]),
    ],
)
def test_ticks(axis, expected):
    ticks = axis.ticks()
    assert [text for _, text in ticks] == expected
    for value, text in ticks:
        assert value == pytest.approx(float(text.replace("−", "-")), abs=1e-12)


def test_an_axis_maps_its_ends():
    assert Axis(2, 4, 300, 100)(3.0) == 200
    assert Axis(1, 100, 0, 50, logarithmic=True)(10.0) == pytest.approx(25)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (12.34, 1, "12.3"),
        (0.0123, 1, "0.012"),
        (-0.04, 1, "-0.040"),
        (0.0, 1, "0.0"),
        (3.0, 3, "3.000"),
    ],
)
def test_numbers_keep_two_digits_that_say_something(value, digits, text):
    assert number(value, digits) == text


def test_a_png_file_is_what_another_library_reads():
    image = pytest.importorskip("PIL.Image")
    found = np.random.default_rng(0).poisson(1.0, (30, 50))
    found[3, 7] = 4000
    pixels = np.asarray(image.open(io.BytesIO(png.density(found, "#2b83c4"))).convert("RGBA"))
    assert pixels.shape == (30, 50, 4)
    assert (pixels[..., :3] == (0x2B, 0x83, 0xC4)).all()
    assert ((pixels[..., 3] == 0) == (found == 0)).all()
    assert pixels[3, 7, 3] == 255
    # More values never cover less.
    order = np.argsort(found.ravel())
    assert (np.diff(pixels[..., 3].ravel()[order].astype(int)) >= 0).all()


def test_counts_are_those_of_a_histogram():
    random = np.random.default_rng(0)
    x, y = Axis(0, 1, 54, 312), Axis(0, 1, 264, 6)
    across, down = random.uniform(54, 312, 5000), random.uniform(6, 264, 5000)
    edges = [np.linspace(6, 264, BINS + 1), np.linspace(54, 312, BINS + 1)]
    assert (counts(across, down, x, y) == np.histogram2d(down, across, edges)[0]).all()


@pytest.fixture(scope="module")
def evaluations():
    return {"training": synthetic.evaluation(900, 1), "test": synthetic.evaluation(60, 2)}


@pytest.mark.parametrize("quantity", [ENERGY, FORCES, STRESS], ids=lambda each: each.name)
def test_points_lie_where_their_values_do(evaluations, quantity):
    """Axes are equal, and the same for every set."""
    parts = {kind: each.parity(quantity.name) for kind, each in evaluations.items()}
    ranges = Ranges.of(quantity, parts)
    figure = parity(quantity, "test", evaluations["test"], ranges)
    told, values = figure.hover, parts["test"]
    dots = re.findall(r'<path class="dots test" d="([^"]*)"', figure.svg)
    upper, lower = (np.array(re.findall(r"M([\d.]+) ([\d.]+)h0", path), float) for path in dots)
    scale = 258 / (ranges.high - ranges.low)
    shown = min(hover.MANY, values.difference.size)
    assert len(upper) == len(lower) == (shown if shown < hover.MANY else hover.WORST)
    indices = hover.shown(values)[0]
    factor = 160.2177 if quantity is STRESS else 1.0
    reference = factor * values.reference.ravel()[indices]
    predicted = factor * values.predicted.ravel()[indices]
    np.testing.assert_allclose(upper[:, 0], 54 + scale * (reference - ranges.low), atol=0.06)
    np.testing.assert_allclose(upper[:, 1], 264 - scale * (predicted - ranges.low), atol=0.06)
    errors = (predicted - reference) * (1000 if quantity is ENERGY else 1)
    middle = 264 + 12 + 92 / 2
    np.testing.assert_allclose(lower[:, 1], middle - 46 * errors / ranges.error, atol=0.06)
    np.testing.assert_allclose(told["x"][: len(upper)], upper[:, 0], atol=0.06)
    np.testing.assert_allclose(
        np.array(told["error"], float)[: len(upper)], errors, rtol=0.06, atol=6e-4
    )


def test_what_is_told_of_a_point(evaluations):
    values = evaluations["test"].parity("forces")
    ranges = Ranges.of(FORCES, {"test": values})
    told = parity(FORCES, "test", evaluations["test"], ranges).hover
    place = told["frame"].index(7)
    frame = evaluations["test"].frames[7]
    element, atom, direction = re.fullmatch(r"(\w+) (\d+), ([xyz])", told["what"][place]).groups()
    assert frame.image.symbols[int(atom)] == element
    expected = frame.forces.reference[int(atom), "xyz".index(direction)]
    assert told["reference"][place] == pytest.approx(expected, abs=1e-5)
    assert told["group"][place] == frame.image.info["config_type"]


def test_one_value_that_went_wrong_hides_no_other(evaluations):
    broken = synthetic.evaluation(2000, 3)
    broken.frames[11].energy.predicted[:] = 1e7
    values = broken.parity("energy")
    ranges = Ranges.of(ENERGY, {"test": values})
    assert ranges.high < 2 * abs(values.reference).max()
    assert ranges.error < 1000
    figure = parity(ENERGY, "test", broken, ranges)
    assert "1 beyond the axes" in figure.caption


def test_a_distribution_has_the_share_of_each_bin(evaluations):
    values = evaluations["training"].parity("energy")
    svg = distribution(ENERGY, {"training": values}).svg
    errors = 1000 * values.difference
    width = np.quantile(np.abs(errors), 0.99)
    expected = np.histogram(errors, np.linspace(-width, width, 61))[0] / errors.size
    path = re.search(r'class="bars training" d="M[\d.]+ ([\d.]+)(.*?)Z"', svg)
    tops = np.array(re.findall(r"V([\d.]+)H", path.group(2)), float)
    heights = float(path.group(1)) - tops
    np.testing.assert_allclose(heights / heights.max(), expected / expected.max(), atol=0.002)
    assert f"σ {errors.std():.3g}" in svg
    beyond = (np.abs(errors - errors.mean()) > 3 * errors.std()).mean()
    assert f"beyond 3 σ {beyond:.1%}" in svg


def test_of_many_groups_the_worst_are_drawn():
    rows = {f"g{place}": {"rmse": float(place)} for place in range(100)}
    figure = ranked("n", "Groups", "Look.", FORCES, {"test": rows})
    names = re.findall(r">(g\d+)</text>", figure.svg)
    assert names == [f"g{place}" for place in range(99, 99 - MOST, -1)]
    assert f"The {MOST} with the largest errors, of 100." in figure.caption
    assert ranked("n", "Groups", "", FORCES, {"test": {}}) is None


def test_the_arrow_stands_at_the_best_epoch(evaluations):
    rows = synthetic.history(40, 30)
    report = synthetic.report("x", evaluations, rows)
    found = {each.name: each for each in figures_of(report, evaluations, rows)}
    for name in ("loss", "energy", "forces"):
        svg = found[f"learning_{name}"].svg
        arrow = float(re.search(r'class="mark" d="M([\d.]+) ', svg).group(1))
        path = re.search(r'class="curve training" d="([^"]*)"', svg).group(1)
        across = [float(x) for x in re.findall(r"[ML]([\d.]+) ", path)]
        assert arrow == pytest.approx(across[29], abs=0.11)
