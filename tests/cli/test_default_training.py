"""``amptorch train data``: everything chosen from the data, bounded by time, interrupted, gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import ase.io
import ase.io.extxyz
import numpy as np
import pytest
import yaml

import amptorch
from amptorch.cli import main
from amptorch.data.n2p2 import write_n2p2_frames
from amptorch.files.checkpoint import torch_load

from ..made_potentials import alloy_frames

QUIET = ("--no-plots", "--quiet")
SHORT = ("--set", "optim.epochs=2")

pytestmark = pytest.mark.filterwarnings("ignore:extrapolation")


@pytest.fixture
def folder(run_dir: Path) -> Path:
    frames = alloy_frames(24)
    (run_dir / "more").mkdir()
    ase.io.write(run_dir / "a.extxyz", frames[:16])
    ase.io.write(run_dir / "more" / "b.extxyz", frames[16:])
    return run_dir


def the_run(folder: Path) -> Path:
    return max((folder / "checkpoints").iterdir(), key=lambda path: path.stat().st_mtime)


def config_of(run: Path) -> dict:
    return yaml.safe_load((run / "config.yaml").read_text())


def test_frames_of_n2p2_in_their_units(folder):
    """The same as of the same frames in Å and eV, but for rounding."""
    frames = ase.io.read("a.extxyz", ":")
    write_n2p2_frames("input.data", frames, "Bohr", "Hartree")
    units = ("--length-unit", "Bohr", "--energy-unit", "Hartree")
    predicted = []
    for data in (("a.extxyz",), ("input.data", *units)):
        assert main(["train", *data, *QUIET, *SHORT, "--set", "cmd.dtype=float64"]) == 0
        predicted.append(amptorch.load(the_run(folder)).predict(frames).energy)
    assert config_of(the_run(folder))["dataset"]["length_unit"] == "Bohr"
    np.testing.assert_allclose(*predicted, rtol=1e-6)
    assert main(["train", "a.extxyz", *QUIET, *SHORT, *units]) == 1


def test_data_alone(folder, capsys, monkeypatch):
    reader = Mock(wraps=ase.io.extxyz.read_xyz)
    monkeypatch.setattr("ase.io.extxyz.read_xyz", reader)
    assert main(["train", "a.extxyz", "more", "--no-plots", *SHORT]) == 0
    assert reader.call_count == 24, "frames are read once"
    said = capsys.readouterr().out
    run = the_run(folder)
    config = config_of(run)
    assert config["dataset"]["raw_data"] == ["a.extxyz", "more"]
    assert config["model"]["activation"] == "Softplus"
    assert config["cmd"]["dtype"] == "float32"
    assert config["optim"]["epochs"] == 2
    assert "model.hidden_layers = [16, 16]: " in said
    assert f"potential: {run.relative_to(folder)}" in said
    assert "24 images" in said
    assert "\x1b" not in said
    assert amptorch.load(run).forces


def test_the_file_it_writes_trains_the_same(folder):
    assert main(["train", "a.extxyz", *QUIET, *SHORT]) == 0
    first = the_run(folder)
    (folder / "again.yaml").write_text((first / "config.yaml").read_text())
    assert main(["train", "again.yaml", *QUIET]) == 0
    second = the_run(folder)
    assert first != second
    assert config_of(first) == config_of(second)
    one, two = (torch_load(run / "params.pt") for run in (first, second))
    assert all((one[name] == two[name]).all() for name in one)


def test_a_section_that_is_missing(folder):
    (folder / "some.yaml").write_text("optim: {optimizer: adam, epochs: 1}\n")
    assert main(["train", "some.yaml", "a.extxyz@:8", *QUIET]) == 0
    config = config_of(the_run(folder))
    assert config["optim"] == {"optimizer": "adam", "epochs": 1}
    assert config["model"]["activation"] == "Softplus"
    assert config["dataset"]["fp_scheme"] == "gaussian"


def test_time_bounds_the_epochs(folder):
    assert main(["train", "a.extxyz", *QUIET, "--set", "optim.epochs=100000", "--time", "2s"]) == 0
    state = torch_load(the_run(folder) / "resume.pt")
    assert 1 <= state["epochs"] < 100000
    assert state["epochs"] == state["target_epochs"]


def test_ctrl_c(folder):
    """Its status, where the best model is, and that the command it names goes on."""
    arguments = ["train", "a.extxyz", "--no-plots", "--set", "optim.epochs=3000"]
    program = subprocess.Popen(
        [sys.executable, "-m", "amptorch", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(amptorch.__file__).parents[1])},
    )
    try:
        deadline = time.monotonic() + 120
        while not list(folder.glob("checkpoints/*/resume.pt")) and time.monotonic() < deadline:
            time.sleep(0.05)
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=120)
    finally:
        program.kill()
    assert program.returncode == 130
    run = the_run(folder)
    assert "training was interrupted" in errors
    assert f"the best model so far: {run.relative_to(folder)}" in errors
    state = torch_load(run / "resume.pt")
    assert state["epochs"] < state["target_epochs"] == 3000
    go_on = errors.partition("to go on: amptorch ")[2].split()
    assert main([*go_on, *QUIET, "--time", "1s"]) == 0
    assert torch_load(the_run(folder) / "resume.pt")["epochs"] > state["epochs"]


def test_a_log(folder):
    assert main(["train", "a.extxyz", "--no-plots", *SHORT, "--log", "log.txt"]) == 0
    lines = (folder / "log.txt").read_text().splitlines()
    assert any(line.startswith("optim.batch_size = ") for line in lines)
    assert any("left" in line for line in lines)
    assert not any("\x1b" in line or "\r" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["train"], 2, "expected data or a configuration, got neither"),
        (["train", "a.yaml", "b.yaml"], 2, "expected at most one configuration"),
        (["train", "b.extxyz"], 1, "did you mean 'a.extxyz'?"),
        (["train", "empty"], 1, "expected a folder with .extxyz"),
        (["train", "a.extxyz", "--tine", "3"], 2, "did you mean '--time'?"),
        (["train", "a.extxyz", "--time", "3x"], 2, "expected a time such as 90s, 10m or 1h30m"),
        (["train", "a.extxyz", "--preset", "fats"], 2, "did you mean 'fast'?"),
        (["tran", "a.extxyz"], 2, "did you mean 'train'?"),
        (["train", "a.extxyz", "--set", "optim.epoch=1"], 1, "did you mean 'epochs'?"),
    ],
)
def test_what_is_wrong_is_named(folder, capsys, arguments, status, text):
    (folder / "empty").mkdir()
    try:
        found = main([*arguments])
    except SystemExit as ended:
        found = ended.code
    assert found == status
    assert text in capsys.readouterr().err
    assert not (folder / "checkpoints").exists()


def test_the_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"amptorch {amptorch.__version__}\n"
