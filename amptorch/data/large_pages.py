"""Memory in large pages, for what is read over and over.

Where pages have 4 kB a processor that reads gigabytes looks up one address after the other, and
asks for nothing ahead beyond the page it is in. numpy asks Linux for pages of 2 MB for arrays of
4 MB and more; smaller arrays are therefore put into one.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .arrays import Array

CHUNK = 1 << 26  # bytes that are asked for at once; what is not touched takes no memory
LINE = 64  # bytes of a cache line, at which arrays begin


class LargePages:
    """Where tensors are copied to; a chunk is freed with the last tensor in it.

    Args:
        dtype: of the copies.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._chunk: Array = np.empty(0, np.uint8)
        self._used = 0

    def keep(self, values: Tensor) -> Tensor:
        """A copy of a tensor on the CPU. Its storage is its own, so that files hold no more."""
        size = values.numel() * self.dtype.itemsize
        if self._used + size > len(self._chunk):
            self._chunk, self._used = np.empty(max(CHUNK, size + LINE), np.uint8), 0
            self._used = -self._chunk.ctypes.data % LINE
        place = self._chunk[self._used : self._used + size]
        self._used += size + -size % LINE
        kept = torch.from_numpy(place).view(self.dtype).view(values.shape)
        return kept.copy_(values)
