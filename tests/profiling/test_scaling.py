"""``python -m profiling scaling``: what grows, what is compared, and the exponents."""

from __future__ import annotations

import json

import ase.io
import numpy as np
import pytest
from ase.neighborlist import neighbor_list

from profiling import __main__ as command
from profiling import scaling, sizes
from profiling.report import Report
from profiling.sizes import CUTOFFS, FACTORS, cases, supercell

from ..made_potentials import alloy_frames, cuco_frames, with_emt


def test_what_grows():
    images = alloy_frames(8)
    found = cases(images, threads=2)
    assert [case.size for case in found["frames"]] == [2, 4, 8]
    assert [len(case.images) for case in found["frames"]] == [2, 4, 8]
    for case, factor in zip(found["atoms per frame"], FACTORS, strict=True):
        assert case.size == np.mean([len(image) for image in case.images]) == 4 * factor
    for case, cutoff in zip(found["neighbours per atom"], CUTOFFS, strict=True):
        pairs = sum(len(neighbor_list("i", image, cutoff)) for image in case.images)
        assert case.size == pytest.approx(pairs / (4 * len(case.images)))
    # Two elements: as many sets of radial functions, three pairs of elements for angular ones.
    for case, factor in zip(found["features"], FACTORS, strict=True):
        assert case.size == 2 * 4 * factor + 3 * 4 * factor
    assert [case.threads for case in found["threads"]] == [1, 2]


def test_what_cannot_grow_is_left_out():
    """All atoms of the one image are neighbours at the shortest cutoff."""
    images = cuco_frames(1)
    images[0].pbc = False
    assert set(cases(images, threads=1)) == {"features"}


def test_supercells():
    """They repeat along the shortest axis that is periodic, atoms by the image."""
    image = alloy_frames(1)[0]
    image.set_cell([3.0, 4.0, 5.0])
    image.pbc = (False, True, True)
    with_emt(image)
    large = supercell(image, 3)
    assert large.cell.lengths() == pytest.approx([3.0, 12.0, 5.0])
    assert large.positions[4:8] - image.positions == pytest.approx(np.tile([0.0, 4.0, 0.0], (4, 1)))
    assert large.get_potential_energy() == pytest.approx(3 * image.get_potential_energy())
    assert np.array_equal(large.get_forces()[4:8], image.get_forces())


def test_exponents():
    report = Report("scaling", "How the cost grows", "python -m profiling scaling")
    found = {n: {"epoch": [2.0 * n**1.5] * 3, "store": [7.0]} for n in (1.0, 2.0, 5.0)}
    section = scaling.section(report, "frames", found, 5)
    (table,) = section.tables
    assert table.header == ["frames", "epoch", "store"]
    assert table.rows[-1] == ["exponent", "1.50", "0.00"]
    assert {each.key for each in report.measurements} == {
        f"{what}/frames {n}" for what in ("epoch", "store") for n in (1, 2, 5)
    }


@pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")
def test_a_disagreement_is_noticed(monkeypatch):
    def moved(image, copies):
        large = supercell(image, copies)
        large.positions[0, 0] += 0.01
        return large

    monkeypatch.setattr(scaling, "supercell", moved)
    report = Report("scaling", "How the cost grows", "python -m profiling scaling")
    scaling.check(report, alloy_frames(4), 1, 1)
    failed = [check.what for check in report.checks if not check.passed]
    assert failed == ["forces in cells and in cells twice as large"]


def test_report(tmp_path, monkeypatch):
    monkeypatch.setattr(sizes, "FACTORS", (1, 2))
    monkeypatch.setattr(sizes, "CUTOFFS", (3.0, 4.0))
    ase.io.write(tmp_path / "frames.traj", alloy_frames(4))
    out = tmp_path / "report"
    options = ["--frames", "4", "--repeats", "1", "--processes", "1", "--out", str(out)]
    command.main(["scaling", "--data", str(tmp_path / "frames.traj"), *options])
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert len(report["checks"]) == 5
    assert all(check["value"] <= check["limit"] for check in report["checks"])
    grown = {each["key"].split("/")[1].rpartition(" ")[0] for each in report["measurements"]}
    assert grown == set(scaling.EXPLAINED)
    assert len(list(out.glob("*.svg"))) == len(grown)
