"""Extrapolation grades against another program's active set and grades."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.io import read, write

import amptorch
from amptorch import AmpTorch, AtomsTrainer
from amptorch.cli import main
from amptorch.potentials.ace.extrapolation import ActiveSets
from amptorch.potentials.active_set import ActiveSet, maximum_volume
from amptorch.report.predicting import evaluate

from ...made_potentials import alloy_frames, with_emt
from . import golden


def frames(positions, cells):
    pairs = zip(positions, cells, strict=True)
    return [Atoms("Mo4", each, cell=cell, pbc=True) for each, cell in pairs]


@pytest.fixture(scope="module")
def known():
    golden.index()
    potential = amptorch.load(golden.FOLDER / "mo_chebpow_core.yaml")
    with np.load(golden.FOLDER / "gamma.npz") as file:
        return potential, dict(file)


def test_grades_are_those_of_the_program(known, tmp_path):
    potential, values = known
    images = frames(values["positions"], values["cells"])
    sets = ActiveSets.read(potential, golden.FOLDER / "mo_chebpow_core.asi")
    np.testing.assert_allclose(np.stack(sets.grades(images)), values["gamma"], rtol=1e-7)
    sets.write(tmp_path / "again.asi")
    again = ActiveSets.read(potential, tmp_path / "again.asi")
    np.testing.assert_array_equal(again.inverses["Mo"], sets.inverses["Mo"])


def test_the_active_set_is_as_large_as_the_programs(known):
    potential, values = known
    train = frames(values["train_positions"], values["train_cells"])
    sets = ActiveSets.of(potential, train)
    _, size = np.linalg.slogdet(sets.inverses["Mo"])
    assert -size >= float(values["log_abs_det"]) - 0.01 * 15
    assert max(grades.max() for grades in sets.grades(train)) <= 1.001 * (1 + 1e-9)


def test_no_swap_raises_the_determinant():
    rows = np.random.default_rng(1).normal(size=(60, 7))
    chosen = maximum_volume(rows)
    shares = rows @ np.linalg.inv(rows[chosen])
    assert np.abs(shares).max() <= 1.001


def test_too_few_atoms_are_refused(known):
    potential, values = known
    few = frames(values["positions"][:1], values["cells"][:1])
    with pytest.raises(ValueError, match="at least 15 atoms"):
        ActiveSets.of(potential, few)


def test_rows_that_come_some_at_a_time_span_the_others():
    rows = np.random.default_rng(2).normal(size=(400, 6))
    active = ActiveSet(6)
    active._most = 50
    for begin in range(0, 400, 30):
        active.add(rows[begin : begin + 30], range(begin, begin + 30)[: len(rows[begin:])])
    active.choose()
    np.testing.assert_array_equal(active.rows, rows[active.labels])
    assert np.abs(rows @ active.inverse()).max() < 1.6
    _, volume = np.linalg.slogdet(active.rows)
    assert volume > np.linalg.slogdet(rows[maximum_volume(rows)])[1] - 0.5


@pytest.fixture(scope="module", params=["linear_ace", "ace"])
def trained(request, tmp_path_factory):
    """A trainer that found active sets, and its frames."""
    frames, folder = alloy_frames(16), tmp_path_factory.mktemp("run")
    fit = {"fit": "least_squares"} if request.param == "linear_ace" else {"epochs": 1}
    config = {
        "model": {"name": request.param, "functions": 12, "active_sets": True},
        "optim": fit,
        "dataset": {
            "raw_data": frames,
            "fp_scheme": "ace",
            "fp_params": {"cutoff": 4.0, "n_radial": 6, "l_max": 2},
            "baseline": "linear",
            "save_fps": False,
        },
        "cmd": {"run_dir": str(folder), "verbose": False, "dtype": "torch.DoubleTensor"},
    }
    trainer = AtomsTrainer(config)
    trainer.train()
    return trainer, frames


def squeezed():
    frame = alloy_frames(1, seed=9)[0]
    frame.set_cell(frame.cell * 0.85, scale_atoms=True)
    return with_emt(frame)


@pytest.mark.filterwarnings("ignore::amptorch.errors.FitWarning")
def test_grades_go_with_the_potential(trained, tmp_path):
    trainer, frames = trained
    potential, images = trainer.potential, [*frames, squeezed()]
    grades = potential.grades(potential.evaluate(images, True))
    assert max(each.max() for each in grades[:-1]) <= 1.0011
    assert grades[-1].max() > 2
    potential.save(tmp_path / "saved.amptorch")
    for path in (tmp_path / "saved.amptorch", trainer.cp_dir):
        other = amptorch.load(path)
        for one, expected in zip(other.grades(other.evaluate(images, True)), grades, strict=True):
            np.testing.assert_allclose(one, expected, rtol=1e-9)
    frame = squeezed()
    frame.calc = AmpTorch(potential)
    frame.get_potential_energy()
    np.testing.assert_allclose(frame.calc.results["gamma"], grades[-1], rtol=1e-9)
    said = evaluate(trainer, [*frames[:3], squeezed()]).extrapolation
    assert f"the largest is {grades[-1].max():.4g}, in frame 3" in said


def test_grades_from_the_command_line(trained, tmp_path, monkeypatch, capsys):
    trainer, frames = trained
    monkeypatch.chdir(tmp_path)
    write("new.extxyz", [frames[0], squeezed()])
    potential = trainer.potential
    expected = potential.grades(potential.evaluate([frames[0], squeezed()], False))
    assert main(["predict", trainer.cp_dir, "new.extxyz", "-o", "predicted.extxyz"]) == 0
    assert "above 1 in 1 frames" in capsys.readouterr().out
    for frame, grades in zip(read("predicted.extxyz", ":"), expected, strict=True):
        np.testing.assert_allclose(frame.arrays["gamma"], grades, rtol=1e-6)
        assert frame.info["gamma_max"] == pytest.approx(grades.max())


def test_export_writes_active_sets(trained, tmp_path, monkeypatch):
    trainer, frames = trained
    monkeypatch.chdir(tmp_path)
    write("train.extxyz", frames[:12])
    run = ["export", trainer.cp_dir, "--to", "yace"]
    assert main([*run, "all.yace"]) == 0
    assert main([*run, "some.yace", "--active-set", "train.extxyz"]) == 0
    expected = ActiveSets.known(trainer.potential).inverses
    for name, some in (("all.asi", False), ("some.asi", True)):
        with np.load(name) as file:
            same = [np.allclose(file[symbol], expected[symbol], 1e-6) for symbol in file]
        assert len(same) == 2
        assert not all(same) if some else all(same)


def test_an_asi_beside_a_yaml_is_read(known, tmp_path):
    potential, values = known
    ActiveSets.read(potential, golden.FOLDER / "mo_chebpow_core.asi")
    potential.export(tmp_path / "mo.yaml", "ace-yaml")
    again = amptorch.load(tmp_path / "mo.yaml")
    images = frames(values["positions"], values["cells"])
    found = again.grades(again.evaluate(images, False))
    np.testing.assert_allclose(np.stack(found), values["gamma"], rtol=1e-7)


def test_a_potential_without_active_sets_says_so(known):
    potential = amptorch.load(golden.FOLDER / "si_chebexpcos_fs.yaml")
    assert potential.grades(potential.evaluate([Atoms("Si")], False)) is None
    with pytest.raises(ValueError, match="the potential knows none"):
        ActiveSets.known(potential)
