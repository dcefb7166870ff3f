"""The best model of a run: written while it trains, loaded back when it ends."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from skorch import NeuralNet
from skorch.callbacks import Callback, Checkpoint

from ..files.checkpoint import OF_BEST, content_of, snapshot


class BestCheckpoint(Checkpoint):
    """skorch's checkpoint, written beside the old one and put in its place only when whole.

    Models are written when :meth:`flush` is called (``Resume`` does so when it writes) and when
    training ends: early in a run every epoch is the best so far.
    """

    dirname: str

    def on_train_begin(self, net: NeuralNet, **kwargs: object) -> None:
        self._waiting: dict[str, Any] | None = None

    def save_model(self, net: NeuralNet) -> None:
        self._waiting = {
            part: snapshot(getattr(net, attribute).state_dict())
            for part, attribute in (
                ("params", "module_"),
                ("optimizer", "optimizer_"),
                ("criterion", "criterion_"),
            )
        }
        self._history, self._epochs = net.history, len(net.history)

    def flush(self) -> None:
        """Write the best model so far unless it is written."""
        if self._waiting is None:
            return
        try:
            with tempfile.TemporaryDirectory(dir=self.dirname, prefix=".best-") as scratch:
                for part, state in self._waiting.items():
                    (Path(scratch) / f"{part}.pt").write_bytes(content_of(state))
                history = json.dumps(self._history.to_list()[: self._epochs])
                (Path(scratch) / "history.json").write_text(history, encoding="utf-8")
                # The parameters last: with them the folder becomes a checkpoint.
                for name in reversed(OF_BEST):
                    os.replace(Path(scratch) / name, Path(self.dirname) / name)
        except OSError as error:
            raise OSError(f"checkpoint: cannot write {self.dirname}: {error}") from error
        self._waiting = None

    def on_train_end(self, net: NeuralNet, **kwargs: object) -> None:
        self.flush()


class train_end_load_best_loss(Callback):
    """Loads the best checkpoint back when training ends, also after Ctrl-C.

    Args:
        identifier: name of the run, for messages.
    """

    def __init__(self, identifier: str) -> None:
        self.identifier = identifier

    def on_train_end(self, net: NeuralNet, **kwargs: object) -> None:
        for _, callback in net.callbacks_:
            if isinstance(callback, BestCheckpoint):
                path = Path(callback.dirname) / "params.pt"
                if path.is_file():
                    net.load_params(f_params=str(path))
