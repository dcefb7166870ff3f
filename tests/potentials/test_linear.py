"""Linear and quadratic potentials wherever potentials go."""

from __future__ import annotations

import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
import yaml

import amptorch
from amptorch import AmpTorch, AtomsTrainer
from amptorch.cli import main
from amptorch.data.frame import collate
from amptorch.processes import group
from amptorch.store import build_store
from amptorch.uncertainty import linear_errors

from ..made_potentials import COSINE, alloy_frames, config
from ..processes import in_group

pytestmark = [
    pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning"),
    pytest.mark.filterwarnings("ignore::amptorch.preprocessing.scaling.NotAdditiveWarning"),
]

NAMES = ("linear", "quadratic")
FRAMES = alloy_frames(8)
for _place, _image in enumerate(FRAMES):
    _image.info["group"] = "odd" if _place % 2 else "even"
SMALL = {"default": {"G2": {"etas": [0.05, 1.0, 4.0], "rs_s": [0.0]}, "cutoff": 5.0}}


def settings(name, frames, folder, **optim):
    made = config(frames, folder, dataset={"fp_params": SMALL, "val_split": 0.25})
    made["model"], made["optim"] = {"name": name}, {"alpha": 1e-10, **optim}
    return made


@pytest.fixture(scope="module", params=NAMES)
def trainer(request, tmp_path_factory):
    made = AtomsTrainer(settings(request.param, FRAMES, tmp_path_factory.mktemp(request.param)))
    made.train()
    return made


def test_files_and_checkpoints_give_it_back(trainer, tmp_path):
    expected = trainer.potential.predict(FRAMES)
    trainer.potential.save(tmp_path / "saved")
    for path in (tmp_path / "saved", trainer.cp_dir):
        loaded = amptorch.load(path)
        np.testing.assert_array_equal(loaded.predict(FRAMES).energy, expected.energy)
        np.testing.assert_array_equal(loaded.predict(FRAMES).forces, expected.forces)
        found, errors = linear_errors(loaded, FRAMES[:2]), linear_errors(trainer, FRAMES[:2])
        np.testing.assert_array_equal(found.energy, errors.energy)


def test_under_ase(trainer):
    image = FRAMES[0].copy()
    image.calc = AmpTorch(trainer)
    forces, energies = image.get_forces(), []
    for step in (1e-4, -1e-4):
        moved = image.copy()
        moved.positions[1, 2] += step
        moved.calc = image.calc
        energies.append(moved.get_potential_energy())
    assert forces[1, 2] == pytest.approx(-(energies[0] - energies[1]) / 2e-4, rel=1e-5, abs=1e-7)


def test_from_the_command_line_and_from_a_store(tmp_path, monkeypatch):
    """As from memory: the order of the frames is another, and rounding with it."""
    monkeypatch.chdir(tmp_path)
    ase.io.write("train.extxyz", FRAMES)
    made = settings(
        "linear", "train.extxyz", tmp_path, solver="svd", groups={"odd": {"energy": 20.0}}
    )
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(made))))
    assert main(["train", "config.yaml", "--out", "report"]) == 0
    (folder,) = (tmp_path / "checkpoints").iterdir()
    expected = amptorch.load(folder).predict(FRAMES)
    setup = ("gaussian", SMALL, COSINE, ["Cu", "Pd"])
    build_store(FRAMES, tmp_path / "a.lmdb", setup, torch.float64, processes=1, verbose=False)
    made["dataset"] |= {"raw_data": None, "fp_params": None, "lmdb_path": str(tmp_path / "a.lmdb")}
    trainer = AtomsTrainer(made)
    trainer.train()
    np.testing.assert_allclose(trainer.potential.predict(FRAMES).energy, expected.energy, atol=1e-6)


def shared(folder: Path) -> None:
    """Runs of one of several processes, which writes what it got."""
    rank, _ = group.start()
    found = {}
    for solver in ("ridge", "svd"):
        trainer = AtomsTrainer(settings("linear", FRAMES[:7], folder, solver=solver))
        trainer.train()
        found[solver] = trainer.predict(FRAMES)["energy"]
    (folder / f"rank{rank}.json").write_text(json.dumps(found))


def test_two_processes(start, tmp_path):
    assert in_group(start, shared, tmp_path) == [0, 0]
    one, other = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2))
    assert one == other
    for solver, found in one.items():
        trainer = AtomsTrainer(settings("linear", FRAMES[:7], tmp_path, solver=solver))
        trainer.train()
        assert found == pytest.approx(trainer.predict(FRAMES)["energy"], rel=1e-8)


def test_errors_are_those_of_the_hat_matrix(tmp_path):
    """Leverages of training rows add up to the number of coefficients that are fixed; a prediction
    moves by its leverage when its target moves."""
    made = settings("linear", FRAMES, tmp_path, weights={"forces": 0.0}, alpha=0.0)
    made["dataset"]["val_split"] = 0.0
    made["dataset"]["fp_params"] = {
        "default": {"G2": {"etas": [0.05], "rs_s": [0.0]}, "cutoff": 5.0}
    }
    trainer = AtomsTrainer(made)
    trainer.train()
    errors = linear_errors(trainer, FRAMES, forces=False)
    fixed = np.linalg.matrix_rank(_energy_rows(trainer), tol=1e-9)
    assert errors.leverage.sum() == pytest.approx(fixed, rel=1e-6)
    assert errors.leverage.max() <= 1 + 1e-9
    residuals = trainer.predict(FRAMES)["energy"] - np.array(
        [image.get_potential_energy() for image in FRAMES]
    )
    noise = np.sum((residuals / 4) ** 2) / (len(FRAMES) - fixed)
    expected = 4 * np.sqrt(noise * errors.leverage)
    np.testing.assert_allclose(errors.energy, expected, rtol=1e-6)
    squeezed = FRAMES[0].copy()
    squeezed.set_cell(squeezed.cell * 0.8, scale_atoms=True)
    far = linear_errors(trainer, [squeezed], forces=True)
    assert far.leverage[0] > 1
    assert len(far.atoms[0]) == len(far.forces[0]) == 4


def _energy_rows(trainer):
    rows = [
        trainer.model.rows(collate([each]), False).energies[0] / 4 for each in trainer.train_dataset
    ]
    return torch.stack(rows).numpy()


def test_errors_need_a_fit(tmp_path):
    made = settings("linear", FRAMES, tmp_path)
    made["model"]["covariance"] = False
    trainer = AtomsTrainer(made)
    trainer.train()
    with pytest.raises(ValueError, match="linear_errors: expected a model"):
        linear_errors(trainer, FRAMES)


def test_the_section_is_checked():
    for section, message in (
        ({"name": "linear", "covariance": 3}, "model: expected covariance"),
        ({"name": "linear", "num_nodes": 3}, "model: unknown key 'num_nodes'"),
    ):
        with pytest.raises(ValueError, match=message):
            AtomsTrainer({"model": section})
