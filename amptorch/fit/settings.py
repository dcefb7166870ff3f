"""The section "optim" of a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from ..errors import check_choice, check_class, check_integer, check_keys, is_number
from ..fit import optimizers
from .losses import CustomLoss


@dataclass
class OptimConfig:
    """Optimization."""

    gpus: int = 0
    device: Any = None  # accepted as in the original, not used
    force_coefficient: float = 0.0
    lr: float = 1e-1
    batch_size: int = 32
    epochs: int = 100
    optimizer: str | type[torch.optim.Optimizer] = torch.optim.Adam
    optimizer_args: Mapping[str, Any] = field(default_factory=dict)
    loss_fn: type[nn.Module] = CustomLoss
    loss: str = "mse"
    energy_loss: str = "total"
    huber_delta: float = 1.0
    stress_coefficient: float = 0.0
    balance: str | None = None
    gradient_clip: float | None = None
    ema: float = 0.0
    metric: str = "mae"
    cp_metric: str = "energy"
    scheduler: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for name in ("batch_size", "epochs"):
            check_integer(self, name, "optim", least=1)
        check_class(self, "loss_fn", "optim", "amptorch.potentials.networks.model.CustomLoss")
        check_choice(self, "metric", ("mae", "mse"), "optim")
        check_choice(self, "cp_metric", ("energy", "forces"), "optim")
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

    @property
    def choice(self) -> optimizers.Choice:
        """What ``optimizer`` names."""
        return optimizers.choose(self.optimizer, self.optimizer_args)
