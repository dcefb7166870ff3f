"""Going on with a run: the history and the weights of one that was never interrupted."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from ase import Atoms
from skorch.callbacks import Callback

import amptorch.fit.callbacks
import amptorch.fit.state
from amptorch import AtomsTrainer
from amptorch.files import checkpoint
from amptorch.fit import resume

from ..made_potentials import config, cuco_frames, history, trained, weights

FRAMES = cuco_frames(10)
SCHEDULERS: dict[str, Any] = {
    "none": None,
    "StepLR": {"policy": "StepLR", "params": {"step_size": 3, "gamma": 0.7}},
    "ReduceLROnPlateau": {
        "policy": "ReduceLROnPlateau",
        "params": {"patience": 1, "monitor": "train_loss", "factor": 0.5},
    },
    "ExponentialLR": {"policy": "ExponentialLR", "params": {"gamma": 0.9}},
    "WarmupCosine": {"policy": "WarmupCosine", "params": {"total": 25, "warmup": 4}},
    "CyclicLR": {
        "policy": "CyclicLR",
        "params": {"base_lr": 1e-3, "max_lr": 1e-2, "step_every": "batch", "cycle_momentum": False},
    },
}
VARIANTS: dict[str, dict[str, Any]] = {
    "shuffled batches": {"optim": {"batch_size": 3}},
    "validation": {"optim": {"batch_size": 3}, "dataset": {"val_split": 0.2}},
    "inorder": {"dataset": {"val_split": 0.2, "val_split_mode": "inorder"}},
    "dropout": {
        "model": {"dropout": True, "dropout_rate": 0.3},
        "optim": {"batch_size": 4},
        "dataset": {"val_split": 0.2},
    },
    "batchnorm": {"model": {"name": "singlenn", "batchnorm": True}, "optim": {"batch_size": 4}},
    "sgd": {
        "optim": {
            "optimizer": torch.optim.SGD,
            "optimizer_args": {"optimizer__momentum": 0.9},
            "batch_size": 3,
            "lr": 1e-3,
        }
    },
    "float32": {"cmd": {"dtype": torch.FloatTensor}, "optim": {"batch_size": 3}},
    "energies only": {
        "model": {"get_forces": False},
        "optim": {"force_coefficient": 0, "batch_size": 3},
    },
    "averaged weights": {
        "optim": {"batch_size": 3, "ema": 0.9, "gradient_clip": 0.5},
        "dataset": {"val_split": 0.2},
    },
    "averaged weights without validation": {"optim": {"batch_size": 3, "ema": 0.9}},
    "balanced loss": {
        "optim": {"batch_size": 3, "balance": "loss", "loss": "huber", "energy_loss": "per_atom"},
    },
    "baseline": {"dataset": {"baseline": "linear"}, "optim": {"batch_size": 3}},
    "frames on the device": {
        "optim": {"batch_size": 3, "resident": True},
        "dataset": {"derivatives": "on_the_fly", "val_split": 0.2},
    },
}


def with_epochs(sections: dict[str, Any], epochs: int, **optim: Any) -> dict[str, Any]:
    return {**sections, "optim": {**sections.get("optim", {}), "epochs": epochs, **optim}}


def gone_on(sections: dict[str, Any], run_dir: Path) -> AtomsTrainer:
    """6 epochs, and 6 more after loading; other draws happen in between."""
    first = trained(FRAMES, run_dir, **with_epochs(sections, 6))
    torch.rand(17), np.random.random(5)
    second = AtomsTrainer(config(FRAMES, run_dir, **with_epochs(sections, 6)))
    second.load_pretrained(first.cp_dir)
    second.train()
    return second


def assert_same_run(one: AtomsTrainer, other: AtomsTrainer) -> None:
    for row, (left, right) in enumerate(zip(history(one), history(other), strict=True)):
        assert left == right, f"epoch {row + 1}"
    expected = weights(other)
    for name, value in weights(one).items():
        assert torch.equal(value, expected[name]), name


@pytest.mark.parametrize("name", VARIANTS)
def test_going_on_equals_one_run(name, tmp_path):
    """Bit for bit: batches, validation part, learning rate, optimizer, dropped nodes."""
    whole = trained(FRAMES, tmp_path / "whole", **with_epochs(VARIANTS[name], 12))
    assert_same_run(gone_on(VARIANTS[name], tmp_path / "parts"), whole)
    assert len(whole.net.history) == 12


@pytest.mark.parametrize("name", SCHEDULERS)
def test_going_on_with_a_scheduler_equals_one_run(name, tmp_path):
    sections = {
        "dataset": {"val_split": 0.2},
        "optim": {"batch_size": 3, "scheduler": SCHEDULERS[name]},
    }
    whole = trained(FRAMES, tmp_path / "whole", **with_epochs(sections, 12))
    parts = gone_on(sections, tmp_path / "parts")
    assert_same_run(parts, whole)
    if name != "none":
        rates = [group["lr"] for group in whole.net.optimizer_.param_groups]
        assert [group["lr"] for group in parts.net.optimizer_.param_groups] == rates


def test_going_on_twice_equals_one_run(tmp_path):
    sections = {"optim": {"batch_size": 3}, "dataset": {"val_split": 0.2}}
    whole = trained(FRAMES, tmp_path / "whole", **with_epochs(sections, 12))
    trainer = trained(FRAMES, tmp_path / "parts", **with_epochs(sections, 4))
    for _ in range(2):
        checkpoint = trainer.cp_dir
        trainer = AtomsTrainer(config(FRAMES, tmp_path / "parts", **with_epochs(sections, 4)))
        trainer.load_pretrained(checkpoint)
        trainer.train()
    assert_same_run(trainer, whole)


def test_early_stopping_counts_on(tmp_path):
    """Patience that was half used up when the run ended is not given anew."""
    sections = {
        "optim": {"lr": 5.0},
        "cmd": {"early_stopping": True, "early_stopping_patience": 6},
    }
    whole = trained(FRAMES, tmp_path / "whole", **with_epochs(sections, 60))
    stopped = len(whole.net.history)
    assert 7 <= stopped < 60
    first = trained(FRAMES, tmp_path / "parts", **with_epochs(sections, stopped - 3))
    second = AtomsTrainer(config(FRAMES, tmp_path / "parts", **with_epochs(sections, 60)))
    second.load_pretrained(first.cp_dir)
    second.train()
    assert history(second) == history(whole)


@pytest.mark.parametrize("other", [torch.optim.SGD, torch.optim.LBFGS, torch.optim.AdamW])
def test_going_on_with_another_optimizer(other, tmp_path):
    first = trained(FRAMES, tmp_path, optim={"epochs": 2, "scheduler": SCHEDULERS["StepLR"]})
    second = AtomsTrainer(
        config(FRAMES, tmp_path, optim={"epochs": 2, "optimizer": other, "lr": 1e-3})
    )
    second.load_pretrained(first.cp_dir)
    second.train()
    assert isinstance(second.net.optimizer_, other)
    assert len(second.net.history) == 4
    assert np.isfinite(second.net.history[-1, "train_loss"])


def test_the_first_checkpoint_stays_as_it_was(tmp_path):
    first = trained(FRAMES, tmp_path)
    before = {path.name: path.read_bytes() for path in Path(first.cp_dir).iterdir()}
    second = AtomsTrainer(config(FRAMES, tmp_path))
    second.load_pretrained(first.cp_dir)
    second.train()
    assert second.cp_dir != first.cp_dir
    assert {path.name: path.read_bytes() for path in Path(first.cp_dir).iterdir()} == before


def test_a_worse_continuation_keeps_the_best_model(tmp_path):
    """The best epoch of the first part is the model of the second, which only gets worse."""
    sections = {"dataset": {"val_split": 0.2}}
    first = trained(FRAMES, tmp_path, **with_epochs(sections, 15))
    expected = first.predict(FRAMES)["energy"]
    second = AtomsTrainer(config(FRAMES, tmp_path, **with_epochs(sections, 3)))
    second.load_pretrained(first.cp_dir)
    for group in second._start.state["optimizer"]["param_groups"]:
        group["lr"] = 10.0
    second.train()
    assert not any(row["event_cp"] for row in second.net.history[15:])
    np.testing.assert_array_equal(second.predict(FRAMES)["energy"], expected)
    third = AtomsTrainer()
    third.load_pretrained(second.cp_dir)
    np.testing.assert_array_equal(third.predict(FRAMES)["energy"], expected)


@pytest.mark.parametrize("interval", [0.0, 1e9])
def test_the_best_model_is_written_before_the_state(tmp_path, monkeypatch, interval):
    """But for the first one, without which the state is no checkpoint, and which is without it one
    that would go on otherwise."""
    monkeypatch.setattr("amptorch.fit.state.INTERVAL", interval)
    written: list[tuple[str, int]] = []
    replace = os.replace

    def recording(source: Any, target: Any) -> None:
        written.append((Path(target).name, len(trainer.net.history)))
        replace(source, target)

    trainer = AtomsTrainer(config(FRAMES, tmp_path, **with_epochs({}, 6)))
    trainer.load()
    monkeypatch.setattr(os, "replace", recording)
    trainer.net.fit(trainer.train_dataset, None)
    best = [row["epoch"] for row in trainer.net.history if row["event_cp"]]
    assert len(best) > 2
    models = [epoch for name, epoch in written if name == "params.pt"]
    states = [epoch for name, epoch in written if name == "resume.pt"]
    assert models == (best if interval == 0.0 else [best[0], 6])
    assert states == ([1, 2, 3, 4, 5, 6, 6] if interval == 0.0 else [1, 6])
    assert written[0] == ("resume.pt", 1)
    assert written.index(("params.pt", models[-1])) < len(written) - 1
    assert written[-1][0] == "resume.pt"
    assert len(checkpoint.load_history(Path(str(trainer.cp_dir)) / "history.json")) == best[-1]


def energy_of(image: Atoms) -> float:
    return image.get_potential_energy()


class StopAt(Callback):
    """Raises in the middle of an epoch, as Ctrl-C does."""

    def __init__(self, epoch: int, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.epoch = epoch
        self.error = error

    def on_batch_end(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        if training and len(net.history) == self.epoch and len(net.history[-1, "batches"]) == 2:
            raise self.error


def interrupted(run_dir: Path, epoch: int, error: type[BaseException]) -> AtomsTrainer:
    """A run that stops in the middle of an epoch."""
    sections = with_epochs({"dataset": {"val_split": 0.2}}, 12, batch_size=3)
    trainer = AtomsTrainer(config(FRAMES, run_dir, **sections))
    make = amptorch.fit.callbacks.training_callbacks
    stop = ("stop", StopAt(epoch, error))
    with mock.patch("amptorch.fit.callbacks.training_callbacks", lambda *a: [*make(*a), stop]):
        trainer.train()
    return trainer


def test_ctrl_c_leaves_the_best_model_loadable(tmp_path):
    trainer = interrupted(tmp_path, 8, KeyboardInterrupt)
    assert (Path(trainer.cp_dir) / "params.pt").is_file()
    loaded = AtomsTrainer()
    loaded.load_pretrained(trainer.cp_dir)
    np.testing.assert_array_equal(
        loaded.predict(FRAMES)["energy"], trainer.predict(FRAMES)["energy"]
    )
    scores = [row["val_energy_mae"] for row in trainer.net.history.to_list()[:7]]
    _, valid = resume.read(trainer.cp_dir)["split"]
    errors = [trainer.predict([FRAMES[k]])["energy"][0] - energy_of(FRAMES[k]) for k in valid]
    assert np.mean(np.abs(errors)) == pytest.approx(min(scores), rel=1e-5)


def test_after_ctrl_c_a_run_goes_on_to_its_target(tmp_path):
    sections = with_epochs({"dataset": {"val_split": 0.2}}, 12, batch_size=3)
    whole = trained(FRAMES, tmp_path / "whole", **sections)
    stopped = interrupted(tmp_path / "stopped", 8, KeyboardInterrupt)
    on = AtomsTrainer(config(FRAMES, tmp_path / "stopped", **sections))
    on.load_pretrained(stopped.cp_dir)
    on.train()
    assert_same_run(on, whole)


def test_ctrl_c_in_the_first_epoch_leaves_a_trainer_that_says_so(tmp_path):
    trainer = interrupted(tmp_path, 1, KeyboardInterrupt)
    assert not (Path(trainer.cp_dir) / "params.pt").exists()
    with pytest.raises(FileNotFoundError, match=r"is not a checkpoint, it lacks params\.pt"):
        AtomsTrainer().load_pretrained(trainer.cp_dir)


def test_an_error_in_training_is_not_swallowed(tmp_path):
    with pytest.raises(ZeroDivisionError):
        interrupted(tmp_path, 3, ZeroDivisionError)


class Slow(Callback):
    """Adds a letter to a file at the beginning of an epoch."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def on_epoch_begin(self, net, **kwargs):
        with open(self.log, "a") as file:
            file.write("x")
        time.sleep(0.02)


def train_slowly(run_dir: Path, log: Path) -> None:
    torch.set_num_threads(1)
    amptorch.fit.state.INTERVAL = 0.0
    trainer = AtomsTrainer(config(FRAMES, run_dir, **KILLED))
    make = amptorch.fit.callbacks.training_callbacks
    amptorch.fit.callbacks.training_callbacks = lambda *a: [*make(*a), ("slow", Slow(log))]
    trainer.train()


KILLED: dict[str, Any] = {
    "optim": {"epochs": 40, "batch_size": 3},
    "dataset": {"val_split": 0.2},
}


def test_a_killed_run_goes_on_to_its_target(start, tmp_path):
    log = tmp_path / "log"
    log.touch()
    child = start(train_slowly, tmp_path / "killed", log)
    while log.stat().st_size < 19:
        assert child.is_alive()
        time.sleep(0.01)
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    (folder,) = (tmp_path / "killed" / "checkpoints").iterdir()
    on = AtomsTrainer(config(FRAMES, tmp_path / "killed", **KILLED))
    on.load_pretrained(folder)
    assert 15 <= on._start.state["epochs"] < 40
    on.train()
    assert len(on.net.history) == 40
    whole = trained(FRAMES, tmp_path / "whole", **KILLED)
    assert_same_run(on, whole)
