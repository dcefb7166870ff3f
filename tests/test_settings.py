"""Settings as numpy, torch, paths and enumerations give them; what trains can be saved and loaded."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from amptorch import AtomsTrainer
from amptorch.config import Config
from amptorch.plain import plain

from .made_potentials import GAUSSIAN, alloy_frames, config, history, listing, trained, weights

FRAMES = alloy_frames(6)


class Name(str, enum.Enum):
    SINGLE = "singlenn"
    DOUBLE = "float64"
    LINEAR = "linear"


class Count(enum.IntEnum):
    TWO = 2


G2 = {"etas": np.array([0.05, 4.0]), "rs_s": np.zeros(1)}
PLAIN_G2 = {"etas": [0.05, 4.0], "rs_s": [0.0]}
GIVEN: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "numbers of optim": (
        "optim",
        {"batch_size": np.int64(4), "epochs": np.uint8(2), "lr": np.float64(0.02)},
        {"batch_size": 4, "epochs": 2, "lr": 0.02},
    ),
    "numbers of torch": (
        "optim",
        {"batch_size": torch.tensor(4), "lr": torch.tensor(0.02, dtype=torch.float64)},
        {"batch_size": 4, "lr": 0.02},
    ),
    "enumerations": ("optim", {"batch_size": Count.TWO}, {"batch_size": 2}),
    "array of one number": ("optim", {"epochs": np.array(2)}, {"epochs": 2}),
    "coefficients": (
        "optim",
        {"force_coefficient": np.float32(0.5), "ema": np.float64(0.5)},
        {"force_coefficient": 0.5, "ema": 0.5},
    ),
    "arguments": (
        "optim",
        {"optimizer_args": {"optimizer__betas": np.array([0.8, 0.9])}},
        {"optimizer_args": {"optimizer__betas": (0.8, 0.9)}},
    ),
    "schedule": (
        "optim",
        {"scheduler": {"policy": "MultiStepLR", "params": {"milestones": np.array([1, 2])}}},
        {"scheduler": {"policy": "MultiStepLR", "params": {"milestones": [1, 2]}}},
    ),
    "options of an optimizer by name": (
        "optim",
        {"optimizer": "kalman", "optimizer_args": {"fraction": np.float64(1.0)}},
        {"optimizer": "kalman", "optimizer_args": {"fraction": 1.0}},
    ),
    "widths": ("model", {"hidden_layers": np.array([5, 3])}, {"hidden_layers": [5, 3]}),
    "widths in a tuple": (
        "model",
        {"hidden_layers": (np.int32(5), 3)},
        {"hidden_layers": [5, 3]},
    ),
    "widths in a range": ("model", {"hidden_layers": range(3, 5)}, {"hidden_layers": [3, 4]}),
    "layers": (
        "model",
        {"num_layers": np.int16(1), "num_nodes": np.int64(3), "dropout": np.bool_(False)},
        {"num_layers": 1, "num_nodes": 3, "dropout": False},
    ),
    "name of a model": ("model", {"name": Name.SINGLE}, {"name": "singlenn"}),
    "string of numpy": ("model", {"name": np.str_("singlenn")}, {"name": "singlenn"}),
    "fraction": ("dataset", {"val_split": np.float64(0.5)}, {"val_split": 0.5}),
    "elements": ("dataset", {"elements": np.array(["Pd", "Cu"])}, {"elements": ["Pd", "Cu"]}),
    "elements in a tuple": ("dataset", {"elements": ("Pd", "Cu")}, {"elements": ["Pd", "Cu"]}),
    "set of elements": ("dataset", {"elements": {"Pd", "Cu"}}, {"elements": ["Cu", "Pd"]}),
    "fingerprints": (
        "dataset",
        {"fp_params": {"default": {"G2": G2, "cutoff": np.float64(5.5)}}},
        {"fp_params": {"default": {"G2": PLAIN_G2, "cutoff": 5.5}}},
    ),
    "scaling": (
        "dataset",
        {"scaling": {"type": "normalize", "range": np.array([-1, 1])}, "baseline": Name.LINEAR},
        {"scaling": {"type": "normalize", "range": (-1, 1)}, "baseline": "linear"},
    ),
    "no cache": ("dataset", {"save_fps": np.bool_(False)}, {"save_fps": False}),
    "seed": ("cmd", {"seed": np.int64(3)}, {"seed": 3}),
    "precision of numpy": ("cmd", {"dtype": np.float32}, {"dtype": torch.FloatTensor}),
    "precision by name": ("cmd", {"dtype": "float32"}, {"dtype": torch.FloatTensor}),
    "precision as torch prints it": (
        "cmd",
        {"dtype": "torch.float32"},
        {"dtype": torch.FloatTensor},
    ),
    "precision in an enumeration": ("cmd", {"dtype": Name.DOUBLE}, {"dtype": torch.DoubleTensor}),
    "identifier": ("cmd", {"identifier": np.int64(7)}, {"identifier": "7"}),
    "patience": (
        "cmd",
        {"early_stopping": np.bool_(True), "early_stopping_patience": np.int64(2)},
        {"early_stopping": True, "early_stopping_patience": 2},
    ),
}


@pytest.mark.parametrize("name", GIVEN)
def test_settings_do_as_pythons_do_and_go_on(tmp_path, name):
    section, given, as_python = GIVEN[name]
    one = trained(FRAMES, tmp_path, **{section: given})
    other = trained(FRAMES, tmp_path, **{section: as_python})
    assert history(one) == history(other)
    for key, value in weights(other).items():
        assert torch.equal(weights(one)[key], value), key
    alone = AtomsTrainer()
    alone.load_pretrained(one.cp_dir)
    assert alone.predict(FRAMES)["energy"] == one.predict(FRAMES)["energy"]
    again = AtomsTrainer(config(FRAMES, tmp_path, **{section: given}))
    again.load_pretrained(one.cp_dir)
    again.train()
    assert len(again.net.history) > len(one.net.history)


def test_the_callers_settings_stay_as_they_are(tmp_path):
    given = config(FRAMES, Path(tmp_path), model={"hidden_layers": np.array([3])})
    trainer = AtomsTrainer(given)
    assert isinstance(given["model"]["hidden_layers"], np.ndarray)
    assert given["dataset"]["raw_data"] is FRAMES is trainer.config["dataset"]["raw_data"]


def test_plain_values():
    nested = {np.str_("a"): (np.arange(2), [Path("x/y")], range(2)), 1: {Count.TWO: torch.ones(2)}}
    assert plain(nested) == {"a": ([0, 1], ["x/y"], [0, 1]), 1: {2: [1.0, 1.0]}}
    assert plain(nn.Tanh) is nn.Tanh
    assert plain(np.dtype("float32")) == "float32"


class Shifted(nn.Softplus):
    """An activation that a module has at its top."""


def decay(epoch: int) -> float:
    return 0.9**epoch


class Holder:
    """Would be read back from no file: it holds a state that only its class knows."""

    def __init__(self) -> None:
        self.value = 1


@pytest.fixture
def refused(tmp_path) -> Iterator[dict[str, tuple[str, dict[str, Any]]]]:
    """Settings that no checkpoint can keep, by name."""

    class Local(nn.Softplus):
        pass

    def schedule(value: Any) -> dict[str, Any]:
        return {"scheduler": {"policy": "LambdaLR", "params": {"lr_lambda": value}}}

    (tmp_path / "file").touch()
    with open(tmp_path / "file") as file:
        yield {
            "lambda": ("optim", schedule(lambda epoch: 0.9**epoch)),
            "lambda in a list": ("optim", schedule([lambda epoch: 0.9**epoch])),
            "local activation": ("model", {"activation": Local}),
            "lambda for an activation": ("model", {"activation": lambda: nn.Softplus()}),
            "local loss": ("optim", {"loss_fn": type("Loss", (nn.MSELoss,), {})}),
            "open file": ("optim", {"optimizer_args": {"optimizer__weight_decay": file}}),
            "foreign object": ("dataset", {"cutoff_params": Holder()}),
            "generator": ("optim", {"device": (x for x in "a")}),
        }


def test_what_cannot_be_saved_is_refused_by_name(refused, tmp_path):
    before = listing(tmp_path)
    for section, values in refused.values():
        (key,) = values
        with pytest.raises(ValueError, match=f"{section}: {key} cannot be kept in a checkpoint"):
            trained(FRAMES, tmp_path, **{section: values})
    assert listing(tmp_path) == before


def test_where_nothing_is_saved_all_trains(refused, tmp_path):
    for name in ("lambda", "local activation", "lambda for an activation"):
        section, values = refused[name]
        trainer = trained(FRAMES, tmp_path, cmd={"debug": True}, **{section: values})
        assert np.isfinite(trainer.predict(FRAMES)["energy"]).all()


def test_functions_and_classes_of_modules_are_kept(tmp_path):
    own = {
        "model": {"activation": Shifted},
        "optim": {"scheduler": {"policy": "LambdaLR", "params": {"lr_lambda": decay}}},
    }
    trainer = trained(FRAMES, tmp_path, **own)
    again = AtomsTrainer(config(FRAMES, tmp_path, **own))
    again.load_pretrained(trainer.cp_dir)
    again.train()
    once = trained(FRAMES, tmp_path, **{**own, "optim": {**own["optim"], "epochs": 6}})
    assert history(again) == history(once)
    with pytest.raises(
        ValueError, match=r"config.pt names .*Shifted.*: give AtomsTrainer a config"
    ):
        AtomsTrainer().load_pretrained(trainer.cp_dir)


def test_a_schedule_of_ones_own_does_not_keep_a_model_from_loading(tmp_path):
    schedule = {"policy": "LambdaLR", "params": {"lr_lambda": decay}}
    trainer = trained(FRAMES, tmp_path, optim={"scheduler": schedule})
    alone = AtomsTrainer()
    alone.load_pretrained(trainer.cp_dir)
    assert alone.predict(FRAMES)["energy"] == trainer.predict(FRAMES)["energy"]


WRONG = {
    "seed": ("cmd", {"seed": 0.5}, "cmd: expected seed to be an integer >= 0, got 0.5"),
    "seed of text": ("cmd", {"seed": "1"}, "cmd: expected seed to be an integer >= 0, got '1'"),
    "NaN rate": ("optim", {"lr": np.nan}, "optim: expected lr > 0, got nan"),
    "rate in text": ("optim", {"lr": "1e-2"}, "optim: expected lr > 0, got '1e-2'"),
    "NaN coefficient": (
        "optim",
        {"force_coefficient": float("nan")},
        "optim: expected force_coefficient to be a number, got nan",
    ),
    "widths of half": (
        "model",
        {"hidden_layers": np.array([4.5])},
        r"model: expected hidden_layers to be a list of integers >= 1, got \[4.5\]",
    ),
    "one width": ("model", {"hidden_layers": np.int64(4)}, "hidden_layers to be a list .* got 4"),
    "nodes": ("model", {"num_nodes": np.float64(4.0)}, "num_nodes to be an integer >= 1, got 4.0"),
    "epochs": (
        "optim",
        {"epochs": np.array([2, 3])},
        r"epochs to be an integer >= 1, got \[2, 3\]",
    ),
    "dropout": ("model", {"dropout_rate": 1.0}, r"expected dropout_rate in \[0, 1\), got 1.0"),
    "precision": ("cmd", {"dtype": np.float16}, "expected dtype torch.DoubleTensor or .*'float16'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_numbers(name):
    section, values, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        Config.from_dict({section: values})


def test_a_section_that_is_no_mapping():
    with pytest.raises(ValueError, match="config: expected optim to be a mapping, got None"):
        AtomsTrainer({"dataset": {"fp_params": GAUSSIAN}, "optim": None})
