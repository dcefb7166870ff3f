"""Going on with a net: from where a checkpoint ended, or where an interrupted run was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..files import checkpoint
from . import resume

if TYPE_CHECKING:
    from ..config import Config
    from .net import AtomsNet


@dataclass
class Start:
    """What a run goes on from, once.

    Attributes:
        state: what the run before kept of itself, changed as asked for; None where it kept nothing.
        changes: what is to be otherwise.
        random: state of the generators to begin with where there is no ``state``; None leaves them.
    """

    state: dict[str, Any] | None = None
    changes: resume.Changes = field(default_factory=resume.Changes)
    random: dict[str, Any] | None = None

    @classmethod
    def of(cls, folder: Path | None, stored: Mapping[str, Any], settings: Config) -> Start:
        """From a checkpoint folder, if its state is asked for, whose configuration had the section
        "optim" ``stored``, with a configuration that may be another."""
        state = None if folder is None else state_of(folder, settings.optim.fit)
        if settings.optim.fit != "gradients":
            return cls(state)
        changes = resume.Changes.between(stored, settings.gradients)
        return cls(None if state is None else changes.apply(state), changes)

    @property
    def split(self) -> list[list[int]] | None:
        """Indices of the training and the validation images of the run before, if it had these."""
        return None if self.state is None else self.state["split"]

    def load_into(self, net: AtomsNet, folder: Path, device: torch.device, optimizer: bool) -> None:
        """Give a net the history of a checkpoint and, where asked for, its optimizer's state."""
        file = folder / "optimizer.pt"
        if optimizer and file.is_file():
            state = self.changes.of_optimizer(checkpoint.torch_load(file, device))
            resume.load_optimizer(net.optimizer_, state)
        if (folder / "history.json").is_file():
            net.history = checkpoint.load_history(folder / "history.json")


def state_of(folder: str | Path, fit: str) -> dict[str, Any] | None:
    """What a run kept of itself in its folder, if it kept something, and its fit was this one."""
    state = resume.read(folder)
    # A fit by gradients does not say so.
    return state if state is not None and state.get("fit", "gradients") == fit else None


class Continuation:
    """The state of a net, to be given to one that is made anew and goes on.

    Args:
        net: as it is.
        start: what it goes on from; what of it is for once is used up.
        epochs: to go, but for a run that was interrupted, which is brought to its end.

    Attributes:
        epochs: to go.
        history: until now.
    """

    def __init__(self, net: AtomsNet, start: Start, epochs: int) -> None:
        self._state, self._changes = start.state, start.changes
        self.history, self.epochs = net.history, epochs
        self._optimizer = net.optimizer_.state_dict()
        random, start.random, start.changes = start.random, None, resume.Changes()
        if self._state is None:
            if random is not None:
                resume.set_random_state(random)
            return
        net.module_.load_state_dict(self._state["module"])
        self.history, self._optimizer = resume.history_of(self._state), self._state["optimizer"]
        left = self._state["target_epochs"] - len(self.history)
        self.epochs = left if left > 0 else epochs

    def give(self, net: AtomsNet) -> None:
        """Prepare a net that is new to go on."""
        from .schedules import restart

        net.set_params(max_epochs=self.epochs)
        net.initialize()
        resume.load_optimizer(net.optimizer_, self._optimizer)
        net.history = self.history
        kept = self._state is None or "lr_scheduler" in self._state["callbacks"]
        if self._changes.schedule or not kept:
            restart(net)
