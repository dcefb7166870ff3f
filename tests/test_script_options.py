"""Scripts in the style of the original's that set options of the optimization and the run."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from amptorch.model import CustomLoss, PerAtomLoss
from amptorch.trainer import AtomsTrainer

from .made_potentials import FromFloat64
from .test_scripts import get_config, images

pytestmark = pytest.mark.usefixtures("run_dir")


def test_scheduler_script():
    config = get_config()
    config["optim"]["scheduler"] = {
        "policy": "StepLR",
        "params": {"step_size": 2, "gamma": 0.1},
    }
    trainer = AtomsTrainer(config)
    trainer.train()
    assert trainer.net.history[:, "event_lr"] == pytest.approx([1e-2, 1e-2, 1e-3, 1e-3])


def test_scheduler_by_class_and_without_params_script():
    config = get_config()
    config["optim"]["scheduler"] = {"policy": torch.optim.lr_scheduler.ReduceLROnPlateau}
    trainer = AtomsTrainer(config)
    trainer.train()
    assert len(trainer.net.history) == 4


@pytest.mark.parametrize("key", ["early_stoppping_patience", "early_stopping_patience"])
@pytest.mark.parametrize("val_split", [0, 0.25])
def test_early_stopping_script(key, val_split):
    config = get_config()
    config["optim"].update(lr=10.0, epochs=50)
    config["dataset"]["val_split"] = val_split
    config["cmd"].update({"early_stopping": True, key: 3})
    trainer = AtomsTrainer(config)
    trainer.train()
    losses = trainer.net.history[:, "valid_loss" if val_split else "train_loss"]
    assert len(losses) < 50
    assert min(losses) == pytest.approx(losses[-4], rel=2e-4)


def test_optimizer_args_script():
    config = get_config()
    config["optim"].update(
        optimizer=torch.optim.AdamW, optimizer_args={"optimizer__weight_decay": 0.3}
    )
    trainer = AtomsTrainer(config)
    trainer.train()
    assert isinstance(trainer.net.optimizer_, torch.optim.AdamW)
    assert trainer.net.optimizer_.param_groups[0]["weight_decay"] == 0.3


def test_lbfgs_script():
    config = get_config()
    config["optim"].update(optimizer=torch.optim.LBFGS, batch_size=100, lr=0.1, epochs=5)
    trainer = AtomsTrainer(config)
    trainer.train()
    losses = trainer.net.history[:, "train_loss"]
    assert losses[-1] < losses[0]


class HuberLoss(torch.nn.Module):
    def __init__(self, force_coefficient=0, loss="mse"):
        super().__init__()
        self.alpha = force_coefficient
        self.criterion = torch.nn.HuberLoss()

    def forward(self, prediction, target):
        energy_loss = self.criterion(prediction[0], target[0])
        return energy_loss + self.alpha * self.criterion(prediction[1], target[1])


@pytest.mark.parametrize("loss_fn", [HuberLoss, CustomLoss, PerAtomLoss])
def test_custom_loss_script(loss_fn):
    config = get_config()
    config["optim"].update(loss_fn=loss_fn, epochs=30)
    trainer = AtomsTrainer(config)
    trainer.train()
    losses = trainer.net.history[:, "train_loss"]
    assert losses[-1] < losses[0]
    assert isinstance(trainer.net.criterion_, loss_fn)
    again = AtomsTrainer()
    again.load_pretrained(trainer.cp_dir)
    assert again.predict(images[:1])["energy"] == trainer.predict(images[:1])["energy"]


def test_float32_script():
    config = get_config()
    config["cmd"]["dtype"] = torch.FloatTensor
    trainer = FromFloat64(config)
    trainer.train()
    assert all(weight.dtype == torch.float32 for weight in trainer.model.parameters())
    assert trainer.train_dataset[0].fingerprint.dtype == torch.float32
    exact = AtomsTrainer(get_config())
    exact.train()
    np.testing.assert_allclose(
        trainer.net.history[:, "train_loss"], exact.net.history[:, "train_loss"], rtol=1e-4
    )
    again = AtomsTrainer()
    again.load_pretrained(trainer.cp_dir)
    np.testing.assert_array_equal(
        again.predict(images[:2])["forces"], trainer.predict(images[:2])["forces"]
    )


def test_forces_decide_the_checkpoint_script():
    config = get_config()
    config["optim"].update(cp_metric="forces", epochs=12, lr=0.1)
    config["dataset"]["val_split"] = 0.25
    trainer = AtomsTrainer(config)
    trainer.train()
    rows = trainer.net.history.to_list()
    scores = [row["val_forces_mae"] for row in rows]
    best = [score == min(scores[: k + 1]) for k, score in enumerate(scores)]
    assert [row["event_cp"] for row in rows] == best
    assert [row["val_forces_mae_best"] for row in rows] == best
