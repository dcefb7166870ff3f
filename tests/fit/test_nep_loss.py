"""NEP's loss by gradients: the numbers of the loss of evolution, its gradient, its settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from amptorch import AtomsTrainer
from amptorch.data.frame import collate
from amptorch.fit.evolution.fit import data_of
from amptorch.fit.evolution.losses import Regularizer, Weights
from amptorch.potentials.nep.model import Nep
from amptorch.potentials.nep.population import owners, without_constant

from ..nep import alloys

WEIGHTS: dict[str, Any] = {
    "plain": {},
    "all": {
        "lambda_e": 1.3,
        "lambda_shear": 2.0,
        "lambda_1": 0.05,
        "lambda_2": 0.07,
        "force_delta": 0.4,
        "type_weight": {"Ag": 1.7, "Cu": 0.6},
    },
}


def configuration(folder: str, **optim: Any) -> dict[str, Any]:
    images = alloys(5)
    images[1].info["w"] = 0.5
    for image in images:
        image.info.setdefault("w", 1.0)
        image.get_stress()
    return {
        "model": {"name": "nep", "n_max": [2, 2], "neurons": [5]},
        "optim": {
            "loss": "nep",
            "force_coefficient": 0.8,
            "stress_coefficient": 0.2,
            "batch_size": 8,
            "epochs": 2,
            "optimizer": "adam",
            "lr": 1e-3,
            **optim,
        },
        "dataset": {
            "raw_data": images,
            "weight_key": "w",
            "fp_scheme": "nep",
            "fp_params": {"cutoff": [5.0, 4.0], "basis_size": [3, 3], "l_max": 3},
            "target_scaling": "forces",
            "baseline": "linear",
        },
        "cmd": {"seed": 1, "dtype": "float64", "verbose": False, "run_dir": folder},
    }


class Case:
    """A model that begins to train, all frames in a batch, and the loss in the words of evolution.

    Its constant is that for which the mean of errors of energies is 0.
    """

    def __init__(self, folder: str, given: dict[str, Any], weighted: bool) -> None:
        config = configuration(folder, loss_args=given)
        config["dataset"]["weight_key"] = "w" if weighted else None
        self.trainer = AtomsTrainer(config)
        self.trainer.load()
        frames = self.trainer.train_dataset
        images = [frames[k] for k in range(len(frames))]
        self.model: Nep = self.trainer.model
        self.model.begin(images)
        self.batch = collate(images)
        shape, unit = self.model.shape, float(frames.target_scaler.target_std)
        usual = {"lambda_e": 1.0, "lambda_shear": 1.0, "lambda_1": 0.0, "lambda_2": 0.0}
        e, shear, l1, l2 = (given.get(name, value) for name, value in usual.items())
        types = tuple(given.get("type_weight", {}).get(each, 1.0) for each in shape.elements)
        self.weights = Weights(e, 0.8, 0.2, shear, l1, l2, given.get("force_delta", 0.0), types)
        of_kernel = (self.model, self.trainer.descriptor, self.weights, unit, torch.float64)
        data = data_of(images, *of_kernel)
        weights = self.batch.weight.numpy() if weighted else np.ones(len(images))
        self.data = replace(data, references=replace(data.references, weights=weights))
        counted = without_constant(shape)
        self.regularizer = Regularizer(owners(shape), counted, shape.n_elements, l1, l2)
        shift = float(self.errors(self.parameters).shift[0]) / unit
        self.model.set_vector(torch.from_numpy(self.parameters + shift * ~counted))

    @property
    def parameters(self) -> np.ndarray:
        return self.model.vector().numpy()

    def errors(self, parameters: np.ndarray) -> Any:
        return self.data.errors(parameters[None], self.weights.shear)

    def of_evolution(self, parameters: np.ndarray) -> float:
        factors = [self.weights.energy, self.weights.force, self.weights.virial]
        l1, l2 = (each[-1, 0] for each in self.regularizer(parameters[None]))
        return float(factors @ self.errors(parameters).rms()[:, 0] + l1 + l2)

    def by_gradients(self) -> torch.Tensor:
        """The criterion that the net has, as the net takes it."""
        net = self.trainer.net
        net.initialize()
        target = (self.batch.energy, self.batch.forces)
        return net.get_loss(self.model(self.batch), target, X=self.batch)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", WEIGHTS)
def test_it_is_the_loss_of_evolution(name: str, weighted: bool, tmp_path: Path) -> None:
    case = Case(str(tmp_path), WEIGHTS[name], weighted)
    loss = case.by_gradients()
    start = case.parameters
    assert loss.item() == pytest.approx(case.of_evolution(start), rel=1e-12)
    if weighted:  # the mean that evolution takes off, and moves with, knows no weights of frames
        return
    gradients = torch.autograd.grad(loss, list(case.model.in_order()))
    slope = torch.cat([each.flatten() for each in gradients]).numpy()
    way = np.random.default_rng(0).normal(size=len(start)) * 1e-5
    ahead, behind = (case.of_evolution(start + sign * way) for sign in (1, -1))
    assert float(slope @ way) == pytest.approx((ahead - behind) / 2, rel=1e-5)


def test_it_falls(tmp_path: Path) -> None:
    config = configuration(str(tmp_path), epochs=60, lr=0.02, loss_args={"lambda_1": 0.01})
    trainer = AtomsTrainer(config)
    trainer.train()
    losses = [row["train_loss"] for row in trainer.history]
    assert min(losses) < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("optim", "message"),
    [
        ({"loss_args": {"lambda_e": -1}}, "loss_args: expected lambda_e to be a number >= 0"),
        ({"loss_args": {"type_weight": {"Xq": 1}}}, "loss_args: expected type_weight .*'Xq'"),
        ({"loss_args": {"lamda_e": 1}}, "NepLoss takes no argument 'lamda_e'"),
        ({"loss": "mse", "loss_args": {"lambda_e": 1}}, "CustomLoss takes no argument"),
        ({"optimizer": "kalman"}, "needs loss 'mse' of CustomLoss"),
    ],
)
def test_errors_name_the_setting(optim: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        AtomsTrainer(configuration(str(tmp_path), **optim)).load()
