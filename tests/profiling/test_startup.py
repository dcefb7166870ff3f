"""What comes before the first epoch, and epochs beside a busy program."""

from __future__ import annotations

import sys
from types import ModuleType

import ase.io
import pytest

from profiling import sharing, startup, startup_step
from profiling.report import Report

from ..made_potentials import cuco_frames

PACKAGES = ("torch_geometric", *(f"torch_geometric.data{end}" for end in ("", ".data", ".storage")))


@pytest.fixture
def frames(tmp_path, monkeypatch):
    """A file of frames; stand-ins for torch_geometric do not outlive a test."""
    for name in PACKAGES:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    startup_step.stand_in.cache_clear()
    ase.io.write(tmp_path / "frames.traj", cuco_frames(3))
    yield tmp_path / "frames.traj"
    startup_step.stand_in.cache_clear()


@pytest.mark.parametrize("form", startup.FORMS)
def test_items_are_what_plain_pickle_reads(form, frames, tmp_path):
    path = str(tmp_path / "items.lmdb")
    assert startup_step.write(frames, 3, form, path)["kilobytes"] > 1
    found = startup_step.reading(path, 2, startup.CACHES)
    assert found.pop("difference") == 0
    assert found.keys() == {"plain", *startup.CACHES}
    assert all(len(samples) == 2 for samples in found.values())
    assert type(startup_step.plain(path)[0]).__name__ == ("Data" if "AMP" in form else "AtomsData")


def test_a_difference_of_items_is_seen(frames, tmp_path):
    path = str(tmp_path / "items.lmdb")
    startup_step.write(frames, 3, "our items", path)
    one, other = startup_step.plain(path)[0], startup_step.ours(path, "no")[0]
    other.forces[1, 2] += 0.25
    assert startup_step._difference(one, other) == pytest.approx(0.25)


def test_imports_are_measured_in_new_processes(monkeypatch):
    monkeypatch.setattr(startup, "IMPORTS", {"nothing": "", "work": "sum(range(10**6))"})
    report = Report("startup", "", "", settings={"repeats": 2})
    startup.measure_imports(report)
    assert [each.key for each in report.measurements] == ["imports/nothing", "imports/work"]
    assert all(sample > 0 for each in report.measurements for sample in each.samples)


def test_runs_that_share_are_compared(monkeypatch, tmp_path):
    started = []
    monkeypatch.setattr(sharing, "BUSY", [sys.executable, "-c", "input()"])
    monkeypatch.setattr(
        sharing,
        "epochs",
        lambda side, file, settings: (
            started.append(side) or {"seconds": [1.0, 2.0, 9.0], "losses": [2.0, 1.0]}
        ),
    )
    report = Report("sharing", "", "", settings={"repeats": 2, "busy": 1, "threads": 2})
    sharing.measure(report, tmp_path)
    assert started == [*sharing.SIDES] * 4
    assert {each.key: each.samples for each in report.measurements} == {
        f"{side}/{place}": [2.0, 2.0] for side in sharing.SIDES for place in ("alone", "shared")
    }
    assert report.agrees


def test_busy_programs_end(monkeypatch):
    monkeypatch.setattr(sharing, "BUSY", [sys.executable, "-c", "import time; time.sleep(60)"])
    kept = []
    popen = sharing.subprocess.Popen
    monkeypatch.setattr(
        sharing.subprocess, "Popen", lambda command: kept.append(popen(command)) or kept[-1]
    )
    with pytest.raises(KeyError), sharing.busy(2):
        raise KeyError
    assert len(kept) == 2
    assert all(each.returncode is not None for each in kept)
