"""Flame graphs: widths are shares, and nothing is lost."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from profiling.report.flame_graph import NARROWEST, SHADES, WIDTH, flame_graph

STACKS = {
    ("main (a.py:1)", "step (a.py:5)", "at::mm (libtorch.so)"): 50,
    ("main (a.py:1)", "step (a.py:5)"): 10,
    ("main (a.py:1)", "read<T>(char const&) (lib.so)"): 39,
    ("start (libc.so)",): 1,
}


def calls(svg: str) -> dict[str, dict[str, float | str]]:
    """Position, width and colour by what the pointer shows."""
    found = {}
    for group in ElementTree.fromstring(svg).iter():
        if group.tag.endswith("}g"):
            tip, box = group[0].text, group[1].attrib
            found[tip] = {"fill": box["fill"]} | {k: float(box[k]) for k in ("x", "y", "width")}
    return found


def test_widths_are_shares():
    found = calls(flame_graph(STACKS))
    shares = {
        "all: 100 samples, 100.00 %": 1.0,
        "main (a.py:1): 99 samples, 99.00 %": 0.99,
        "step (a.py:5): 60 samples, 60.00 %": 0.6,
        "at::mm (libtorch.so): 50 samples, 50.00 %": 0.5,
        "read<T>(char const&) (lib.so): 39 samples, 39.00 %": 0.39,
        "start (libc.so): 1 samples, 1.00 %": 0.01,
    }
    assert found.keys() == shares.keys()
    for tip, share in shares.items():
        assert found[tip]["width"] == pytest.approx(share * WIDTH, abs=0.5)


def test_calls_lie_under_their_parents():
    found = {tip.split(":")[0]: box for tip, box in calls(flame_graph(STACKS)).items()}
    main, read, step = (
        found[name] for name in ("main (a.py", "read<T>(char const&) (lib.so)", "step (a.py")
    )
    assert main["y"] < read["y"] == step["y"]
    assert main["x"] == read["x"]
    assert step["x"] == pytest.approx(read["x"] + 0.39 * WIDTH, abs=0.1)


def test_the_order_of_stacks_does_not_matter():
    assert flame_graph(STACKS) == flame_graph(dict(reversed(STACKS.items())))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("fit (net.py:10)", "Python"),
        ("<module> (run.py:1)", "Python"),
        ("_find (<frozen importlib._bootstrap>:1027)", "Python"),
        ("f (<string>:1)", "Python"),
        ("at::native::mm (libtorch_cpu.so)", "native"),
        ("forward(double const*) (_native.cpython-311.so)", "native"),
        ("0x7f8c9", "native"),
    ],
)
def test_python_and_native_have_their_colours(name, kind):
    found = calls(flame_graph({(name,): 1}))
    assert found[f"{name}: 1 samples, 100.00 %"]["fill"] in SHADES[kind]


def test_what_is_too_narrow_is_left_out():
    few = int(0.9 * NARROWEST / WIDTH * 1_000_000)
    found = calls(flame_graph({("a",): 1_000_000 - few, ("b",): few}))
    assert {tip.split(":")[0] for tip in found} == {"all", "a"}


def test_no_samples():
    with pytest.raises(ValueError, match="stacks: expected one sample or more, got none"):
        flame_graph({})
