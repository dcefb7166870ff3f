"""Errors of energies and forces in eV and eV/Å, and the callbacks that follow them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor

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


class ErrorSum:
    """Sums of the errors of a part in eV or eV/Å, or of their squares.

    Targets are rounded to float32, as the original's scoring does. Histories, and with them the
    choice of the best epoch, are thus the original's. Where float32 would blur energies noticeably
    (far from zero for their spread) they stay exact.

    Args:
        part: "energy" or "forces".
        metric: "mae" or "mse".
        scaler: of the targets.
    """

    def __init__(self, part: str, metric: str, scaler: TargetScaler) -> None:
        self._index = _PARTS.index(part)
        self._square = metric == "mse"
        self._std, mean = float(scaler.target_std), float(scaler.target_mean)
        self._shift = mean if part == "energy" else 0.0
        largest = np.float32(abs(mean) + self._std)
        self._precision = "float64" if np.spacing(largest) > 1e-4 * self._std else "float32"

    def __call__(
        self, prediction: Sequence[Tensor], target: Sequence[Tensor]
    ) -> tuple[float | Tensor, int]:
        """The sum, and the number of values. Of predictions on a GPU the sum lies there, and
        nothing waits for it."""
        found = prediction[self._index].detach()
        given = target[self._index].to(found.device)
        if not found.is_cpu:
            return self._sum(torch, found, given), found.numel()
        # numpy's operations begin several times as fast as torch's, and a batch has few numbers.
        return self._sum(np, found.numpy(), given.numpy()), found.numel()

    def _sum(self, library: Any, found: Any, given: Any) -> Any:
        """By numpy of arrays or by torch of tensors."""
        errors = self._denormed(library.asarray(found, dtype=library.float64))
        errors -= self._denormed(library.asarray(given, dtype=getattr(library, self._precision)))
        return (errors * errors if self._square else abs(errors)).sum()

    def _denormed(self, values: Any) -> Any:
        """As of ``TargetScaler.denorm``."""
        scaled = values * self._std
        return scaled + self._shift if self._shift else scaled


def _score(part: str, metric: str) -> Callable[[NeuralNet, Images, object], float]:
    def score(net: NeuralNet, X: Images, y: object = None) -> float:
        error_sum = ErrorSum(part, metric, target_scaler_of(X))
        total, count = 0.0, 0
        for batch, target in net.get_iterator(net.get_dataset(X), training=False):
            prediction = to_cpu(net.evaluation_step((batch, target), training=False))
            part_sum, part_count = error_sum(prediction, target)
            total, count = total + float(part_sum), count + part_count
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
        self._error_sum = ErrorSum(self.part, self.metric, target_scaler_of(X))

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
            with stage("amptorch::metrics"):
                total, count = self._error_sum(y_pred, batch[1])
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
