"""A path of the original's: networks live in :mod:`.potentials.networks`, losses in :mod:`.fit`."""

from .fit.losses import CustomLoss, PerAtomLoss
from .potentials.networks.model import BPNN, MLP, ElementMask, SingleNN

__all__ = ["BPNN", "MLP", "CustomLoss", "ElementMask", "PerAtomLoss", "SingleNN"]
