"""Which configurations the original can follow here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amptorch.config import Config
from amptorch.fit.losses import CustomLoss
from amptorch.fit.net import AtomsNet

# What is not in the original, or not in what is written of it here, with the value that is.
ONLY: Mapping[str, Mapping[str, Any]] = {
    "model": {
        "name": "bpnn",
        "get_forces": True,
        "batchnorm": False,
        "dropout": False,
        "initialization": "xavier",
    },
    "optim": {
        "gpus": 0,
        "loss_fn": CustomLoss,
        "energy_loss": "total",
        "stress_coefficient": 0.0,
        "balance": None,
        "gradient_clip": None,
        "ema": 0.0,
    },
    "dataset": {
        "fp_scheme": "gaussian",
        "prune": None,
        "baseline": None,
        "target_scaling": "energy",
        "weight_key": None,
    },
    "cmd": {"early_stopping": False},
}


def check(settings: Config) -> None:
    """Raise a ``ValueError`` for a configuration that the original could not follow."""
    for section, entries in ONLY.items():
        for name, value in entries.items():
            found = getattr(getattr(settings, section), name)
            if found != value:
                raise ValueError(
                    f"{section}: to compare with the original, expected {name} "
                    f"{_word(value)}, got {_word(found)}"
                )
    if settings.optim.loss not in ("mse", "mae"):
        raise ValueError(f"optim: the original has no loss {settings.optim.loss!r}")
    if settings.optim.choice.net is not AtomsNet or settings.optim.choice.annealing:
        raise ValueError("optim: the original has torch's optimizers only")


def _word(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else repr(value)
