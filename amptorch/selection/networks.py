"""Small networks for each element on features of atoms, many seeds at once.

With features g, layers z1 = W1 g + b1, z2 = W2 tanh(z1) + b2 and, where there is one, a linear skip
connection theta, an atom's energy is

    e(g) = w3 tanh(z2) + b3 + theta g,   de/dg = W1' z1' + theta,
    z2' = w3 (1 - tanh(z2)^2),  z1' = W2' z2' (1 - tanh(z1)^2)

All weights have a first axis of networks, whose losses are independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .samples import Samples

Weights = dict[str, Tensor]
BATCHES = 8  # of an epoch, at most
FEW = 20  # functions, up to which the first layer learns as fast as the others


@dataclass(frozen=True)
class Errors:
    """Root mean squares of networks, a number a network.

    Attributes:
        energy: eV/atom.
        force: eV/Å; zero without forces.
        loss: what is made small, without unit.
    """

    energy: list[float]
    force: list[float]
    loss: list[float]

    @property
    def score(self) -> list[float]:
        """Geometric means of errors of energies (meV/atom) and of forces (meV/Å); the former alone
        without forces."""
        pairs = zip(self.energy, self.force, strict=True)
        return [1000 * (math.sqrt(e * f) if any(self.force) else e) for e, f in pairs]


def made(
    n_functions: int,
    n_species: int,
    hidden: int,
    seeds: Sequence[int],
    skip: bool = False,
    dtype: torch.dtype = torch.float32,
) -> Weights:
    """First weights, normal and as wide as keeps values of order 1; a network a seed."""
    shapes = {
        "w1": (n_species, n_functions, hidden),
        "b1": (n_species, 1, hidden),
        "w2": (n_species, hidden, hidden),
        "b2": (n_species, 1, hidden),
        "w3": (n_species, hidden, 1),
        "b3": (n_species, 1, 1),
    }
    if skip:
        shapes["theta"] = (n_species, n_functions, 1)
    wide = {"w1": n_functions**-0.5, "w2": hidden**-0.5, "w3": hidden**-0.5}
    parts = []
    for seed in seeds:
        drawn = torch.Generator().manual_seed(seed)
        parts.append(
            {
                name: wide.get(name, 0.0) * torch.randn(shape, generator=drawn, dtype=torch.float64)
                for name, shape in shapes.items()
            }
        )
    return {name: torch.stack([each[name] for each in parts]).to(dtype) for name in shapes}


def of_functions(weights: Weights, kept: Tensor) -> Weights:
    """Networks on some of the functions, by their places."""
    cut = {"w1", "theta"}
    return {name: each[:, :, kept] if name in cut else each for name, each in weights.items()}


def predict(weights: Weights, samples: Samples) -> tuple[Tensor, Tensor]:
    """Energies [n_networks, n_frames] and forces [n_networks, n_moved, 3] in units of the samples'
    ``scale``; differentiable in the weights.

    Args:
        weights: of :func:`made`; with "mask" [n_networks, n_functions], functions that are seen.
        samples: scaled.
    """
    w1, mask, theta = weights["w1"], weights.get("mask"), weights.get("theta")
    if mask is not None:
        w1 = w1 * mask[:, None, :, None]
    n_networks, n_species = w1.shape[:2]
    energies = w1.new_zeros(n_networks, samples.n_frames)
    forces = w1.new_zeros(n_networks, len(samples.forces), 3)
    for z in range(n_species):
        atoms = slice(None) if n_species == 1 else samples.species == z
        features, frames = samples.features[atoms], samples.frames[atoms]
        first = torch.tanh(features @ w1[:, z] + weights["b1"][:, z])
        second = torch.tanh(first @ weights["w2"][:, z] + weights["b2"][:, z])
        own = second @ weights["w3"][:, z] + weights["b3"][:, z]
        if theta is not None:
            own = own + features @ theta[:, z]
        energies = energies.index_add(1, frames, own[..., 0])
        if samples.with_forces:
            back = weights["w3"][:, z].transpose(1, 2) * (1 - second**2)
            back = (back @ weights["w2"][:, z].transpose(1, 2)) * (1 - first**2)
            forces = _pushed(forces, samples, z if n_species > 1 else None, back, w1[:, z])
            if theta is not None:
                forces = _skipped(forces, samples, z if n_species > 1 else None, theta[:, z])
    return energies, forces


def _rows(samples: Samples, z: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """Atom, moved atom and slopes of the rows of an element's atoms."""
    if z is None:
        return samples.rows, samples.moved, samples.slopes
    own = samples.species[samples.rows] == z
    return samples.rows[own], samples.moved[own], samples.slopes[own]


def _pushed(forces: Tensor, samples: Samples, z: int | None, back: Tensor, w1: Tensor) -> Tensor:
    rows, moved, slopes = _rows(samples, z)
    if z is not None:
        rows = ((samples.species == z).cumsum(0) - 1)[rows]
    gradient = back[:, rows] @ w1.transpose(1, 2)  # [n_networks, n_rows, n_functions]
    pushes = torch.bmm(gradient.transpose(0, 1), slopes).transpose(0, 1)
    return forces.index_add(1, moved, -pushes)


def _skipped(forces: Tensor, samples: Samples, z: int | None, theta: Tensor) -> Tensor:
    _, moved, slopes = _rows(samples, z)
    pushes = torch.einsum("rfx,nf->nrx", slopes, theta[..., 0])
    return forces.index_add(1, moved, -pushes)


def losses(weights: Weights, samples: Samples) -> Tensor:
    """[n_networks]: mean squares of errors of energies per atom, times the samples' ``weight``,
    and of forces."""
    energies, forces = predict(weights, samples)
    found = samples.weight * ((energies - samples.energies) / samples.sizes).square().mean(1)
    if samples.with_forces:
        found = found + (forces - samples.forces).square().mean((1, 2))
    return found


@torch.no_grad()
def errors(weights: Weights, samples: Samples) -> Errors:
    """Of all frames of samples."""
    energies, forces = predict(weights, samples)
    of_energy = ((energies - samples.energies) / samples.sizes).square().mean(1)
    of_force = energies.new_zeros(len(energies))
    if samples.with_forces:
        of_force = (forces - samples.forces).square().mean((1, 2))
    return Errors(
        (samples.scale * of_energy.sqrt()).tolist(),
        (samples.scale * of_force.sqrt()).tolist(),
        (samples.weight * of_energy + of_force).tolist(),
    )


def trained(
    weights: Weights, samples: Samples, epochs: int, seed: int = 0, rate: float = 0.01
) -> Weights:
    """Weights after Adam (D. P. Kingma and J. Ba, ICLR 2015), whose learning rate falls from
    ``rate`` to 0 along half a cosine. An epoch goes through batches of frames in a new order, the
    same for all networks; a "mask" stays as it is.

    Adam moves each weight by the rate, whatever its gradient's length, and functions of a pool are
    much alike: on n of them a first layer's sums move n times as far together. Weights on functions
    have ``FEW`` / n of the rate therefore."""
    free = {n: each.detach().clone() for n, each in weights.items() if n != "mask"}
    fixed = {n: each for n, each in weights.items() if n == "mask"}
    for each in free.values():
        each.requires_grad_()
    batches = _batches(samples, seed)
    steps = max(epochs * len(batches), 1)
    shared = min(1.0, FEW / samples.n_functions)
    rates = {"w1": shared * rate, "theta": shared * rate}
    optimizer = torch.optim.Adam(
        [{"params": [each], "lr": rates.get(name, rate)} for name, each in free.items()]
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    order = np.random.default_rng(seed)
    for _ in range(epochs):
        for place in order.permutation(len(batches)):
            optimizer.zero_grad()
            losses({**free, **fixed}, batches[place]).sum().backward()
            optimizer.step()
            schedule.step()
    return {**{name: each.detach() for name, each in free.items()}, **fixed}


def _batches(samples: Samples, seed: int) -> list[Samples]:
    order = torch.randperm(samples.n_frames, generator=torch.Generator().manual_seed(seed))
    return [samples.of_frames(each) for each in order.chunk(BATCHES)]
