"""Errors of energies and forces in eV and eV/Å, and the callbacks that follow them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor

from ..data.arrays import Array
from ..data.frame import Labelled
from ..dataset.frames import Images
from ..preprocessing.utils import TargetScaler
from ..processes.stages import stage
from .best import BestCheckpoint, train_end_load_best_loss

_PARTS = ("energy", "forces")


def to_cpu(values: Any) -> Any:
    """Tensors, also in lists and tuples, detached and on the CPU."""
    if isinstance(values, Tensor):
        return values.detach().cpu()
    return type(values)(to_cpu(value) for value in values)


def target_scaler_of(dataset: Any) -> TargetScaler:
    """The target scaler of a data set or of a subset of one."""
    while not hasattr(dataset, "target_scaler"):
        dataset = dataset.dataset
    return dataset.target_scaler


def _units(part: str, scaler: TargetScaler) -> tuple[float, float]:
    """Factor and shift from scaled values to eV or eV/Å, as of ``TargetScaler.denorm``."""
    return float(scaler.target_std), float(scaler.target_mean) if part == "energy" else 0.0


def _denormed_target(part: str, target: Array, scaler: TargetScaler) -> Array:
    """Target in eV or eV/Å, rounded to float32 as the original's scoring does.

    Histories, and with them the choice of the best epoch, are thus the original's. Where float32
    would blur energies noticeably (far from zero for their spread) they stay exact.
    """
    std, shift = _units(part, scaler)
    largest = float(np.abs(target).max()) * std + abs(float(scaler.target_mean))
    if np.spacing(np.float32(largest)) > 1e-4 * std:
        return target.astype(np.float64) * std + shift
    return target.astype(np.float32) * np.float32(std) + np.float32(shift)


def _error_sum(
    part: str,
    metric: str,
    prediction: Sequence[Tensor],
    target: Sequence[Tensor],
    scaler: TargetScaler,
) -> tuple[float, int]:
    """Sum of errors in eV or eV/Å (or their squares) and the number of values."""
    index = _PARTS.index(part)
    # numpy's operations begin several times as fast as torch's, and a batch has few numbers.
    found = prediction[index].numpy(force=True).astype(np.float64)
    std, shift = _units(part, scaler)
    found *= std
    found += shift
    found -= _denormed_target(part, target[index].numpy(force=True), scaler)
    total = np.abs(found).sum() if metric == "mae" else np.square(found).sum()
    return float(total), found.size


def _error_sum_there(
    part: str,
    metric: str,
    prediction: Sequence[Tensor],
    target: Sequence[Tensor],
    scaler: TargetScaler,
) -> tuple[Tensor, int]:
    """The same where the predictions are; nothing waits for the device."""
    index = _PARTS.index(part)
    found, given = prediction[index].detach(), target[index].to(prediction[index].device)
    std, shift = _units(part, scaler)
    denormed = (lambda each: each * std + shift) if shift else (lambda each: each * std)
    exact, rounded = denormed(given.double()), denormed(given.float()).double()
    largest = (given.abs().max() * std + abs(float(scaler.target_mean))).float()
    spacing = torch.nextafter(largest, torch.full_like(largest, torch.inf)) - largest
    errors = denormed(found.double()) - torch.where(spacing > 1e-4 * std, exact, rounded)
    return (errors.abs() if metric == "mae" else errors.square()).sum(), found.numel()


def _score(part: str, metric: str) -> Callable[[NeuralNet, Images, object], float]:
    def score(net: NeuralNet, X: Images, y: object = None) -> float:
        scaler = target_scaler_of(X)
        total, count = 0.0, 0
        for batch, target in net.get_iterator(net.get_dataset(X), training=False):
            prediction = to_cpu(net.evaluation_step((batch, target), training=False))
            part_sum, part_count = _error_sum(part, metric, prediction, target, scaler)
            total, count = total + part_sum, count + part_count
        return total / count

    score.__name__ = f"{metric}_{part}_score"
    score.__doc__ = f"{metric.upper()} of {part} of ``net`` over the data set ``X``."
    return score


mae_energy_score = _score("energy", "mae")
mse_energy_score = _score("energy", "mse")
mae_forces_score = _score("forces", "mae")
mse_forces_score = _score("forces", "mse")


class MemEffEpochScoring(Callback):
    """Follows one error over an epoch by summing it batch by batch; no prediction is kept.

    Training errors are those of the predictions made while training, as the loss is. Sums of
    predictions on a GPU stay there until the epoch ends.

    Args:
        part: "energy" or "forces".
        metric: "mae" or "mse".
        on_train: follow training batches (else validation batches).
        name: column of the history; ``<name>_best`` says whether an epoch is the best so far.
    """

    def __init__(self, part: str, metric: str, on_train: bool, name: str) -> None:
        self.part = part
        self.metric = metric
        self.on_train = on_train
        self.name = name
        self.best = np.inf

    def on_train_begin(
        self, net: NeuralNet, X: Images | None = None, y: object = None, **kwargs: object
    ) -> None:
        past = [row[self.name] for row in net.history if self.name in row]
        self.best = min(past, default=np.inf)
        self.scaler = target_scaler_of(X)

    def on_epoch_begin(self, net: NeuralNet, **kwargs: object) -> None:
        self.total: float | Tensor = 0.0
        self.count = 0

    def on_batch_end(
        self,
        net: NeuralNet,
        batch: Labelled,
        training: bool = False,
        y_pred: Sequence[Tensor] | None = None,
        **kwargs: object,
    ) -> None:
        if training == self.on_train and y_pred is not None:
            error_sum = _error_sum if y_pred[0].is_cpu else _error_sum_there
            with stage("amptorch::metrics"):
                total, count = error_sum(self.part, self.metric, y_pred, batch[1], self.scaler)
                self.total, self.count = self.total + total, self.count + count

    def on_epoch_end(self, net: NeuralNet, **kwargs: object) -> None:
        if not self.count:
            return
        score = float(self.total) / self.count
        net.history.record(self.name, score)
        net.history.record(f"{self.name}_best", bool(score < self.best))
        self.best = min(self.best, score)


def evaluator(
    val_split: float,
    metric: str,
    identifier: str,
    forcetraining: bool,
    cp_metric: str = "energy",
    cp_dir: str | None = None,
) -> list[tuple[str, Callback]]:
    """Callbacks that record errors and keep the best model.

    Args:
        val_split: fraction of validation data; 0 follows training errors for the best model.
        metric: "mae" or "mse".
        identifier: name of the run.
        forcetraining: follow forces too.
        cp_metric: "energy" or "forces", the error whose best model is kept, or "loss", that of
            training.
        cp_dir: folder of checkpoints; None keeps none.
    """
    for name, value, known in (
        ("metric", metric, ("mae", "mse")),
        ("cp_metric", cp_metric, (*_PARTS, "loss")),
    ):
        if value not in known:
            raise ValueError(f"{name}: expected one of {known}, got {value!r}")
    if cp_metric == "forces" and not forcetraining:
        raise ValueError("cp_metric: 'forces' needs training on forces (get_forces True)")
    callbacks: list[tuple[str, Callback]] = []
    for part in _PARTS if forcetraining else _PARTS[:1]:
        for kind, on_train in (("train", True), ("val", False)):
            if on_train or val_split:
                name = f"{kind}_{part}_{metric}"
                callbacks.append((name, MemEffEpochScoring(part, metric, on_train, name)))
    if cp_dir is not None:
        monitored = f"{'val' if val_split else 'train'}_{cp_metric}_{metric}_best"
        if cp_metric == "loss":
            monitored = "train_loss_best"
        callbacks.append(("cp", BestCheckpoint(monitor=monitored, dirname=cp_dir)))
        callbacks.append(("load_best", train_end_load_best_loss(identifier)))
    return callbacks


__all__ = [
    "MemEffEpochScoring",
    "evaluator",
    "mae_energy_score",
    "mae_forces_score",
    "mse_energy_score",
    "mse_forces_score",
    "to_cpu",
]


def target_extractor(target: Any) -> Any:
    """Targets (energies, forces) as numpy arrays."""
    if isinstance(target, Tensor):
        return target.detach().cpu().numpy()
    return type(target)(target_extractor(part) for part in target)


def to_tensor(values: Any, device: str | torch.device, accept_sparse: bool = False) -> Any:
    """Batches, tensors and nested lists of them on a device."""
    if isinstance(values, (list, tuple)):
        return type(values)(to_tensor(value, device) for value in values)
    return values.to(device)
