"""A report with all that one can hold, and where the kernel of the original is compiled."""

from __future__ import annotations

from pathlib import Path

import ase.io
import pytest

from profiling.report import Data, Figure, Listing, Report, Section, Table
from profiling.report.flame_graph import flame_graph
from profiling.report.plots import bars, curves

from ..made_potentials import cuco_frames


@pytest.fixture(scope="session", autouse=True)
def _compiled(tmp_path_factory):
    """Once, and into no folder of the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def report(tmp_path: Path) -> Report:
    images = cuco_frames(3)
    ase.io.write(tmp_path / "frames <&>.traj", images)
    found = Report("example", "Cost of <everything> & more", "python -m profiling example --data F")
    found.data["frames"] = Data.of(tmp_path / "frames <&>.traj", images, "Small.")
    found.settings = {"epochs": 3, "stages": ["a", "b"], "deep": {"x": None}}
    found.check("energies of both", 1e-12, 1e-9, "eV")
    found.measure("original/read", [3.0, 2.0, 2.5, 2.4, 2.45], "ms")
    found.measure("optimized/read", [0.5, 0.6, 0.4], "ms")
    found.measure("optimized/rate", [10.0], "frames/s", larger_is_better=True)
    table = Table(["stage", "time (ms)"], [["[read](#hot-7) | <b>", "2.45"], ["`write`", "-1"]])
    pictures = [
        Figure("bars", bars(found.measurements[:2]), "Both <sides>."),
        Figure("curves", curves({"one": ([1, 2], [1, 4])}, "frames", "ms")),
    ]
    lines = Listing("hot", ["for <x>:", "", "    y = `x`"], "read.py", first=6, shares=[0, 0.5, 1])
    stacks = {("main (a.py:1)", "f<double> (lib.so)"): 3, ("main (a.py:1)",): 1}
    found.sections = [
        Section("Stages", ["See [line 7](#hot-7)."], [table], pictures),
        Section("Hot lines", listings=[lines]),
        Section("Stages", figures=[Figure("flame", flame_graph(stacks))]),
    ]
    return found
