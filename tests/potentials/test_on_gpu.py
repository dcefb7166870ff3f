"""Potentials that lie on a GPU against the same on the CPU: on a GPU where there is one, and everywhere
else with the kernels of a GPU in Triton's interpreter, see ``tests/kernels/test_cuda.py``."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

pytest.importorskip("triton", reason="needs Triton: pip install 'amptorch[gpu]'")

import amptorch
from amptorch import AmpTorch, Potential
from amptorch.kernels import cuda
from amptorch.kernels.cuda import neighbors, symmetry_functions
from amptorch.potentials import evaluator, parts
from amptorch.potentials.prediction import Evaluation
from amptorch.potentials.staged_pass import StagedPass

from ..kernels.test_cuda import (
    DEVICE,
    INTERPRETED,
    assert_passes_under_the_interpreter,
    on_device,
)
from ..made_potentials import COSINE, alloy_frames, trained
from ..systems import SHARED
from .test_parts import FILES, assert_same

pytestmark = pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning")

# Cutoffs that leave the interpreter a dozen neighbours.
GAUSSIAN = {
    "default": {
        "G2": {"etas": [0.05, 4.0], "rs_s": [0.0]},
        "G4": {"etas": [0.005], "zetas": [1.0, 4.0], "gammas": [1.0, -1.0]},
        "cutoff": 3.4,
    }
}
MULTIPOLES = {"MCSHs": {"orders": [0, 1, 2], "sigmas": [0.4, 0.7]}, "cutoff": 3.9}
SCHEMES: dict[str, tuple[str, dict[str, Any]]] = {
    "gaussian": ("gaussian", GAUSSIAN),
    "gmpordernorm": ("gmpordernorm", MULTIPOLES),
    "snap": ("snap", {"twojmax": 2, "rcutfac": 3.4}),
}
FRAMES = alloy_frames(5)
SINGLE = {"cmd": {"dtype": torch.FloatTensor}}
ENERGIES = {"model": {"get_forces": False}, "optim": {"force_coefficient": 0}}
LIMITS = {torch.float64: 1e-10, torch.float32: 1e-4}
"""Relative to the largest value."""


@contextmanager
def kernels_of_a_gpu() -> Iterator[None]:
    """Run here, where there is none."""
    with pytest.MonkeyPatch.context() as patch:
        if INTERPRETED:
            patch.setattr(cuda, "runs_on", lambda _: True)
            # A program takes as long however much it does.
            patch.setattr(neighbors, "CENTERS", 64)
            patch.setattr(symmetry_functions, "SPLIT", 1)
        yield


@pytest.fixture
def few_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part has a few atoms."""
    monkeypatch.setattr(parts, "MOST_PAIRS", 100)


def potential_of(scheme: str, folder: Any, model: dict[str, Any] | None = None) -> Potential:
    """On the CPU."""
    name, parameters = SCHEMES[scheme]
    dataset = {"fp_scheme": name, "fp_params": parameters, "cutoff_params": COSINE}
    return trained(FRAMES, folder, dataset=dataset, **(model or {})).potential


def on_gpu(potential: Potential) -> Potential:
    """A copy that lies there."""
    model = copy.deepcopy(potential.model).to(DEVICE)
    return Potential(model, potential.descriptor, potential.scalers, potential.keys)


def large(size: tuple[int, int, int]) -> Atoms:
    """A periodic cell of many atoms, no two alike."""
    image = alloy_frames(1, seed=7)[0].repeat(size)
    image.calc = None
    image.rattle(0.05, seed=3)
    return image


def evaluated(potential: Potential, images: list[Atoms]) -> Evaluation:
    """By the GPU's copy, all of it there."""
    with kernels_of_a_gpu():
        there = on_gpu(potential)
        call = there.evaluator.force_call()
        assert call is not None
        assert call.on_gpu
        return there.evaluate(images, there.forces)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.usefixtures("few_pairs")
@on_device
def test_a_large_cell(scheme, tmp_path):
    """Of 2000 atoms on a GPU, and as many as it has time for in the interpreter."""
    size = (8, 8, 8) if DEVICE == "cuda" else (4, 3, 3) if scheme == "gaussian" else (2, 2, 2)
    potential, image = potential_of(scheme, tmp_path), large(size)
    found, expected = evaluated(potential, [image]), potential.evaluate([image], True)
    assert_same(found, expected, LIMITS[torch.float64])
    assert potential.warn_outside(found) == potential.warn_outside(expected)
    scale = np.abs(expected.forces[0]).max()
    assert np.abs(found.forces[0] - expected.forces[0]).max() <= 1e-10 * scale


@pytest.mark.parametrize(("folder", "name"), FILES, ids=["nep", "ace"])
@on_device
def test_potentials_with_sums_of_their_own(folder, name):
    file = SHARED / "golden" / folder / name
    if not file.exists():
        pytest.skip(f"needs shared/golden/{folder}")
    potential, image = amptorch.load(file), bulk("Al", cubic=True)
    image.symbols[:] = [potential.elements[k % len(potential.elements)] for k in range(len(image))]
    image.rattle(0.1, seed=1)
    found, expected = evaluated(potential, [image]), potential.evaluate([image], True)
    assert_same(found, expected, LIMITS[torch.float64])


@pytest.mark.parametrize("model", [SINGLE, ENERGIES, {}], ids=["float32", "energies", "float64"])
@pytest.mark.usefixtures("few_pairs")
@on_device
def test_several_frames(model, tmp_path, monkeypatch):
    """Of several sizes, periodic and not, some of them at once, in parts that end within them;
    fingerprints come too."""
    monkeypatch.setattr(evaluator, "MOST_ATOMS", 12)
    potential = potential_of("gaussian", tmp_path, model)
    images = [large(size) for size in ((2, 1, 1), (1, 1, 1), (1, 2, 1))]
    images[1].pbc, images[2].pbc = False, (True, False, True)
    found, expected = evaluated(potential, images), potential.evaluate(images, potential.forces)
    assert_same(found, expected, LIMITS[potential.dtype])
    assert found.n_outside == potential.warn_outside(expected) > 0
    for ours, theirs in zip(found.unscaled, expected.unscaled, strict=True):
        torch.testing.assert_close(
            ours.fingerprint.cpu(), theirs.fingerprint, atol=1e-4, rtol=0, check_dtype=False
        )
        assert torch.equal(ours.atomic_numbers, theirs.atomic_numbers)


@pytest.mark.usefixtures("few_pairs")
@on_device
def test_molecular_dynamics_with_a_list(tmp_path):
    """Atoms and cell move a little; the list is that of the first step."""
    potential, image = potential_of("gaussian", tmp_path), large((2, 1, 1))
    with kernels_of_a_gpu():
        kept = AmpTorch(on_gpu(potential), skin=1.0)
    random = np.random.default_rng(0)
    for _ in range(3):
        image.positions += random.normal(0, 0.02, image.positions.shape)
        image.set_cell(image.cell.array * (1 + random.normal(0, 1e-3)), scale_atoms=True)
        expected = potential.evaluate([image], True)
        with kernels_of_a_gpu():
            image.calc = kept
            assert image.get_potential_energy() == pytest.approx(expected.energy[0], rel=1e-10)
            np.testing.assert_allclose(image.get_forces(), expected.forces[0], atol=1e-11)
            np.testing.assert_allclose(image.get_stress(), expected.stress[0], atol=1e-13)
        image.calc = None
    assert kept._neighbors.n_built == 1


@on_device
def test_less_at_a_time_where_memory_does_not_suffice(tmp_path, monkeypatch):
    potential, image = potential_of("gaussian", tmp_path), large((2, 1, 1))
    expected, tried = potential.evaluate([image], True), []
    run = StagedPass.run

    def out_of_memory(self: Any, environment: Any, *more: Any) -> Any:
        tried.append(environment.n_pairs)
        if environment.n_pairs > limit:
            raise torch.cuda.OutOfMemoryError("as if")
        return run(self, environment, *more)

    monkeypatch.setattr(StagedPass, "run", out_of_memory)
    monkeypatch.setattr(parts, "MOST_PAIRS", 10_000)
    limit = 50
    assert_same(evaluated(potential, [image]), expected, LIMITS[torch.float64])
    assert tried[0] > limit
    assert sum(each for each in tried if each <= limit) == tried[0]
    limit = 0
    with pytest.raises(torch.cuda.OutOfMemoryError):
        evaluated(potential, [image])


@on_device
def test_errors_name_atoms_of_the_frame(tmp_path):
    potential, images = potential_of("gaussian", tmp_path), [large((1, 1, 1)), large((2, 1, 1))]
    images[1].positions[5] = images[1].positions[2]
    with pytest.raises(ValueError, match="image 1: atoms 2 and 5 are on one spot"):
        evaluated(potential, images)


@pytest.mark.skipif(INTERPRETED, reason="is the interpreter")
@pytest.mark.skipif(DEVICE == "cuda", reason="a GPU runs the same bodies")
def test_under_the_interpreter() -> None:
    assert_passes_under_the_interpreter(__file__)
