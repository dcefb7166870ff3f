"""Training within a time: as many epochs as there is time for, and a schedule fitted to them."""

from __future__ import annotations

from typing import Any

from skorch.callbacks import Callback, LRScheduler

from .clock import Clock
from .schedules import WarmupCosine


class Deadline(Callback):
    """Ends training in time.

    After each epoch the number of epochs that there is time for is found anew, at most those that
    were asked for; a :class:`WarmupCosine` falls to its end within them. There is always one epoch.

    Args:
        clock: with the time of the run.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        self._asked, self._done = net.max_epochs, 0
        self.clock.begin()

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        self.clock.tick()
        self._done += 1
        more = self.clock.possible(self._asked - self._done)
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
