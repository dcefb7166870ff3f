"""A step of training without autograd: what autograd gives, and when it is left to autograd."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from amptorch import AtomsTrainer
from amptorch.data.frame import AtomsBatch
from amptorch.data.primes import MatrixOnTheFly
from amptorch.fit import unread
from amptorch.fit.fused import FusedSteps
from amptorch.fit.losses import CustomLoss, PerAtomLoss
from amptorch.kernels import networks
from amptorch.potentials.networks.activations import OF_KERNEL
from amptorch.potentials.networks.model import BPNN

from ..made_potentials import (
    GMP_ORDER_NORM,
    alloy_frames,
    config,
    cuco_frames,
    history,
    with_emt,
)

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


WAYS: dict[str, tuple[str, str]] = {
    "kernel": ("cpu", "cached"),
    "on the fly": ("cpu", "on_the_fly"),
    "plain torch": ("plain torch", "cached"),
    "plain torch, on the fly": ("plain torch", "on_the_fly"),
    "GPU": ("cuda", "cached"),
    "GPU, on the fly": ("cuda", "on_the_fly"),
}
"""How a step is taken: where networks run, "plain torch" on the CPU as it does on a GPU; and the form
of the primes."""


@pytest.fixture(params=WAYS)
def way(request, monkeypatch) -> dict[str, dict[str, Any]]:
    """Sections of a configuration, with what else makes the step go this way."""
    where, form = WAYS[request.param]
    if where == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    if where == "plain torch":
        monkeypatch.setattr(networks, "compiled", lambda _: False)
    return {"dataset": {"derivatives": form}, "optim": {"gpus": int(where == "cuda")}}


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


def check(trainer: AtomsTrainer) -> None:
    """A step, and a loss alone, against torch's layers and autograd."""
    there = trainer.net._there(batch_of(trainer))
    judged = FusedSteps().step(trainer.model, trainer.net.criterion_, *there, False)
    assert judged is not None
    found = step(trainer)
    with watch(trainer.model.perceptrons()[0].model_net[0]):
        expected = step(trainer)
    for one, other in zip(found, expected, strict=True):
        assert_equal(one, other)
    for one, other in zip([judged[0], *judged[1]], found[:3], strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_every_way_is_what_autograd_gives(way, model, loss, tmp_path):
    coefficient = loss.get("force_coefficient", 0.3) if model.get("get_forces", True) else 0.0
    optim = {**way["optim"], **loss, "force_coefficient": coefficient}
    check(loaded(tmp_path, True, model=model, optim=optim, dataset=way["dataset"]))


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_every_way_in_single_precision(way, model, tmp_path):
    coefficient = 0.3 if model.get("get_forces", True) else 0.0
    way["optim"]["force_coefficient"] = coefficient
    check(loaded(tmp_path, model=model, cmd={"dtype": torch.FloatTensor}, **way))


@pytest.mark.parametrize("name", OF_KERNEL, ids=lambda kind: kind.__name__)
def test_every_activation(way, name, tmp_path):
    check(loaded(tmp_path, model={"activation": name}, **way))


def test_layers_may_have_an_activation_each(way, tmp_path):
    trainer = loaded(tmp_path, **way)
    for each in trainer.model.perceptrons():
        each.model_net[1], each.model_net[3] = nn.Softplus(3.0, 0.1), nn.SiLU()
    check(trainer)


def test_primes_without_a_transpose_of_their_own(tmp_path):
    """Those of a descriptor that drops small ones: the way back is autograd's."""
    parameters = {**GMP_ORDER_NORM, "prime_threshold": 1e-6}
    scheme = {"fp_scheme": "gmpordernorm", "fp_params": parameters, "derivatives": "on_the_fly"}
    trainer = loaded(tmp_path, dataset=scheme)
    assert type(batch_of(trainer)[0].primes) is MatrixOnTheFly
    check(trainer)


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


@pytest.mark.parametrize("form", ["cached", "on_the_fly"])
def test_losses_that_are_read_when_an_epoch_ends_are_the_same(form, tmp_path, monkeypatch):
    """As on a GPU; what a run leaves does not tell."""
    sections: dict[str, Any] = {
        "optim": {"batch_size": 4, "epochs": 3, "ema": 0.9, "gradient_clip": 0.1},
        "dataset": {"val_split": 0.34, "val_split_mode": "inorder", "derivatives": form},
    }
    left = []
    for late in (False, True):
        monkeypatch.setattr(unread, "waits", lambda loss, late=late: late)
        trainer = loaded(tmp_path / str(late), **sections)
        trainer.net.partial_fit(trainer.train_dataset, None)
        batches = [dict(batch) for row in trainer.net.history for batch in row["batches"]]
        assert all(type(batch["train_loss"]) is float for batch in batches if "train_loss" in batch)
        left.append((history(trainer), batches, trainer.net.finite_, trainer.model.state_dict()))
    (rows, batches, *states), (late_rows, late_batches, *late_states) = left
    assert rows == late_rows
    assert batches == late_batches
    for one, other in zip(states, late_states, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


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
    ],
)
def test_settings_without_a_kernel_are_left_to_autograd(sections, tmp_path):
    trainer = loaded(tmp_path, **sections)
    inputs, targets = batch_of(trainer)
    assert FusedSteps().step(trainer.model, trainer.net.criterion_, inputs, targets, True) is None


def test_few_frames_of_stored_primes_and_own_batches_are_left_to_autograd(tmp_path):
    trainer = loaded(tmp_path)
    for inputs, targets in (batch_of(trainer, 3), batch_of(trainer)):
        inputs = OwnBatch(**vars(inputs)) if len(inputs) > 3 else inputs
        assert (
            FusedSteps().step(trainer.model, trainer.net.criterion_, inputs, targets, True) is None
        )


def test_what_somebody_made_of_a_batch_is_what_is_trained_on(tmp_path):
    trainer = loaded(tmp_path)
    arguments = trainer.model, trainer.net.criterion_
    batch, targets = batch_of(trainer)
    batch.fingerprint = batch.fingerprint + 0.1
    found = FusedSteps().step(*arguments, batch, targets, False)
    with watch(trainer.model.perceptrons()[0].model_net[0]):
        expected = trainer.net.train_step_single((batch, targets))["loss"]
    assert found is not None
    assert_equal(found[0], expected.detach())
    batch.primes = batch.primes.joined()
    assert FusedSteps().step(*arguments, batch, targets, True) is None


def test_numbers_without_shares_are_refused(tmp_path):
    trainer = loaded(tmp_path)
    batch, targets = batch_of(trainer)
    batch.atomic_numbers[1] = 100
    with pytest.raises(IndexError, match="none of the number 100"):
        FusedSteps().step(trainer.model, trainer.net.criterion_, batch, targets, True)


def test_fingerprints_of_another_length_are_refused(tmp_path):
    trainer = loaded(tmp_path)
    batch, targets = batch_of(trainer)
    batch.fingerprint = batch.fingerprint[:, 1:]
    with pytest.raises(ValueError, match=r"expected .* features"):
        FusedSteps().step(trainer.model, trainer.net.criterion_, batch, targets, True)


class Operations(TorchDispatchMode):
    """Counts operations of torch that a GPU would be given, those that make views left out."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not func.is_view
        return func(*args, **kwargs or {})


def test_operations_are_as_many_for_many_networks_as_for_few(tmp_path, monkeypatch):
    """Each of them costs the host some time, on a GPU more than its work takes."""
    monkeypatch.setattr(networks, "compiled", lambda _: False)
    counts = []
    for number, frames in enumerate((alloy_frames(4), FRAMES)):
        data = {"derivatives": "on_the_fly", "baseline": "linear"}
        settings = config(frames, tmp_path / str(number), dataset=data)
        trainer = AtomsTrainer(settings)
        trainer.load()
        trainer.net.initialize()
        batch = batch_of(trainer, 4)
        with Operations() as operations:
            trainer.net.train_step_single(batch)
        counts.append((len(trainer.model.perceptrons()), operations.count))
    (two, few), (four, many) = counts
    assert (two, four) == (2, 4)
    assert few == many < 110
