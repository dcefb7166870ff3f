"""Frames that are kept apart, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from ase.io import write

from profiling.__main__ import main
from profiling.accuracy import splits
from profiling.report import Report

from ..made_potentials import alloy_frames, cuco_frames


def test_every_frame_is_kept_apart_in_one_fold():
    frames = cuco_frames(7)
    found = list(splits(frames, 0, 3, [5, 6]))
    assert [(name, seed) for name, seed, _, _ in found] == [(f"fold {k}", 5) for k in range(3)]
    kept = [id(frame) for _, _, _, test in found for frame in test]
    assert sorted(kept) == sorted(map(id, frames))
    for _, _, train, test in found:
        assert sorted(map(id, train + test)) == sorted(map(id, frames))


def test_some_folds():
    frames = cuco_frames(7)
    every, some = (list(splits(frames, 0, 3, [5], only)) for only in (None, [2, 0]))
    assert [each[0] for each in some] == ["fold 2", "fold 0"]
    assert some[1] == every[0]


@pytest.mark.parametrize(
    ("potential", "changes"),
    [
        ("nep", ["optim.epochs=2", "model.neurons=[4]"]),
        ("snap", ["dataset.fp_params={rcutfac: 4.0, twojmax: 2}"]),
        ("qsnap", ["dataset.fp_params={rcutfac: 4.0, twojmax: 2}"]),
        ("ace", ["model.functions=20"]),
    ],
)
def test_the_rules_of_a_family_are_judged(potential, changes, tmp_path, capsys):
    write(tmp_path / "frames.traj", alloy_frames(6))
    arguments = ["--data", str(tmp_path / "frames.traj"), "--potential", potential, "--seeds", "0"]
    arguments += ["--folds", "3", "--only", "1", "--set", *changes, "--out", str(tmp_path / "out")]
    main(["accuracy", *arguments])
    report = Report.read(tmp_path / "out")
    assert report.title == f"Accuracy of the rules of {potential} on frames"
    assert f"--potential {potential} --preset standard" in report.command
    assert "fold 1 |" in capsys.readouterr().out


def test_seeds_share_the_last_frames():
    frames = cuco_frames(7)
    assert list(splits(frames, 2, 0, [5, 6])) == [
        (f"seed {seed}", seed, frames[:5], frames[5:]) for seed in (5, 6)
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--test", "2", "--members", "0"], "--members: expected 1 or more, got 0"),
        (["--test", "4"], "--test: expected less than the 4 frames, got 4"),
        (["--folds", "9"], "--folds: expected less than the 4 frames, got 9"),
        (["--folds", "1"], "--folds: expected 2 or more"),
        (["--folds", "2", "--only", "2"], "--only: expected numbers of the 2 folds, got 2"),
        (["--folds", "2", "--key", "energy=E"], "--key: expected no --config"),
    ],
)
def test_what_leaves_nothing_is_refused(given: list[str], message: str, tmp_path: Path):
    data = tmp_path / "frames.traj"
    write(data, cuco_frames(4))
    arguments = ["accuracy", "--data", str(data), "--config", "examples/few_frames.yaml", *given]
    with pytest.raises(SystemExit, match=message):
        main(arguments)
