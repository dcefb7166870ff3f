"""What every fit is, and the run that it is of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch

from ..dataset.frames import Frames
from ..files import checkpoint
from ..files.whole import write_whole
from ..potentials.potential import Potential
from ..processes import group
from .settings import FitSettings

if TYPE_CHECKING:
    from ..config import Config

History = Sequence[Mapping[str, Any]]
"""A row an epoch, or whatever a fit goes through: "epoch", counted from 1, losses and errors under
the names of ``docs/training.md``, and "event_cp" where the model of the row is kept as the best."""


@dataclass
class Run:
    """One training of one potential.

    Attributes:
        settings: the configuration.
        device: to fit on.
        folder: checkpoint folder, which has configuration and scalers; None keeps nothing.
        state: what the run that this one goes on from kept of itself, or None.
        history: of that run.
        parts: indices of the training and of the validation images, if there are any of these.
    """

    settings: Config
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    folder: Path | None = None
    state: dict[str, Any] | None = None
    history: History = ()
    parts: tuple[list[int], list[int]] | None = None

    def say(self, text: str) -> None:
        """Print, where the configuration is verbose."""
        if self.settings.cmd.verbose:
            print(text)

    def keep(self, potential: Potential, history: History, state: Mapping[str, Any]) -> None:
        """Write the model, the history, and plain values and tensors to go on from, so that the
        folder is a checkpoint. Under ``torchrun`` the first process does."""
        if self.folder is None or not group.is_first():
            return
        rows = json.dumps(list(map(dict, history)))
        checkpoint.save(potential.model.state_dict(), self.folder / "params.pt")
        write_whole(self.folder / "history.json", lambda: rows.encode(), "checkpoint: ")
        kept = {
            "fit": self.settings.optim.fit,
            "epochs": len(history),
            "history": rows,
            "split": None if self.parts is None else list(self.parts),
        }
        checkpoint.save({**kept, **state}, self.folder / checkpoint.RESUME)


class Fit(Protocol):
    """A way to fit a model, made for one run: ``Kind(run)``. A family names its fits by place, see
    :class:`amptorch.potentials.registry.Family`.

    Attributes:
        Settings: dataclass of the section "optim" of a configuration.
    """

    Settings: ClassVar[type[FitSettings]]

    def run(self, potential: Potential, train: Frames, valid: Frames | None) -> History:
        """Fit the potential's model in place, and keep it in the run's folder.

        Args:
            potential: on the run's device, with the scalers of the frames.
            train: scaled images to fit.
            valid: scaled images to judge by, if any.

        Raises:
            Diverged: the model says nothing finite.
        """
