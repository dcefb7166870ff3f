"""Training with skorch: the net, its loss, the errors of its history."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from skorch.dataset import ValidSplit
from torch import Tensor, nn
from torch.utils.data import Dataset

from amptorch.config import Config
from amptorch.fit.schedules import scheduler
from amptorch.fit.splits import InOrderSplit

from .collate import Batch, Targets, collate
from .networks import ElementNetworks
from .record import Record
from .scaling import TargetScaler

PARTS = ("energy", "forces")


class Records(Dataset):
    """Frames in memory."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Record:
        return self.records[index]


class Loss(nn.Module):
    """Half of the mean error of energies and ``force_coefficient`` times that of forces."""

    def __init__(self, loss: str, force_coefficient: float) -> None:
        super().__init__()
        self.mean = {"mse": nn.MSELoss, "mae": nn.L1Loss}[loss]()
        self.force_coefficient = force_coefficient

    def forward(self, prediction: Targets, target: Targets) -> Tensor:
        """Of scaled energies and forces."""
        energies, forces = map(self.mean, prediction, target)
        return 0.5 * (energies + self.force_coefficient * forces)


class Net(NeuralNet):
    """skorch net of batches as they are."""

    def infer(self, x: Batch, **fit_params: Any) -> Targets:
        """Scaled energies and forces."""
        return self.module_(x, **fit_params)

    def get_loss(self, y_pred: Targets, y_true: Targets, *args: Any, **kwargs: Any) -> Tensor:
        """Criterion of a prediction."""
        return self.criterion_(y_pred, y_true)


class Errors(Callback):
    """Errors of energies and forces in the history, in eV and eV/Å, from the predictions made on
    the way; targets are rounded to float32 as they are scaled back, as in the original."""

    def __init__(self, metric: str, scaler: TargetScaler) -> None:
        self.metric = metric
        self.scaler = scaler

    def on_epoch_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        self.sums: dict[str, list[float]] = {}

    def on_batch_end(
        self, net: NeuralNet, batch: Any, training: bool, y_pred: Any, **kwargs: Any
    ) -> None:
        to_units = (self.scaler.energies, self.scaler.forces)
        for part, convert, found, target in zip(PARTS, to_units, y_pred, batch[1], strict=True):
            error = convert(found.detach().double()) - convert(target.float())
            values = error.abs() if self.metric == "mae" else error.square()
            sums = self.sums.setdefault(f"{'train' if training else 'val'}_{part}", [0.0, 0.0])
            sums[0] += float(values.sum())
            sums[1] += values.numel()

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        for name, (total, count) in self.sums.items():
            net.history.record(f"{name}_{self.metric}", total / count)


def make_net(settings: Config, module: ElementNetworks, scaler: TargetScaler) -> NeuralNet:
    """The net of a configuration."""
    optim, choice = settings.optim, settings.optim.choice
    callbacks: list[tuple[str, Callback]] = [("errors", Errors(optim.metric, scaler))]
    if optim.scheduler is not None:
        callbacks.append(("lr_scheduler", scheduler(optim.scheduler, optim.epochs)))
    return Net(
        module=module,
        criterion=Loss(optim.loss, optim.force_coefficient),
        optimizer=choice.optimizer,
        lr=optim.lr,
        batch_size=optim.batch_size,
        max_epochs=optim.epochs,
        iterator_train__shuffle=True,
        iterator_train__collate_fn=collate,
        iterator_valid__collate_fn=collate,
        train_split=_split(settings),
        callbacks=callbacks,
        verbose=0,
        **choice.arguments,
    )


def make_networks(settings: Config, elements: Sequence[str], n_features: int) -> ElementNetworks:
    """The networks of a configuration, with the weights that its seed gives."""
    model = settings.model
    hidden_layers = model.hidden_layers or [model.num_nodes] * model.num_layers
    dtype = settings.cmd.torch_dtype
    return ElementNetworks(elements, n_features, hidden_layers, model.activation, dtype)


def _split(settings: Config) -> Any:
    fraction = settings.dataset.val_split
    if not fraction:
        return None
    in_order = settings.dataset.val_split_mode == "inorder"
    return InOrderSplit(fraction) if in_order else ValidSplit(cv=fraction)


def seed_all(seed: int) -> None:
    """Seed what the order of batches, the split and the weights come from."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
