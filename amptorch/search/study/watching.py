"""What looks at a training after each epoch; apart, as skorch takes a second to import."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skorch.callbacks import Callback


class AfterEpoch(Callback):
    """Ends training where it is not worth going on.

    Args:
        go_on: from the epoch and how many there are to whether it is.
    """

    def __init__(self, go_on: Callable[[int, int], bool]) -> None:
        self.go_on = go_on

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        if not self.go_on(len(net.history), net.max_epochs):
            raise KeyboardInterrupt  # as skorch's own callbacks end training
