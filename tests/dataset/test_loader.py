"""Orders in which images are read, and reading ahead."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, RandomSampler, Subset

from amptorch.dataset.loader import BatchLoader, ChunkSampler, prefetched


def order(dataset: Any, seed: int = 0, **sizes: int) -> list[int]:
    torch.manual_seed(seed)
    return list(ChunkSampler(dataset, **sizes))


@given(
    size=st.integers(1, 60),
    chunk=st.integers(1, 9),
    window=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_every_image_once_and_a_window_of_chunks_at_a_time(size, chunk, window, seed):
    drawn = order(range(size), seed, chunk=chunk, window=window)
    assert sorted(drawn) == list(range(size))
    assert drawn == order(range(size), seed, chunk=chunk, window=window)
    chunks = -(-size // chunk)
    seen: list[int] = []
    for index in drawn:
        if index // chunk not in seen:
            seen.append(index // chunk)
    finished, position = set(), 0
    for start in range(0, chunks, window):
        together = set(seen[start : start + window])
        count = sum(1 for index in range(size) if index // chunk in together)
        assert {index // chunk for index in drawn[position : position + count]} == together
        assert not together & finished
        finished |= together
        position += count


def test_chunks_of_a_subset_are_those_of_the_whole():
    """A random training part: neighbours in the file are read together."""
    indices = torch.randperm(200, generator=torch.Generator().manual_seed(1))[:160].tolist()
    subset = Subset(list(range(200)), indices)
    drawn = order(subset, chunk=8, window=2)
    assert sorted(drawn) == list(range(160))
    places = [indices[k] for k in drawn]
    for start in range(0, 160, 16):
        assert max(map(len, runs(sorted(places[start : start + 16])))) <= 8 * 2
        assert len(runs(sorted(places[start : start + 16]))) <= 2


def runs(places: list[int], gap: int = 12) -> list[list[int]]:
    """Places with no large gap between them."""
    found = [[places[0]]]
    for place in places[1:]:
        if place - found[-1][-1] > gap:
            found.append([])
        found[-1].append(place)
    return found


def test_seeds_and_epochs_differ():
    orders = {tuple(order(range(100), seed, chunk=5, window=3)) for seed in range(20)}
    assert len(orders) == 20
    torch.manual_seed(0)
    sampler = ChunkSampler(range(100), chunk=5, window=3)
    assert list(sampler) != list(sampler)


@pytest.mark.parametrize("prefetch", [False, True])
@pytest.mark.parametrize("size", [1, 7, 100])
def test_one_window_is_the_order_of_torch(size, prefetch):
    """So that a store that fits into a window trains as images in memory do."""
    torch.manual_seed(3)
    expected = list(DataLoader(range(size), 4, shuffle=True))
    torch.manual_seed(3)
    found = list(BatchLoader(range(size), 4, torch.tensor, ChunkSampler, prefetch))
    assert [batch.tolist() for batch in found] == [batch.tolist() for batch in expected]


def test_reading_ahead_draws_nothing_in_the_thread():
    """Draws between batches, as of dropped nodes, come out as without reading ahead."""

    def draws(prefetch: bool) -> list[float]:
        torch.manual_seed(5)
        loader = BatchLoader(range(40), 4, torch.tensor, RandomSampler, prefetch)
        return [float(batch.sum()) + float(torch.rand(())) for _ in range(2) for batch in loader]

    assert draws(True) == draws(False)


def test_reading_ahead_reads_one_batch_ahead():
    read: list[int] = []

    def batches():
        for k in range(5):
            read.append(k)
            yield k

    iterator = prefetched(batches())
    assert next(iterator) == 0
    assert next(iterator) == 1
    assert read[-1] <= 2
    assert [1, *iterator] == [1, 2, 3, 4]


def test_errors_of_the_thread_arrive():
    def batches():
        yield 1
        raise ZeroDivisionError("the second batch")

    iterator = prefetched(batches())
    assert next(iterator) == 1
    with pytest.raises(ZeroDivisionError, match="the second batch"):
        next(iterator)


def test_leaving_early_leaves_no_thread():
    before = threading.active_count()
    iterator = prefetched(iter(range(10)))
    next(iterator)
    iterator.close()
    assert threading.active_count() == before
    assert list(prefetched([])) == []
