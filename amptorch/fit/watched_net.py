"""The skorch net that ends training where a loss is not finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from skorch import NeuralNet
from torch import Tensor

from ..data.frame import Labelled
from ..dataset.frames import Images
from ..errors import Diverged
from ..files.checkpoint import snapshot
from ..processes import interruption
from .unread import UnreadLosses


class WatchedNet(NeuralNet):
    """Net whose losses are watched: one that is not finite ends training as Ctrl-C does, and then
    raises. Losses on a GPU are read together (:mod:`amptorch.fit.unread`): of these it does so when
    the batches of an epoch are over, and before anything of the epoch is kept.

    Attributes:
        finite_: the last weights whose loss is known to be finite.
    """

    finite_: dict[str, Tensor] | None = None
    _begun: dict[str, Tensor] | None = None
    _failure: Diverged | None = None
    _unread: UnreadLosses | None = None

    def partial_fit(
        self, X: Images, y: object = None, classes: object = None, **fit_params: object
    ) -> WatchedNet:
        """skorch's.

        Raises:
            Diverged: the loss of an epoch is not finite; what ends a run has been done.
        """
        self._failure = None
        with interruption.watched():
            super().partial_fit(X, y, classes, **fit_params)
        if self._failure is not None:
            # The epoch that was begun: nothing would be found under the names of its errors.
            del self.history[-1]
            raise self._failure
        return self

    def fail(self, what: str) -> NoReturn:
        """End training, where ``what`` of an epoch went wrong."""
        self._failure = Diverged(f"training: epoch {len(self.history)}: {what}")
        raise KeyboardInterrupt

    def check_loss(self, loss: float) -> None:
        """End training unless a loss is finite."""
        if not math.isfinite(loss):
            self.fail(f"the loss is {loss}")

    def on_train_begin(
        self, net: NeuralNet, X: Images | None = None, y: object = None, **kwargs: object
    ) -> None:
        super().on_train_begin(net, X, y, **kwargs)
        self.finite_ = snapshot(self.module_.state_dict())

    def on_epoch_begin(
        self,
        net: NeuralNet,
        dataset_train: Images | None = None,
        dataset_valid: Images | None = None,
        **kwargs: object,
    ) -> None:
        super().on_epoch_begin(net, dataset_train, dataset_valid, **kwargs)
        self._begun = snapshot(self.module_.state_dict())

    def on_batch_end(
        self,
        net: NeuralNet,
        batch: Labelled | None = None,
        training: bool = False,
        loss: Tensor | None = None,
        **kwargs: object,
    ) -> None:
        super().on_batch_end(net, batch, training, **kwargs)
        interruption.raise_if_lost()
        if self._unread is None:
            self._saw(None if loss is None else loss.item(), training)

    def _saw(self, loss: float | None, training: bool) -> None:
        """Check the loss of a batch; the first one's is of the weights the epoch began with."""
        if loss is not None:
            self.check_loss(loss)
        if training and self._begun is not None:
            self.finite_, self._begun = self._begun, None

    def run_single_epoch(
        self,
        iterator: Iterable[Labelled] | None,
        training: bool,
        prefix: str,
        step_fn: Callable[..., Mapping[str, Any]],
        **fit_params: object,
    ) -> None:
        """skorch's; losses on a GPU are read when the epoch ends, whatever ends it, and checked
        then."""
        if iterator is None:
            return
        self._unread = UnreadLosses(
            self.history, f"{prefix}_loss", lambda loss: self._saw(loss, training)
        )
        try:
            for batch in iterator:
                self.notify("on_batch_begin", batch=batch, training=training)
                step = step_fn(batch, **fit_params)
                self._unread.add(step["loss"])
                self.history.record_batch(f"{prefix}_batch_size", len(batch[0]))
                self.notify("on_batch_end", batch=batch, training=training, **step)
        finally:
            unread, self._unread = self._unread, None
            unread.read()
        self.history.record(f"{prefix}_batch_count", unread.n_batches)

    def on_train_end(
        self, net: NeuralNet, X: Images | None = None, y: object = None, **kwargs: object
    ) -> None:
        super().on_train_end(net, X, y, **kwargs)
        self._begun = None
