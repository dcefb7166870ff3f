"""A path of the original's: data sets in files live in :mod:`amptorch.dataset.lmdb`."""

from .dataset.lmdb import (
    AtomsLMDBDataset,
    AtomsLMDBDatasetCache,
    AtomsLMDBDatasetPartialCache,
    PartialCacheSampler,
    get_lmdb_dataset,
)

__all__ = ["AtomsLMDBDataset", "AtomsLMDBDatasetCache", "AtomsLMDBDatasetPartialCache"]
__all__ += ["PartialCacheSampler", "get_lmdb_dataset"]
