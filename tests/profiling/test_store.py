"""``python -m profiling store``: its frames, what it repeats, and the numbers it reports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.trajectory import TrajectoryReader

from profiling import resident, store, store_runs, store_step
from profiling.frames import Frames
from profiling.report import Report

from ..made_potentials import cuco_frames


@pytest.fixture
def growing(tmp_path) -> Path:
    """Ten frames of 1 to 10 atoms, the small ones first."""
    path = tmp_path / "growing.traj"
    images = []
    for size in range(1, 11):
        image = Atoms(f"H{size}", positions=np.arange(3.0 * size).reshape(-1, 3))
        image.calc = SinglePointCalculator(image, energy=float(size), forces=image.positions)
        images.append(image)
    ase.io.write(path, images)
    return path


def test_fewer_frames_are_the_same_mix(growing):
    assert [len(frame) for frame in Frames(growing, 5)] == [1, 3, 5, 7, 9]
    assert [len(frame) for frame in Frames(growing, 10)] == list(range(1, 11))
    assert [len(frame) for frame in Frames(growing, 4)[1:3]] == [3, 6]


def test_frames_of_a_trajectory_are_read_when_they_are_asked_for(growing, monkeypatch):
    read: list[int] = []
    plain = TrajectoryReader.__getitem__

    def reading(self: Any, index: int) -> Any:
        read.append(index)
        return plain(self, index)

    monkeypatch.setattr(TrajectoryReader, "__getitem__", reading)
    frames = Frames(growing, 5)
    assert (len(frames), read) == (5, [])
    assert len(frames[3]) == 7
    assert read == [6]


@pytest.mark.parametrize("suffix", [".traj", ".extxyz"])
def test_more_frames_than_there_are_come_again_displaced(growing, suffix):
    path = growing.with_suffix(suffix)
    ase.io.write(path, ase.io.read(growing, ":"))
    frames = Frames(path, 25)
    assert (len(frames), frames.from_file) == (25, 10)
    again = frames[19]
    shift = again.positions - frames[9].positions
    assert 0.0 < np.abs(shift).max() < 0.05
    assert again.get_potential_energy() == 10.0


@pytest.fixture
def calls(monkeypatch) -> list[tuple[str, int]]:
    """Steps and sizes in the order in which they are run; nothing is."""
    seen: list[tuple[str, int]] = []

    def run(module: str, arguments: Sequence[str], threads: int) -> dict[str, Any]:
        size = int(Path(arguments[-1]).stem.split("-")[1])
        seen.append((arguments[0], size))
        number = sum(call == (arguments[0], size) for call in seen)
        common = {"wall_seconds": size + 2.0, "work_seconds": size + 0.5, "peak_megabytes": number}
        # Every second run is slow; two sizes have more atoms a frame than the third.
        seconds = {"build": 0.01 * size, "epoch": 0.004 * size + 0.1}.get(arguments[0], 0.0)
        return {
            **common,
            "seconds": seconds * (1 + number % 2),
            "atoms": size * (3 if size > 9 else 1),
        }

    monkeypatch.setattr(resident, "run", run)
    return seen


def test_sizes_take_turns_and_small_ones_are_repeated(calls, tmp_path):
    rows = store_runs.measure(Path("frames.traj"), [5, 10, 5000], ["cached"], 1, tmp_path)
    steps = [call for call in calls if call[0] != "read"]
    each = [(step, size) for size in (5, 10, 5000) for step in ("build", "epoch")]
    assert steps == [*each, *(4 * each[:4])]
    assert [row["frames"] for row in rows] == [5, 10, 5000]
    assert [len(row["build"]["samples"]) for row in rows] == [5, 5, 1]
    assert rows[0]["build"]["seconds"] == pytest.approx(0.1)  # of 0.1, 0.05, 0.1, 0.05, 0.1
    assert rows[0]["build"]["peak_megabytes"] == 5
    assert rows[0]["build"]["start_seconds"] == 1.5
    assert [name for name, _ in calls].count("read") == 1
    assert ["read" in row for row in rows] == [True, False, False]


def test_flatness(calls, tmp_path):
    rows = store_runs.measure(Path("frames.traj"), [5, 10, 5000], ["cached"], 1, tmp_path)
    found = store_runs.flatness(rows)["cached"]
    assert found["build"]["a frame"] == pytest.approx(0.0, abs=1e-12)
    assert found["build"]["an atom"] == pytest.approx(2.0)
    assert found["epoch"]["a frame"] == pytest.approx((0.004 + 0.1 / 5) / (0.004 + 0.1 / 5000) - 1)


def test_memory_and_time_of_a_process(tmp_path):
    (tmp_path / "values.json").write_text('{"answer": 42}')
    found = resident.run("json.tool", ["--compact", str(tmp_path / "values.json")], 1)
    assert found["answer"] == 42
    assert found["wall_seconds"] > 0.0
    with pytest.raises(RuntimeError, match=r"json\.tool .* ended with status"):
        resident.run("json.tool", [str(tmp_path / "nowhere.json")], 1)


@pytest.mark.parametrize("number", [12, 30])
def test_report(tmp_path, number):
    """Steps run here; frames are said to be displaced only where they are."""
    data, path = tmp_path / "frames.traj", tmp_path / "frames.lmdb"
    ase.io.write(data, cuco_frames(20))
    extra = {"start_seconds": 1.0, "peak_megabytes": 100.0}
    row: dict[str, Any] = {"derivatives": "cached", "frames": number}
    row["build"] = {**store_step.build(data, number, "cached", path), **extra}
    row["epoch"] = {**store_step.epoch(number, path), **extra}
    row["read"] = store_step.read(path)
    assert row["build"]["atoms"] == 3 * number
    assert row["build"]["from_file"] == min(number, 20)
    assert all(row["epoch"][name] > 0.0 for name in ("seconds", "first_seconds", "load_seconds"))
    row["build"]["samples"], row["epoch"]["samples"] = [2.0, 3.0], [1.0]
    folder = store.report_of(data, [row], {"frames": [number]}).write(tmp_path / "report")
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert ("displaced" in text) == (number == 30)
    assert "differ by (cached): build 0 % (0 % an atom), epoch 0 % (0 % an atom)" in text
    measured = {each.key: each.samples for each in Report.read(folder).measurements}
    assert measured[f"build/{number} frames, cached"] == [2.0, 3.0]
    assert list(tmp_path.glob("tmp*")) == []
