"""Data sets; names of the original live in :mod:`.in_memory` and :mod:`amptorch.descriptor`."""

from ..descriptor import construct_descriptor
from .in_memory import AtomsDataset, DataCollater

__all__ = ["AtomsDataset", "DataCollater", "construct_descriptor"]
