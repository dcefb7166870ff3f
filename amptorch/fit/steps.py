"""The steps of the original's trainer that make its skorch net; scripts override them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from ..potentials.holder import PotentialHolder
from ..processes import group
from . import resume
from .going_on import Start


class NetSteps(PotentialHolder):
    """The net of a trainer, and the steps to it.

    Attributes:
        criterion: class of the loss.
        optimizer: dict with "optimizer", a class, and skorch's ``optimizer__...``.
        wandb_run: of Weights & Biases, None without ``logger``.
        split: makes the validation part.
        callbacks: of the net.
    """

    identifier: str
    cp_dir: str | None
    train_dataset: Any
    criterion: type[nn.Module]
    optimizer: dict[str, Any]
    wandb_run: Any
    split: Any
    callbacks: list[Any]

    def __init__(self) -> None:
        super().__init__()
        self._net: Any = None
        self._folder_of_net: Path | None = None
        self._start = Start()

    @property
    def by_gradients(self) -> bool:
        """Whether the fit is one of skorch nets; other fits take none of the steps below."""
        return self.settings.optim.fit == "gradients"

    def _load_net(self) -> None:
        # What follows needs skorch, which takes as long to import as torch: not before it is used.
        self.load_logger()
        self.load_extras()
        self.load_skorch()

    def load_criterion(self) -> None:
        """Set ``criterion``, the class of the loss."""
        self.criterion = self.settings.gradients.loss_fn
        coefficient = self.config["optim"].get("force_coefficient", 0)
        if coefficient and not self.forcetraining:
            self._say(f"get_forces is False: force_coefficient {coefficient} is ignored")

    def load_optimizer(self) -> None:
        """Set ``optimizer``: a dict with "optimizer", a class, and skorch's ``optimizer__...``."""
        choice = self.settings.gradients.choice
        self.optimizer = {"optimizer": choice.optimizer, **choice.arguments}

    def load_logger(self) -> None:
        """Set ``wandb_run``, None without ``logger``."""
        from .callbacks import start_wandb

        logged = self.settings.cmd.logger
        self.wandb_run = start_wandb(self.identifier, self.config) if logged else None

    def load_extras(self) -> None:
        """Set ``split``, which makes the validation part, and ``callbacks``."""
        from .callbacks import training_callbacks
        from .splits import train_split

        self.split = train_split(self.settings.dataset, self._start.split)
        folder = self.cp_dir if group.is_first() else None
        self.callbacks = training_callbacks(
            self.settings, self.wandb_run, folder, self._start.state
        )

    def load_skorch(self) -> None:
        """Set ``net``, the skorch net of all that was loaded."""
        from .nets import make_net

        self.net = make_net(
            self.settings,
            self.model,
            self.device,
            self.train_dataset,
            criterion=self.criterion,
            train_split=self.split,
            callbacks=self.callbacks,
            **self.optimizer,
        )

    @property
    def net(self) -> Any:
        """The skorch net, None where the fit is another. After a checkpoint was loaded to predict,
        for which there need be none, it is made when it is asked for."""
        if self._net is None and self._folder_of_net is not None and self.by_gradients:
            folder, self._folder_of_net = self._folder_of_net, None
            with resume.random_kept():
                self.load_criterion()
                self.load_optimizer()
                self._load_net()
                self.net.initialize()
                self._start.load_into(self.net, folder, self.device, optimizer=False)
        return self._net

    @net.setter
    def net(self, net: Any) -> None:
        self._net, self._folder_of_net = net, None

    def _say(self, text: str) -> None:
        if self.settings.cmd.verbose:
            print(text)
