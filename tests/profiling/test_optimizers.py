"""``python -m profiling optimizers``: curves of test errors, on a few small frames."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import ase.io
import numpy as np
import pytest

from amptorch import AtomsTrainer
from profiling import optimizers
from profiling.__main__ import main
from profiling.report import Report

from ..made_potentials import cuco_frames

FRAMES = cuco_frames(8)
TRAIN, TEST = [*FRAMES[:3], *FRAMES[5:]], FRAMES[3:5]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    functions = {"default": {"G2": {"etas": [4.0], "rs_s": [1.5, 2.5]}, "cutoff": 5.5}}
    monkeypatch.setattr(optimizers, "SYMMETRY_FUNCTIONS", functions)
    monkeypatch.setattr(optimizers, "POINTS", 5)
    clock = SimpleNamespace(perf_counter=itertools.count().__next__)
    monkeypatch.setattr(optimizers, "time", clock)  # a batch takes a second, on every machine


@pytest.mark.parametrize("name", optimizers.SETTINGS)
def test_curve(name, monkeypatch):
    settings = optimizers.SETTINGS[name]
    if "annealing" in name:
        arguments = {**settings["optimizer_args"], "steps": 5}
        monkeypatch.setitem(settings, "optimizer_args", arguments)
    result = optimizers.run_one(name, TRAIN, TEST, [3], minutes=0.5)
    rows = result["curve"]
    seconds = [row["seconds"] for row in rows]
    assert seconds == sorted(seconds)
    assert rows[0]["epochs"] == 0
    assert result["last"]["force_rmse"] < rows[0]["force_rmse"]
    assert result["memory"]["largest"] >= result["memory"]["data"] > 0


def test_errors_are_those_of_predictions(monkeypatch):
    """Of the averaged weights, as the configuration asks for an average."""
    kept = []
    load = AtomsTrainer.load
    monkeypatch.setattr(AtomsTrainer, "load", lambda self: (kept.append(self), load(self))[1])
    result = optimizers.run_one("adam", TRAIN, TEST, [3], minutes=0.5)
    predicted = kept[0].predict(TEST)
    energies = [frame.get_potential_energy() for frame in TEST]
    error = np.subtract(predicted["energy"], energies) / 3
    assert result["last"]["energy_rmse"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-3)
    errors = np.subtract(predicted["forces"], [frame.get_forces() for frame in TEST])
    assert result["last"]["force_rmse"] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-3)


def test_report(tmp_path, monkeypatch):
    ase.io.write(tmp_path / "frames.traj", FRAMES)
    monkeypatch.setattr(
        optimizers,
        "_in_a_process",
        lambda name, arguments: optimizers.run_one(name, TRAIN, TEST, [3], 0.5),
    )
    options = {"data": tmp_path / "frames.traj", "out": tmp_path / "out", "hidden": "3"}
    given = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    given += ["--test", "2", "--names", "kalman", "bfgs", "--threads", "1"]
    main(["optimizers", *given])
    report = Report.read(tmp_path / "out")
    (section,) = report.sections
    assert [row[0] for row in section.tables[0].rows] == ["kalman", "bfgs"]
    assert {each.key.partition("/")[0] for each in report.measurements} == {"kalman", "bfgs"}
    assert report.settings["names"] == ["kalman", "bfgs"]
    assert "seconds of training" in section.figures[0].svg
