"""The skorch net for scipy's minimizers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from ...dataset.frames import Images
from ..net import AtomsNet, Step
from .base import check_is_smooth
from .full_batch import Vector


@dataclass
class Evaluation:
    """Loss and gradient at ``weights``, with what the history needs of every batch: its data but
    the fingerprints, and the step's loss and predictions."""

    weights: Vector
    loss: float
    gradient: Vector
    batches: list[tuple[Sequence[Tensor], int, Step]]


class _Done(Exception):
    """The last epoch is over."""


class FullBatchNet(AtomsNet):
    """Net that hands the loss of all training data to ``scipy.optimize.minimize``.

    An epoch is an iteration. The loss is the mean over batches, weighted by their numbers of
    frames, of the criterion; batches follow each other in the order of the data.
    """

    optimizer_: Any

    def fit_loop(
        self, X: Images, y: object = None, epochs: int | None = None, **kwargs: object
    ) -> FullBatchNet:
        """skorch's, driven by the minimizer."""
        check_is_smooth(self.module_, self.optimizer_.method)
        self.check_data(X, y)
        self.check_training_readiness()
        train, valid = self.get_split_datasets(X, y)
        self._n_images = len(train)
        self._batches = self.get_iterator(train, training=False)
        self._valid = None if valid is None else self.get_iterator(valid, training=False)
        self._parts = {"dataset_train": train, "dataset_valid": valid}
        self._left = epochs if epochs is not None else self.max_epochs
        self.notify("on_epoch_begin", **self._parts)
        start = parameters_to_vector(self.module_.parameters()).detach().cpu().double().numpy()
        self._accepted = self._last = self._evaluate(start)
        self.check_loss(self._last.loss)
        options = {**self.optimizer_.arguments(len(start)), "maxiter": self._left + 1}
        try:
            minimize(
                self._value,
                start,
                jac=True,
                method=self.optimizer_.method,
                callback=self._iteration,
                options=options,
            )
        except _Done:
            return self
        # A line search may have ended anywhere.
        self._set_weights(self._accepted.weights)
        self.check_loss(self._last.loss)
        # The epoch that was begun found nothing to do.
        del self.history[-1]
        if self.verbose:
            print(f"{self.optimizer_.method} ended after {len(self.history)} epochs")
        return self

    def _value(self, weights: Vector) -> tuple[float, Vector]:
        if not np.array_equal(weights, self._last.weights):
            self._last = self._evaluate(weights)
        return self._last.loss, self._last.gradient

    def _evaluate(self, weights: Vector) -> Evaluation:
        self._set_weights(weights)
        found = Evaluation(weights.copy(), 0.0, np.zeros_like(weights), [])
        for batch in self._batches:
            self.module_.zero_grad()
            step = self.train_step_single(batch)
            share = batch[0].num_graphs / self._n_images
            found.loss += share * float(step["loss"].detach())
            gradients = [
                torch.zeros_like(p) if p.grad is None else p.grad for p in self.module_.parameters()
            ]
            found.gradient += share * parameters_to_vector(gradients).cpu().double().numpy()
            step = {"loss": step["loss"].detach(), "y_pred": [p.detach() for p in step["y_pred"]]}
            found.batches.append((batch[1], batch[0].num_graphs, step))
        return found

    def _set_weights(self, weights: Vector) -> None:
        parameters = list(self.module_.parameters())
        values = torch.from_numpy(weights).to(parameters[0])
        with torch.no_grad():
            vector_to_parameters(values, parameters)

    def _iteration(self, weights: Vector) -> None:
        """What an epoch leaves, with the predictions of the accepted weights."""
        self._value(weights)
        change = self._last.weights - self._accepted.weights
        self.optimizer_.accepted(change, self._last.gradient - self._accepted.gradient)
        self._accepted = self._last
        self._set_weights(weights)
        for targets, n_images, step in self._accepted.batches:
            batch = (None, targets)
            self.notify("on_batch_begin", batch=batch, training=True)
            self.history.record_batch("train_loss", float(step["loss"]))
            self.history.record_batch("train_batch_size", n_images)
            self.notify("on_batch_end", batch=batch, training=True, **step)
        self.history.record("train_batch_count", len(self._accepted.batches))
        self.run_single_epoch(
            self._valid, training=False, prefix="valid", step_fn=self.validation_step
        )
        self.notify("on_epoch_end", **self._parts)
        self._left -= 1
        if self._left == 0:
            raise _Done
        self.notify("on_epoch_begin", **self._parts)
