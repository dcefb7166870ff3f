"""Training within a time: as many epochs as there is time for, and a schedule fitted to them."""

from __future__ import annotations

import statistics
import time
from typing import Any

from skorch.callbacks import Callback, LRScheduler

from .schedules import WarmupCosine

# Epochs by whose duration that of the next is judged, and the part of the time that is kept back.
RECENT = 5
SPARE = 0.02


class Deadline(Callback):
    """Ends training in time.

    After each epoch, from the median of the last ones, the number of epochs that there is time for
    is found anew, at most those that were asked for; a :class:`WarmupCosine` falls to its end
    within them. There is always one epoch.

    Args:
        limit: seconds from ``begun`` on.
        begun: of ``time.monotonic()``.
    """

    def __init__(self, limit: float, begun: float) -> None:
        self.limit = limit
        self.begun = begun

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        self._asked, self._done = net.max_epochs, 0
        self._seconds: list[float] = []
        self._last = time.monotonic()

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        now = time.monotonic()
        self._seconds.append(now - self._last)
        self._last, self._done = now, self._done + 1
        left = self.limit * (1.0 - SPARE) - (now - self.begun)
        possible = int(left / statistics.median(self._seconds[-RECENT:]))
        more = min(max(possible, 0), self._asked - self._done)
        net.max_epochs = self._done + more
        _fit_schedule(net, more)
        if not more and self._done < self._asked:
            raise KeyboardInterrupt  # as skorch's own callbacks end training


def _fit_schedule(net: Any, more: int) -> None:
    for _, callback in net.callbacks_:
        if isinstance(callback, LRScheduler):
            schedule = callback.lr_scheduler_
            if isinstance(schedule, WarmupCosine):
                schedule.total = max(schedule.last_epoch + more, schedule.warmup + 1)
