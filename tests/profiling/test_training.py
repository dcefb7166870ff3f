"""``python -m profiling training``: what it compares and reports, on a few small frames."""

from __future__ import annotations

import ase.io
import pytest
import torch

from profiling import training
from profiling.__main__ import main
from profiling.report import Report

from ..made_potentials import cuco_frames


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_report(tmp_path, capsys, dtype):
    ase.io.write(tmp_path / "frames.traj", cuco_frames(6))
    options = {
        "data": tmp_path / "frames.traj",
        "out": tmp_path / "out",
        "dtype": dtype,
        "epochs": 2,
        "threads": 1,
    }
    main(
        [
            "training",
            *(text for name, value in options.items() for text in (f"--{name}", str(value))),
        ]
    )
    report = Report.read(tmp_path / "out")
    assert (
        report.command
        == f"python -m profiling training --data frames.traj --epochs 2 --threads 1 --dtype {dtype}"
    )
    assert report.data["frames"].frames == 6
    assert len(report.checks) == 2
    for check in report.checks:
        assert check.value <= training.AGREEMENT[dtype] == check.limit
    samples = {each.key: len(each.samples) for each in report.measurements}
    assert samples == {
        "training/epoch": 2,
        "training/load": 1,
        "training/load and all epochs": 1,
        **{f"step/{stage}": 1 for stage in training.STAGES},
        **{f"in turns/{way}": 2 for way in training.WAYS},
    }
    said = capsys.readouterr().out
    assert all(f"| {key} |" in said for key in samples)
    assert "checks passed" in said


def test_another_loss_is_noticed(tmp_path, monkeypatch, capsys):
    """The slow path is another one: a mistake in the fast one alone does not pass."""
    monkeypatch.setattr(training.PlainTanh, "forward", lambda self, x: torch.tanh(1.001 * x))
    ase.io.write(tmp_path / "frames.traj", cuco_frames(6))
    arguments = ["--data", str(tmp_path / "frames.traj"), "--epochs", "1", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as end:
        main(["training", *arguments])
    assert end.value.code == 1
    assert "FAILED: losses of the fast and the slow path" in capsys.readouterr().out
    assert not Report.read(tmp_path).agrees
