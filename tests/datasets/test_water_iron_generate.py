"""The generator's chunks, resumption and command line, with a stand-in for LAMMPS."""

import importlib.util
from itertools import pairwise

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read

from datasets.water_iron import generate as command
from datasets.water_iron.generate import generate
from datasets.water_iron.plan import (
    FRAMES_PER_BLOCK,
    SNAPSHOTS_PER_TRAJECTORY,
    TRAJECTORIES_PER_BLOCK,
    Parts,
    Plan,
    place,
)


def fake_trajectory(seed, trajectory, n_snapshots):
    """Return snapshots that tell which they are, with the first after one rejection."""
    frames = []
    for snapshot in range(n_snapshots):
        atoms = Atoms("FeOH2", np.full((4, 3), float(snapshot)), cell=[9, 9, 9], pbc=True)
        forces = np.full((4, 3), float(seed))
        atoms.calc = SinglePointCalculator(atoms, energy=100.0 * trajectory, forces=forces)
        atoms.info |= {"group": "fake", "trajectory": trajectory, "rejected": int(snapshot == 0)}
        frames.append(atoms)
    return frames


def fail_from_third(seed, trajectory, n_snapshots):
    """Stop the run at the third trajectory."""
    if trajectory >= 2:
        raise RuntimeError("stopped")
    return fake_trajectory(seed, trajectory, n_snapshots)


def fail_before_third(seed, trajectory, n_snapshots):
    """Refuse to run what the interrupted run has finished."""
    if trajectory < 2:
        raise RuntimeError("ran again")
    return fake_trajectory(seed, trajectory, n_snapshots)


@pytest.mark.parametrize("frames", [1, 79, 81, FRAMES_PER_BLOCK, 2 * FRAMES_PER_BLOCK + 7])
def test_plan_needs_just_the_frames_asked_for(frames):
    snapshots = Plan(seed=0, frames=frames).snapshots()
    assert sum(snapshots.values()) == frames
    assert max(snapshots.values()) <= SNAPSHOTS_PER_TRAJECTORY
    assert sorted(snapshots) == list(range(len(snapshots)))


def test_places_are_distinct_and_change_trajectory_at_each_frame():
    places = [place(frame) for frame in range(FRAMES_PER_BLOCK + 1)]
    assert len(set(places)) == len(places)
    assert all(a[0] != b[0] for a, b in pairwise(places))
    assert places[-1] == (TRAJECTORIES_PER_BLOCK, 0)


@pytest.mark.parametrize(("seed", "frames"), [(0, 0), (0, -5), (-1, 3)])
def test_plan_refuses_nonsense(seed, frames):
    with pytest.raises(ValueError, match="must"):
        Plan(seed, frames)


@pytest.mark.parametrize("ending", [".extxyz", ".extxyz.xz", ".traj"])
def test_frames_are_written_in_order(tmp_path, ending):
    out = tmp_path / f"data{ending}"
    n = TRAJECTORIES_PER_BLOCK + 2
    rejected = generate(out, Plan(seed=3, frames=n), 1, fake_trajectory)
    frames = read(out, index=":")
    assert rejected == TRAJECTORIES_PER_BLOCK
    assert [(f.info["trajectory"], f.positions[0, 0]) for f in frames] == [
        place(k) for k in range(n)
    ]
    assert frames[2].get_potential_energy() == 200.0
    np.testing.assert_array_equal(frames[2].get_forces(), 3.0)
    assert "rejected" not in frames[0].info
    assert list(tmp_path.iterdir()) == [out]


def test_a_longer_set_begins_with_the_shorter_one(tmp_path):
    short, long = tmp_path / "short.extxyz", tmp_path / "long.extxyz"
    generate(short, Plan(seed=0, frames=3), 1, fake_trajectory)
    generate(long, Plan(seed=0, frames=TRAJECTORIES_PER_BLOCK + 1), 1, fake_trajectory)
    assert long.read_bytes().startswith(short.read_bytes())


def test_a_run_that_stopped_goes_on_and_ends_the_same(tmp_path):
    whole, out = tmp_path / "whole.extxyz", tmp_path / "data.extxyz"
    plan = Plan(seed=0, frames=5)
    generate(whole, plan, 2, fake_trajectory)
    with pytest.raises(RuntimeError, match="stopped"):
        generate(out, plan, 1, fail_from_third)
    assert not out.exists()
    assert sorted(Parts(out, plan).unfinished()) == [2, 3, 4]
    assert generate(out, plan, 1, fail_before_third) == 5
    assert out.read_bytes() == whole.read_bytes()


def test_a_half_written_trajectory_does_not_count(tmp_path):
    out = tmp_path / "data.extxyz"
    parts = Parts(out, Plan(seed=0, frames=1))
    parts.claim()
    left = parts.path(0)
    left.with_name(left.name + ".1.tmp").write_text("4\nhalf")
    generate(out, parts.plan, 1, fake_trajectory)
    assert len(read(out, index=":")) == 1


def test_a_run_killed_after_joining_can_be_started_again(tmp_path):
    out = tmp_path / "data.extxyz"
    parts = Parts(out, Plan(seed=0, frames=1))
    parts.claim()
    parts.save(0, fake_trajectory(0, 0, 1))
    out.write_text("joined before the kill")
    generate(out, parts.plan, 1, fail_before_third)
    assert len(read(out, index=":")) == 1


@pytest.mark.parametrize("other", [Plan(1, 5), Plan(0, 6), Plan(0, 5, version=0)])
def test_parts_of_other_parameters_are_refused(tmp_path, other):
    out = tmp_path / "data.extxyz"
    Parts(out, other).claim()
    with pytest.raises(ValueError, match="belongs to"):
        generate(out, Plan(seed=0, frames=5), 1, fake_trajectory)


def test_an_existing_file_is_kept(tmp_path):
    out = tmp_path / "data.extxyz"
    out.write_text("precious")
    with pytest.raises(FileExistsError, match="exists already"):
        generate(out, Plan(seed=0, frames=5), 1, fake_trajectory)
    assert out.read_text() == "precious"


def test_unknown_ending_and_too_few_processes_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"--out must end in one of \.extxyz\.xz, \.extxyz"):
        generate(tmp_path / "data.cfg", Plan(0, 1), 1, fake_trajectory)
    with pytest.raises(ValueError, match="--processes"):
        generate(tmp_path / "data.traj", Plan(0, 1), 0, fake_trajectory)
    assert list(tmp_path.iterdir()) == []


def test_command_line_names_the_missing_extra(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert command.main(["--frames", "1", "--out", str(tmp_path / "data.traj")]) == 1
    assert "pip install .[datasets]" in capsys.readouterr().err


def test_command_line_reports_bad_values(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "require_lammps", lambda: None)
    assert command.main(["--frames", "0", "--out", str(tmp_path / "data.traj")]) == 1
    assert capsys.readouterr().err == "error: --frames must be at least 1, got 0\n"
