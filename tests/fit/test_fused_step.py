"""A step of training by one kernel: what autograd gives, and when it is left to autograd."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from amptorch import AtomsTrainer
from amptorch.data.frame import AtomsBatch
from amptorch.fit.fused import FusedSteps
from amptorch.fit.losses import CustomLoss, PerAtomLoss
from amptorch.potentials.networks.model import BPNN

from ..made_potentials import alloy_frames, config, cuco_frames, history, with_emt

# Of several sizes and elements.
FRAMES = [*cuco_frames(3), *alloy_frames(2), with_emt(alloy_frames(1, seed=3)[0].repeat((1, 1, 2)))]
for number, frame in enumerate(FRAMES):
    frame.info["weight"] = 0.5 + number

EQUAL = {torch.float64: 1e-12, torch.float32: 2e-5}

MODELS: dict[str, dict[str, Any]] = {
    "trained mask": {},
    "fixed mask": {"element_mask": "fixed", "activation": nn.Softplus},
    "one network": {"name": "singlenn", "activation": nn.GELU},
    "energies only": {"get_forces": False},
}
LOSSES: dict[str, dict[str, Any]] = {
    "the original's": {},
    "without forces": {"force_coefficient": 0.0},
    "absolute": {"loss": "mae", "energy_loss": "per_atom"},
    "huber": {"loss": "huber", "huber_delta": 0.01},
    "of atoms": {"loss_fn": PerAtomLoss},
}


def loaded(tmp_path, weighted: bool = False, **sections: dict[str, Any]) -> AtomsTrainer:
    dataset = {"baseline": "linear", **({"weight_key": "weight"} if weighted else {})}
    dataset.update(sections.pop("dataset", {}))
    trainer = AtomsTrainer(config(FRAMES, tmp_path, dataset=dataset, **sections))
    trainer.load()
    trainer.net.initialize()
    if isinstance(trainer.model, BPNN):
        with torch.no_grad():
            trainer.model.element_mask.mask.weight.add_(
                0.1 if trainer.model.element_mask.mask.weight.requires_grad else 0.0
            )
    return trainer


def batch_of(trainer: AtomsTrainer, frames: int = len(FRAMES)) -> Any:
    return trainer.net.iterator_train__collate_fn([trainer.train_dataset[k] for k in range(frames)])


def watch(model: nn.Module) -> Any:
    """Have a model's batches go the general way."""
    return model.register_forward_hook(lambda *_: None)


def step(trainer: AtomsTrainer) -> list[Tensor | None]:
    """Loss, predictions and gradients of a batch of all frames."""
    trainer.model.zero_grad()
    found = trainer.net.train_step_single(batch_of(trainer))
    gradients = [each.grad for each in trainer.model.parameters()]
    return [found["loss"].detach(), *(each.detach() for each in found["y_pred"]), *gradients]


def assert_equal(one: Tensor | None, other: Tensor | None) -> None:
    # A parameter without a gradient, and one whose gradient is 0, are not changed.
    assert one is not None or other is None or not other.any()
    if one is not None:
        other = torch.zeros_like(one) if other is None else other
        scale = max(float(other.abs().max()) if other.numel() else 0.0, 1e-3)
        torch.testing.assert_close(one, other, rtol=0, atol=EQUAL[one.dtype] * scale)


@pytest.mark.parametrize("dtype", [torch.DoubleTensor, torch.FloatTensor])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_kernel_is_what_autograd_gives(model, loss, weighted, dtype, tmp_path):
    coefficient = loss.get("force_coefficient", 0.3) if model.get("get_forces", True) else 0.0
    optim = {**loss, "force_coefficient": coefficient}
    sections = {"model": model, "optim": optim, "cmd": {"dtype": dtype}}
    trainer = loaded(tmp_path, weighted, **sections)
    inputs, targets = batch_of(trainer)
    with torch.no_grad():
        judged = FusedSteps().step(trainer.model, trainer.net.criterion_, inputs, targets, False)
    assert judged is not None
    found = step(trainer)
    with watch(trainer.model):
        expected = step(trainer)
    for one, other in zip(found, expected, strict=True):
        assert_equal(one, other)
    for one, other in zip([judged[0], *judged[1]], found[:3], strict=True):
        assert torch.equal(one, other)


def test_gradients_add_up(tmp_path):
    trainer = loaded(tmp_path)
    once = [each.clone() for each in step(trainer)[3:] if each is not None]
    trainer.net.train_step_single(batch_of(trainer))
    twice = [each.grad for each in trainer.model.parameters()]
    assert all(torch.equal(2 * one, two) for one, two in zip(once, twice, strict=True))


@pytest.mark.parametrize("threads", [2, 3])
def test_results_do_not_depend_on_threads(threads, tmp_path):
    trainer = loaded(tmp_path)
    before, once = torch.get_num_threads(), step(trainer)
    torch.set_num_threads(threads)
    try:
        again = step(trainer)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, two) for one, two in zip(once, again, strict=True))


def test_a_frozen_network_has_no_gradient(tmp_path):
    trainer = loaded(tmp_path)
    frozen = trainer.model.perceptrons()[0]
    frozen.requires_grad_(False)
    step(trainer)
    assert all(each.grad is None for each in frozen.parameters())
    assert all(each.grad is not None for each in trainer.model.perceptrons()[1].parameters())


@pytest.mark.parametrize("optim", [{}, {"ema": 0.9, "gradient_clip": 0.1, "optimizer": "soap"}])
def test_runs_are_the_same_either_way(optim, tmp_path):
    sections: dict[str, Any] = {
        "optim": {"batch_size": 4, "lr": 1e-3, "epochs": 4, **optim},
        "dataset": {"val_split": 0.34, "val_split_mode": "inorder"},
    }
    histories = []
    for way in ("kernel", "autograd"):
        trainer = loaded(tmp_path / way, **sections)
        if way == "autograd":
            watch(trainer.model)
        trainer.net.partial_fit(trainer.train_dataset, None)
        histories.append(history(trainer))
    for one, other in zip(*histories, strict=True):
        # Of two losses that are equal but for rounding either may be the best.
        kept = [name for name in one if not name.endswith("_best")]
        assert {k: one[k] for k in kept} == pytest.approx({k: other[k] for k in kept}, rel=1e-9)


class OwnLoss(CustomLoss):
    """May do anything."""


class OwnBatch(AtomsBatch):
    """So may this."""


def _forward_hook(trainer: AtomsTrainer) -> None:
    trainer.model.perceptrons()[0].model_net[0].register_forward_hook(lambda *_: None)


def _parameter_hook(trainer: AtomsTrainer) -> None:
    next(trainer.model.parameters()).register_hook(lambda gradient: 2 * gradient)


def _another_layer(trainer: AtomsTrainer) -> None:
    trainer.model.perceptrons()[0].model_net[1] = nn.ReLU6()


def _mask_hook(trainer: AtomsTrainer) -> None:
    trainer.model.element_mask.mask.register_full_backward_hook(lambda *_: None)


CHANGES = {
    "hook": _forward_hook,
    "hook of the mask": _mask_hook,
    "hook of a weight": _parameter_hook,
    "layer": _another_layer,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_somebody_changed_is_left_to_autograd(change, tmp_path):
    trainer = loaded(tmp_path)
    inputs, targets = batch_of(trainer)
    arguments = trainer.model, trainer.net.criterion_, inputs, targets, True
    steps = FusedSteps()
    assert steps.step(*arguments) is not None
    change(trainer)
    assert steps.step(*arguments) is None


@pytest.mark.parametrize(
    "sections",
    [
        {"optim": {"balance": "loss"}},
        {"optim": {"loss_fn": OwnLoss}},
        {"model": {"dropout": True}},
        {"dataset": {"derivatives": "on_the_fly"}},
    ],
)
def test_settings_without_a_kernel_are_left_to_autograd(sections, tmp_path):
    trainer = loaded(tmp_path, **sections)
    inputs, targets = batch_of(trainer)
    assert FusedSteps().step(trainer.model, trainer.net.criterion_, inputs, targets, True) is None


def test_few_frames_and_own_batches_are_left_to_autograd(tmp_path):
    trainer = loaded(tmp_path)
    for inputs, targets in (batch_of(trainer, 3), batch_of(trainer)):
        inputs = OwnBatch(**vars(inputs)) if len(inputs) > 3 else inputs
        assert (
            FusedSteps().step(trainer.model, trainer.net.criterion_, inputs, targets, True) is None
        )
