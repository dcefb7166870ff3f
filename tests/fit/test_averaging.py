"""Averaged weights, clipped gradients and schedules of the learning rate."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

import amptorch.fit.callbacks
from amptorch import AtomsTrainer
from amptorch.fit.schedules import WarmupCosine

from ..made_potentials import config, cuco_frames, history, trained, weights

FRAMES = cuco_frames(10)


class Recorder(Callback):
    """Keeps the weights after every training batch, and their gradient's norm."""

    def __init__(self) -> None:
        self.seen: list[dict[str, torch.Tensor]] = []
        self.norms: list[float] = []

    def on_batch_end(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        if training:
            parameters = dict(net.module_.named_parameters())
            self.seen.append({name: p.detach().clone() for name, p in parameters.items()})
            squares = [float(p.grad.square().sum()) for p in parameters.values()]
            self.norms.append(float(np.sqrt(sum(squares))))


def recorded(run_dir: Any, **sections: Any) -> tuple[AtomsTrainer, Recorder]:
    recorder, make = Recorder(), amptorch.fit.callbacks.training_callbacks
    with mock.patch(
        "amptorch.fit.callbacks.training_callbacks", lambda *a: [*make(*a), ("recorder", recorder)]
    ):
        return trained(FRAMES, run_dir, **sections), recorder


@pytest.mark.parametrize("decay", [0.2, 0.99])
def test_final_weights_are_the_running_average(decay, tmp_path):
    optim = {"ema": decay, "batch_size": 3, "epochs": 4}
    trainer, recorder = recorded(tmp_path, optim=optim, cmd={"debug": True})
    start = AtomsTrainer(config(FRAMES, tmp_path, optim=optim, cmd={"debug": True}))
    start.load()
    average = dict(start.model.named_parameters())
    for k, seen in enumerate(recorder.seen, start=1):
        d = min(decay, (1 + k) / (10 + k))
        average = {name: d * average[name] + (1 - d) * seen[name] for name in average}
    for name, value in weights(trainer).items():
        torch.testing.assert_close(value, average[name].detach(), rtol=1e-12, atol=1e-14)


def test_averaging_leaves_training_alone(tmp_path):
    """Batches of training see the weights themselves, so their losses do not change."""
    optim = {"batch_size": 3, "epochs": 6}
    dataset = {"val_split": 0.2}
    plain = trained(FRAMES, tmp_path / "plain", optim=optim, dataset=dataset)
    averaged = trained(FRAMES, tmp_path / "ema", optim={**optim, "ema": 0.9}, dataset=dataset)
    rows = list(zip(history(plain), history(averaged), strict=True))
    assert all(one["train_loss"] == other["train_loss"] for one, other in rows)
    assert all(one["valid_loss"] != other["valid_loss"] for one, other in rows)


def test_the_best_averaged_model_is_kept(tmp_path):
    sections = {
        "optim": {"batch_size": 3, "epochs": 12, "ema": 0.8, "lr": 0.1},
        "dataset": {"val_split": 0.2, "val_split_mode": "inorder"},
    }
    trainer = trained(FRAMES, tmp_path, **sections)
    scores = trainer.net.history[:, "val_energy_mae"]
    loaded = AtomsTrainer()
    loaded.load_pretrained(trainer.cp_dir)
    for each in (trainer, loaded):
        found = each.predict(FRAMES[8:])["energy"]
        errors = np.subtract(found, [frame.get_potential_energy() for frame in FRAMES[8:]])
        assert np.abs(errors).mean() == pytest.approx(min(scores), rel=1e-5)


def test_gradients_are_clipped(tmp_path):
    optim = {"batch_size": 3, "epochs": 3}
    _, free = recorded(tmp_path / "free", optim=optim)
    limit = 0.5 * min(free.norms)
    _, clipped = recorded(tmp_path / "clipped", optim={**optim, "gradient_clip": limit})
    np.testing.assert_allclose(clipped.norms, limit, rtol=1e-4)


def test_warm_up_and_cosine(tmp_path):
    scheduler = {"policy": "WarmupCosine", "params": {"warmup": 3, "floor": 0.1}}
    trainer = trained(FRAMES, tmp_path, optim={"epochs": 12, "lr": 0.02, "scheduler": scheduler})
    expected = [0.25, 0.5, 0.75]
    expected += [0.1 + 0.9 * (1 + np.cos(np.pi * k / 9)) / 2 for k in range(9)]
    np.testing.assert_allclose(
        trainer.net.history[:, "event_lr"], 0.02 * np.array(expected), rtol=1e-12
    )


def test_warm_up_longer_than_all():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    with pytest.raises(ValueError, match="expected 0 <= warmup < total, got warmup 5, total 5"):
        WarmupCosine(optimizer, total=5, warmup=5)
