"""From the user's end on a GPU: training on forces, a checkpoint, and a calculation, against the CPU.

All of it is skipped where there is no GPU; ``make gpu`` runs it where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from amptorch import AmpTorch, AtomsTrainer

from .made_potentials import SCHEMES, alloy_frames, history, trained

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

LOSSES = {torch.float64: 1e-8, torch.float32: 1e-2}
"""Relative: three epochs whose sums go another way; steps of Adam make more of a gradient near zero."""

PREDICTIONS = {torch.float64: 1e-9, torch.float32: 1e-4}
"""Relative to the largest value: one network, evaluated twice."""

TENSORS = {torch.float64: torch.DoubleTensor, torch.float32: torch.FloatTensor}


def sections(scheme: str, form: str, dtype: torch.dtype, gpus: int) -> dict[str, Any]:
    """What a configuration has besides the frames; batches of 4 and 2 frames."""
    name, parameters, cutoff = SCHEMES[scheme]
    data = {"fp_scheme": name, "fp_params": parameters, "cutoff_params": cutoff}
    return {
        "dataset": {**data, "derivatives": form},
        "optim": {"gpus": gpus, "batch_size": 4},
        "cmd": {"dtype": TENSORS[dtype], "debug": True},
    }


def losses(trainer: AtomsTrainer) -> list[float]:
    return [row["train_loss"] for row in history(trainer)]


@pytest.mark.parametrize("dtype", TENSORS, ids=str)
@pytest.mark.parametrize("form", ["cached", "on_the_fly"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_training_and_calculating(scheme, form, dtype, run_dir):
    frames = alloy_frames()
    on_cpu, on_gpu = (
        trained(frames, run_dir, **sections(scheme, form, dtype, gpus)) for gpus in (0, 1)
    )
    assert next(on_gpu.model.parameters()).device.type == "cuda"
    np.testing.assert_allclose(losses(on_gpu), losses(on_cpu), rtol=LOSSES[dtype])
    on_cpu.model.load_state_dict(on_gpu.model.state_dict())
    assert_same_calculation(on_gpu, on_cpu, dtype)


def assert_same_calculation(one: AtomsTrainer, other: AtomsTrainer, dtype: torch.dtype) -> None:
    """Energy, forces and stress of a frame through ASE."""
    results = []
    for trainer in (one, other):
        atoms = alloy_frames(1)[0]
        atoms.calc = AmpTorch(trainer)
        results.append((atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()))
    for found, wanted in zip(*results, strict=True):
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(found, wanted, rtol=0, atol=PREDICTIONS[dtype] * scale)


def test_a_checkpoint_goes_to_either_device(run_dir):
    options = sections("gaussian_cosine", "on_the_fly", torch.float64, 1)
    options["cmd"] = {"debug": False}
    trainer = trained(alloy_frames(), run_dir, **options)
    for gpu2cpu, device in ((False, "cuda"), (True, "cpu")):
        loaded = AtomsTrainer()
        loaded.load_pretrained(trainer.cp_dir, gpu2cpu=gpu2cpu)
        assert next(loaded.model.parameters()).device.type == device
        assert_same_calculation(loaded, trainer, torch.float64)


@pytest.mark.parametrize("form", ["cached", "on_the_fly"])
def test_an_epoch_does_not_wait_for_its_batches(form, run_dir):
    """The host runs ahead; all that it reads it reads when the epoch ends."""
    options = sections("gaussian_cosine", form, torch.float32, 1)
    options["optim"] |= {"ema": 0.9, "gradient_clip": 1.0}
    trainer = trained(alloy_frames(), run_dir, **options)
    net, images = trainer.net, [trainer.train_dataset[k] for k in range(4)]
    batch = net._there(net.iterator_train__collate_fn(images))

    def batches() -> Iterator[Any]:
        yield batch
        torch.cuda.set_sync_debug_mode("error")
        yield batch
        yield batch
        torch.cuda.set_sync_debug_mode("default")

    net.notify("on_train_begin", X=trainer.train_dataset, y=None)
    net.notify("on_epoch_begin", dataset_train=trainer.train_dataset)
    try:
        net.run_single_epoch(batches(), training=True, prefix="train", step_fn=net.train_step)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(isinstance(loss, float) for loss in net.history[-1, "batches", :, "train_loss"])


@pytest.mark.parametrize("form", ["cached", "on_the_fly"])
def test_frames_on_the_device_and_copies_of_them_train_alike(form, run_dir, capsys):
    options = sections("gaussian_cosine", form, torch.float64, 1)
    options["cmd"]["verbose"] = True
    found = []
    for resident, said in (("auto", "frames lie on cuda"), (False, "frames are copied to cuda")):
        options["optim"]["resident"] = resident
        found.append(losses(trained(alloy_frames(), run_dir, **options)))
        assert said in capsys.readouterr().out
    np.testing.assert_allclose(*found, rtol=LOSSES[torch.float64])
