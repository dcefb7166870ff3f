"""The state of a run, kept after each epoch: with it a run goes on as if it had not ended."""

from __future__ import annotations

import copy
import json
import math
import time
from pathlib import Path
from typing import Any

from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, LRScheduler, PassthroughScoring

from ..files import checkpoint
from .averaging import WeightAverage
from .best import BestCheckpoint
from .resume import load_optimizer, random_state, set_random_state

# Seconds between two writes while training; the first epoch is written when it ends, and so is the
# last.
INTERVAL = 5.0
# What callbacks count from epoch to epoch.
_COUNTED = {
    EarlyStopping: ("misses_", "dynamic_threshold_", "best_epoch_", "best_model_weights_"),
    PassthroughScoring: ("best_score_",),
    WeightAverage: ("average_", "weights_", "updates_"),
}


class Resume(Callback):
    """Keeps the state after each epoch and, given one, starts from it.

    Args:
        folder: checkpoint folder; None keeps nothing.
        state: what ``amptorch.fit.resume.read`` gave, to go on from.
    """

    def __init__(self, folder: str | Path | None, state: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self.state = state

    def on_train_begin(self, net: NeuralNet, **kwargs: object) -> None:
        self._pending = self.state
        self._snapshot: dict[str, Any] | None = None
        self._before = len(net.history)
        self._written = -math.inf

    def on_epoch_begin(self, net: NeuralNet, **kwargs: object) -> None:
        if self._pending is not None:
            self._restore(net, self._pending)
            self._pending = None

    def _restore(self, net: NeuralNet, state: dict[str, Any]) -> None:
        for name, callback in net.callbacks_:
            saved = state["callbacks"].get(name)
            if saved is None or saved["kind"] != _kind(callback):
                continue
            if isinstance(callback, LRScheduler):
                callback.lr_scheduler_.load_state_dict(saved["values"])
            else:
                vars(callback).update(saved["values"])
        # Schedulers set rates on creation, so the optimizer comes after them.
        load_optimizer(net.optimizer_, state["optimizer"])
        net.criterion_.load_state_dict(state.get("criterion", {}), strict=False)
        set_random_state(state["random"])

    def on_epoch_end(self, net: NeuralNet, **kwargs: object) -> None:
        if self.folder is None:
            return
        self._take(net)
        if time.monotonic() - self._written > INTERVAL:
            self._write(net)

    def on_train_end(self, net: NeuralNet, **kwargs: object) -> None:
        if self.folder is None:
            return
        # Early stopping leaves an epoch that is whole but whose end this callback did not see.
        if net.history and "dur" in net.history[-1] and self._epochs() < len(net.history):
            self._take(net)
        self._write(net)

    def _epochs(self) -> int:
        return self._snapshot["epochs"] if self._snapshot else 0

    def _take(self, net: NeuralNet) -> None:
        self._snapshot = {
            "epochs": len(net.history),
            "target_epochs": self._before + net.max_epochs,
            "module": checkpoint.snapshot(net.module_.state_dict()),
            "optimizer": checkpoint.snapshot(net.optimizer_.state_dict()),
            "criterion": checkpoint.snapshot(net.criterion_.state_dict()),
            "callbacks": {
                name: {"kind": _kind(callback), "values": _state_of(callback)}
                for name, callback in net.callbacks_
                if isinstance(callback, (LRScheduler, *_COUNTED))
            },
            "random": random_state(),
            "split": None if net.parts_ is None else list(net.parts_),
        }
        self._history = net.history

    def _write(self, net: NeuralNet) -> None:
        # First the best model: what goes on from this state does not find it again. Only before
        # there is any the state comes first: a model without one would be gone on from otherwise
        # than the run itself goes on, and a state without a model is no checkpoint.
        first = not (Path(str(self.folder)) / "params.pt").is_file()
        if first:
            self._write_state()
        for _, callback in net.callbacks_:
            if isinstance(callback, BestCheckpoint):
                callback.flush()
        if not first:
            self._write_state()

    def _write_state(self) -> None:
        if self._snapshot is not None:
            # Only now: writing out the whole history every epoch would cost more and more.
            epochs = json.dumps(self._history.to_list()[: self._snapshot["epochs"]])
            checkpoint.save(
                {**self._snapshot, "history": epochs}, Path(str(self.folder)) / checkpoint.RESUME
            )
            self._written = time.monotonic()


def _kind(callback: Callback) -> str:
    """What a saved state must have come from: another scheduler's would not fit."""
    return type(getattr(callback, "lr_scheduler_", callback)).__name__


def _state_of(callback: Callback) -> dict[str, Any]:
    if isinstance(callback, LRScheduler):
        return copy.deepcopy(callback.lr_scheduler_.state_dict())
    names = _COUNTED[type(callback)]
    values = {name: getattr(callback, name) for name in names if hasattr(callback, name)}
    return copy.deepcopy(values)
