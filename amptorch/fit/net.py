"""How skorch infers a batch and takes its loss."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypedDict

import torch
from skorch import NeuralNet
from torch import Tensor, nn
from torch.utils.data import Subset

from ..data.frame import AtomsBatch, Labelled
from ..dataset.frames import Images
from ..potentials.networks.members import Members
from ..processes.stages import stage
from .fused import FusedSteps
from .nep_loss import NepLoss
from .watched_net import WatchedNet


class Step(TypedDict):
    """What a batch gave: its loss, and scaled energies and forces."""

    loss: Tensor
    y_pred: Sequence[Tensor]


class AtomsNet(WatchedNet):
    """skorch net whose inputs are :class:`AtomsBatch` and whose targets are (energies, forces).

    Attributes:
        moved_: by how much the weights have changed in a run, relative to them.
        parts_: indices of the training and of the validation images, if there are any of these.
    """

    parts_: tuple[list[int], list[int]] | None = None

    moved_: float = 0.0
    _steps: FusedSteps | None = None

    def on_train_begin(
        self, net: NeuralNet, X: Images | None = None, y: object = None, **kwargs: object
    ) -> None:
        super().on_train_begin(net, X, y, **kwargs)
        self._start = self.finite_ or {}

    def get_split_datasets(
        self, X: Images, y: object = None, **fit_params: object
    ) -> tuple[Images, Images | None]:
        """skorch's; keeps which images became which part."""
        train, valid = super().get_split_datasets(X, y, **fit_params)
        split = isinstance(train, Subset) and isinstance(valid, Subset)
        self.parts_ = (_plain(train.indices), _plain(valid.indices)) if split else None
        return train, valid

    def on_epoch_begin(
        self,
        net: NeuralNet,
        dataset_train: Images | None = None,
        dataset_valid: Images | None = None,
        **kwargs: object,
    ) -> None:
        super().on_epoch_begin(net, dataset_train, dataset_valid, **kwargs)
        self._steps = FusedSteps()

    def on_train_end(
        self, net: NeuralNet, X: Images | None = None, y: object = None, **kwargs: object
    ) -> None:
        super().on_train_end(net, X, y, **kwargs)
        self.moved_ = _change(self._start, _parameters(self.module_))
        self._start, self._steps = {}, None

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

    def infer(self, x: AtomsBatch, **fit_params: object) -> tuple[Tensor, ...]:
        """Scaled energies [n_images], forces [n_atoms, 3] and, of a model that gives them, stresses
        [n_images, 6] of a batch."""
        return self.module_(x.to(self.device), **fit_params)

    def get_loss(
        self,
        y_pred: tuple[Tensor, ...],
        y_true: tuple[Tensor, ...],
        X: AtomsBatch | None = None,
        training: bool = False,
    ) -> Tensor:
        """Criterion of a prediction, on the device."""
        with stage("amptorch::loss"):
            target = [part.to(self.device) for part in y_true]
            if not getattr(self.criterion_, "per_image", False):
                return self.criterion_(y_pred, target)
            loss = self.criterion_(y_pred, target, self.images_of(X).to(self.device))
            if isinstance(self.criterion_, NepLoss):
                loss = loss + self.of_parameters(self.criterion_)
            return loss

    def of_parameters(self, criterion: NepLoss) -> Tensor:
        """What the sizes of the parameters add to the loss: of a member those of its own."""
        model = self.module_
        return criterion.of_parameters(model.current if isinstance(model, Members) else model)

    def images_of(self, batch: AtomsBatch | None) -> AtomsBatch:
        """Which atoms are of which images, for the loss."""
        assert batch is not None
        return batch

    def _set_training(self, training: bool = True) -> None:
        """skorch's, where a module has another mode: it sets them one by one."""
        parts = (getattr(self, f"{name}_") for name in (*self._modules, *self._criteria))
        if any(isinstance(part, nn.Module) and _differs(part, training) for part in parts):
            super()._set_training(training)

    def train_step(self, batch: Labelled, **fit_params: object) -> Step:
        """skorch's, named for profilers."""
        with stage("amptorch::step"):
            try:
                return super().train_step(batch, **fit_params)
            except torch.linalg.LinAlgError as error:
                self.fail(f"the optimizer cannot take its step: {error}")

    def train_step_single(self, batch: Labelled, **fit_params: object) -> Step:
        """Gradient of a batch's loss; loss and prediction. Written out because skorch leaves no
        room to name the backward pass, nor to train members each by itself."""
        self._set_training(True)
        if not isinstance(self.module_, Members):
            return self._step_of(self.module_, batch, fit_params)
        steps = []
        for member in self.module_.each:
            with self.module_.alone(member):
                steps.append(self._step_of(member, batch, fit_params))
        return _mean(steps)

    def _step_of(self, model: nn.Module, batch: Labelled, fit_params: Mapping[str, object]) -> Step:
        batch = inputs, target = self._there(batch)
        fused = self._fused(model, batch, fit_params, gradient=True)
        if fused is not None:
            return fused
        prediction = self.infer(inputs, **fit_params)
        loss = self.get_loss(prediction, target, X=inputs, training=True)
        with stage("amptorch::backward"):
            loss.backward()
        return {"loss": loss, "y_pred": prediction}

    def validation_step(self, batch: Labelled, **fit_params: object) -> Step:
        """skorch's, named for profilers."""
        with stage("amptorch::validation"):
            self._set_training(False)
            model = self.module_
            model = model.for_prediction() if isinstance(model, Members) else model
            batch = self._there(batch)
            fused = self._fused(model, batch, fit_params, gradient=False)
            return super().validation_step(batch, **fit_params) if fused is None else fused

    def _there(self, batch: Labelled) -> Labelled:
        """A batch on the device, whichever way its step is taken."""
        inputs, target = batch
        if target[0].device == torch.device(self.device):
            return batch
        return inputs.to(self.device), tuple(part.to(self.device) for part in target)

    def _fused(
        self,
        model: nn.Module,
        batch: Labelled,
        fit_params: Mapping[str, object],
        gradient: bool,
    ) -> Step | None:
        """The step without autograd; None where ``infer`` and ``get_loss`` are to take it."""
        kind = type(self)
        own = kind.infer is AtomsNet.infer and kind.get_loss is AtomsNet.get_loss
        if fit_params or not own:
            return None
        inputs, target = batch
        if self._steps is None:
            self._steps = FusedSteps()
        found = self._steps.step(model, self.criterion_, inputs, target, gradient)
        return None if found is None else {"loss": found[0], "y_pred": found[1]}


def _differs(module: nn.Module, training: bool) -> bool:
    """Whether a module or a part of it has another mode."""
    parts: list[nn.Module | None] = [module]
    for part in parts:
        if part is not None:
            if part.training != training:
                return True
            parts += part._modules.values()
    return False


def _mean(steps: Sequence[Step]) -> Step:
    predictions = zip(*(step["y_pred"] for step in steps), strict=True)
    return {
        "loss": torch.stack([step["loss"].detach() for step in steps]).mean(),
        "y_pred": [torch.stack([each.detach() for each in same]).mean(0) for same in predictions],
    }


def _plain(indices: Iterable[int]) -> list[int]:
    return [int(index) for index in indices]


def _parameters(module: nn.Module) -> dict[str, Tensor]:
    return {name: each.detach() for name, each in module.named_parameters()}


def _change(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> float:
    """Root mean square change of weights, relative to theirs."""
    changes = sum(float((value - before[name]).square().sum()) for name, value in after.items())
    squares = sum(float(before[name].square().sum()) for name in after)
    return math.sqrt(changes / squares) if squares else math.inf
