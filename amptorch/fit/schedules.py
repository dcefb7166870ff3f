"""Schedules of the learning rate beyond torch's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import LRScheduler
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler as Schedule
from torch.optim.lr_scheduler import ReduceLROnPlateau

from ..errors import nearest


class WarmupCosine(Schedule):
    """Learning rate that grows linearly over ``warmup`` steps, then falls along half a cosine
    (I. Loshchilov and F. Hutter, arXiv:1608.03983 (2016)):

        lr (k + 1) / (warmup + 1)                                         k < warmup
        lr {floor + (1 - floor) (1 + cos(pi (k - warmup) / (total - warmup))) / 2}

    and lr * floor from step ``total`` on.

    Args:
        total: steps, epochs or batches (``step_every``).
        warmup: steps of growth.
        floor: last learning rate in units of the first.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        total: int,
        warmup: int = 0,
        floor: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if not 0 <= warmup < total:
            raise ValueError(
                f"WarmupCosine: expected 0 <= warmup < total, got warmup {warmup}, total {total}"
            )
        self.total, self.warmup, self.floor = total, warmup, floor
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float | Tensor]:
        """Rates of this step, one a parameter group."""
        return [rate * self._factor(self.last_epoch) for rate in self.base_lrs]

    def _factor(self, step: int) -> float:
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        done = min(1.0, (step - self.warmup) / (self.total - self.warmup))
        return self.floor + (1.0 - self.floor) * 0.5 * (1.0 + math.cos(math.pi * done))


def scheduler(settings: Mapping[str, Any], epochs: int) -> LRScheduler:
    """skorch's callback for ``{"policy": name or class, "params": {...}}``.

    Args:
        settings: the configuration's ``scheduler``.
        epochs: ``total`` of :class:`WarmupCosine` where none is given.
    """
    policy, params = settings["policy"], dict(settings.get("params", {}))
    known = {name: kind for name, kind in vars(torch.optim.lr_scheduler).items() if _is_one(kind)}
    known["WarmupCosine"] = WarmupCosine
    if isinstance(policy, str):
        if policy not in known:
            raise ValueError(f"scheduler: unknown policy {policy!r}; {nearest(policy, known)}")
        policy = known[policy]
    if policy is WarmupCosine:
        params.setdefault("total", epochs)
    return LRScheduler(policy, **params)


def restart(net: NeuralNet) -> None:
    """Let the schedule of a net that goes on with a history begin anew, from its first rate."""
    for name, callback in net.callbacks_:
        if name == "lr_scheduler" and callback.policy_ is not ReduceLROnPlateau:
            callback.last_epoch = -1


def _is_one(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Schedule) and kind is not Schedule
