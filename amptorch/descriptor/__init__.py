"""What a descriptor is: parameters, validation, hash. Numerics are in ``amptorch.kernels``."""

from .ace import Ace
from .base_descriptor import BaseDescriptor
from .bispectrum import Snap
from .Gaussian import Gaussian
from .GMP import GMP
from .GMPOrderNorm import GMPOrderNorm
from .nep import NepDensity
from .schemes import SCHEMES, Setup, construct_descriptor, is_auto

__all__ = [
    "GMP",
    "SCHEMES",
    "Ace",
    "BaseDescriptor",
    "GMPOrderNorm",
    "Gaussian",
    "NepDensity",
    "Setup",
    "Snap",
    "construct_descriptor",
    "is_auto",
]
