"""Exponential moving average of the weights of a network."""

from __future__ import annotations

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor


class WeightAverage(Callback):
    """Averages weights over training batches and puts the average in their place whenever the
    network is judged or kept: validation, best model, checkpoints, the end of training.

    After batch k the average is a <- d a + (1 - d) w with d = min(decay, (1 + k) / (10 + k)), so
    that weights of the start are soon forgotten. Training goes on from the weights themselves.

    Args:
        decay: between 0 and 1.

    Attributes:
        average_: the average, by parameter.
        weights_: while the average is in place, the weights; else None.
        updates_: number of batches.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay

    def on_train_begin(self, net: NeuralNet, **kwargs: object) -> None:
        self.average_ = _copies(net)
        self.weights_: dict[str, Tensor] | None = None
        self.updates_ = 0

    def on_batch_begin(self, net: NeuralNet, training: bool = False, **kwargs: object) -> None:
        if not training:
            self._use_average(net)
        elif self.weights_ is not None:
            _put(net, self.weights_)
            self.weights_ = None

    def on_batch_end(self, net: NeuralNet, training: bool = False, **kwargs: object) -> None:
        if not training:
            return
        self.updates_ += 1
        decay = min(self.decay, (1 + self.updates_) / (10 + self.updates_))
        parameters = dict(net.module_.named_parameters())
        with torch.no_grad():
            torch._foreach_lerp_(
                [self.average_[name] for name in parameters], list(parameters.values()), 1.0 - decay
            )

    def on_epoch_end(self, net: NeuralNet, **kwargs: object) -> None:
        self._use_average(net)

    def on_train_end(self, net: NeuralNet, **kwargs: object) -> None:
        self._use_average(net)

    def _use_average(self, net: NeuralNet) -> None:
        if self.weights_ is None:
            self.weights_ = _copies(net)
            _put(net, self.average_)


def _copies(net: NeuralNet) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in net.module_.named_parameters()}


def _put(net: NeuralNet, values: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in net.module_.named_parameters():
            parameter.copy_(values[name])
