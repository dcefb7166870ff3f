"""``python -m profiling training``: what it compares and reports, on a few small frames."""

from __future__ import annotations

import json
import sys

import ase.io
import pytest
import torch

from profiling import __main__ as command
from profiling import training

from .potentials import cuco_frames


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_report(tmp_path, monkeypatch, dtype):
    ase.io.write(tmp_path / "frames.traj", cuco_frames(6))
    options = {"data": tmp_path / "frames.traj", "out": tmp_path, "dtype": dtype, "epochs": 2}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    monkeypatch.setattr(sys, "argv", ["profiling", "training", "--threads", "1", *arguments])
    command.main()
    report = json.loads((tmp_path / f"{dtype}.json").read_text(encoding="utf-8"))
    assert report["frames"] == 6
    assert report["loss_disagreement"] < training.AGREEMENT[dtype]
    assert set(report["seconds"]) == {"load", "an epoch", "load and training"}
    text = (tmp_path / f"{dtype}.md").read_text(encoding="utf-8")
    assert all(stage in text for stage in report["milliseconds_of_a_step"])


def test_another_loss_is_noticed(tmp_path, monkeypatch):
    """The slow path is another one: a mistake in the fast one alone does not pass."""
    monkeypatch.setattr(training.PlainTanh, "forward", lambda self, x: torch.tanh(1.001 * x))
    with pytest.raises(AssertionError, match="losses differ from the slow path's by"):
        training.disagreement(cuco_frames(6), "float64", str(tmp_path))
