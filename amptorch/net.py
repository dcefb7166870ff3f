"""How skorch infers a batch and takes its loss."""

from __future__ import annotations

from typing import Any

from skorch import NeuralNet
from torch import Tensor

from .data import AtomsBatch


class AtomsNet(NeuralNet):
    """skorch net whose inputs are :class:`AtomsBatch` and whose targets are (energies, forces)."""

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
        target = [part.to(self.device) for part in y_true]
        if getattr(self.criterion_, "per_image", False):
            assert X is not None
            return self.criterion_(y_pred, target, X.to(self.device))
        return self.criterion_(y_pred, target)
