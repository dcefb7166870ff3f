"""Quasi-Newton methods of scipy on the loss of all training data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from ..net import AtomsNet
from .base import Optimizer, check_fits, check_is_smooth

Vector = NDArray[np.float64]


class LBFGSB(Optimizer):
    """L-BFGS of scipy (R. H. Byrd, P. Lu, J. Nocedal and C. Zhu, SIAM J. Sci. Comput. 16, 1190
    (1995)), without bounds.

    Args:
        parameters: of the model.
        lr: not used; there is a line search.
        history: pairs of changes that the curvature is taken from.
        gtol: training ends where no element of the gradient is larger.
        line_search: evaluations of a line search at most.
    """

    method = "L-BFGS-B"

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float = 1.0,
        history: int = 20,
        gtol: float = 1e-10,
        line_search: int = 20,
    ) -> None:
        super().__init__(parameters, lr=lr, history=history, gtol=gtol, line_search=line_search)

    def arguments(self, n_weights: int) -> dict[str, Any]:
        """Options for ``scipy.optimize.minimize``."""
        options = self.options
        return {
            "maxcor": options["history"],
            "gtol": options["gtol"],
            "maxls": options["line_search"],
            "ftol": 0.0,
            "maxfun": np.iinfo(np.int32).max,
        }

    def accepted(self, change: Vector, change_of_gradient: Vector) -> None:
        """Told of every iteration; the pairs that scipy keeps are not to be had."""


class BFGS(Optimizer):
    """BFGS of scipy (J. Nocedal and S. J. Wright, Numerical Optimization, 2nd ed. (2006), chapter
    6), which keeps the inverse of the Hessian, [n_weights, n_weights].

    Args:
        parameters: of the model.
        lr: not used; there is a line search.
        gtol: training ends where no element of the gradient is larger.
    """

    method = "BFGS"

    def __init__(self, parameters: Iterable[Any], lr: float = 1.0, gtol: float = 1e-10) -> None:
        super().__init__(parameters, lr=lr, gtol=gtol)

    def arguments(self, n_weights: int) -> dict[str, Any]:
        """Options for ``scipy.optimize.minimize``: where it went on from, the inverse Hessian."""
        # scipy's, two products of an update, the one kept here, and those of checkpoints.
        check_fits(6 * n_weights**2, "bfgs", "take lbfgs or smaller networks")
        if "inverse_hessian" not in self.memory:
            identity = torch.eye(n_weights, dtype=torch.float64)
            self.memory = {"inverse_hessian": identity}
        inverse = self.memory["inverse_hessian"].numpy()
        # scipy refuses what is not symmetric to the last bit.
        return {"gtol": self.options["gtol"], "hess_inv0": 0.5 * (inverse + inverse.T)}

    def accepted(self, change: Vector, change_of_gradient: Vector) -> None:
        """The update of BFGS, as scipy gives its own inverse Hessian only at the end:

        H <- (1 - rho s y^T) H (1 - rho y s^T) + rho s s^T,    rho = 1 / (y . s)
        """
        curvature = float(change @ change_of_gradient)
        if curvature <= 0.0:
            return
        step, difference = torch.from_numpy(change), torch.from_numpy(change_of_gradient)
        inverse = self.memory["inverse_hessian"]
        product = inverse @ difference
        factor = (1.0 + float(difference @ product) / curvature) / curvature
        inverse.addr_(step, step, alpha=factor)
        inverse.addr_(product, step, alpha=-1.0 / curvature)
        inverse.addr_(step, product, alpha=-1.0 / curvature)


@dataclass
class Evaluation:
    """Loss and gradient at ``weights``, with what the history needs of every batch: its data but
    the fingerprints, and the step's loss and predictions."""

    weights: Vector
    loss: float
    gradient: Vector
    batches: list[tuple[Any, int, dict[str, Any]]]


class _Done(Exception):
    """The last epoch is over."""


class FullBatchNet(AtomsNet):
    """Net that hands the loss of all training data to ``scipy.optimize.minimize``.

    An epoch is an iteration. The loss is the mean over batches, weighted by their numbers of
    frames, of the criterion; batches follow each other in the order of the data.
    """

    optimizer_: Any

    def fit_loop(self, X: Any, y: Any = None, epochs: int | None = None, **kwargs: Any) -> Any:
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
