"""From the configuration's ``optimizer`` to what trains."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ...errors import check_keys, nearest
from ..losses import CustomLoss
from .base import Optimizer
from .full_batch import BFGS, LBFGSB
from .kalman import KalmanFilter
from .levenberg_marquardt import LevenbergMarquardt
from .soap import SOAP

if TYPE_CHECKING:
    from ..net import AtomsNet
    from ..settings import OptimConfig
    from .annealing import Annealing

_OPTIMIZERS: dict[str, tuple[type, dict[str, Any]]] = {
    "adam": (torch.optim.Adam, {"lr": 5e-3, "batch_size": 8}),
    "adamw": (torch.optim.AdamW, {"lr": 5e-3, "batch_size": 8}),
    "sgd": (torch.optim.SGD, {"lr": 1e-2, "batch_size": 8}),
    "soap": (SOAP, {"lr": 5e-3, "batch_size": 8}),
    "lbfgs": (LBFGSB, {"lr": 1.0, "batch_size": 32}),
    "bfgs": (BFGS, {"lr": 1.0, "batch_size": 32}),
    "kalman": (KalmanFilter, {"lr": 1.0, "batch_size": 1}),
    "levenberg_marquardt": (LevenbergMarquardt, {"lr": 1.0, "batch_size": 16}),
}
_OF_TORCH = {
    name.lower(): kind
    for name, kind in vars(torch.optim).items()
    if inspect.isclass(kind) and issubclass(kind, torch.optim.Optimizer)
}
# Optimizers that see all data at once, and those that see the residuals of a batch.
_FULL_BATCH = (LBFGSB, BFGS)
_OF_RESIDUALS = (KalmanFilter, LevenbergMarquardt)
# Settings of ``optim`` that speak of gradients or of batches, and are not for all.
_ONLY_GRADIENTS = ("gradient_clip", "stress_coefficient", "balance")
_ONLY_BATCHES = ("ema", "scheduler", "gradient_clip", "balance")


_PREFIX = "optimizer__"  # of skorch
_NOT_GIVEN = ("parameters", "params", "lr")


@dataclass(frozen=True)
class Choice:
    """What trains.

    Attributes:
        optimizer: class, as skorch takes it.
        arguments: of the optimizer, in skorch's notation.
        annealing: what comes before the first epoch, or None.
    """

    optimizer: type
    arguments: dict[str, Any] = field(default_factory=dict)
    annealing: Annealing | None = None

    @property
    def net(self) -> type[AtomsNet]:
        """Class of the net; to ask for it imports skorch."""
        if self.optimizer in _FULL_BATCH:
            from .full_batch_net import FullBatchNet

            return FullBatchNet
        if self.optimizer in _OF_RESIDUALS:
            from .net import BatchNet

            return BatchNet
        from ..net import AtomsNet

        return AtomsNet


def defaults(optimizer: object, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Learning rate and batch size that suit an optimizer given by name; classes have none."""
    if _is_annealing(optimizer):
        optimizer = arguments.get("then", "adam")
    name = optimizer.lower() if isinstance(optimizer, str) else ""
    return dict(_OPTIMIZERS[name][1]) if name in _OPTIMIZERS else {}


def choose(optimizer: str | type, arguments: Mapping[str, Any]) -> Choice:
    """What trains, for a name or a class and its arguments.

    Args:
        optimizer: a name, in any case, those of torch's classes among them ("lbfgs" is scipy's), or
            a class.
        arguments: of the optimizer, with or without the prefix ``optimizer__``. "annealing" takes
            those of :class:`Annealing`, and in "then" the name or class that follows, by default
            "adam", with its arguments.

    Raises:
        ValueError: a name or an argument that is not known; the nearest is named.
    """
    if not isinstance(optimizer, str):
        return Choice(optimizer, dict(arguments))
    given = {name.removeprefix(_PREFIX): value for name, value in arguments.items()}
    annealing: Annealing | None = None
    kind: Any = optimizer
    known: list[str] = []
    if _is_annealing(optimizer):
        from .annealing import Annealing

        known = list(inspect.signature(Annealing).parameters)
        annealing = Annealing(**{name: given.pop(name) for name in known if name in given})
        kind = given.pop("then", "adam")
    if isinstance(kind, str):
        kind = _named(kind)
    known += [name for name in inspect.signature(kind).parameters if name not in _NOT_GIVEN]
    check_keys(given, known, "optim, optimizer_args")
    rest = {_PREFIX + name: value for name, value in given.items()}
    return Choice(kind, rest, annealing)


def _is_annealing(optimizer: object) -> bool:
    return isinstance(optimizer, str) and optimizer.lower() == "annealing"


def _named(name: str) -> type:
    named = {key: kind for key, (kind, _) in _OPTIMIZERS.items()}
    named = {**_OF_TORCH, **named}
    if name.lower() not in named:
        known = [*named, "annealing"]
        raise ValueError(f"optim: unknown optimizer {name!r}; {nearest(name.lower(), known)}")
    return named[name.lower()]


def check_settings(choice: Choice, optim: OptimConfig) -> None:
    """Raise a ``ValueError`` for settings that the optimizer cannot follow, or bad arguments.

    Args:
        choice: what trains.
        optim: the configuration's section.
    """
    if issubclass(choice.optimizer, Optimizer):
        arguments = {name.removeprefix(_PREFIX): v for name, v in choice.arguments.items()}
        choice.optimizer([nn.Parameter(torch.zeros(1))], lr=optim.lr, **arguments)
    refused: tuple[str, ...] = ()
    if choice.optimizer in _FULL_BATCH:
        refused = _ONLY_BATCHES
    if choice.optimizer in _OF_RESIDUALS:
        refused = _ONLY_GRADIENTS
        if optim.loss != "mse" or optim.loss_fn is not CustomLoss:
            raise ValueError(
                f"optim: {choice.optimizer.__name__} needs loss 'mse' of CustomLoss, got "
                f"{optim.loss!r} of {optim.loss_fn.__name__}"
            )
    for name in refused:
        if getattr(optim, name):
            raise ValueError(f"optim: {choice.optimizer.__name__} cannot follow {name!r}")
