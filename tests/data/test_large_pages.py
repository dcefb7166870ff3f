"""Copies in large pages are what was copied, and hold nothing else."""

from __future__ import annotations

import io

import pytest
import torch

from amptorch.data import large_pages
from amptorch.data.large_pages import LINE, LargePages


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_copies(monkeypatch, dtype):
    monkeypatch.setattr(large_pages, "CHUNK", 1000)
    pages = LargePages(dtype)
    tensors = [torch.randn(n, 3, dtype=torch.float64) for n in (5, 0, 1, 17, 90, 2, 30)]
    kept = [pages.keep(each) for each in tensors]
    for copy, each in zip(kept, tensors, strict=True):
        assert torch.equal(copy, each.to(dtype))
        assert copy.data_ptr() % LINE == 0
        assert copy.is_contiguous()
        assert copy.untyped_storage().nbytes() == copy.numel() * copy.itemsize
    kept[3].zero_()
    assert torch.equal(kept[4], tensors[4].to(dtype))


def test_files_hold_one_copy_alone():
    pages = LargePages(torch.float64)
    file = io.BytesIO()
    torch.save([pages.keep(torch.ones(10, 3)) for _ in range(50)][7], file)
    assert file.tell() < 10_000
