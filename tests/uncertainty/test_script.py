"""A script as users of AMPTorch write it."""

from __future__ import annotations

import importlib
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from .frames import EXTRAPOLATES

SCRIPT = """
import numpy as np
from ase import Atoms
from ase.calculators.emt import EMT
from amptorch.trainer import AtomsTrainer
from amptorch.uncertainty import ConformalPredictionLatentSpace
from amptorch.uncertainty.utils import calc_uncertainty_metrics


def images(distances):
    out = []
    for d in distances:
        image = Atoms("CuCO", [(-d * np.sin(0.65), d * np.cos(0.65), 0), (0, 0, 0),
                               (d * np.sin(0.65), d * np.cos(0.65), 0)])
        image.set_cell([10, 10, 10])
        image.wrap(pbc=True)
        image.set_calculator(EMT())
        out.append(image)
    return out


train_list = images(np.linspace(2, 5, 60))
full_test_list = images(np.linspace(2.2, 3, 120))
sigmas = [0.02, 0.2, 0.4, 0.69, 1.1, 1.66, 2.66]
GMP = {"MCSHs": {"orders": list(range(4)), "sigmas": sigmas}}
config = {
    "model": {"name": "singlenn", "get_forces": False, "num_layers": 3, "num_nodes": 20,
               "batchnorm": True},
    "optim": {"device": "cpu", "force_coefficient": 0.0, "lr": 1e-2, "batch_size": 10,
               "epochs": 5},
    "dataset": {"raw_data": train_list, "val_split": 0, "elements": ["Cu", "C", "O"],
                 "fp_scheme": "gmpordernorm", "fp_params": GMP, "save_fps": False},
    "cmd": {"debug": False, "run_dir": "./", "seed": 1, "identifier": "test",
             "verbose": True, "logger": False},
}
trainer = AtomsTrainer(config)
trainer.train()
uncertainty_model = ConformalPredictionLatentSpace()
res = uncertainty_model.fit_predict(trainer, train_list, full_test_list)
print(res["residuals"])
print(res["uncertainty"])
calibration, sharpness = calc_uncertainty_metrics(res["residuals"], res["uncertainty"])
"""


@EXTRAPOLATES
@pytest.mark.filterwarnings("ignore:Please use atoms.calc:FutureWarning")
def test_runs_unchanged(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "script.py"
    path.write_text(SCRIPT, encoding="utf-8")
    names = runpy.run_path(str(path))
    found = names["res"]
    assert found["residuals"].shape == found["uncertainty"].shape == (108,)
    assert found["alpha"] == 0.1
    assert names["calibration"] == np.mean(np.abs(found["residuals"]) > found["uncertainty"])
    assert names["sharpness"] == pytest.approx(found["uncertainty"].mean())
    assert "epoch" in capsys.readouterr().out
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1


def test_names_and_places():
    """What scripts of AMPTorch import."""
    estimators = importlib.import_module("amptorch.uncertainty")
    for name in (
        "ConformalPredictionLatentSpace",
        "ConformalPredictionFeatureSpace",
        "NegativeLeastLikelihoodLatentSpace",
        "NegativeLeastLikelihoodFeatureSpace",
        "EnsembleSDEstimator",
    ):
        assert callable(getattr(estimators, name)().fit_predict)
    parts = importlib.import_module("amptorch.uncertainty.utils")
    for name in (
        "calc_dist",
        "ConformalPrediction",
        "NegativeLeastLikelihoodEstimator",
        "split_test_calib",
        "prepare_latentNerror_from_trainer",
        "prepare_featureNerror_from_trainer",
        "calc_uncertainty_metrics",
    ):
        assert callable(getattr(parts, name))


@EXTRAPOLATES
def test_documentation_runs(capsys):
    """The blocks of the page, one after the other."""
    page = Path(__file__).resolve().parents[2] / "docs" / "uncertainty.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)
    assert len(blocks) == 2
    assert "of the errors are larger than their uncertainty" in capsys.readouterr().out
