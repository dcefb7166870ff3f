"""The skorch net for optimizers that see the residuals of a batch, not only a gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from ...data.frame import Labelled
from ...dataset.frames import Images
from ...processes.stages import stage
from ..metrics import target_scaler_of
from ..net import AtomsNet, Step
from .base import check_is_smooth
from .observations import Observations


class ResidualOptimizer(Protocol):
    """An optimizer that is given a batch."""

    def observe(self, net: BatchNet, batch: Labelled) -> Observations:
        """What it observes of the batch."""

    def update(
        self, net: BatchNet, batch: Labelled, observations: Observations, residuals: Tensor
    ) -> None:
        """Change the weights."""


class BatchNet(AtomsNet):
    """Net whose optimizer changes weights given a batch and its residuals.

    Attributes:
        scale_: eV of a scaled energy of 1.
    """

    optimizer_: ResidualOptimizer

    def fit_loop(
        self, X: Images, y: object = None, epochs: int | None = None, **kwargs: object
    ) -> BatchNet:
        """skorch's."""
        check_is_smooth(self.module_, type(self.optimizer_).__name__)
        self.scale_ = float(target_scaler_of(X).target_std)
        return super().fit_loop(X, y, epochs, **kwargs)

    def train_step(self, batch: Labelled, **fit_params: object) -> Step:
        """One step; loss and predictions are those before it, as for other optimizers."""
        with stage("amptorch::step"):
            step = self.predicted(batch, **fit_params)
            self.check_loss(float(step["loss"]))
            observations = self.optimizer_.observe(self, batch)
            residuals = observations.residuals(step["y_pred"], self.on_device(batch[1]))
            try:
                self.optimizer_.update(self, batch, observations, residuals)
            except torch.linalg.LinAlgError as error:
                self.fail(f"the optimizer cannot take its step: {error}")
        return step

    def predicted(self, batch: Labelled, **fit_params: object) -> Step:
        """Loss and predictions of a training batch, without gradients."""
        self._set_training(True)
        with torch.no_grad():
            prediction = self.infer(batch[0], **fit_params)
            loss = self.get_loss(prediction, batch[1], X=batch[0], training=True)
        return {"loss": loss, "y_pred": prediction}

    def on_device(self, target: Sequence[Tensor]) -> list[Tensor]:
        """Targets where the network is."""
        return [part.to(self.device) for part in target]
