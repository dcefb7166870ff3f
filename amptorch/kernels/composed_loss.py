"""The loss of a batch and its gradient, composed of networks and of products with the Jacobian.

The formulas are those of ``batch_loss``, which does the same in one pass on the CPU over a stored
Jacobian. Here the Jacobian may be of any form and on any device: forces are its product with
dE/dG, and its transpose gives v = dL/d(dE/dG) from dL/dF. Nothing is recorded by autograd, and
nothing waits for a device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..processes.stages import stage
from . import networks
from .batch_loss import Result, Terms

Product = Callable[[Tensor], tuple[Tensor, Callable[[Tensor], Tensor]]]
"""From dE/dG [n_atoms, n_features] to forces [n_atoms, 3], and the way from dL/dF to
dL/d(dE/dG)."""


@dataclass
class Inputs:
    """What the networks see of a batch.

    Attributes:
        fingerprints: [n_atoms, n_features].
        shares: [n_numbers, n_networks], those of an atom by its number.
        numbers: [n_atoms].
        frames: [n_atoms], the frame of each atom.
        product: with the Jacobian; None: no forces.
    """

    fingerprints: Tensor
    shares: Tensor
    numbers: Tensor
    frames: Tensor
    product: Product | None


@torch.no_grad()
def composed_loss(
    shape: networks.Shape,
    parameters: Sequence[Tensor],
    inputs: Inputs,
    targets: Sequence[Tensor],
    terms: Terms,
    gradient: bool,
) -> Result:
    """The loss, predictions and, if asked for, the gradient: arguments and result are those of
    :func:`amptorch.kernels.batch_loss.batch_loss`, but for the inputs."""
    value, slope = _PENALTIES[terms.penalty]
    x, with_forces = inputs.fingerprints, inputs.product is not None
    with stage("amptorch::forward"):
        shares = inputs.shares.index_select(0, inputs.numbers)
        run = networks.evaluate(shape, x, shares, parameters, with_forces, gradient)
    energies = torch.zeros_like(targets[0]).index_add_(0, inputs.frames, run.energies)
    errors = (energies - targets[0]) / terms.divisors
    loss, forces = (terms.energies * value(errors, terms.delta)).sum(), x.new_empty(0)
    if inputs.product is not None:
        with stage("amptorch::forces"):
            forces, transpose = inputs.product(run.slopes)
        weights = terms.forces.index_select(0, inputs.frames).unsqueeze(1)
        residuals = forces - targets[1]
        loss = loss + (weights * value(residuals, terms.delta)).sum()
    if not gradient:
        return Result(loss, energies, forces, [], None)
    with stage("amptorch::backward"):
        of_frames = terms.energies * slope(errors, terms.delta) / terms.divisors
        of_slopes = transpose(weights * slope(residuals, terms.delta)) if with_forces else None
        changes, of_shares = run.gradient(
            of_frames.index_select(0, inputs.frames), of_slopes, not shape.one_network
        )
        if of_shares is not None:
            zeros = torch.zeros_like(inputs.shares)
            of_shares = zeros.index_add_(0, inputs.numbers, of_shares)
    return Result(loss, energies, forces, changes, of_shares)


def _huber(x: Tensor, delta: float) -> Tensor:
    near = x.clamp(-delta, delta)
    return near * (x - 0.5 * near)


_PENALTIES: dict[str, tuple[Callable[[Tensor, float], Tensor], Callable[[Tensor, float], Tensor]]]
_PENALTIES = {
    "mse": (lambda x, _: x * x, lambda x, _: 2 * x),
    "mae": (lambda x, _: x.abs(), lambda x, _: x.sign()),
    "huber": (_huber, lambda x, delta: x.clamp(-delta, delta)),
}
"""c and c' of ``Terms``."""
