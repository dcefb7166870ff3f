"""How skorch infers a batch and takes its loss."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from skorch import NeuralNet
from torch import Tensor
from torch.profiler import record_function

from .data.frame import AtomsBatch


class AtomsNet(NeuralNet):
    """skorch net whose inputs are :class:`AtomsBatch` and whose targets are (energies, forces)."""

    def get_params_for_optimizer(
        self, prefix: str, named_parameters: Iterator[tuple[str, Tensor]]
    ) -> tuple[Any, dict[str, Any]]:
        """skorch's, and ``fused`` where the optimizer knows it and nothing is said about it: all
        parameters in one call, in place of a dozen calls for each of many small ones."""
        arguments, keywords = super().get_params_for_optimizer(prefix, named_parameters)
        known = inspect.signature(getattr(self, prefix)).parameters
        if "fused" in known and not {"fused", "foreach", "differentiable"} & keywords.keys():
            keywords["fused"] = True
        return arguments, keywords

    def infer(self, x: AtomsBatch, **fit_params: Any) -> tuple[Tensor, Tensor]:
        """Scaled energies [n_images] and forces [n_atoms, 3] of a batch."""
        return self.module_(x.to(self.device), **fit_params)

    def get_loss(
        self,
        y_pred: tuple[Tensor, Tensor],
        y_true: tuple[Tensor, ...],
        X: AtomsBatch | None = None,
        training: bool = False,
    ) -> Tensor:
        """Criterion of a prediction, on the device."""
        with record_function("amptorch::loss"):
            target = [part.to(self.device) for part in y_true]
            if getattr(self.criterion_, "per_image", False):
                assert X is not None
                return self.criterion_(y_pred, target, X.to(self.device))
            return self.criterion_(y_pred, target)

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """skorch's, named for profilers."""
        with record_function("amptorch::step"):
            return super().train_step(batch, **fit_params)

    def train_step_single(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Gradient of a batch's loss; loss and prediction. Written out because skorch leaves no
        room to name the backward pass."""
        inputs, target = batch
        self._set_training(True)
        prediction = self.infer(inputs, **fit_params)
        loss = self.get_loss(prediction, target, X=inputs, training=True)
        with record_function("amptorch::backward"):
            loss.backward()
        return {"loss": loss, "y_pred": prediction}

    def validation_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """skorch's, named for profilers."""
        with record_function("amptorch::validation"):
            return super().validation_step(batch, **fit_params)
