"""A path of the original's: it lives in :mod:`amptorch.preprocessing.calculator`."""

from ..preprocessing.calculator import DescriptorCalculator

__all__ = ["DescriptorCalculator"]
