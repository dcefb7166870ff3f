"""Scores of energies and forces in eV and eV/Å, and the callbacks that record them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skorch.helper import predefined_split
from torch.utils.data import Subset

from amptorch.fit.metrics import (
    ErrorSum,
    MemEffEpochScoring,
    evaluator,
    mae_energy_score,
    mae_forces_score,
    mse_energy_score,
    mse_forces_score,
    to_cpu,
)
from amptorch.preprocessing import TargetScaler

from ..made_potentials import cuco_frames, trained

SCORES = {
    ("energy", "mae"): mae_energy_score,
    ("energy", "mse"): mse_energy_score,
    ("forces", "mae"): mae_forces_score,
    ("forces", "mse"): mse_forces_score,
}
FRAMES = cuco_frames(7)


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    return trained(FRAMES, tmp_path_factory.mktemp("run"), optim={"batch_size": 3})


def scaler_of(mean: float, std: float) -> TargetScaler:
    scaler = TargetScaler([], True)
    scaler.target_mean = torch.tensor(mean, dtype=torch.float64)
    scaler.target_std = torch.tensor(std, dtype=torch.float64)
    return scaler


def errors(trainer, part: str, indices: list[int]) -> np.ndarray:
    frames = [FRAMES[index] for index in indices]
    predicted = trainer.predict(frames)[part]
    if part == "energy":
        return np.subtract(predicted, [frame.get_potential_energy() for frame in frames])
    return np.subtract(predicted, [frame.get_forces() for frame in frames])


@pytest.mark.parametrize(("part", "metric"), SCORES)
@pytest.mark.parametrize("indices", [list(range(7)), [1, 5]])
def test_scores_are_the_errors_of_predictions(trainer, part, metric, indices):
    dataset = Subset(trainer.train_dataset, indices)
    found = SCORES[part, metric](trainer.net, dataset)
    difference = errors(trainer, part, indices)
    expected = np.abs(difference).mean() if metric == "mae" else (difference**2).mean()
    # Targets are rounded to float32, as the original's are.
    assert found == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
        ),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("mean", [-3.0, -3e6])
@pytest.mark.parametrize(("part", "metric"), SCORES)
def test_sums_of_errors_on_a_device(part, metric, mean, dtype, device):
    """Of targets in float32, as the original's are, but where these would blur energies."""
    scaler = scaler_of(mean, 0.7)
    random = torch.Generator().manual_seed(0)
    draws = [torch.randn(size, generator=random, dtype=dtype) for size in ((5,), (9, 3)) * 2]
    there = [each.to(device) for each in draws]
    total, count = ErrorSum(part, metric, scaler)(there[:2], there[2:])
    found, target = (draws[k + (part == "forces")].numpy() for k in (0, 2))
    rounded = target.astype(np.float32 if mean == -3.0 else np.float64)
    shift = mean if part == "energy" else 0.0
    errors = found.astype(np.float64) * 0.7 + shift - (rounded * 0.7 + shift)
    expected = np.abs(errors).sum() if metric == "mae" else (errors**2).sum()
    assert (float(total), count) == pytest.approx((expected, errors.size), rel=1e-12)


@pytest.mark.parametrize("metric", ["mae", "mse"])
def test_validation_columns_are_the_scores_of_the_validation_part(tmp_path, metric):
    trainer = trained(
        FRAMES,
        tmp_path,
        optim={"metric": metric, "epochs": 1, "batch_size": 2},
        dataset={"val_split": 0.5, "val_split_mode": "inorder"},
    )
    row = trainer.net.history[-1]
    valid = Subset(trainer.train_dataset, [4, 5, 6])
    for part in ("energy", "forces"):
        score = SCORES[part, metric](trainer.net, valid)
        assert row[f"val_{part}_{metric}"] == pytest.approx(score, rel=1e-12)


def test_callbacks():
    names = [name for name, _ in evaluator(0.1, "mae", "run", True, "forces", "folder")]
    assert names == [
        "train_energy_mae",
        "val_energy_mae",
        "train_forces_mae",
        "val_forces_mae",
        "cp",
        "load_best",
    ]
    callbacks = dict(evaluator(0.1, "mae", "run", True, "forces", "folder"))
    assert callbacks["cp"].monitor == "val_forces_mae_best"
    callbacks = dict(evaluator(0.1, "mae", "run", True, "loss", "folder"))
    assert callbacks["cp"].monitor == "train_loss_best"
    assert [name for name, _ in evaluator(0, "mse", "run", False)] == ["train_energy_mse"]
    assert (
        dict(evaluator(0, "mse", "run", False, cp_dir="x"))["cp"].monitor == "train_energy_mse_best"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, "rmse", "run", True), "metric: expected one of .* got 'rmse'"),
        ((0, "mae", "run", True, "stress"), "cp_metric: expected one of .* got 'stress'"),
        ((0, "mae", "run", False, "forces"), "cp_metric: 'forces' needs training on forces"),
    ],
)
def test_callbacks_refuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        evaluator(*arguments)


def test_scoring_callback_without_batches_records_nothing():
    class Net:
        history = None

    scoring = MemEffEpochScoring("energy", "mae", True, "train_energy_mae")
    scoring.on_epoch_begin(Net())
    scoring.on_epoch_end(Net())


def test_targets_are_the_originals_unless_that_blurs_them():
    """The original scores against float32; far from zero that would drown small spreads."""
    scaled = torch.tensor([0.1234567890123], dtype=torch.float64)
    near, _ = ErrorSum("energy", "mae", scaler_of(10.0, 2.0))([scaled], [scaled])
    assert 0.0 < float(near) < 1e-6 * 12.0
    far, _ = ErrorSum("energy", "mae", scaler_of(-1e6, 1e-2))([scaled], [scaled])
    assert float(far) == 0.0


def test_to_cpu():
    weight = torch.ones(2, requires_grad=True)
    found = to_cpu((weight, [weight * 2]))
    assert isinstance(found, tuple)
    assert isinstance(found[1], list)
    assert not found[0].requires_grad
    assert not found[1][0].requires_grad


def test_predefined_splits_of_skorch_work(trainer):
    split = predefined_split(Subset(trainer.train_dataset, [0, 1]))
    trainer.net.set_params(train_split=split)
    _, valid = trainer.net.get_split_datasets(trainer.train_dataset, None)
    assert len(valid) == 2
