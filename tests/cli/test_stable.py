"""``train --stable``: potentials of few frames hold in runs afterwards, and data are fitted as well."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest

import amptorch
from amptorch.cli import main, stable, watched
from amptorch.cli.watched import Runs
from amptorch.data.keys import Keys

from ..made_potentials import alloy_frames

FRAMES = alloy_frames(4)
LINEAR = ("--potential", "ace", "--linear", "--no-plots", "--set", "model.functions=60")
TEMPERATURE = 450.0


@pytest.fixture
def folder(run_dir: Path, monkeypatch) -> Path:
    ase.io.write(run_dir / "data.extxyz", FRAMES)
    # 0.36 ps, in steps of a twentieth of the fastest vibrations.
    for name, value in (("STEP", 3.0), ("EVERY", 4), ("FRAMES", 30)):
        monkeypatch.setattr(watched, name, value)
    monkeypatch.setattr(stable, "HELD", 3)
    return run_dir


def train(*more: str) -> int:
    return main(["train", "data.extxyz", *LINEAR, "--set", "optim.alpha=1e-12", *more])


def newest(folder: Path) -> Path:
    return max((folder / "checkpoints").iterdir(), key=lambda each: each.stat().st_mtime_ns)


def errors(run: Path) -> float:
    forces = amptorch.load(run).predict(FRAMES).forces
    off = [a - frame.get_forces() for a, frame in zip(forces, FRAMES, strict=True)]
    return float(np.sqrt(np.mean(np.square(off))))


def holds(run: Path, numbers: range) -> list[bool]:
    """Of runs that the potential has not been fitted to."""
    runs = Runs.of(FRAMES, stable.MARGIN * TEMPERATURE, Keys.of(None))
    return [runs.run(amptorch.load(run).potential, number).held for number in numbers]


def test_runs_hold(folder, capsys):
    assert train("--out", "before") == 0
    before = newest(folder)
    numbers = range(100, 103)
    few = sum(holds(before, numbers))
    capsys.readouterr()

    assert train("--stable", str(TEMPERATURE), "--out", "after") == 0
    after, said = newest(folder), capsys.readouterr().out
    assert "wrong after" in said
    assert "held for" in said
    assert sum(holds(after, numbers)) > few
    assert errors(after) < 0.1
    made = ase.io.read(after / "made.extxyz", ":")
    assert {each.info["group"] for each in made} == {"made"}
    assert said.count("\nrun ") >= len(made) / watched.LAST
    # Further frames are added to all of these rows.
    assert main(["train", "--resume", str(after), "--quiet", "--no-plots"]) == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--stable", "0"), "--stable: expected a temperature > 0 K, got 0"),
        (("--stable", "300", "--set", "optim.solver=svd"), "solver ridge"),
        (("--stable", "300", "--set", "cmd.debug=true"), "a run that is kept"),
    ],
)
def test_refused(folder, capsys, more, message):
    assert train(*more) != 0
    assert message in capsys.readouterr().err


def test_refused_of_networks(folder, capsys):
    assert main(["train", "data.extxyz", "--stable", "300"]) != 0
    assert "a potential of least squares" in capsys.readouterr().err
