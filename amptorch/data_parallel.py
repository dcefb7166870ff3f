"""A path of the original's: several GPUs live in :mod:`amptorch.fit.data_parallel`."""

from .fit.data_parallel import DataParallel, ParallelCollater

__all__ = ["DataParallel", "ParallelCollater"]
