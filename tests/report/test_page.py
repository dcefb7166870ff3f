"""The page of a report in a browser: silent, asking for nothing, as wide as its window, and alive."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from amptorch.report.fit import write_files

from ..profiling.chromium import program
from . import synthetic
from .browser import Page, browser

pytestmark = pytest.mark.skipif(
    program() is None, reason="needs Chromium: apt-get install chromium (see CONTRIBUTING.md)"
)
BOXES = """[...document.querySelectorAll('.grid > figure')].map((each) => {
    const box = each.getBoundingClientRect(); return [box.left, box.top, box.width, box.height]; })"""


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("page")
    parts = (("training", 300), ("validation", 40), ("test", 60))
    evaluations = {kind: synthetic.evaluation(number, number) for kind, number in parts}
    rows = synthetic.history(30, 25)
    write_files(synthetic.report("Made up", evaluations, rows), evaluations, rows, out)
    return out / "report.html"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("width", "columns"), [(1400, 4), (400, 1)])
def test_silent_and_as_wide_as_the_window(page: Page, file, width, columns, dark):
    page.open(file, width, dark=dark)
    assert page.value("document.documentElement.scrollWidth") == width
    unfold = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
    page.value(unfold)
    assert page.value("document.documentElement.scrollWidth") == width
    assert page.messages == []
    assert page.requests == []
    boxes = np.array(page.value(BOXES))
    assert np.unique(boxes[:, 1].round(), return_counts=True)[1].max() == columns
    assert boxes[:, 2].min() * columns > 0.85 * width
    # Nothing lies on anything else.
    for one in boxes:
        apart = (boxes[:, :2] >= one[:2] + one[2:] - 1) | (
            boxes[:, :2] + boxes[:, 2:] <= one[:2] + 1
        )
        assert apart.any(1).sum() == len(boxes) - 1
    ground = page.value("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 384) is dark


def test_a_point_under_the_pointer_says_what_it_is(page: Page, file):
    page.open(file, 1400)
    points = "JSON.parse(document.getElementById('data').textContent).points.parity_energy_test"
    x, y, frame, group = page.value(
        f"(({{x, y, frame, group}}) => [x[9], y[0][9], frame[9], group[9]])({points})"
    )
    place = f"""(() => {{ const image = document.querySelector('#parity_energy_test svg');
        image.scrollIntoView();
        const at = new DOMPoint({x}, {y}).matrixTransform(image.getScreenCTM());
        return [at.x, at.y]; }})()"""
    page.mouse("mouseMoved", *page.value(place))
    tip = page.value("document.getElementById('tip').innerText")
    assert page.value("getComputedStyle(document.getElementById('tip')).visibility") == "visible"
    assert tip.splitlines()[0] == f"frame {frame}, group {group}"
    assert tip.splitlines()[-1].endswith("meV/atom")
    page.mouse("mouseMoved", 3, 3)
    assert page.value("getComputedStyle(document.getElementById('tip')).visibility") == "hidden"


def test_frames_are_drawn_and_turn(page: Page, file):
    page.open(file, 1400)
    canvases = page.value("document.querySelectorAll('canvas').length")
    assert canvases >= 9
    drawn = "[...document.querySelectorAll('canvas')].map((each) => each.toDataURL())"
    before = page.value(drawn)
    assert len(set(before)) == canvases
    x, y = page.value(
        "(() => { const each = document.getElementById('frame0'); each.scrollIntoView(); "
        "const box = each.getBoundingClientRect(); return [box.x + 90, box.y + 90]; })()"
    )
    page.mouse("mouseMoved", x, y)
    page.mouse("mousePressed", x, y)
    page.mouse("mouseMoved", x + 40, y + 10)
    page.mouse("mouseReleased", x + 40, y + 10)
    after = page.value(drawn)
    assert after[0] != before[0]
    assert after[1:] == before[1:]
    assert page.messages == []


def test_elements_have_their_colors(page: Page, file):
    """In the middle of an atom is what ASE's table says of its element, shaded."""
    page.open(file, 1400)
    color = page.value("getComputedStyle(document.querySelector('.elements i')).backgroundColor")
    assert color == "rgb(200, 128, 51)"  # copper


def test_a_screenshot_is_a_picture(page: Page, file, tmp_path):
    image = pytest.importorskip("PIL.Image")
    page.open(file, 400)
    page.screenshot(tmp_path / "page.png")
    found = image.open(io.BytesIO((tmp_path / "page.png").read_bytes()))
    assert found.size[0] == 400
    assert len(found.convert("RGB").getcolors(1 << 20)) > 200
