"""Jacobians of energies and forces to the weights against autograd, one observation at a time."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from amptorch import AtomsTrainer
from amptorch.data.frame import collate
from amptorch.fit.optimizers import jacobian
from amptorch.preprocessing import AtomsToData

from ...made_potentials import alloy_frames, config, cuco_frames

FRAMES = alloy_frames(2) + cuco_frames(2)
TOLERANCE = {torch.float64: 1e-10, torch.float32: 2e-4}
MODELS = {
    "bpnn": {},
    "singlenn": {"name": "singlenn"},
    "sigmoid": {"activation": nn.Sigmoid},
    "linear": {"num_layers": 0},
}


@pytest.fixture(params=MODELS)
def trainer(request, tmp_path):
    model = MODELS[request.param]
    sections = {"model": model, "dataset": {"baseline": "linear"}, "cmd": {"debug": True}}
    made = AtomsTrainer(config(FRAMES, tmp_path, **sections))
    made.load()
    return made


def of(trainer, dtype, derivatives="cached"):
    converter = AtomsToData(trainer.descriptor, derivatives=derivatives)
    data = converter.convert_all(FRAMES, disable_tqdm=True)
    trainer.feature_scaler.norm(data, disable_tqdm=True)
    return trainer.model.to(dtype), collate(data).to(dtype)


def by_autograd(value, network):
    parts = torch.autograd.grad(
        value, list(network.parameters()), retain_graph=True, materialize_grads=True
    )
    return torch.cat([part.flatten() for part in parts])


def assert_close(found, expected, dtype):
    torch.testing.assert_close(
        found, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * float(expected.abs().max())
    )


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_energies(trainer, dtype):
    model, batch = of(trainer, dtype)
    energies, _ = model(batch)
    for network, block in zip(model.perceptrons(), jacobian.of_energies(model, batch), strict=True):
        expected = torch.stack([by_autograd(energy, network) for energy in energies])
        assert_close(block, expected, dtype)


@pytest.mark.parametrize("derivatives", ["cached", "on_the_fly"])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("chunk", [1, 4_000_000])
def test_forces(trainer, dtype, derivatives, chunk, monkeypatch):
    monkeypatch.setattr(jacobian, "_CHUNK", chunk)
    model, batch = of(trainer, dtype, derivatives)
    _, forces = model(batch)
    components = torch.tensor([[0, 14, 30, 38], [5, 20, 25, 33], [11, 12, 24, 41]])
    blocks = jacobian.of_forces(model, batch, components)
    for network, block in zip(model.perceptrons(), blocks, strict=True):
        chosen = forces.flatten()[components.flatten()]
        expected = torch.stack([by_autograd(force, network) for force in chosen])
        assert_close(block, expected, dtype)


@pytest.mark.parametrize("trainer", ["bpnn"], indirect=True)
def test_networks_that_are_mixed(trainer):
    """A mask that training has changed gives every atom a share of every network."""
    torch.manual_seed(0)
    with torch.no_grad():
        trainer.model.element_mask.mask.weight.normal_()
    test_energies(trainer, torch.float64)


def test_weights_go_in_and_out(trainer):
    model = trainer.model
    weights = jacobian.weights_of(model)
    jacobian.move(model, torch.ones_like(weights))
    torch.testing.assert_close(jacobian.weights_of(model), weights + 1.0)
