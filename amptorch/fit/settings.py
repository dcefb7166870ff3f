"""The section "optim" of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import nn

from ..errors import check_choice, check_class, check_integer, check_keys, is_number
from ..fit import optimizers
from .losses import CustomLoss
from .nep_loss import NepLoss


@dataclass
class FitSettings:
    """What the section has for every fit; that of a fit derives from this and adds its keys.

    Attributes:
        fit: name of the fit, among those of the model's family.
        gpus: to fit on.
        device: of the original, which does not use it either.
        force_coefficient, stress_coefficient: weights of forces and stresses; stresses are read
            where theirs is not 0.
        reads_once: whether frames are read once, not every epoch.
    """

    reads_once: ClassVar[bool] = False

    fit: str = "gradients"
    gpus: int = 0
    device: Any = None
    force_coefficient: float = 0.0
    stress_coefficient: float = 0.0

    @classmethod
    def suited(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Values that suit what is given, in place of the defaults."""
        return {}

    def settle_without_forces(self) -> None:
        """Settle what a model without forces cannot follow.

        Raises:
            ValueError: a key that needs forces.
        """
        # The original ignores it too; the trainer says so.
        self.force_coefficient = 0.0
        self._expect_without_forces("stress_coefficient", 0)

    def _expect_without_forces(self, name: str, expected: object) -> None:
        value = getattr(self, name)
        if value != expected:
            raise ValueError(
                f"optim: expected {name} {expected!r} where the model's get_forces is False, "
                f"got {value!r}"
            )


@dataclass
class OptimConfig(FitSettings):
    """Optimization by gradients, and what stands beside them."""

    lr: float = 1e-1
    batch_size: int = 32
    epochs: int = 100
    optimizer: str | type[torch.optim.Optimizer] = torch.optim.Adam
    optimizer_args: Mapping[str, Any] = field(default_factory=dict)
    loss_fn: type[nn.Module] = CustomLoss
    loss: str = "mse"
    loss_args: Mapping[str, Any] = field(default_factory=dict)
    energy_loss: str = "total"
    huber_delta: float = 1.0
    balance: str | None = None
    gradient_clip: float | None = None
    ema: float = 0.0
    metric: str = "mae"
    cp_metric: str = "energy"
    scheduler: Mapping[str, Any] | None = None
    resident: bool | str = "auto"

    def __post_init__(self) -> None:
        if self.loss == "nep" and self.loss_fn is CustomLoss:
            self.loss_fn = NepLoss
        for name in ("batch_size", "epochs"):
            check_integer(self, name, "optim", least=1)
        check_class(self, "loss_fn", "optim", "amptorch.potentials.networks.model.CustomLoss")
        check_choice(self, "metric", ("mae", "mse"), "optim")
        check_choice(self, "cp_metric", ("energy", "forces", "loss"), "optim")
        check_choice(self, "resident", ("auto", True, False), "optim")
        if self.resident is True and self.gpus > 1:
            raise ValueError(f"optim: resident True is for one GPU, got gpus {self.gpus}")
        for name in ("lr", "gradient_clip"):
            value = getattr(self, name)
            if value is not None and not (is_number(value) and value > 0):
                raise ValueError(f"optim: expected {name} > 0, got {value!r}")
        for name in ("force_coefficient", "stress_coefficient", "ema"):
            value = getattr(self, name)
            if not is_number(value):
                raise ValueError(f"optim: expected {name} to be a number, got {value!r}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"optim: expected ema in [0, 1), got {self.ema!r}")
        optimizers.check_settings(self.choice, self)
        if self.scheduler is not None:
            check_keys(self.scheduler, ["policy", "params"], "optim, scheduler")

    @classmethod
    def suited(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return optimizers.defaults(given.get("optimizer"), given.get("optimizer_args", {}))

    def settle_without_forces(self) -> None:
        super().settle_without_forces()
        if self.cp_metric != "loss":
            self._expect_without_forces("cp_metric", "energy")

    @property
    def choice(self) -> optimizers.Choice:
        """What ``optimizer`` names."""
        return optimizers.choose(self.optimizer, self.optimizer_args)
