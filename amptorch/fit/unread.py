"""Numbers of batches that stay on a GPU until many are read at once: to read one waits for all that
the GPU was given to do, and leaves it idle until it is given more."""

from __future__ import annotations

from collections.abc import Callable

import torch
from skorch.history import History
from torch import Tensor

_MOST = 1024
"""Batches after which numbers are read; an epoch may have many more, and may have diverged."""


def waits(number: Tensor) -> bool:
    """Whether to read a number waits for a device."""
    return not number.is_cpu


class UnreadLosses:
    """The losses of the batches of an epoch in its history: tensors until they are read.

    Args:
        history: whose last epoch is under way.
        name: of the losses in its batches.
        seen: is told each loss, in order, when it is read.

    Attributes:
        n_batches: how many losses there were.
    """

    def __init__(self, history: History, name: str, seen: Callable[[float], None]) -> None:
        self.history, self.name, self.seen = history, name, seen
        self.n_batches = 0
        self._rows: list[dict[str, object]] = []
        self._losses: list[Tensor] = []

    def add(self, loss: Tensor) -> None:
        """Record the loss [] of the batch that is under way, at once where that waits for
        nothing; else now and then read all."""
        self.n_batches += 1
        row = self.history[-1]["batches"][-1]
        if not waits(loss):
            row[self.name] = loss.item()
            self.seen(row[self.name])
            return
        row[self.name] = loss.detach()
        self._rows.append(row)
        self._losses.append(row[self.name])
        if len(self._losses) == _MOST:
            self.read()

    def read(self) -> None:
        """Put floats in the place of tensors; then tell of them."""
        rows, losses = self._rows, self._losses
        self._rows, self._losses = [], []
        values = torch.stack(losses).tolist() if losses else []
        for row, value in zip(rows, values, strict=True):
            row[self.name] = value
        for value in values:
            self.seen(value)
