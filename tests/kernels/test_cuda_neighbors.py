"""Neighbour lists in Triton against those in C++, which they repeat to the last bit: on a GPU where
there is one, and everywhere else in Triton's interpreter, see ``test_cuda.py``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("triton", reason="needs Triton: pip install 'amptorch[gpu]'")

from amptorch.kernels.cuda import neighbors
from amptorch.kernels.neighbors import Frame, find_neighbors_of_batch
from amptorch.kernels.packed_frames import PackedFrames

from ..systems import SYSTEMS
from .test_cuda import (
    DEVICE,
    DTYPES,
    INTERPRETED,
    assert_passes_under_the_interpreter,
    compiled,
    on_device,
)
from .test_neighbors import _assert_same, _frame
from .triton_launches import Launch, Recorder, compiled_for_sm_90

CUTOFFS = [1.0, 3.1, 6.0]


@pytest.fixture(autouse=True)
def few_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of which takes as long in the interpreter, however many atoms it looks after."""
    if INTERPRETED:
        monkeypatch.setattr(neighbors, "CENTERS", 64)


def check(frames: list[Frame], cutoff: float, dtype: torch.dtype = torch.float64) -> None:
    """Order, indices and vectors, and the shortest vector."""
    packed = PackedFrames.of(frames)
    found, nearest = neighbors.find_neighbors(packed, cutoff, torch.device(DEVICE), dtype)
    wanted = find_neighbors_of_batch(frames, cutoff, dtype=dtype)
    _assert_same(found.to("cpu"), wanted.environment)
    assert nearest == pytest.approx(wanted.nearest, rel=1e-15)


@pytest.mark.parametrize("cutoff", CUTOFFS)
@on_device
def test_all_systems_in_one_batch(cutoff: float) -> None:
    check([_frame(build()) for build in SYSTEMS.values()], cutoff)


@pytest.mark.parametrize("system", ["isolated_atom", "fe_primitive", "water_on_cu"])
@on_device
def test_one_frame_in_single_precision(system: str) -> None:
    """Which are neighbours is told in double precision all the same."""
    check([_frame(SYSTEMS[system]())], 5.0, torch.float32)


@on_device
def test_atoms_at_the_cutoff_and_on_borders_of_bins() -> None:
    """Lattices of 1 Å, whose atoms are on borders of cells, bins and the cutoff's sphere."""
    grid = np.indices((3, 4, 4)).reshape(3, -1).T.astype(float)
    species = np.arange(len(grid)) % 2
    for pbc in ((True, True, True), (True, False, True), (False, False, False)):
        frames = [
            (grid * size - shift, np.diag([3.0, 4.0, 4.0]) * size, pbc, species)
            for size, shift in ((1.0, 0.0), (2.0, 7.3))
        ]
        check(frames, 2.0)


@pytest.mark.parametrize("seed", range(2 if INTERPRETED else 50))
@on_device
def test_random_frames(seed: int) -> None:
    """Of one atom to some hundred, in skewed cells smaller and larger than the cutoff, periodic
    along any axes, with atoms in several cells."""
    random = np.random.default_rng(seed)
    frames: list[Frame] = []
    for n_atoms in (1, 2, 7, 30, 90):
        size = random.uniform(2.0, 6.0) * n_atoms ** (1 / 3)
        cell = size * (np.diag(random.uniform(0.5, 1.5, 3)) + random.uniform(-0.2, 0.2, (3, 3)))
        positions = random.uniform(-1.5, 2.5, (n_atoms, 3)) @ cell
        pbc = random.integers(0, 2, 3)
        frames.append((positions, cell, pbc, random.integers(0, 3, n_atoms)))
    check(frames, random.uniform(1.5, 4.5))


@pytest.mark.skipif(DEVICE == "cpu", reason="needs a GPU")
@pytest.mark.parametrize("pbc", [True, False])
def test_a_large_frame(pbc: bool) -> None:
    random = np.random.default_rng(6)
    cell = np.diag([80.0, 90.0, 140.0])
    positions = random.uniform(0, 1, (100_000, 3)) @ cell
    check([(positions, cell, [pbc] * 3, random.integers(0, 3, 100_000))], 5.0)


def test_bins_are_no_more_than_atoms_and_no_narrower_than_the_cutoff() -> None:
    for n_atoms, side in ((1, 200.0), (27, 30.0), (1000, 20.0), (1000, 2.0)):
        frame = (np.zeros((n_atoms, 3)), np.eye(3) * side, (True, True, False), np.zeros(n_atoms))
        bins = neighbors.Bins.of(PackedFrames.of([frame]), 5.0)
        assert (bins.counts <= np.cbrt(n_atoms) + 1).all()
        widths = side / bins.counts[0, :2]
        assert (widths * bins.reaches[0, :2] > 5.0).all()
        assert 2 * bins.reaches[0, 2] + 1 <= bins.counts[0, 2]


def test_too_many_images_to_number_are_an_error() -> None:
    frame = (np.zeros((1, 3)), np.eye(3) * 1e-6, (True, True, True), [0])
    with pytest.raises(ValueError, match="too many to number"):
        neighbors.Search(PackedFrames.of([frame]), 3.0, torch.device("cpu"))


@pytest.mark.skipif(INTERPRETED, reason="is the interpreter")
@pytest.mark.skipif(DEVICE == "cuda", reason="a GPU runs the same bodies")
def test_under_the_interpreter() -> None:
    assert_passes_under_the_interpreter(__file__)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@compiled
def test_compiles_for_sm_90(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    launches = recorded(dtype)
    for result in map(compiled_for_sm_90, launches):
        assert ".target sm_90" in result.asm["ptx"]
        assert "fma.rn.f64" not in result.asm["ptx"], "would disagree with C++ at the cutoff"
    names = [kernel.__name__ for kernel, *_ in launches]
    assert sorted(names) == ["read_keys", "visit", "visit", "wrap"]


@compiled
def test_not_compiled_anew_for_another_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    launches = recorded(torch.float64)
    parameters = [each for kernel, *_ in launches for each in kernel.params]
    counts = [each for each in parameters if each.name.startswith("n_")]
    assert counts
    assert all(each.do_not_specialize for each in counts)
    with monkeypatch.context() as patch:
        patch.setattr(neighbors.Search, "_sort", lambda search: None)
        search = search_of_dimer()
    arrays = [each for each in vars(search).values() if isinstance(each, torch.Tensor)]
    assert all(each.data_ptr() % 16 == 0 for each in arrays)


def search_of_dimer() -> neighbors.Search:
    frames = PackedFrames.of([_frame(SYSTEMS["dimer"]())])
    return neighbors.Search(frames, 6.0, torch.device("cpu"))


def recorded(dtype: torch.dtype) -> list[Launch]:
    """What a search would launch."""
    recorder = Recorder()
    with recorder.watching():
        search = search_of_dimer()
        search.count()
        search.pairs(search.keys(search.first_atoms, 2, 0, 2), dtype)
    return list(recorder.launches.values())
