"""Fits that the tests of optimizers share, and their losses written out plainly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from amptorch import AtomsTrainer
from amptorch.data.frame import collate

from ...made_potentials import GAUSSIAN, config, cuco_frames

FRAMES = cuco_frames(6)
ALPHA = 0.5
LINEAR: dict[str, Any] = {"name": "singlenn", "num_layers": 0}
# For the linear model: with angular functions of three atoms, columns are dependent up to 1e-12, and
# what is the least loss is a matter of rounding. The least singular value here is 1e-2 of the largest.
RADIAL = {"default": {"G2": {"etas": [0.05, 4.0], "rs_s": [0.0]}, "cutoff": 5.5}}
TANH: dict[str, Any] = {"name": "singlenn", "num_layers": 1, "num_nodes": 3}


def sections(
    optimizer: Any, model: dict[str, Any], arguments: dict[str, Any], **optim: Any
) -> dict[str, Any]:
    """Sections of a configuration that optimizes all frames at once."""
    return {
        "model": model,
        "optim": {
            "optimizer": optimizer,
            "optimizer_args": arguments,
            "lr": 1.0,
            "force_coefficient": ALPHA,
            **optim,
        },
        "dataset": {
            "target_scaling": "forces",
            "fp_params": RADIAL if model is LINEAR else GAUSSIAN,
        },
        "cmd": {"debug": True},
    }


def loaded(run_dir: Path, optimizer: Any, model: dict[str, Any], **options: Any) -> AtomsTrainer:
    """A trainer before its first epoch, with the weights it starts from."""
    optim = options.pop("optim", {})
    given = sections(optimizer, model, options, **optim)
    trainer = AtomsTrainer(config(FRAMES, run_dir, **given))
    trainer.load()
    return trainer


@dataclass
class LinearProblem:
    """Least squares |A w - b|^2 of a linear model; half of it is the trainer's loss.

    Attributes:
        energies, forces: rows of the two, unscaled, with their targets as last column.
    """

    energies: NDArray[np.float64]
    forces: NDArray[np.float64]

    @classmethod
    def of(cls, trainer: AtomsTrainer) -> LinearProblem:
        """E = sum_i (w . G_i + b), F = -(primes)^T w, from the data set alone."""
        energies, forces = [], []
        for data in trainer.train_dataset:
            g = data.fingerprint.numpy()
            energies.append([*g.sum(0), len(g), float(data.energy)])
            primes = data.fprimes.to_dense().numpy().reshape(len(g), g.shape[1], -1)
            rows = -primes.sum(0).T
            target = data.forces.numpy().reshape(-1, 1)
            forces.append(np.hstack([rows, np.zeros_like(target), target]))
        return cls(np.array(energies), np.vstack(forces))

    def rows(self, energy_scale: Any, force_scale: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """A and b with rows multiplied by scales."""
        scaled = np.vstack([self.energies * energy_scale, self.forces * force_scale])
        return scaled[:, :-1], scaled[:, -1]

    def rows_of_loss(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """A and b of the trainer's loss."""
        return self.rows(len(self.energies) ** -0.5, (ALPHA / len(self.forces)) ** 0.5)

    def least_loss(self) -> float:
        """The least loss there is."""
        a, b = self.rows_of_loss()
        return 0.5 * float(np.linalg.lstsq(a, b, rcond=None)[1][0])


def start_of(trainer: AtomsTrainer) -> NDArray[np.float64]:
    """The weights in one vector."""
    return torch.cat([p.detach().flatten() for p in trainer.model.parameters()]).numpy()


def plain_loss(trainer: AtomsTrainer) -> Any:
    """Loss and gradient of a network of one hidden layer of 3, with dense primes and no kernels."""
    batch = collate(list(trainer.train_dataset))
    g, owner = batch.fingerprint, batch.batch
    primes = batch.fprimes.to_dense()
    n = g.shape[1]

    def value(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w = torch.from_numpy(weights).clone().requires_grad_()
        first, bias, last, end = w.split([3 * n, 3, 3, 1])
        hidden = torch.tanh(g @ first.view(3, n).T + bias)
        atomic = hidden @ last + end
        slope = ((1 - hidden**2) * last) @ first.view(3, n)
        forces = -(primes.T @ slope.flatten()).view(-1, 3)
        energies = torch.stack([atomic[owner == f].sum() for f in range(batch.num_graphs)])
        loss = ((energies - batch.energy) ** 2).mean()
        loss = 0.5 * (loss + ALPHA * ((forces - batch.forces) ** 2).mean())
        (gradient,) = torch.autograd.grad(loss, w)
        return float(loss.detach()), gradient.numpy()

    return value
