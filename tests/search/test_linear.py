"""The search of linear potentials, from the configuration and the command line on."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import ase.io
import numpy as np
import pytest
import yaml
from ase.calculators.emt import EMT

import amptorch
from amptorch import AtomsTrainer
from amptorch.cli import main
from amptorch.search.linear import LinearSearch

from ..made_potentials import alloy_frames

FOLDS = 3
CONFIG = {
    "model": {"name": "linear"},
    "optim": {"alpha": 1e-9, "weights": {"energy": 30.0}},
    "dataset": {
        "fp_scheme": "snap",
        "fp_params": {"rcutfac": 3.9, "twojmax": 4, "wj": [0.8, 0.7]},
        "baseline": "linear",
        "target_scaling": "forces",
        "save_fps": False,
    },
    "cmd": {"verbose": False, "debug": True},
}

pytestmark = [
    pytest.mark.filterwarnings("ignore::amptorch.preprocessing.scaling.NotAdditiveWarning"),
    pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning"),
]


def frames(number: int = 9):
    found = alloy_frames(number)
    for place, image in enumerate(found):
        image.info["group"] = "odd" if place % 2 else "even"
    return found


def config(images, model: str = "linear"):
    section = {**CONFIG["dataset"], "raw_data": images}
    return {**CONFIG, "model": {"name": model}, "dataset": section}


def left_out(found, images, values) -> dict[str, float]:
    """Errors of frames left out, each by a training on the others."""
    energies, forces = [], []
    for fold in range(FOLDS):
        train = [image for k, image in enumerate(images) if k % FOLDS != fold]
        made = config(train)
        params = {name.removeprefix("fp_params."): value for name, value in values.items()}
        made["dataset"] |= {"fp_params": nested(params) | {"twojmax": 4}}
        made["optim"] = found["optim"]
        trainer = AtomsTrainer(made)
        trainer.train()
        for image in images[fold::FOLDS]:
            predicted = trainer.potential.predict([image])
            energies.append((predicted.energy[0] - image.get_potential_energy()) / len(image))
            forces += (predicted.forces[0] - image.get_forces()).ravel().tolist()
    return {
        k: float(np.sqrt(np.mean(np.square(v))))
        for k, v in (("energy", energies), ("forces", forces))
    }


def nested(values):
    found = {}
    for name, value in values.items():
        key, _, element = name.partition(".")
        if element:
            found.setdefault(key, {})[element] = value
        else:
            found[key] = value
    return {**found, "radelem": {"Cu": 0.5, **found["radelem"]}}


def test_errors_are_those_of_trainings_on_the_other_folds():
    images = frames()
    search = LinearSearch(config(images), FOLDS)
    values = {each.name: each.start for each in search.parameters}
    assert list(values) == [
        *("fp_params.rcutfac", "fp_params.rfac0", "fp_params.wj.Cu"),
        *("fp_params.radelem.Pd", "fp_params.wj.Pd"),
    ]
    values["fp_params.radelem.Pd"], values["fp_params.wj.Pd"] = 0.55, 0.9
    score, found = search(values)
    errors = found["errors"]
    assert score == pytest.approx((errors["energy"] * errors["forces"]) ** 0.5)
    # Ranges of features that scale the columns are those of fewer frames here.
    assert left_out(found, images, values) == pytest.approx(errors, rel=1e-3)
    assert set(found["optim"]["groups"]) < {"odd", "even"}


def test_stresses_that_are_fitted_are_judged_and_weighed_too():
    images = frames()
    for image in images:
        still = image.copy()
        still.calc = EMT()
        image.calc.results["stress"] = still.get_stress()
    made = config(images)
    made["optim"] = {"weights": {"stress": 5.0}}
    search = LinearSearch(made, FOLDS)
    score, found = search({each.name: each.start for each in search.parameters})
    errors = found["errors"]
    assert set(errors) == {"energy", "forces", "stress"}
    assert score == pytest.approx(np.prod(list(errors.values())) ** (1 / 3))
    assert set(found["optim"]["weights"]) == {"energy", "forces", "stress"}


def test_what_is_searched_needs_least_squares():
    made = config(frames(4))
    made["optim"] = {"fit": "gradients"}
    with pytest.raises(ValueError, match="expected least squares, got the fit 'gradients'"):
        LinearSearch(made)


def test_descriptors_without_parameters_to_search_have_their_weights_tuned():
    made = config(frames(6))
    gaussian = {"default": {"G2": {"etas": [0.05, 1.0], "rs_s": [0.0]}, "cutoff": 4.0}}
    made["dataset"] |= {"fp_scheme": "gaussian", "fp_params": gaussian}
    search = LinearSearch(made, FOLDS)
    assert search.parameters == []
    assert search({})[0] > 0


@pytest.fixture
def folder(run_dir: Path) -> Path:
    ase.io.write(run_dir / "data.extxyz", frames())
    return run_dir


QUICK = ("--quiet", "--set", "dataset.fp_params={rcutfac: 3.9, twojmax: 2}")


def test_tune_then_train(folder, capsys):
    assert main(["tune", "data.extxyz", "--trials", "4", *QUICK]) == 0
    assert "to train with it: amptorch train tuned/config.yaml" in capsys.readouterr().out
    found = yaml.safe_load((folder / "tuned" / "config.yaml").read_text())
    assert found["model"]["name"] == "linear"
    assert found["dataset"]["fp_params"]["twojmax"] == 2
    assert set(found["optim"]["groups"]) == {"odd"}
    lines = (folder / "tuned" / "journal.jsonl").read_text().splitlines()
    assert len(lines) == 5
    assert "| fit |" in (folder / "tuned" / "search.md").read_text()
    # The same command has nothing left to do.
    assert main(["tune", "data.extxyz", "--trials", "4", *QUICK]) == 0
    assert (folder / "tuned" / "journal.jsonl").read_text().splitlines() == lines
    assert main(["train", "tuned/config.yaml", "--no-plots", "--quiet"]) == 0
    (run,) = (folder / "checkpoints").iterdir()
    best = min(map(json.loads, lines[1:]), key=lambda row: row["score"])
    descriptor = amptorch.load(run).descriptor
    assert descriptor.fp_params["rcutfac"] == best["values"]["fp_params.rcutfac"]


@pytest.mark.parametrize(("potential", "model"), [("snap", "linear"), ("qsnap", "quadratic")])
def test_train_tunes_what_the_rules_have_chosen(folder, potential, model):
    given = ["train", "data.extxyz", "--potential", potential, "--preset", "fast", "--quiet"]
    assert main([*given, "--no-plots", "--trials", "2", "--test", "data.extxyz"]) == 0
    (run,) = (folder / "checkpoints").iterdir()
    (tuned,) = (folder / "tuned").iterdir()
    both = [yaml.safe_load((each / "config.yaml").read_text()) for each in (run, tuned)]
    assert both[0]["dataset"]["fp_params"] == both[1]["dataset"]["fp_params"]
    assert both[0]["model"]["name"] == model
    images = ase.io.read("data.extxyz", ":")
    report = json.loads((run / "report" / "report.json").read_text())
    assert report["errors"]["test"]["forces"]["rmse"] < 0.3 * np.std(
        [i.get_forces() for i in images]
    )


def test_trials_0_train_with_what_the_rules_have_chosen(folder):
    given = ["train", "data.extxyz", "--potential", "snap", "--quiet", "--no-plots"]
    assert main([*given, "--trials", "0", "--preset", "fast"]) == 0
    assert not (folder / "tuned").exists()


def test_ctrl_c_keeps_the_best(folder, capsys, monkeypatch):
    real, calls = LinearSearch.__call__, []

    def interrupted(self, values):
        calls.append(values)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return real(self, values)

    monkeypatch.setattr(LinearSearch, "__call__", interrupted)
    assert main(["tune", "data.extxyz", "--trials", "8", "--out", "here", *QUICK]) == 130
    told = capsys.readouterr().err
    assert "the search was interrupted" in told
    assert "--out here" in told
    assert (folder / "here" / "config.yaml").is_file()
    assert len((folder / "here" / "journal.jsonl").read_text().splitlines()) == 3
    assert main(["tune", "data.extxyz", "--trials", "8", "--out", "here", *QUICK]) == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--potential", "networks"], "nothing is searched for 'bpnn'"),
        (["--trials", "0"], "--trials: expected 1 or more, got 0"),
    ],
)
def test_what_cannot_be_searched(folder, capsys, given, message):
    assert main(["tune", "data.extxyz", *given]) == 2
    assert message in capsys.readouterr().err
