"""Images on the way to a model: a face of :mod:`amptorch.data.frame`, which old pickles and scripts
name by this path."""

from .frame import AtomsBatch, AtomsData, collate

__all__ = ["AtomsBatch", "AtomsData", "collate"]
