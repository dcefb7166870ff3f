"""Scores of energies and forces in eV and eV/Å, and the callbacks that record them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skorch.helper import predefined_split
from torch.utils.data import Subset

from amptorch.fit.metrics import (
    MemEffEpochScoring,
    _denormed_target,
    _error_sum,
    _error_sum_there,
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
    """Also where targets in float32 would blur energies."""
    scaler = TargetScaler([], True)
    scaler.target_mean, scaler.target_std = torch.tensor(mean), torch.tensor(0.7)
    random = torch.Generator().manual_seed(0)
    draws = [torch.randn(size, generator=random, dtype=dtype) for size in ((5,), (9, 3)) * 2]
    expected = _error_sum(part, metric, draws[:2], draws[2:], scaler)
    there = [each.to(device) for each in draws]
    total, count = _error_sum_there(part, metric, there[:2], there[2:], scaler)
    assert (float(total), count) == pytest.approx(expected, rel=1e-12)


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
    scaler = object.__new__(TargetScaler)
    scaler.target_mean, scaler.target_std = torch.tensor(10.0).double(), torch.tensor(2.0).double()
    scaled = torch.tensor([0.1234567890123], dtype=torch.float64)
    near = _denormed_target("energy", scaled.numpy(), scaler)[0]
    assert float(near) != float(scaler.denorm(scaled))
    assert float(near) == pytest.approx(float(scaler.denorm(scaled)), rel=1e-6)
    scaler.target_mean, scaler.target_std = torch.tensor(-1e6).double(), torch.tensor(1e-2).double()
    far = _denormed_target("energy", scaled.numpy(), scaler)[0]
    assert float(far) == float(scaler.denorm(scaled))


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
