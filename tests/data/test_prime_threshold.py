"""``prime_threshold`` of multipoles: the same entries are dropped on every way to forces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase.calculators.calculator import PropertyNotImplementedError
from torch import Tensor

from amptorch import AmpTorch, AtomsTrainer
from amptorch.data.frame import AtomsData, collate
from amptorch.data.memory import estimate_memory, fits_on_device
from amptorch.dataset.in_memory import construct_descriptor
from amptorch.preprocessing import AtomsToData
from amptorch.store import build_store

from ..made_potentials import COSINE, GMP, GMP_ORDER_NORM, alloy_frames, config, history, trained

ELEMENTS = ["Cu", "Pd"]
THRESHOLD = 0.02
SCHEMES = {"gmpordernorm": GMP_ORDER_NORM, "gmp": GMP}
FORMS = ["cached", "on_the_fly"]


def setup(scheme: str = "gmpordernorm", threshold: float | None = THRESHOLD) -> Any:
    return (scheme, {**SCHEMES[scheme], "prime_threshold": threshold}, COSINE, ELEMENTS)


def converted(scheme: str, derivatives: str, threshold: float | None) -> list[AtomsData]:
    descriptor = construct_descriptor(setup(scheme, threshold))
    converter = AtomsToData(descriptor, True, True, derivatives=derivatives)
    return converter.convert_all(alloy_frames(3), disable_tqdm=True)


def from_store(scheme: str, derivatives: str, path: Path) -> list[AtomsData]:
    frames, dtype = alloy_frames(3), torch.float64
    return list(build_store(frames, path, setup(scheme), dtype, derivatives, 1, verbose=False))


def expected(scheme: str) -> list[Tensor]:
    """All primes, and zeros where they are small."""
    whole = [data.fprimes.to_dense() for data in converted(scheme, "cached", None)]
    return [torch.where(each.abs() >= THRESHOLD, each, 0.0) for each in whole]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("derivatives", FORMS)
def test_what_is_dropped(scheme: str, derivatives: str, tmp_path: Path) -> None:
    """Components that are small once images are summed; the others stay as they are, in images and
    batches, scaled and not, from memory and stores."""
    wanted = torch.block_diag(*expected(scheme))
    everything = collate(converted(scheme, derivatives, None)).fprimes
    in_memory = converted(scheme, derivatives, THRESHOLD)
    for data in (in_memory, from_store(scheme, derivatives, tmp_path / "frames.store")):
        batch = collate(data)
        torch.testing.assert_close(batch.fprimes.to_dense(), wanted, rtol=1e-9, atol=0)
        assert 0.2 < len(batch.fprimes.values()) / len(everything.values()) < 0.8
        factors = 1 + torch.rand(batch.fingerprint.shape, dtype=torch.float64)
        assert batch.primes is not None
        found = batch.primes.scaled(factors).forces(torch.ones_like(factors))
        forces = -(wanted.T @ factors.flatten()).reshape(-1, 3)
        torch.testing.assert_close(found, forces, rtol=1e-10, atol=1e-10)


def run(run_dir: Path, **dataset: Any) -> AtomsTrainer:
    return trained(alloy_frames(3), run_dir, dataset=dataset)


def keys(threshold: float | None = THRESHOLD) -> dict[str, Any]:
    scheme, parameters, cutoff_params, _ = setup(threshold=threshold)
    return {"fp_scheme": scheme, "fp_params": parameters, "cutoff_params": cutoff_params}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> AtomsTrainer:
    return run(tmp_path_factory.mktemp("reference"), **keys())


def assert_same_history(one: AtomsTrainer, other: AtomsTrainer) -> None:
    for row, wanted in zip(history(one), history(other), strict=True):
        assert row == pytest.approx(wanted, rel=1e-9)


def test_histories_are_those_of_every_way(reference: AtomsTrainer, tmp_path: Path) -> None:
    assert_same_history(run(tmp_path, **keys(), derivatives="on_the_fly"), reference)
    for _ in range(2):  # the second time what the first has kept is read
        assert_same_history(run(tmp_path, **keys(), save_fps=True), reference)
    for derivatives in FORMS:
        path = tmp_path / f"{derivatives}.store"
        from_store("gmpordernorm", derivatives, path)
        files = {"raw_data": None, "fp_params": None, "lmdb_path": [str(path)]}
        assert_same_history(run(tmp_path, **files), reference)
    without = history(run(tmp_path, **keys(None)))
    assert without[-1]["train_loss"] != pytest.approx(history(reference)[-1]["train_loss"], 1e-3)


@pytest.mark.parametrize("optimizer", ["kalman", "levenberg_marquardt"])
def test_optimizers_with_jacobians_of_forces(optimizer: str, tmp_path: Path) -> None:
    options = {"optimizer": optimizer, "epochs": 2}
    one, other = (
        trained(alloy_frames(2), tmp_path, dataset={**keys(), "derivatives": form}, optim=options)
        for form in FORMS
    )
    assert_same_history(one, other)


def test_predicted_forces(reference: AtomsTrainer, run_dir: Path) -> None:
    """Those of training, also of a checkpoint; no stress, which needs pairs."""
    frames = alloy_frames(3)
    network, scaler = reference.model.eval(), reference.target_scaler
    _, forces = network(collate([reference.train_dataset[k] for k in range(3)]))
    wanted = scaler.denorm(forces.detach(), "forces").numpy()
    again = AtomsTrainer()
    again.load_pretrained(reference.cp_dir)
    for predicted in (
        reference.predict(frames),
        reference.predict(frames, save_fps=True),
        again.predict(frames),
    ):
        np.testing.assert_allclose(np.concatenate(predicted["forces"]), wanted, rtol=1e-9)
        assert predicted["stress"] == [None] * 3
    image = frames[0].copy()
    image.calc = AmpTorch(again)
    np.testing.assert_allclose(image.get_forces(), wanted[:4], rtol=1e-9)
    with pytest.raises(PropertyNotImplementedError, match="prime_threshold"):
        image.get_stress()


def test_hash() -> None:
    """It counts, and none is none in every spelling."""
    plain = construct_descriptor(("gmpordernorm", GMP_ORDER_NORM, COSINE, ELEMENTS))
    ours = construct_descriptor(setup())
    assert ours != plain
    assert ours.has_same_fingerprints(plain)
    assert construct_descriptor(setup(threshold=1e-5)) != ours
    assert construct_descriptor(setup(threshold=0)) == plain
    assert construct_descriptor(setup(threshold=None)) == plain
    assert not ours.has_same_fingerprints(construct_descriptor(setup("gmp")))


def test_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry of a matrix takes a number and two indices."""
    descriptor = construct_descriptor(setup())
    data = converted("gmpordernorm", "cached", THRESHOLD)
    entries = sum(len(each.fprimes.values()) for each in data)
    assert estimate_memory(alloy_frames(3), descriptor, True) > 24 * entries
    for times, fits in ((1, False), (4, True)):
        free = times * 24 * entries
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free: (free, free))
        assert fits_on_device(data, torch.device("cuda")) == fits


@pytest.mark.parametrize("value", [-1e-5, "1e-5", True, float("nan"), float("inf")])
def test_no_number(value: Any) -> None:
    with pytest.raises(ValueError, match="fp_params: expected prime_threshold to be a number >= 0"):
        construct_descriptor(setup(threshold=value))


def test_stresses_are_refused_by_name(tmp_path: Path) -> None:
    frames = alloy_frames(2)
    for frame in frames:
        frame.calc.results["stress"] = np.zeros(6)
    loss = {"stress_coefficient": 0.1}
    path = tmp_path / "frames.store"
    build_store(frames, path, setup(), derivatives="on_the_fly", processes=1, verbose=False)
    for source in ({"raw_data": frames, **keys()}, {"raw_data": None, "lmdb_path": [str(path)]}):
        with pytest.raises(ValueError, match="stress_coefficient needs all primes, expected fp_pa"):
            AtomsTrainer(config(frames, tmp_path, dataset=source, optim=loss)).train()
