"""The original written anew: against its own golden numbers, ASE, finite differences, and against
this package, of which it takes nothing but parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list

from amptorch.preprocessing import AtomsToData
from profiling.optimized import Optimized
from profiling.original import cache, library
from profiling.original.collate import block_diagonal, collate
from profiling.original.fingerprints import Descriptor
from profiling.original.networks import product
from profiling.original.pipeline import Original
from profiling.original.record import convert

from .. import test_golden_training as training
from ..made_potentials import COSINE, GAUSSIAN, GAUSSIAN_G5, POLYNOMIAL, alloy_frames, config
from ..systems import CUTOFF, GOLDEN_FINGERPRINTS, SYSTEMS, golden_cases, golden_frame
from ..tolerances import FINITE_DIFFERENCE, GOLDEN_FINGERPRINT, GOLDEN_FLOOR, GOLDEN_PRIME, SYMMETRY

ELEMENTS = ["Cu", "Pd"]


def settings(folder: Path, **sections: Any) -> dict[str, Any]:
    """A configuration of batches that do not fit evenly, and of a validation part."""
    base = {
        "optim": {"batch_size": 2, "epochs": 3},
        "dataset": {"val_split": 0.3, "raw_data": None},
        "cmd": {"debug": True},
    }
    merged = {name: {**base.get(name, {}), **sections.get(name, {})} for name in (*base, "model")}
    return config(None, folder, **merged)


@pytest.mark.parametrize("entry", golden_cases("gaussian_"))
def test_golden_numbers(entry: dict[str, Any]) -> None:
    with np.load(GOLDEN_FINGERPRINTS / entry["file"]) as stored:
        arrays = dict(stored)
    tables = {str(element): arrays[f"setup_{element}"] for element in arrays["elements"]}
    descriptor = Descriptor(tables, float(entry["cutoff_params"].get("gamma", 0.0)))
    record = convert(golden_frame(entry["system"]), descriptor, targets=False)
    golden, actual = arrays["fingerprints"], record.fingerprint.numpy()
    np.testing.assert_allclose(actual, golden, rtol=GOLDEN_FINGERPRINT, atol=GOLDEN_FLOOR)
    indices = torch.from_numpy(np.stack([arrays["primes_row"], arrays["primes_col"]]).astype(int))
    values = torch.from_numpy(arrays["primes_val"])
    shape = tuple(arrays["primes_shape"])
    expected = torch.sparse_coo_tensor(indices, values, shape, check_invariants=True).to_dense()
    scale = max(golden.max(), float(expected.abs().max()))  # an atom's own images cancel
    torch.testing.assert_close(
        record.primes.to_dense(), expected, rtol=GOLDEN_PRIME, atol=1e-12 * scale
    )


@pytest.mark.skipif(not training.GOLDEN.is_dir(), reason="needs shared/golden/training")
def test_golden_training(tmp_path: Path) -> None:
    """The weights of the seed, and sixty epochs of the original's history."""
    name = "bpnn_gaussian_forces"
    settings = training.configuration(name, tmp_path)
    side = Original(settings, settings["dataset"]["elements"])
    side.load(training.frames(name))
    training.assert_same_weights(name, "init", weights_in_our_names(side), rtol=1e-15)
    history = side.train()
    golden = training.golden(name).history
    assert len(history) == len(golden) == 60
    for column in history[0].keys() - {"dur"}:
        found = [row[column] for row in history]
        np.testing.assert_allclose(found, [row[column] for row in golden], rtol=1e-6)


def weights_in_our_names(side: Original) -> dict[str, np.ndarray]:
    """Copies of the weights, before training, under the names that checkpoints have."""
    found = {}
    for name, value in side.net.module.state_dict().items():
        kind, *rest = name.split(".")
        if kind == "networks":
            found[".".join(["elementwise_models", rest[0], "model_net", *rest[1:]])] = value
        else:
            found["element_mask.mask.weight"] = value
    return {name: value.numpy().copy() for name, value in found.items()}


@pytest.mark.parametrize("system", SYSTEMS)
def test_neighbors_are_those_of_ase(system: str) -> None:
    image = SYSTEMS[system]()
    table = np.array([[2, image.numbers[0], 0, CUTOFF, 0.1, 0.0, 0.0]])
    pairs, vectors = Descriptor({image[0].symbol: table}).neighbors(image)
    centers, neighbors, between = neighbor_list("ijD", image, CUTOFF)
    expected = np.column_stack([centers, neighbors, between])
    found = np.column_stack([pairs, vectors])
    assert len(found) == len(expected)
    np.testing.assert_allclose(in_order(found), in_order(expected), atol=1e-12)


def in_order(rows: np.ndarray) -> np.ndarray:
    return rows[np.lexsort(np.round(rows, 6).T)]


@pytest.mark.parametrize("cutoff", [COSINE, POLYNOMIAL], ids=["cosine", "polynomial"])
@pytest.mark.parametrize("functions", [GAUSSIAN, GAUSSIAN_G5], ids=["G4", "G5"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_fingerprints_and_primes_are_this_packages(
    system: str, functions: Any, cutoff: Any, tmp_path: Path
) -> None:
    image = SYSTEMS[system]()
    made = config(None, tmp_path, dataset={"fp_params": functions, "cutoff_params": cutoff})
    elements = sorted(set(image.symbols))
    record = convert(image, Original(made, elements).descriptor, targets=False)
    expected = AtomsToData(Optimized(made, elements).descriptor).convert(image)
    assert_close(record.fingerprint, expected.fingerprint)
    assert_close(record.primes.to_dense(), expected.fprimes.to_dense())


def assert_close(found: torch.Tensor, expected: torch.Tensor) -> None:
    atol = 10 * SYMMETRY * max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"dataset": {"val_split": 0.0, "scaling": {"type": "standardize"}}},
        {"dataset": {"val_split_mode": "inorder", "scaling": {"elementwise": False}}},
        {"optim": {"loss": "mae", "metric": "mse", "force_coefficient": 0.5}},
        {"optim": {"scheduler": {"policy": "StepLR", "params": {"step_size": 1}}}},
        {"model": {"hidden_layers": [5, 3], "activation": torch.nn.SiLU}},
    ],
    ids=["default", "standardized", "in order", "absolute", "schedule", "other networks"],
)
def test_runs_are_this_packages(sections: dict[str, Any], tmp_path: Path) -> None:
    """Order of batches, split, weights of the seed, losses, errors, energies and forces."""
    images = alloy_frames(7)
    runs = []
    for kind in (Original, Optimized):
        side = kind(settings(tmp_path, **sections), ELEMENTS)
        side.load(images)
        history = side.train()
        runs.append((history, *side.predict(images[:3])))
    (history, energies, forces), (expected, *predicted) = runs
    assert len(history) == len(expected) == 3
    for row, wanted in zip(history, expected, strict=True):
        assert row.keys() == wanted.keys()
        losses = {name for name in row if name.endswith("loss")}
        assert len(losses) == (2 if settings(tmp_path, **sections)["dataset"]["val_split"] else 1)
        for name in losses:
            assert row[name] == pytest.approx(wanted[name], rel=1e-10)
        # Errors in the history are those of targets in float32.
        for name in row.keys() - losses - {"dur"}:
            assert row[name] == pytest.approx(wanted[name], rel=1e-5)
    np.testing.assert_allclose(energies, predicted[0], rtol=1e-10)
    np.testing.assert_allclose(np.stack(forces), np.stack(predicted[1]), atol=1e-9)


def test_forces_are_minus_the_slope_of_the_energy(tmp_path: Path) -> None:
    side = Original(settings(tmp_path), ELEMENTS)
    images = alloy_frames(5)
    side.load(images)
    side.train()
    atoms, step = images[0].copy(), 1e-4
    atoms.calc = side.calculator()
    forces = atoms.get_forces()
    for atom, axis in ((0, 0), (2, 1), (3, 2)):
        energies = []
        for sign in (1, -1):
            moved = Atoms(atoms)
            moved.calc = side.calculator()
            moved.positions[atom, axis] += sign * step
            energies.append(moved.get_potential_energy())
        slope = (energies[0] - energies[1]) / (2 * step)
        assert forces[atom, axis] == pytest.approx(-slope, abs=10 * FINITE_DIFFERENCE)


def test_single_precision(tmp_path: Path) -> None:
    side = Original(settings(tmp_path, cmd={"dtype": torch.FloatTensor}), ELEMENTS)
    side.load(alloy_frames(4))
    assert side.dataset[0].fingerprint.dtype == side.dataset[0].primes.dtype == torch.float32
    side.train()
    assert {each.dtype for each in side.net.module_.parameters()} == {torch.float32}


def test_records_in_a_file_come_back(tmp_path: Path) -> None:
    side = Original(settings(tmp_path), ELEMENTS)
    images = alloy_frames(3)
    side.load(images)
    records = [side.dataset[index] for index in range(3)]
    cache.write(records, tmp_path / "records.lmdb")
    for found, expected in zip(side.read(tmp_path / "records.lmdb"), records, strict=True):
        assert torch.equal(found.fingerprint, expected.fingerprint)
        assert torch.equal(found.primes.to_dense(), expected.primes.to_dense())
        assert torch.equal(found.forces, expected.forces)


def test_batches_are_block_diagonal(tmp_path: Path) -> None:
    side = Original(settings(tmp_path), ELEMENTS)
    records = side.convert(alloy_frames(3))
    batch, (energies, forces) = collate(records)
    dense = [record.primes.to_dense() for record in records]
    assert torch.equal(batch.primes.to_dense(), torch.block_diag(*dense))
    assert energies.shape == (3,)
    assert forces.shape == (12, 3)
    vector = torch.linspace(-1.0, 1.0, batch.primes.shape[1], dtype=torch.float64)
    torch.testing.assert_close(product(batch.primes, vector), batch.primes.to_dense() @ vector)
    assert torch.equal(block_diagonal([dense[0].to_sparse()]).to_dense(), dense[0])


WEIGHTED = {"etas": [1.0], "rs_s": [0.0], "weighted": True}


@pytest.mark.parametrize(
    ("section", "entry"),
    [
        ("model", {"name": "singlenn"}),
        ("model", {"batchnorm": True}),
        ("optim", {"loss": "huber"}),
        ("optim", {"optimizer": "kalman"}),
        ("dataset", {"baseline": "linear"}),
        ("dataset", {"fp_scheme": "gmpordernorm"}),
        ("dataset", {"fp_params": {"default": {"G2": WEIGHTED, "cutoff": 5.0}}}),
    ],
)
def test_what_the_original_does_not_have_is_refused(
    section: str, entry: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=rf"^{section}: .*original"):
        Original(settings(tmp_path, **{section: entry}), ELEMENTS)


def test_an_unknown_element_is_refused(tmp_path: Path) -> None:
    side = Original(settings(tmp_path), ["Cu"])
    with pytest.raises(ValueError, match=r"no symmetry functions for atomic numbers \[46\]"):
        side.convert(alloy_frames(1))


def test_no_compiler_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match=r"needs g\+\+"):
        library.load.__wrapped__()


def test_errors_of_the_compiler_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "broken.cpp"
    source.write_text("int main( {\n")
    monkeypatch.setattr(library, "SOURCE", source)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"could not compile broken.cpp:[\s\S]*error"):
        library.load.__wrapped__()
    assert [path.name for path in (tmp_path / "amptorch-profiling").iterdir()] == []
