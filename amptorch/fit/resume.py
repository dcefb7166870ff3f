"""Going on with a run so that its history equals that of an uninterrupted one."""

from __future__ import annotations

import contextlib
import copy
import inspect
import json
import math
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback, EarlyStopping, LRScheduler, PassthroughScoring
from skorch.history import History
from torch.utils.data import Subset

from ..files import checkpoint
from ..files.safe_pickle import Unknown
from . import optimizers
from .averaging import WeightAverage
from .best import BestCheckpoint
from .settings import OptimConfig

FILE = checkpoint.RESUME
# Seconds between two writes while training; the first epoch is written when it ends, and so is the
# last.
INTERVAL = 5.0
# Entries of an optimizer's parameter groups that are not its own: schedulers add theirs.
_OF_GROUPS = {"params", "initial_lr", "base_momentum", "max_momentum", "max_lr", "min_lr"}
# What callbacks count from epoch to epoch.
_COUNTED = {
    EarlyStopping: ("misses_", "dynamic_threshold_", "best_epoch_", "best_model_weights_"),
    PassthroughScoring: ("best_score_",),
    WeightAverage: ("average_", "weights_", "updates_"),
}


def random_state() -> dict[str, Any]:
    """States of the generators of Python, numpy and torch, as plain types and tensors."""
    version, words, gauss = random.getstate()
    numpy_state: Any = np.random.get_state(legacy=True)
    name, keys, position, has_gauss, cached = numpy_state
    state = {
        "python": (version, list(words), gauss),
        "numpy": (name, keys.tolist(), position, has_gauss, cached),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Set the generators to a state of :func:`random_state`."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    torch.set_rng_state(state["torch"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


@contextlib.contextmanager
def random_kept() -> Iterator[None]:
    """Leave the generators of Python, numpy and torch as they were."""
    state = random_state()
    try:
        yield
    finally:
        set_random_state(state)
        if torch.cuda.is_available() and "cuda" not in state:
            # A GPU that nobody has used yet begins with the last seed that was given.
            torch.cuda.manual_seed_all(torch.initial_seed())


class Resume(Callback):
    """Keeps the state after each epoch and, given one, starts from it.

    Args:
        folder: checkpoint folder; None keeps nothing.
        state: what :func:`read` gave, to go on from.

    Attributes:
        split: indices of the training and of the validation images, once there is a validation
            part and training has begun.
    """

    def __init__(self, folder: str | Path | None, state: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self.state = state

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        self._pending = self.state
        self._snapshot: dict[str, Any] | None = None
        self._target = len(net.history) + net.max_epochs
        self._written = -math.inf
        self.split: list[list[int]] | None = None

    def on_epoch_begin(
        self, net: Any, dataset_train: Any = None, dataset_valid: Any = None, **kwargs: Any
    ) -> None:
        if self.split is None and isinstance(dataset_valid, Subset):
            self.split = [_plain(dataset_train.indices), _plain(dataset_valid.indices)]
        if self._pending is not None:
            self._restore(net, self._pending)
            self._pending = None

    def _restore(self, net: Any, state: dict[str, Any]) -> None:
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

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        if self.folder is None:
            return
        self._take(net)
        if time.monotonic() - self._written > INTERVAL:
            self._write(net)

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        if self.folder is None:
            return
        # Early stopping leaves an epoch that is whole but whose end this callback did not see.
        if net.history and "dur" in net.history[-1] and self._epochs() < len(net.history):
            self._take(net)
        self._write(net)

    def _epochs(self) -> int:
        return self._snapshot["epochs"] if self._snapshot else 0

    def _take(self, net: Any) -> None:
        self._snapshot = {
            "epochs": len(net.history),
            "target_epochs": self._target,
            "module": checkpoint.snapshot(net.module_.state_dict()),
            "optimizer": checkpoint.snapshot(net.optimizer_.state_dict()),
            "criterion": checkpoint.snapshot(net.criterion_.state_dict()),
            "callbacks": {
                name: {"kind": _kind(callback), "values": _state_of(callback)}
                for name, callback in net.callbacks_
                if isinstance(callback, (LRScheduler, *_COUNTED))
            },
            "random": random_state(),
            "split": self.split,
        }
        self._history = net.history

    def _write(self, net: Any) -> None:
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
            checkpoint.save({**self._snapshot, "history": epochs}, Path(str(self.folder)) / FILE)
            self._written = time.monotonic()


def read(folder: str | Path) -> dict[str, Any] | None:
    """The state in a checkpoint folder, or None where there is none (the original writes none)."""
    path = Path(folder) / FILE
    return checkpoint.torch_load(path) if path.is_file() else None


def history_of(state: dict[str, Any]) -> History:
    """The history up to the saved epoch."""
    return History(json.loads(state["history"]))


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any] | None) -> None:
    """Set the state of an optimizer; that of another kind, which does not fit, is left out."""
    if state is None:
        return
    group = state["param_groups"][0]
    if set(group) - set(optimizer.defaults) <= _OF_GROUPS:
        optimizer.load_state_dict(state)


@dataclass
class Changes:
    """What a run that goes on is to do otherwise than its checkpoint's configuration said.

    Attributes:
        optimizer: it has another one, which starts afresh.
        options: of the optimizer, with new values; the learning rate is "lr".
        schedule: that of the learning rate starts anew, as it does from a new rate.
    """

    optimizer: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    schedule: bool = False

    @classmethod
    def between(cls, stored: Mapping[str, Any], optim: OptimConfig) -> Changes:
        """The changes from the section "optim" of a stored configuration to one that is given."""
        arguments = stored.get("optimizer_args") or {}
        before = optimizers.choose(stored.get("optimizer", torch.optim.Adam), arguments)
        suited = optimizers.defaults(stored.get("optimizer"), arguments)
        rate = {**suited, **stored}.get("lr", OptimConfig.lr)
        new = not _same(before.optimizer, optim.choice.optimizer)
        options = {} if new else _changed(before.arguments, optim.choice)
        if not _same(rate, optim.lr):
            options["lr"] = optim.lr
        schedule = not _same(stored.get("scheduler"), optim.scheduler)
        return cls(new, options, new or schedule or "lr" in options)

    def apply(self, state: dict[str, Any]) -> dict[str, Any]:
        """The state of a run that :func:`read` gave, changed."""
        callbacks = dict(state["callbacks"])
        if self.schedule:
            callbacks.pop("lr_scheduler", None)
        optimizer = self.of_optimizer(state["optimizer"])
        return {**state, "callbacks": callbacks, "optimizer": optimizer}

    def of_optimizer(self, state: dict[str, Any] | None) -> dict[str, Any] | None:
        """The state of an optimizer, changed; None where there is another one."""
        if self.optimizer or state is None:
            return None
        rates = {"initial_lr": self.options["lr"]} if "lr" in self.options else {}
        groups = [{**group, **rates, **self.options} for group in state["param_groups"]]
        return {**state, "param_groups": groups}


def _changed(before: Mapping[str, Any], choice: optimizers.Choice) -> dict[str, Any]:
    """Arguments of an optimizer that are not as before; one that is gone has its default again."""
    known = inspect.signature(choice.optimizer).parameters
    changed = {}
    for name in {**before, **choice.arguments}:
        option = name.removeprefix("optimizer__")
        if name in choice.arguments:
            value = choice.arguments[name]
        elif option in known:
            value = known[option].default
        if not (name in before and _same(before[name], value)):
            changed[option] = value
    return changed


def _same(one: Any, other: Any) -> bool:
    """Whether a value of a file is another: classes that are not loaded from files by name."""
    if isinstance(one, Unknown):
        return (
            one.name == f"{getattr(other, '__module__', None)}.{getattr(other, '__name__', None)}"
        )
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


class FixedSplit:
    """Train split that repeats the one of the run that is resumed."""

    def __init__(self, split: list[list[int]]) -> None:
        self.train, self.valid = split

    def __call__(self, dataset: Any, y: Any = None, groups: Any = None) -> tuple[Subset, Subset]:
        """Training and validation subsets."""
        return Subset(dataset, self.train), Subset(dataset, self.valid)


def _kind(callback: Any) -> str:
    """What a saved state must have come from: another scheduler's would not fit."""
    return type(getattr(callback, "lr_scheduler_", callback)).__name__


def _state_of(callback: Any) -> dict[str, Any]:
    if isinstance(callback, LRScheduler):
        return copy.deepcopy(callback.lr_scheduler_.state_dict())
    names = _COUNTED[type(callback)]
    values = {name: getattr(callback, name) for name in names if hasattr(callback, name)}
    return copy.deepcopy(values)


def _plain(indices: Any) -> list[int]:
    return [int(index) for index in indices]
