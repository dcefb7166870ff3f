"""Scripts that override the trainer's ``load_*`` steps, in the style of the original's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch.utils.data import Subset

from amptorch import AtomsTrainer
from amptorch.dataset.in_memory import AtomsDataset
from amptorch.fit.losses import CustomLoss
from amptorch.potentials.networks.model import BPNN

from .made_potentials import alloy_frames, config, history, trained, weights

FRAMES = alloy_frames(5)
STEPS = [
    "load_config",
    "load_rng_seed",
    "load_dataset",
    "load_model",
    "load_criterion",
    "load_optimizer",
    "load_logger",
    "load_extras",
    "load_skorch",
]


class Recorded(AtomsTrainer):
    """Notes the steps it takes."""

    def __init__(self, *arguments: Any) -> None:
        self.steps: list[str] = []
        super().__init__(*arguments)


def _recording(name: str) -> Any:
    def step(self: Recorded) -> None:
        self.steps.append(name)
        getattr(super(Recorded, self), name)()

    return step


for _name in STEPS:
    setattr(Recorded, _name, _recording(_name))


def test_steps_come_in_the_originals_order(tmp_path):
    trainer = trained(FRAMES, tmp_path, Recorded)
    assert trainer.steps == STEPS
    again = Recorded(config(FRAMES, tmp_path))
    again.load_pretrained(trainer.cp_dir)
    assert again.steps == STEPS
    again.train()
    assert again.steps == [*STEPS, "load_extras", "load_skorch"]
    alone = Recorded()
    alone.load_pretrained(trainer.cp_dir)
    assert alone.steps == [step for step in STEPS if step != "load_dataset"]


def test_steps_that_do_nothing_else_change_nothing(tmp_path):
    assert history(trained(FRAMES, tmp_path, Recorded)) == history(trained(FRAMES, tmp_path))


class Loss(torch.nn.Module):
    def __init__(self, force_coefficient=0, loss="mse"):
        super().__init__()
        self.alpha = force_coefficient

    def forward(self, prediction, target):
        return 1e3 + (prediction[0] - target[0]).abs().mean()


class Counter(Callback):
    def __init__(self):
        self.epochs = 0

    def on_epoch_end(self, net, **kwargs):
        self.epochs += 1


class MyTrainer(AtomsTrainer):
    def load_config(self):
        self.config["optim"]["epochs"] = 2
        super().load_config()

    def load_rng_seed(self):
        torch.manual_seed(17)

    def load_model(self):
        # The original hands atomic numbers to its models.
        self.model = BPNN(elements=[29, 46], input_dim=self.input_dim, num_layers=1, num_nodes=3)

    def load_criterion(self):
        self.criterion = Loss

    def load_optimizer(self):
        self.optimizer = {"optimizer": torch.optim.SGD, "optimizer__momentum": 0.5}

    def load_extras(self):
        super().load_extras()
        self.counter = Counter()
        self.callbacks.append(self.counter)
        self.split = lambda dataset, y=None: (Subset(dataset, [0, 1, 2]), Subset(dataset, [3, 4]))

    def load_skorch(self):
        super().load_skorch()
        self.net.set_params(lr=1e-4)


def test_every_overridden_step_has_its_effect(tmp_path):
    trainer = trained(FRAMES, tmp_path, MyTrainer, dataset={"val_split": 0.4})
    torch.manual_seed(17)
    made = BPNN(["Cu", "Pd"], trainer.input_dim, num_layers=1, num_nodes=3)
    for name, value in weights(trainer).items():
        torch.testing.assert_close(value, made.state_dict()[name], rtol=0, atol=1e-2)
    assert isinstance(trainer.net.criterion_, Loss)
    assert min(trainer.net.history[:, "train_loss"]) > 1e3
    (group,) = trainer.net.optimizer_.param_groups
    assert isinstance(trainer.net.optimizer_, torch.optim.SGD)
    assert (group["momentum"], group["lr"]) == (0.5, 1e-4)
    assert trainer.counter.epochs == len(trainer.net.history) == 2
    train, valid = trainer.net.get_split_datasets(trainer.train_dataset, None)
    assert (len(train), len(valid)) == (3, 2)
    assert (Path(trainer.cp_dir) / "params.pt").is_file()

    again = MyTrainer(config(FRAMES, tmp_path, dataset={"val_split": 0.4}))
    again.load_pretrained(trainer.cp_dir)
    np.testing.assert_array_equal(
        again.predict(FRAMES)["energy"], trainer.predict(FRAMES)["energy"]
    )
    again.train()
    assert again.counter.epochs == 2
    assert len(again.net.history) == 4


class OwnData(AtomsTrainer):
    def load_dataset(self):
        settings = self.config["dataset"]
        self.elements = self.get_unique_elements(FRAMES)
        descriptor_setup = (settings["fp_scheme"], settings["fp_params"], {}, self.elements)
        self.train_dataset = AtomsDataset(
            images=FRAMES[:3], descriptor_setup=descriptor_setup, save_fps=False
        )
        self.feature_scaler = self.train_dataset.feature_scaler
        self.target_scaler = self.train_dataset.target_scaler
        self.input_dim = self.train_dataset.input_dim
        self.config["dataset"]["descriptor"] = descriptor_setup
        self.config["dataset"]["fp_length"] = self.input_dim


def test_a_data_set_of_the_scripts_own(tmp_path):
    trainer = trained(None, tmp_path, OwnData)
    same = trained(FRAMES[:3], tmp_path)
    assert history(trainer) == history(same)
    expected = same.predict(FRAMES[:3])
    alone = AtomsTrainer()
    alone.load_pretrained(trainer.cp_dir)
    for each in (trainer, alone):
        found = each.predict(FRAMES[:3])
        np.testing.assert_array_equal(found["energy"], expected["energy"])
        np.testing.assert_array_equal(found["forces"], expected["forces"])


def test_a_configuration_changed_after_the_trainer_was_made(tmp_path):
    trainer = AtomsTrainer(config(FRAMES, tmp_path))
    trainer.config["optim"]["epochs"] = 1
    trainer.config["cmd"]["debug"] = True
    trainer.train()
    assert len(trainer.net.history) == 1
    assert trainer.cp_dir is None


def test_a_logger_of_the_scripts_own_is_logged_to(tmp_path):
    logged: list[dict[str, Any]] = []

    class Run:
        def watch(self, *arguments, **keywords):
            pass

        def log(self, values, **keywords):
            logged.append(values)

    class Logged(AtomsTrainer):
        def load_logger(self):
            self.wandb_run = Run()

    trainer = trained(FRAMES, tmp_path, Logged)
    losses = [values["train_loss"] for values in logged if "train_loss" in values]
    assert losses == trainer.net.history[:, "train_loss"]


def test_names_of_models_in_any_case(tmp_path):
    expected = history(trained(FRAMES, tmp_path, model={"name": "bpnn"}))
    trainer = trained(FRAMES, tmp_path, model={"name": "BPNN"})
    assert history(trainer) == expected
    single = AtomsTrainer(config(FRAMES, tmp_path, model={"name": "SingleNN"}))
    single.load()
    assert type(single.model).__name__ == "SingleNN"
    with pytest.raises(ValueError, match=r"unknown name 'BPN'.*'bpnn'"):
        AtomsTrainer(config(FRAMES, tmp_path, model={"name": "BPN"}))


@pytest.mark.parametrize("verbose", [True, False])
def test_a_force_coefficient_without_forces_is_ignored(verbose, tmp_path, capsys):
    sections = {"model": {"get_forces": False}, "cmd": {"verbose": verbose}}
    trainer = trained(FRAMES, tmp_path, optim={"force_coefficient": 0.04}, **sections)
    said = capsys.readouterr().out
    assert said.count("force_coefficient 0.04 is ignored") == int(verbose)
    assert trainer.config["optim"]["force_coefficient"] == 0.04
    plain = trained(FRAMES, tmp_path, optim={"force_coefficient": 0}, **sections)
    assert history(trainer) == history(plain)
    assert isinstance(trainer.net.criterion_, CustomLoss)


@pytest.mark.parametrize("name", ["bpnn", "singlenn"])
@pytest.mark.parametrize("dtype", [torch.DoubleTensor, torch.FloatTensor])
def test_weights_of_a_seed_are_those_drawn_in_its_precision(name, dtype, tmp_path):
    """As the original draws them, by modules of torch made under that default type."""
    model = {"name": name, "num_layers": 1, "num_nodes": 3}
    trainer = AtomsTrainer(config(FRAMES, tmp_path, model=model, cmd={"dtype": dtype, "seed": 5}))
    trainer.load()
    found = list(trainer.model.parameters())
    default = torch.get_default_dtype()
    try:
        torch.set_default_dtype(dtype.dtype)
        torch.manual_seed(5)
        networks = [perceptron(trainer.input_dim) for _ in range(2 if name == "bpnn" else 1)]
    finally:
        torch.set_default_dtype(default)
    drawn = [parameter for network in networks for parameter in network.parameters()]
    for one, other in zip(found, drawn, strict=False):
        assert torch.equal(one, other)
    assert len(found) - len(drawn) == (name == "bpnn")  # the mask of elements


def perceptron(width: int) -> torch.nn.Sequential:
    network = torch.nn.Sequential(torch.nn.Linear(width, 3), torch.nn.Linear(3, 1))
    for layer in network:
        torch.nn.init.xavier_uniform_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    return network


def test_no_folder_to_load(tmp_path):
    with pytest.raises(ValueError, match="checkpoint_dir: expected a folder, got None"):
        AtomsTrainer().load_pretrained()
