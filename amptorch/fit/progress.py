"""The table of a run: a line an epoch, with the time that is left."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from typing import Any

from skorch.callbacks import PrintLog

RECENT = 10  # epochs by whose duration the time that is left is judged


class EpochTable(PrintLog):
    """skorch's table with one more column, ``left``, and without colours where it is not seen on a
    terminal."""

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        self._before = len(net.history)

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        if self.sink is print and not net.verbose:
            return
        done = len(net.history) - self._before
        seconds = [row["dur"] for row in net.history[self._before :][-RECENT:]]
        self._left = duration((net.max_epochs - done) * statistics.median(seconds))
        super().on_epoch_end(net, **kwargs)

    def format_row(self, row: Any, key: str, color: str) -> Any:
        if not getattr(sys.stdout, "isatty", lambda: False)():
            row = {name: value for name, value in row.items() if name != f"{key}_best"}
        return super().format_row(row, key, color)

    def _yield_keys_formatted(self, row: Any) -> Iterator[tuple[str, Any]]:
        yield from super()._yield_keys_formatted(row)
        yield "left", self._left


def duration(seconds: float) -> str:
    """Hours, minutes and seconds: ``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
