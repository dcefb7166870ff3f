"""Scalers of features and targets, baselines, and the warning of extrapolation."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
import torch

from amptorch.data.frame import AtomsData
from amptorch.dataset.in_memory import AtomsDataset, construct_descriptor
from amptorch.files.safe_pickle import loads
from amptorch.preprocessing import (
    AtomicCorrectionScaler,
    AtomsToData,
    ExtrapolationWarning,
    FeatureScaler,
    TargetScaler,
)
from amptorch.preprocessing.scaling import Scaling

from ..made_potentials import COSINE, GAUSSIAN, alloy_frames, config, cuco_frames, trained

SETUP = ("gaussian", GAUSSIAN, COSINE, ["Cu", "Pd"])


def converted(number: int = 6) -> list[AtomsData]:
    a2d = AtomsToData(construct_descriptor(SETUP), r_energy=True, r_forces=True)
    return a2d.convert_all(alloy_frames(number), disable_tqdm=True)


def made_up(fingerprints: Any, numbers: Any, energy: float = 0.0) -> AtomsData:
    return AtomsData(
        fingerprint=torch.tensor(fingerprints, dtype=torch.float64),
        atomic_numbers=torch.tensor(numbers),
        num_nodes=len(numbers),
        energy=torch.tensor(energy, dtype=torch.float64),
    )


def of_element(data: list[AtomsData], number: int) -> np.ndarray:
    return torch.cat([each.fingerprint[each.atomic_numbers == number] for each in data]).numpy()


@pytest.mark.parametrize("limits", [(0, 1), (-1, 1), (2.0, 2.5)])
def test_normalize_maps_each_element_onto_the_range(limits):
    data = converted()
    raw = {number: of_element(data, number) for number in (29, 46)}
    scaler = FeatureScaler(data, True, {"type": "normalize", "range": limits, "threshold": 1e-12})
    scaler.norm(data, disable_tqdm=True)
    for number in (29, 46):
        low, high = raw[number].min(0), raw[number].max(0)
        expected = limits[0] + (limits[1] - limits[0]) * (raw[number] - low) / (high - low)
        np.testing.assert_allclose(of_element(data, number), expected, atol=1e-9)


def test_standardize_gives_mean_0_and_population_deviation_1():
    data = converted()
    scaler = FeatureScaler(data, True, {"type": "standardize", "threshold": 1e-12})
    scaler.norm(data, disable_tqdm=True)
    for number in (29, 46):
        values = of_element(data, number)
        np.testing.assert_allclose(values.mean(0), 0.0, atol=1e-8)
        np.testing.assert_allclose(values.std(0), 1.0, atol=1e-8)


@pytest.mark.parametrize("kind", ["normalize", "standardize"])
def test_over_all_elements(kind):
    data = converted()
    scaler = FeatureScaler(data, True, {"type": kind, "elementwise": False})
    assert set(scaler.scale) == {"offset", "scale"}
    assert not hasattr(scaler, "scales")
    scaler.norm(data, disable_tqdm=True)
    values = torch.cat([each.fingerprint for each in data]).numpy()
    if kind == "normalize":
        np.testing.assert_allclose([values.min(), values.max()], [0, 1], atol=1e-9)
    else:
        np.testing.assert_allclose(values.mean(0), 0.0, atol=1e-8)


@pytest.mark.parametrize(
    "scaling", [{"type": "normalize", "range": (-2, 3)}, {"type": "standardize"}]
)
def test_primes_get_the_factors_of_fingerprints(scaling):
    data = converted(3)
    raw = copy.deepcopy(data)
    scaler = FeatureScaler(data, True, scaling)
    scaler.norm(data, disable_tqdm=True)
    for before, after in zip(raw, data, strict=True):
        size = before.fingerprint.numel()
        probe = copy.deepcopy(before)
        probe.fingerprint = before.fingerprint + 1.0
        scaler.norm([probe], disable_tqdm=True)
        factors = (probe.fingerprint - after.fingerprint).reshape(size, 1)
        expected = before.fprimes.to_dense() * factors
        torch.testing.assert_close(after.fprimes.to_dense(), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", ["normalize", "standardize"])
def test_a_spread_under_the_threshold_counts_as_1(kind):
    data = [made_up([[1.0, 5.0], [3.0, 5.0 + 1e-7]], [1, 1])]
    FeatureScaler(data, False, {"type": kind, "threshold": 1e-6}).norm(data, disable_tqdm=True)
    assert data[0].fingerprint[:, 0].diff().item() == pytest.approx(
        2.0 if kind != "normalize" else 1.0
    )
    assert data[0].fingerprint[:, 1].diff().item() == pytest.approx(1e-7, rel=1e-6)
    finer = [made_up([[1.0, 5.0], [3.0, 5.0 + 1e-7]], [1, 1])]
    FeatureScaler(finer, False, {"type": kind, "threshold": 1e-9}).norm(finer, disable_tqdm=True)
    assert finer[0].fingerprint[:, 1].diff().item() > 0.9


def test_attributes_are_those_that_pickles_of_the_original_name():
    scaler = FeatureScaler(converted(), True, {"type": "normalize", "range": (0, 1)})
    assert (scaler.transform, scaler.forcetraining, scaler.elementwise, scaler.threshold) == (
        "normalize",
        True,
        True,
        1e-6,
    )
    assert scaler.unique == [29, 46]
    assert set(scaler.scales) == {29, 46}
    assert all(set(scale) == {"offset", "scale"} for scale in scaler.scales.values())
    target = TargetScaler(converted(), True)
    assert {"target_mean", "target_std", "forcetraining"} <= set(vars(target))


def test_pickles_of_scalers_load_and_scale_alike():
    data = converted()
    for scaler in (
        FeatureScaler(data, True, {"type": "standardize"}),
        TargetScaler(data, True),
        AtomicCorrectionScaler(data),
    ):
        loaded = loads(pickle.dumps(scaler, protocol=-1))
        assert type(loaded) is type(scaler)
        one, other = copy.deepcopy(data), copy.deepcopy(data)
        scaler.norm(one)
        loaded.norm(other)
        for left, right in zip(one, other, strict=True):
            assert torch.equal(left.fingerprint, right.fingerprint)
            assert torch.equal(left.energy, right.energy)


def test_an_element_without_training_data_is_refused():
    scaler = FeatureScaler([made_up([[1.0], [2.0]], [1, 8])], False)
    with pytest.raises(ValueError, match=r"no training data of atomic number 6, only of \[1, 8\]"):
        scaler.norm([made_up([[1.0]], [6])], disable_tqdm=True)


def test_unknown_scaling_key():
    with pytest.raises(ValueError, match="scaling: unknown key 'ranges'; did you mean 'range'"):
        FeatureScaler([made_up([[1.0]], [1])], False, {"ranges": (0, 1)})


def test_targets_are_scaled_with_bessels_correction():
    data = converted()
    energies = np.array([float(each.energy) for each in data])
    forces = torch.cat([each.forces for each in data]).numpy()
    scaler = TargetScaler(data, True)
    assert float(scaler.target_mean) == pytest.approx(energies.mean())
    assert float(scaler.target_std) == pytest.approx(energies.std(ddof=1))
    scaler.norm(data, disable_tqdm=True)
    scaled = torch.stack([each.energy for each in data])
    np.testing.assert_allclose(scaled, (energies - energies.mean()) / energies.std(ddof=1))
    np.testing.assert_allclose(scaler.denorm(scaled), energies)
    scaled = torch.cat([each.forces for each in data])
    np.testing.assert_allclose(scaled, forces / energies.std(ddof=1), atol=1e-14)
    np.testing.assert_allclose(scaler.denorm(scaled, "forces"), forces, atol=1e-14)
    with pytest.raises(ValueError, match="pred: expected 'energy' or 'forces', got 'stress'"):
        scaler.denorm(scaled, "stress")


@pytest.mark.parametrize("energies", [[3.5], [2.0, 2.0, 2.0]])
def test_targets_without_spread_stay_as_they_are(energies):
    data = [made_up([[1.0]], [1], energy) for energy in energies]
    scaler = TargetScaler(data, False)
    assert (float(scaler.target_mean), float(scaler.target_std)) == (0.0, 1.0)
    scaler.norm(data, disable_tqdm=True)
    assert [float(each.energy) for each in data] == energies


def test_baseline_is_the_least_squares_solution():
    random = np.random.default_rng(0)
    exact = {1: -13.6, 8: -2041.0}
    data = []
    for _ in range(9):
        numbers = [1] * random.integers(1, 5) + [8] * random.integers(0, 4)
        energy = sum(exact[number] for number in numbers)
        data.append(made_up(np.zeros((len(numbers), 1)), numbers, energy))
    scaler = AtomicCorrectionScaler(data)
    assert scaler.energies == pytest.approx(exact)
    assert scaler.total(torch.tensor([8, 1, 1])) == pytest.approx(-2041.0 - 2 * 13.6)
    scaler.norm(data)
    np.testing.assert_allclose([float(each.energy) for each in data], 0.0, atol=1e-9)
    with pytest.raises(ValueError, match=r"baseline: no energy for atomic numbers \[6\]"):
        scaler.total(torch.tensor([6, 1]))


def test_baseline_of_one_composition_has_the_smallest_norm():
    data = [made_up(np.zeros((3, 1)), [1, 1, 8], energy) for energy in (4.0, 6.0)]
    energies = AtomicCorrectionScaler(data).energies
    assert energies == pytest.approx({1: 2.0, 8: 1.0})


def test_baseline_leaves_predictions_in_ev(tmp_path):
    """Frames of two compositions, 2000 eV apart: without a baseline the spread is theirs."""
    frames = cuco_frames(6)
    for image in frames[::2]:
        image.calc.results["energy"] -= 2000.0
    one = trained(frames, tmp_path, dataset={"baseline": "linear"}, optim={"epochs": 2})
    scaler = one.scalers["baseline"]
    offset = sum(scaler.energies[number] for number in frames[0].numbers)
    predicted = one.predict(frames)["energy"]
    scaled = torch.stack([each.energy for each in one.train_dataset])
    targets = one.target_scaler.denorm(scaled) + offset
    expected = [image.get_potential_energy() for image in frames]
    np.testing.assert_allclose(targets, expected, rtol=1e-12)
    mean = float(one.target_scaler.target_mean) + offset
    assert abs(np.mean(predicted) - mean) < 2000.0


def test_a_model_with_baseline_predicts_what_one_without_does(tmp_path):
    """One composition: the baseline moves the mean only, which scaling takes off anyway."""
    frames = cuco_frames(6)
    with_baseline = trained(frames, tmp_path, dataset={"baseline": "linear"}).predict(frames)
    without = trained(frames, tmp_path).predict(frames)
    np.testing.assert_allclose(with_baseline["energy"], without["energy"], rtol=1e-6)
    np.testing.assert_allclose(with_baseline["forces"], without["forces"], rtol=1e-6, atol=1e-9)


def test_extrapolation_is_counted(tmp_path):
    frames = cuco_frames(8)
    trainer = trained(frames, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer.predict(frames)
    strange = frames[0].copy()
    strange.set_cell(strange.cell * 0.8, scale_atoms=True)
    message = r"extrapolation: \d+ fingerprint values of 3 atoms in 1 of 3 images lie outside"
    with pytest.warns(ExtrapolationWarning, match=message):
        trainer.predict([frames[0], strange, frames[1]])


def test_extrapolation_counts_values_atoms_and_frames():
    seen = [made_up([[0.0, 1.0], [2.0, 3.0], [5.0, 5.0]], [1, 1, 8])]
    scaler = FeatureScaler(seen, False)
    inside = made_up([[1.0, 2.0], [5.0, 5.0]], [1, 8])
    outside = made_up([[-1.0, 2.0], [3.0, 0.0], [5.0, 5.0]], [1, 1, 8])
    assert scaler.warn_outside([inside]) == 0
    message = "3 fingerprint values of 2 atoms in 1 of 2 images"
    with pytest.warns(ExtrapolationWarning, match=message):
        assert scaler.warn_outside([inside, outside]) == 2
    across = FeatureScaler(seen, False, {"elementwise": False})
    assert across.warn_outside([made_up([[5.0, 5.0]], [1])]) == 0


def test_scalers_of_the_original_know_no_range():
    scaler = FeatureScaler([made_up([[0.0], [1.0]], [1, 1])], False)
    del scaler.ranges
    assert scaler.warn_outside([made_up([[9.0]], [1])]) == 0


def test_given_scalers_are_applied():
    fitted = AtomsDataset(alloy_frames(6), SETUP, save_fps=False)
    applied = AtomsDataset(
        alloy_frames(2), SETUP, save_fps=False, scaling=Scaling(scalers=fitted.scalers)
    )
    for one, other in zip(fitted, applied, strict=False):
        torch.testing.assert_close(one.fingerprint, other.fingerprint)
        torch.testing.assert_close(one.energy, other.energy)


def test_data_set_may_be_processed_later():
    later = AtomsDataset(alloy_frames(3), SETUP, save_fps=False, process=False)
    assert len(later) == 0
    assert len(later.process()) == 3


def test_verbose_tells_baseline_and_memory(tmp_path, capsys):
    settings = config(cuco_frames(3), tmp_path, dataset={"baseline": "linear"})
    settings["cmd"]["verbose"] = True
    from amptorch import AtomsTrainer

    AtomsTrainer(settings).load()
    printed = capsys.readouterr().out
    assert "baseline (eV per atom): {6: " in printed
    assert "3 images, 30 fingerprints an atom: about 0.00 GB of memory" in printed
