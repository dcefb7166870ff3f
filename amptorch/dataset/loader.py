"""Batches of a data set in some order, the next one read while one is used."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import torch
from torch.utils.data import BatchSampler, Sampler, SequentialSampler, Subset

from ..data.frame import AtomsData
from .frames import Images, Order

Collate = Callable[[Sequence[AtomsData]], Any]
"""From images to a batch of them."""


class Batches(Protocol):
    """The indices of each batch."""

    def __iter__(self) -> Iterator[list[int]]: ...

    def __len__(self) -> int: ...


class BatchLoader:
    """Batches of a data set.

    Args:
        dataset: what is read.
        batch_size: images of a batch.
        collate_fn: makes a batch of images.
        order: of the images; without one they come as they are.
        prefetch: read the next batch in a thread (files and kernels let other threads run).
    """

    def __init__(
        self,
        dataset: Images,
        batch_size: int,
        collate_fn: Collate,
        order: Order | None = None,
        prefetch: bool = False,
    ) -> None:
        self.dataset = dataset
        sampler = SequentialSampler(dataset) if order is None else order(dataset)
        self._batches = self.batches(sampler, batch_size)
        self._collate = collate_fn
        self._prefetch = prefetch

    def batches(self, sampler: Sampler[int], batch_size: int) -> Batches:
        """The indices of each batch."""
        return BatchSampler(sampler, batch_size, drop_last=False)

    def __iter__(self) -> Iterator[Any]:
        return prefetched(self._made()) if self._prefetch else self._made()

    def __len__(self) -> int:
        return len(self._batches)

    def _made(self) -> Iterator[Any]:
        # torch's DataLoader draws a number first: with it orders are those of earlier versions.
        torch.empty((), dtype=torch.int64).random_()
        for indices in self._batches:
            yield self._collate([self.dataset[index] for index in indices])


def prefetched(batches: Iterable[Any]) -> Iterator[Any]:
    """The same, each batch but the first made in a thread while the one before is used.

    What is random is drawn with the first batch, here and not in the thread, so that it does not
    depend on which of the two is faster.
    """
    iterator, end = iter(batches), object()
    batch = next(iterator, end)
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as thread:
        while batch is not end:
            coming = thread.submit(next, iterator, end)
            yield batch
            batch = coming.result()


class ChunkSampler(Sampler):
    """Random order that reads neighbours together: chunks in random order, and images in random
    order within a window of chunks.

    The order is fixed by one draw of torch's global generator. Where one window holds all images it
    is that of ``torch.utils.data.RandomSampler``.

    Args:
        dataset: data set, or subset of one, whose chunks are those of the whole.
        chunk: images that lie together.
        window: chunks that are shuffled together.
    """

    def __init__(self, dataset: Images, chunk: int = 64, window: int = 16) -> None:
        self.size = len(dataset)
        self.chunk, self.window = chunk, window
        places = dataset.indices if isinstance(dataset, Subset) else range(self.size)
        self._by_place = torch.argsort(torch.tensor(list(places)), stable=True)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator()
        generator.manual_seed(int(torch.empty((), dtype=torch.int64).random_()))
        if self.size <= self.chunk * self.window:
            return iter(torch.randperm(self.size, generator=generator).tolist())
        chunks = self._by_place.split(self.chunk)
        order = torch.randperm(len(chunks), generator=generator).tolist()
        windows = [
            torch.cat([chunks[k] for k in order[start : start + self.window]])
            for start in range(0, len(order), self.window)
        ]
        shuffled = [w[torch.randperm(len(w), generator=generator)] for w in windows]
        return iter(torch.cat(shuffled).tolist())

    def __len__(self) -> int:
        return self.size


class PartialCacheSampler(Sampler):
    """Indices with parts in random order, and frames in random order within a part.

    Args:
        length_list: frames of each part.
        val_frac: fraction of frames, the last ones, that is left out for validation.
    """

    def __init__(self, length_list: Sequence[int], val_frac: float = 0.0) -> None:
        total = sum(length_list)
        stop = total - int(total * val_frac)
        ends = list(itertools.accumulate(length_list))
        starts = [end - length for end, length in zip(ends, length_list, strict=True)]
        self.ranges = [
            range(start, min(end, stop))
            for start, end in zip(starts, ends, strict=True)
            if start < stop
        ]

    def __iter__(self) -> Iterator[int]:
        order = []
        for part in torch.randperm(len(self.ranges)).tolist():
            frames = self.ranges[part]
            order += [frames[local] for local in torch.randperm(len(frames)).tolist()]
        return iter(order)

    def __len__(self) -> int:
        return sum(len(frames) for frames in self.ranges)
