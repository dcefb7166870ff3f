"""Losses against sums written out frame by frame; weights, stresses, balance and errors."""

from __future__ import annotations

import itertools
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from amptorch import AtomsTrainer
from amptorch.data.frame import AtomsBatch, collate
from amptorch.data.targets import TargetReader, read_stress, read_weight
from amptorch.descriptor import construct_descriptor
from amptorch.fit.losses import CustomLoss, PerAtomLoss
from amptorch.preprocessing import AtomsToData, TargetScaler
from amptorch.preprocessing.scaling import NotAdditiveWarning

from ..made_potentials import COSINE, GAUSSIAN, alloy_frames, config, cuco_frames, trained

SIZES = [3, 1, 5, 2]
PENALTIES: dict[str, Any] = {
    "mse": lambda x, delta: x**2,
    "mae": lambda x, delta: np.abs(x),
    "huber": lambda x, delta: np.where(
        np.abs(x) <= delta, 0.5 * x**2, delta * (np.abs(x) - 0.5 * delta)
    ),
}


def case(seed: int = 0) -> tuple[list[Any], list[Any], AtomsBatch]:
    """Predictions, targets and batch of frames of several sizes; the second has no stress."""
    random = np.random.default_rng(seed)
    arrays = [random.normal(size=(2, *shape)) for shape in ((4,), (sum(SIZES), 3), (4, 6))]
    stress = arrays[2][1]
    stress[1] = np.nan
    batch = AtomsBatch(
        batch=torch.repeat_interleave(torch.arange(4), torch.tensor(SIZES)),
        natoms=torch.tensor(SIZES),
        weight=torch.tensor([1.0, 0.0, 2.5, 0.3], dtype=torch.float64),
        stress=torch.from_numpy(stress),
    )
    return [array[0] for array in arrays], [array[1] for array in arrays], batch


def tensors(arrays: list[np.ndarray]) -> list[torch.Tensor]:
    return [torch.from_numpy(array) for array in arrays]


@pytest.mark.parametrize(
    ("penalty", "energy_loss", "weighted", "stress"),
    list(itertools.product(PENALTIES, ["total", "per_atom"], [False, True], [0.0, 0.7])),
)
def test_loss_is_the_plain_sum(penalty, energy_loss, weighted, stress):
    prediction, target, batch = case()
    delta = 0.8
    c = PENALTIES[penalty]
    frames = np.repeat(np.arange(4), SIZES)
    weights = batch.weight.numpy() if weighted else np.ones(4)
    expected = np.zeros(3)
    for frame in range(4):
        energy_error = prediction[0][frame] - target[0][frame]
        if energy_loss == "per_atom":
            energy_error /= SIZES[frame]
        expected[0] += weights[frame] * c(energy_error, delta) / 4
        force_error = (prediction[1] - target[1])[frames == frame]
        expected[1] += weights[frame] * c(force_error, delta).sum() / (3 * sum(SIZES))
        if frame != 1:
            stress_error = prediction[2][frame] - target[2][frame]
            expected[2] += weights[frame] * c(stress_error, delta).sum() / 18
    criterion = CustomLoss(0.3, penalty, energy_loss, delta, stress, weighted)
    found = criterion(tensors(prediction), tensors(target), batch)
    assert float(found) == pytest.approx(0.5 * expected @ [1.0, 0.3, stress], rel=1e-12)


def test_frames_without_stress_give_no_gradient():
    prediction, target, batch = case()
    stresses = torch.from_numpy(prediction[2]).requires_grad_()
    criterion = CustomLoss(stress_coefficient=1.0)
    loss = criterion([*tensors(prediction[:2]), stresses], tensors(target), batch)
    (gradient,) = torch.autograd.grad(loss, stresses)
    assert (gradient[1] == 0).all()
    assert (gradient[[0, 2, 3]] != 0).all()


def test_balance_multiplies_by_ratios_of_running_means():
    criterion = CustomLoss(0.5, balance="loss", stress_coefficient=2.0)
    means = np.zeros(3)
    for seed in range(5):
        prediction, target, batch = case(seed)
        terms = np.array(
            [np.nanmean((p - t) ** 2) for p, t in zip(prediction, target, strict=True)]
        )
        means = 0.99 * means + 0.01 * terms
        expected = 0.5 * (terms * [1.0, 0.5, 2.0] * means[0] / means).sum()
        found = criterion(tensors(prediction), tensors(target), batch)
        assert float(found) == pytest.approx(expected, rel=1e-12)
    criterion.eval()
    assert float(criterion(tensors(prediction), tensors(target), batch)) == pytest.approx(expected)


def with_weights(frames: list[Atoms], weights: list[float], key: str = "weight") -> list[Atoms]:
    for frame, weight in zip(frames, weights, strict=True):
        frame.info[key] = weight
    return frames


@pytest.mark.parametrize(("loss_fn", "scale"), [(CustomLoss, 5 / 4), (PerAtomLoss, 1.0)])
def test_a_weight_of_two_is_a_frame_twice(loss_fn, scale, tmp_path):
    """The mean is over frames, so the one with a frame more divides by a number more."""
    frames = with_weights(alloy_frames(4), [1, 1, 2, 1], "w")
    optim = {"loss_fn": loss_fn}
    one = AtomsTrainer(config(frames, tmp_path, optim=optim, dataset={"weight_key": "w"}))
    one.load()
    other = AtomsTrainer(config([*frames, frames[2]], tmp_path, optim=optim))
    other.load_dataset(one.scalers)
    assert loss_over_all(one) == pytest.approx(scale * loss_over_all(other), rel=1e-12)


def loss_over_all(trainer: AtomsTrainer) -> float:
    trainer.load(load_dataset=False)
    trainer.net.initialize()
    (batch,) = trainer.net.get_iterator(trainer.train_dataset, training=False)
    return float(trainer.net.validation_step(batch)["loss"])


def test_frames_without_a_weight_count_one(tmp_path):
    frames = cuco_frames(4)
    frames[1].info["weight"] = 3.0
    trainer = trained(frames, tmp_path, dataset={"weight_key": "weight"})
    assert [float(data.weight) for data in trainer.train_dataset] == [1.0, 3.0, 1.0, 1.0]


def stressed_frames() -> list[Atoms]:
    """EMT's stress of strained alloys; one frame knows none."""
    frames = alloy_frames(6)
    for frame in frames[:5]:
        frame.calc, energy, forces = EMT(), frame.get_potential_energy(), frame.get_forces()
        stress = frame.get_stress()
        frame.calc = SinglePointCalculator(frame, energy=energy, forces=forces, stress=stress)
    return frames


def stress_error(trainer: AtomsTrainer, frames: list[Atoms]) -> float:
    found = np.array(trainer.predict(frames)["stress"])
    return float(np.sqrt(np.mean((found - [frame.get_stress() for frame in frames]) ** 2)))


@pytest.mark.parametrize("derivatives", ["cached", "on_the_fly"])
def test_the_model_gives_the_stress_that_is_predicted(derivatives, tmp_path):
    frames = stressed_frames()
    trainer = trained(frames, tmp_path, optim={"stress_coefficient": 1.0})
    reader = TargetReader(forces=False, stress=True)
    converter = AtomsToData(trainer.descriptor, derivatives=derivatives, reader=reader)
    data = converter.convert_all(frames, disable_tqdm=True)
    trainer.feature_scaler.norm(data, disable_tqdm=True)
    scaled = trainer.model(collate(data))[2] * trainer.target_scaler.target_std
    np.testing.assert_allclose(
        scaled.detach().numpy(), trainer.predict(frames)["stress"], rtol=1e-9, atol=1e-12
    )


def test_training_on_stresses_lowers_their_error(tmp_path):
    frames = stressed_frames()
    optim = {"epochs": 150, "lr": 2e-2, "stress_coefficient": 300.0}
    dataset = {"target_scaling": "forces"}
    trainer = trained(frames, tmp_path / "with", optim=optim, dataset=dataset)
    without = trained(
        frames, tmp_path / "without", optim={**optim, "stress_coefficient": 0.0}, dataset=dataset
    )
    assert stress_error(trainer, frames[:5]) < 0.5 * stress_error(without, frames[:5])


@pytest.mark.parametrize("scaling", ["energy", "per_atom", "forces"])
def test_target_scaling(scaling, tmp_path):
    frames = cuco_frames(5) + alloy_frames(4)
    energies = np.array([frame.get_potential_energy() for frame in frames])
    sizes = np.array([len(frame) for frame in frames])
    forces = np.concatenate([frame.get_forces().ravel() for frame in frames])
    expected = {
        "energy": energies.std(ddof=1),
        "per_atom": (energies / sizes).std(ddof=1),
        "forces": np.sqrt((forces**2).mean()),
    }[scaling]
    original = scaling == "energy"
    with pytest.warns(NotAdditiveWarning) if original else nullcontext():
        trainer = trained(
            frames, tmp_path, dataset={"target_scaling": scaling}, optim={"epochs": 2}
        )
    scaler = trainer.target_scaler
    assert float(scaler.target_std) == pytest.approx(expected, rel=1e-12)
    assert float(scaler.target_mean) == pytest.approx(original * energies.mean(), rel=1e-12)
    assert ("baseline" in trainer.scalers) != original
    again = AtomsTrainer()
    again.load_pretrained(trainer.cp_dir)
    np.testing.assert_array_equal(
        again.predict(frames)["energy"], trainer.predict(frames)["energy"]
    )


def test_target_scaling_of_one_frame():
    data = AtomsToData(_descriptor(), r_energy=True, r_forces=True)
    images = data.convert_all(cuco_frames(1), disable_tqdm=True)
    assert float(TargetScaler(images, True, "per_atom").target_std) == 1.0
    assert float(TargetScaler(images, True, "forces").target_std) > 0.0


def _descriptor() -> Any:
    return construct_descriptor(("gaussian", GAUSSIAN, COSINE, ["Cu", "C", "O"]))


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "energy_loss": ({"optim": {"energy_loss": "atom"}}, "energy_loss: expected 'total' or"),
    "balance": ({"optim": {"balance": "gradient"}}, "balance: expected None or 'loss'"),
    "huber_delta": ({"optim": {"huber_delta": 0.0, "loss": "huber"}}, "huber_delta: expected a"),
    "not taken": (
        {"optim": {"loss_fn": PerAtomLoss, "energy_loss": "per_atom"}},
        "optim: PerAtomLoss takes no argument 'energy_loss'",
    ),
    "no weights": (
        {"dataset": {"weight_key": "weigth"}},
        r"weight_key: no image has info\['weigth'\]; did you mean 'weight'",
    ),
    "no stresses": ({"optim": {"stress_coefficient": 1.0}}, "stress_coefficient: expected images"),
    "target_scaling": (
        {"dataset": {"target_scaling": "std"}},
        "dataset: expected target_scaling to be one of",
    ),
    "forces without forces": (
        {
            "dataset": {"target_scaling": "forces"},
            "model": {"get_forces": False},
            "optim": {"force_coefficient": 0},
        },
        "target_scaling 'forces' needs the model's get_forces True",
    ),
    "ema": ({"optim": {"ema": 1.0}}, r"optim: expected ema in \[0, 1\), got 1.0"),
    "gradient_clip": ({"optim": {"gradient_clip": 0.0}}, "optim: expected gradient_clip > 0"),
    "policy": (
        {"optim": {"scheduler": {"policy": "WarmupCosin"}}},
        "scheduler: unknown policy 'WarmupCosin'; did you mean 'WarmupCosine'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_settings_of_losses_write_nothing(name, tmp_path):
    sections, message = REFUSED[name]
    frames = with_weights(cuco_frames(4), [1.0] * 4)
    for frame in frames:
        frame.calc.results.pop("stress", None)
    with pytest.raises(ValueError, match=message):
        AtomsTrainer(config(frames, tmp_path, **sections)).train()
    assert not list(tmp_path.rglob("*.pt"))


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf, "much"])
def test_weights_that_are_none(weight):
    image = Atoms("H", info={"weight": weight})
    with pytest.raises(ValueError, match=r"image 3: expected info\['weight'\] to be a number >= 0"):
        read_weight(image, "weight", "image 3")


def test_stress_that_is_none():
    image = Atoms("H", cell=[4.0] * 3, pbc=True)
    image.calc = SinglePointCalculator(image, stress=np.full(6, np.nan))
    with pytest.raises(ValueError, match="image 0: its stress is"):
        read_stress(image, "image 0")
