"""Names, classes and arguments of optimizers; what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from amptorch import AtomsTrainer
from amptorch.config import Config
from amptorch.fit.losses import PerAtomLoss
from amptorch.fit.optimizers import LBFGSB, SOAP, KalmanFilter, base, choose

from ...made_potentials import config, cuco_frames, trained
from ..test_resume import assert_same_run, gone_on, with_epochs
from .problems import FRAMES, TANH, loaded


@pytest.mark.parametrize(
    ("optimizer", "arguments", "kind", "lr", "batch_size"),
    [
        (None, {}, torch.optim.Adam, 0.1, 32),
        ("adam", {}, torch.optim.Adam, 5e-3, 8),
        ("adamw", {"weight_decay": 0.1}, torch.optim.AdamW, 5e-3, 8),
        ("soap", {"refresh": 5}, SOAP, 5e-3, 8),
        ("kalman", {"fraction": 0.2}, KalmanFilter, 1.0, 1),
        ("Kalman", {}, KalmanFilter, 1.0, 1),
        ("RAdam", {"eps": 1e-9}, torch.optim.RAdam, 0.1, 32),
        ("LBFGS", {}, LBFGSB, 1.0, 32),
        ("annealing", {}, torch.optim.Adam, 5e-3, 8),
        ("annealing", {"then": "lbfgs", "history": 5}, LBFGSB, 1.0, 32),
        ("annealing", {"then": torch.optim.SGD, "momentum": 0.9}, torch.optim.SGD, 0.1, 32),
        (torch.optim.SGD, {"optimizer__momentum": 0.9}, torch.optim.SGD, 0.1, 32),
    ],
)
def test_names_bring_defaults_and_classes_the_originals(optimizer, arguments, kind, lr, batch_size):
    given = {"optimizer_args": arguments, **({"optimizer": optimizer} if optimizer else {})}
    optim = Config.from_dict({"optim": given}).optim
    assert optim.choice.optimizer is kind
    assert (optim.lr, optim.batch_size) == (lr, batch_size)
    given.update(lr=0.3, batch_size=5)
    optim = Config.from_dict({"optim": given}).optim
    assert (optim.lr, optim.batch_size) == (0.3, 5)


def test_arguments_with_and_without_prefix():
    for name in ("fraction", "optimizer__fraction"):
        assert choose("kalman", {name: 0.5}).arguments == {"optimizer__fraction": 0.5}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "name": ({"optimizer": "kalmann"}, "optim: unknown optimizer 'kalmann'; did you mean 'kalman'"),
    "then": (
        {"optimizer": "annealing", "optimizer_args": {"then": "bfg"}},
        "unknown optimizer 'bfg'; did you mean 'bfgs'",
    ),
    "argument": (
        {"optimizer": "kalman", "optimizer_args": {"fractoin": 0.5}},
        "optim, optimizer_args: unknown key 'fractoin'; did you mean 'fraction'",
    ),
    "argument of annealing": (
        {"optimizer": "annealing", "optimizer_args": {"Tmix": 0.5}},
        "unknown key 'Tmix'; did you mean 'Tmin'",
    ),
    "noise": (
        {"optimizer": "kalman", "optimizer_args": {"force_noise": 0.0}},
        "optimizer: expected force_noise > 0, got 0.0",
    ),
    "fraction": (
        {"optimizer": "kalman", "optimizer_args": {"fraction": 1.5}},
        r"optimizer: expected fraction in \[0, 1\], got 1.5",
    ),
    "forgetting": (
        {"optimizer": "kalman", "optimizer_args": {"forgetting": 0.0}},
        r"optimizer: expected forgetting in \(0, 1\], got 0.0",
    ),
    "damping": (
        {"optimizer": "levenberg_marquardt", "optimizer_args": {"damping": 0.0}},
        "optimizer: expected damping > 0, got 0.0",
    ),
    "temperatures": (
        {"optimizer": "annealing", "optimizer_args": {"Tmax": 1.0, "Tmin": 2.0}},
        "optimizer: expected Tmax > Tmin > 0, got 1.0 and 2.0",
    ),
    "steps": (
        {"optimizer": "annealing", "optimizer_args": {"steps": 0}},
        "optimizer: expected steps to be an integer >= 1, got 0",
    ),
    "clipped filter": (
        {"optimizer": "kalman", "gradient_clip": 1.0},
        "optim: KalmanFilter cannot follow 'gradient_clip'",
    ),
    "scheduled L-BFGS": (
        {"optimizer": "lbfgs", "scheduler": {"policy": "StepLR", "params": {"step_size": 2}}},
        "optim: LBFGSB cannot follow 'scheduler'",
    ),
    "averaged BFGS": ({"optimizer": "bfgs", "ema": 0.9}, "optim: BFGS cannot follow 'ema'"),
    "absolute errors": (
        {"optimizer": "kalman", "loss": "mae"},
        "optim: KalmanFilter needs loss 'mse' of CustomLoss, got 'mae' of CustomLoss",
    ),
    "another loss": (
        {"optimizer": "levenberg_marquardt", "loss_fn": PerAtomLoss},
        "LevenbergMarquardt needs loss 'mse' of CustomLoss, got 'mse' of PerAtomLoss",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_settings_write_nothing(name, tmp_path):
    optim, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        AtomsTrainer(config(cuco_frames(4), tmp_path, optim=optim)).train()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["kalman", "levenberg_marquardt", "lbfgs", "bfgs"])
@pytest.mark.parametrize("part", ["dropout", "batchnorm"])
def test_models_that_are_not_smooth(name, part, tmp_path):
    trainer = loaded(tmp_path, name, {"num_layers": 1, part: True})
    with pytest.raises(ValueError, match="needs a model without dropout and batchnorm"):
        trainer.net.fit(trainer.train_dataset, None)


@pytest.mark.parametrize("name", ["kalman", "levenberg_marquardt", "bfgs"])
def test_more_memory_than_there_is(name, tmp_path, monkeypatch):
    monkeypatch.setattr(base, "check_memory", lambda: (1e-7, 1e-6))
    trainer = loaded(tmp_path, name, TANH)
    with pytest.raises(ValueError, match=f"optimizer: {name} needs about .* GB of memory"):
        trainer.net.fit(trainer.train_dataset, None)


RESUMED: dict[str, dict[str, Any]] = {
    "kalman": {"fraction": 0.3},
    "levenberg_marquardt": {"fraction": 0.5},
    "adamw": {"weight_decay": 0.1},
    "soap": {"refresh": 2},
}


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("kalman", torch.FloatTensor),
        ("levenberg_marquardt", torch.DoubleTensor),
        ("adamw", torch.DoubleTensor),
        ("soap", torch.FloatTensor),
    ],
)
def test_going_on_equals_one_run(name, dtype, tmp_path):
    """Bit for bit: covariances, damping, the force components drawn."""
    sections = {
        "optim": {"optimizer": name, "optimizer_args": RESUMED[name], "batch_size": 3, "lr": 0.5},
        "cmd": {"dtype": dtype},
    }
    if name == "adamw":
        sections["optim"]["lr"] = 1e-2
    from ..test_resume import FRAMES as frames

    whole = trained(frames, tmp_path / "whole", **with_epochs(sections, 12))
    assert_same_run(gone_on(sections, tmp_path / "parts"), whole)


@pytest.mark.parametrize(("before", "after"), [("kalman", "adam"), ("adam", "lbfgs")])
def test_going_on_with_another_optimizer(before, after, tmp_path):
    first = trained(FRAMES, tmp_path, optim={"optimizer": before, "epochs": 2})
    second = AtomsTrainer(config(FRAMES, tmp_path, optim={"optimizer": after, "epochs": 2}))
    second.load_pretrained(first.cp_dir)
    second.train()
    assert len(second.net.history) == 4


def test_weights_of_frames_count_in_observations(tmp_path):
    """A weight of 0 leaves a frame out of the filter's observations."""
    frames = cuco_frames(4)
    for frame, weight in zip(frames, (1.0, 0.0, 1.0, 1.0), strict=True):
        frame.info["weight"] = weight
    optim = {"optimizer": "kalman", "optimizer_args": {"fraction": 1.0}, "batch_size": 4}
    one = trained(frames, tmp_path / "a", optim=optim, dataset={"weight_key": "weight"})
    frames[1].calc.results["energy"] += 5.0
    frames[1].calc.results["forces"] += 1.0
    other = AtomsTrainer(
        config(frames, tmp_path / "b", optim=optim, dataset={"weight_key": "weight"})
    )
    other.load()
    other.load_dataset(one.scalers)
    other.net.fit(other.train_dataset, None)
    for name, value in one.model.state_dict().items():
        torch.testing.assert_close(value, other.model.state_dict()[name], rtol=1e-9, atol=1e-12)
