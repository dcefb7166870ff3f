"""Neighbours on a GPU some atoms at a time, and sums over their pairs, against the CPU: on a GPU where
there is one, and everywhere else in Triton's interpreter, see ``test_cuda.py``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("triton", reason="needs Triton: pip install 'amptorch[gpu]'")

from amptorch.kernels.cuda import neighbor_parts, neighbors, pair_sums
from amptorch.kernels.cuda.neighbor_parts import Found, Listed, parted
from amptorch.kernels.environment import Environment, Part
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
from .test_cuda_neighbors import few_programs  # noqa: F401
from .test_neighbor_list import rows, shaken
from .test_neighbors import _frame
from .triton_launches import Recorder, compiled_for_sm_90

CUTOFF, SKIN = 4.1, 0.6
ON = torch.device(DEVICE)
MOVING = ["nial_triclinic", "water_on_cu", "fe_primitive", "four_species"]


def found_on(frames: list[Frame], skin: float | None = None) -> Found:
    return parted(PackedFrames.of(frames), CUTOFF, ON, skin)


def parts_of(found: Found, most: int, dtype: torch.dtype = torch.float64) -> list[Part]:
    parts, begin = [], 0
    while begin < len(found.frames):
        end = found.end(begin, most)
        parts.append(found.part(begin, end, dtype))
        begin = end
    return parts


def joined(parts: list[Part], species: torch.Tensor) -> Environment:
    """The environment that parts were cut of."""
    counts = [part.environment.first[: part.n_centers + 1].diff() for part in parts]
    vectors = torch.cat([part.environment.vectors for part in parts])
    indices = torch.cat([part.neighbors for part in parts])
    return Environment(vectors, neighbors.offsets(torch.cat(counts)), indices, species).to("cpu")


@pytest.mark.parametrize("most", [1, 300, 10**6])
@on_device
def test_parts_of_a_batch_are_what_the_cpu_finds(most: int) -> None:
    """To the last bit; the neighbours of the kernels are of the right species."""
    frames = [_frame(build()) for build in SYSTEMS.values()]
    found, wanted = found_on(frames), find_neighbors_of_batch(frames, CUTOFF)
    parts = parts_of(found, most)
    whole, expected = joined(parts, found.search.species), wanted.environment
    for name in ("vectors", "first", "neighbors", "species"):
        assert torch.equal(getattr(whole, name), getattr(expected, name)), name
    kinds = torch.cat([part.environment.neighbor_species for part in parts])
    assert torch.equal(kinds.cpu(), expected.neighbor_species)
    assert found.nearest() == pytest.approx(wanted.nearest, rel=1e-15)
    sizes = [part.environment.n_pairs for part in parts if part.n_centers > 1]
    assert max(sizes, default=0) <= most


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("system", MOVING)
@on_device
def test_a_list_follows_atoms_and_cell(system: str, dtype: torch.dtype) -> None:
    atoms = SYSTEMS[system]()
    atoms.positions += 5.0  # some in other cells
    found = found_on([_frame(atoms)], SKIN)
    assert isinstance(found, Listed)
    strain = np.eye(3) + np.random.default_rng(1).normal(0.0, 0.005, (3, 3))
    for step in range(2):
        frame = _frame(atoms)
        found.move(np.asarray(frame[0]), PackedFrames.of([frame]).cells[0])
        parts, wanted = parts_of(found, 400, dtype), find_neighbors_of_batch([frame], CUTOFF)
        whole = joined(parts, found.search.species)
        assert torch.equal(whole.first, wanted.environment.first)
        rounding = 1e-9 if dtype == torch.float64 else 1e-5
        expected = wanted.environment.to(dtype)
        np.testing.assert_allclose(rows(whole)[:, :2], rows(expected)[:, :2])
        lengths = (each.vectors.double().norm(dim=1).sort().values for each in (whole, expected))
        np.testing.assert_allclose(*lengths, atol=rounding)
        assert found.nearest() == pytest.approx(wanted.nearest, rel=1e-12)
        atoms = shaken(atoms, 0.1, step)
        atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)


@on_device
def test_a_list_that_is_too_large_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = _frame(SYSTEMS["water_on_cu"]())
    pairs = int(found_on([frame], SKIN).first[-1])
    for bytes_free, kept in ((32 * pairs, True), (32 * pairs - 1, False)):
        monkeypatch.setattr(neighbor_parts, "free_bytes", lambda _, free=bytes_free: free)
        assert found_on([frame], SKIN).moves == kept


@on_device
def test_a_list_is_sorted_some_atoms_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = _frame(SYSTEMS["water_on_cu"]())
    whole = found_on([frame], SKIN)
    monkeypatch.setattr(neighbor_parts, "AT_ONCE", 100)
    in_turns = found_on([frame], SKIN)
    assert isinstance(whole, Listed)
    assert isinstance(in_turns, Listed)
    assert torch.equal(whole.keys, in_turns.keys)


@pytest.mark.parametrize("systems", [["water_on_cu"], ["isolated_atom", "dimer", "nial_triclinic"]])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@on_device
def test_sums_over_pairs(systems: list[str], dtype: torch.dtype) -> None:
    """Against plain sums in numpy, of frames in parts; gradients are any numbers."""
    frames = [_frame(SYSTEMS[name]()) for name in systems]
    found, environment = found_on(frames), find_neighbors_of_batch(frames, CUTOFF).environment
    random, n = np.random.default_rng(2), environment.n_atoms
    gradients = torch.from_numpy(random.normal(size=(environment.n_pairs, 3))).to(dtype)
    forces = torch.zeros(n, 3, dtype=torch.float64, device=DEVICE)
    virials = torch.zeros(len(frames), 3, 3, dtype=torch.float64, device=DEVICE)
    begin = 0
    for part in parts_of(found, 200, dtype):
        own = gradients[begin : begin + part.environment.n_pairs].to(DEVICE)
        pair_sums.add_part(part, own, forces, virials, found.frames)
        begin += len(own)
    slopes, vectors = (each.double().numpy() for each in (gradients, environment.vectors.to(dtype)))
    wanted = np.zeros((n, 3))
    np.add.at(wanted, environment.centers.numpy(), slopes)
    np.add.at(wanted, environment.neighbors.numpy(), -slopes)
    np.testing.assert_allclose(forces.cpu(), wanted, atol=1e-12)
    frame_of = np.repeat(np.arange(len(frames)), [len(frame[3]) for frame in frames])
    outer = np.zeros((len(frames), 3, 3))
    np.add.at(outer, frame_of[environment.centers], vectors[:, :, None] * slopes[:, None])
    np.testing.assert_allclose(virials.cpu(), outer, atol=1e-10)


@pytest.mark.skipif(INTERPRETED, reason="is the interpreter")
@pytest.mark.skipif(DEVICE == "cuda", reason="a GPU runs the same bodies")
def test_under_the_interpreter() -> None:
    assert_passes_under_the_interpreter(__file__)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@compiled
def test_sums_compile_for_sm_90(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    recorder, environment = Recorder(), find_neighbors_of_batch([_frame(SYSTEMS["dimer"]())], 6.0)
    pairs = environment.environment.to(dtype)
    part = Part.of(pairs.vectors, pairs.first, pairs.neighbors, pairs.species, 0)
    with recorder.watching():
        sums = torch.zeros(2, 3, dtype=torch.float64), torch.zeros(1, 3, 3, dtype=torch.float64)
        pair_sums.add_part(part, pairs.vectors, *sums, torch.zeros(2, dtype=torch.int64))
    (result,) = map(compiled_for_sm_90, recorder.launches.values())
    assert ".target sm_90" in result.asm["ptx"]
    assert "add.f64" in result.asm["ptx"]
