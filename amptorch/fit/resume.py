"""Going on with a run so that its history equals that of an uninterrupted one."""

from __future__ import annotations

import contextlib
import inspect
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..files import checkpoint
from ..files.safe_pickle import Unknown
from ..plain import same
from . import optimizers
from .settings import OptimConfig

if TYPE_CHECKING:
    from skorch.history import History

# Entries of an optimizer's parameter groups that are not its own: schedulers add theirs.
_OF_GROUPS = {"params", "initial_lr", "base_momentum", "max_momentum", "max_lr", "min_lr"}


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


def read(folder: str | Path) -> dict[str, Any] | None:
    """The state in a checkpoint folder, or None where there is none (the original writes none)."""
    path = Path(folder) / checkpoint.RESUME
    return checkpoint.torch_load(path) if path.is_file() else None


def history_of(state: dict[str, Any]) -> History:
    """The history up to the saved epoch."""
    from skorch.history import History

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


def _same(one: object, other: object) -> bool:
    """Whether a value of a file is another: classes that are not loaded from files by name."""
    return same(one, other, _is_or_equals)


def _is_or_equals(one: object, other: object) -> bool:
    if isinstance(one, Unknown):
        return (
            one.name == f"{getattr(other, '__module__', None)}.{getattr(other, '__name__', None)}"
        )
    return bool(one == other)
