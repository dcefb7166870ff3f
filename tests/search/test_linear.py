"""The search of linear potentials, from the configuration and the command line on."""

from __future__ import annotations

import copy
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
from amptorch.search.descriptors import searched
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


def config(images):
    return of_frames(CONFIG, images)


ACE = {
    "model": {"name": "linear_ace", "functions": 20},
    "optim": {"fit": "least_squares", "alpha": 1e-9, "degree_power": 1.0},
    "dataset": {
        "fp_scheme": "ace",
        "fp_params": {
            "cutoff": 4.2,
            "bonds": {"Pd-Cu": {"inner": 1.5, "inner_width": 0.3}, "Pd-Pd": {"cutoff": 4.6}},
        },
        "baseline": "linear",
        "target_scaling": "none",
    },
    "cmd": {"verbose": False, "debug": True},
}
# A configuration, the names of what is searched, and values that are not those of the start.
SEARCHES = {
    "snap": (
        CONFIG,
        ["rcutfac", "rfac0", "wj.Cu", "radelem.Pd", "wj.Pd"],
        {"rcutfac": 3.9, "rfac0": 0.99, "wj.Cu": 0.8, "radelem.Pd": 0.55, "wj.Pd": 0.9},
    ),
    "ace": (
        ACE,
        ["bonds.Cu-Cu.cutoff", "bonds.Pd-Cu.cutoff", "bonds.Pd-Pd.cutoff"],
        {"bonds.Cu-Cu.cutoff": 4.0, "bonds.Pd-Cu.cutoff": 4.3, "bonds.Pd-Pd.cutoff": 5.0},
    ),
}


def of_frames(config, images):
    return {**config, "dataset": {**config["dataset"], "save_fps": False, "raw_data": images}}


def left_out(made, images) -> dict[str, float]:
    """Errors of frames left out, each by a training on the others."""
    energies, forces = [], []
    for fold in range(FOLDS):
        train = [image for k, image in enumerate(images) if k % FOLDS != fold]
        trainer = AtomsTrainer(of_frames(made, train))
        trainer.train()
        for image in images[fold::FOLDS]:
            predicted = trainer.potential.predict([image])
            energies.append((predicted.energy[0] - image.get_potential_energy()) / len(image))
            forces += (predicted.forces[0] - image.get_forces()).ravel().tolist()
    return {
        k: float(np.sqrt(np.mean(np.square(v))))
        for k, v in (("energy", energies), ("forces", forces))
    }


def with_values(given, values):
    """Parameters of a descriptor with values at dotted places."""
    params = copy.deepcopy(given)
    if "wj" in params:
        params |= {"wj": {}, "radelem": {"Cu": 0.5}}
    for name, value in values.items():
        *way, last = name.split(".")
        inside = params
        for key in way:
            inside = inside.setdefault(key, {})
        inside[last] = value
    return params


@pytest.mark.parametrize(("given", "names", "values"), SEARCHES.values(), ids=SEARCHES)
def test_errors_are_those_of_trainings_on_the_other_folds(given, names, values):
    images = frames()
    search = LinearSearch(of_frames(given, images), FOLDS)
    assert [each.name for each in search.parameters] == [f"fp_params.{name}" for name in names]
    score, found = search({f"fp_params.{name}": value for name, value in values.items()})
    errors = found["errors"]
    assert score == pytest.approx((errors["energy"] * errors["forces"]) ** 0.5)
    params = with_values(given["dataset"]["fp_params"], values)
    made = {**given, "dataset": {**given["dataset"], "fp_params": params}}
    made["optim"] = {**given["optim"], **found["optim"]}
    # Ranges of features that scale the columns are those of fewer frames here.
    assert left_out(made, images) == pytest.approx(errors, rel=1e-3)
    assert set(found["optim"]["groups"]) < {"odd", "even"}


def test_cutoffs_of_bonds_stay_outside_of_their_inner_ones():
    given = {"cutoff": 4.0, "bonds": {"Pd-Cu": {"cutoff": 3.6, "inner": 3.0}}}
    config = {"dataset": {"fp_scheme": "ace", "fp_params": given}}
    made, found = searched(config, ["Cu", "Pd"])
    bounds = {each.name.removeprefix("fp_params.bonds."): (each.low, each.high) for each in found}
    assert bounds == {
        "Cu-Cu.cutoff": pytest.approx((2.6, 6.0)),
        "Pd-Cu.cutoff": pytest.approx((3.0, 5.4)),
        "Pd-Pd.cutoff": pytest.approx((2.6, 6.0)),
    }
    assert made["dataset"]["fp_params"]["bonds"]["Pd-Cu"] == {"cutoff": 3.6, "inner": 3.0}
    assert given["bonds"] == {"Pd-Cu": {"cutoff": 3.6, "inner": 3.0}}


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


QUICK_ACE = ("--potential", "linear_ace", "--quiet", "--set", "model.functions=8")
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


def test_tune_then_train_ace(folder):
    assert main(["tune", "data.extxyz", "--trials", "3", *QUICK_ACE]) == 0
    lines = (folder / "tuned" / "journal.jsonl").read_text().splitlines()
    best = min(map(json.loads, lines[1:]), key=lambda row: row["score"])
    assert main(["train", "tuned/config.yaml", "--no-plots", "--quiet"]) == 0
    (run,) = (folder / "checkpoints").iterdir()
    bonds = amptorch.load(run).descriptor.fp_params["bonds"]
    assert len(best["values"]) == len(bonds) == 3
    for name, value in best["values"].items():
        assert bonds[name.split(".")[2]]["cutoff"] == value


@pytest.mark.parametrize(("given", "tuned"), [([], False), (["--trials", "2"], True)])
def test_train_tunes_ace_where_it_is_told_to(folder, given, tuned):
    assert main(["train", "data.extxyz", "--no-plots", *QUICK_ACE, *given]) == 0
    assert (folder / "tuned").exists() is tuned


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
        (["--potential", "ace"], "nothing is searched for 'ace'; known: 'linear', 'linear_ace'"),
        (["--trials", "0"], "--trials: expected 1 or more, got 0"),
    ],
)
def test_what_cannot_be_searched(folder, capsys, given, message):
    assert main(["tune", "data.extxyz", *given]) == 2
    assert message in capsys.readouterr().err
