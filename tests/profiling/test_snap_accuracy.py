"""Tuned SNAP beside a plain fit: what is kept apart has no say, and a run that was stopped goes on."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest

from amptorch import AtomsTrainer
from profiling.__main__ import main
from profiling.snap_accuracy import plain, problem

from ..made_potentials import alloy_frames

FOLDS = 3


@pytest.fixture
def frames():
    return alloy_frames(12)


def test_the_plain_fit_is_that_of_a_training(frames, tmp_path):
    search = problem(frames, "linear", 4, FOLDS)
    found = plain(frames, search, "linear", FOLDS)
    cutoff = search.parameters[0].start
    energies, forces = [], []
    for fold in range(FOLDS):
        train = [image for place, image in enumerate(frames) if place % FOLDS != fold]
        params = {"rcutfac": cutoff, "twojmax": 4}
        dataset = {"raw_data": train, "fp_scheme": "snap", "fp_params": params, "save_fps": False}
        dataset |= {"baseline": "linear", "target_scaling": "forces"}
        config = {"model": {"name": "linear"}, "optim": {"solver": "svd"}, "dataset": dataset}
        trainer = AtomsTrainer({**config, "cmd": {"debug": True, "verbose": False}})
        trainer.train()
        judged = frames[fold::FOLDS]
        predicted = trainer.potential.evaluate(judged, True)
        for k, image in enumerate(judged):
            energies.append((predicted.energy[k] - image.get_potential_energy()) / len(image))
            forces.append(predicted.forces[k] - image.get_forces())
    for kind, errors, unit in (("energy", energies, 1000.0), ("forces", forces, 1.0)):
        expected = unit * np.sqrt(np.mean(np.square(errors)))
        assert found.rmse(kind) == pytest.approx(expected, rel=1e-5)


def test_journals_are_gone_on_with(frames, tmp_path: Path, capsys):
    ase.io.write(tmp_path / "few.extxyz", frames)
    given = ["snap-accuracy", "--data", str(tmp_path / "few.extxyz"), "--models", "linear"]
    given += ["--folds", "3", "--everywhere", "2", "--twojmax", "2", "2", "--limits", "9", "9"]
    given += ["--work", str(tmp_path / "work"), "--out", str(tmp_path / "out"), "--trials"]
    main([*given, "2"])
    files = sorted((tmp_path / "work").iterdir())
    assert [each.name for each in files] == [f"few-linear-{fold}.jsonl" for fold in range(FOLDS)]
    first = [each.read_text() for each in files]
    assert "point 1" in capsys.readouterr().out
    main([*given, "3"])
    assert "point" not in capsys.readouterr().out.partition("Errors on frames")[0]
    for before, path in zip(first, files, strict=True):
        after = path.read_text()
        assert after.startswith(before)
        assert len(after.splitlines()) == 4
