"""A path that checkpoints name: losses live in :mod:`amptorch.fit.losses`."""

from .fit.losses import CustomLoss, PerAtomLoss

__all__ = ["CustomLoss", "PerAtomLoss"]
