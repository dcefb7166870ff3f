"""The loss of a batch of frames and its gradient in the parameters of the networks, in one pass.

With a penalty c, energies E_f and forces F_i from networks and the pair Jacobian (``networks`` and
``pair_jacobian``), and targets marked *:

    L = sum_f { a_f c((E_f - E*_f) / N_f) + b_f sum_{i in f} sum_xyz c(F_i - F*_i) }

The gradient takes the steps that autograd would take through the operators: with
e = dL/dE_f = a_f c' / N_f and the residuals b_f c'(F_i - F*_i), whose product with the transposed
Jacobian is v = dL/d(dE/dG), it is that of ``networks``. All of it is done frame by frame: a frame's
Jacobian, the largest thing there is, is still in the processor's cache when it is read the second
time, and threads that wait for memory run beside others that compute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

from .. import _native
from . import networks, pair_jacobian


@dataclass
class Terms:
    """A loss of the form above.

    Attributes:
        penalty: "mse", "mae" or "huber", c(x) = x^2, |x|, or x^2/2 up to ``delta`` and
            delta (|x| - delta/2) beyond.
        delta: of "huber".
        energies: a_f, [n_frames].
        divisors: N_f, [n_frames].
        forces: b_f, [n_frames].
    """

    penalty: str
    delta: float
    energies: Tensor
    divisors: Tensor
    forces: Tensor


@dataclass
class Inputs:
    """What the networks see of a batch.

    Attributes:
        fingerprints: [n_atoms, n_features].
        shares: [n_atoms, n_networks].
        natoms: [n_frames], atoms of the frames, which lie one after the other.
        jacobian: of the frames; None: no forces.
        factors: [n_atoms, n_features] that the Jacobian's features are multiplied by.
    """

    fingerprints: Tensor
    shares: Tensor
    natoms: Tensor
    jacobian: pair_jacobian.Frames | None
    factors: Tensor


@dataclass
class Result:
    """What the batch gave.

    Attributes:
        loss: a number, [].
        energies: [n_frames].
        forces: [n_atoms, 3], or [0] without.
        parameters: dL/dparameters as they were given, or none without gradient.
        shares: dL/dshares [n_atoms, n_networks], or [0, 0] where they are constants.
    """

    loss: Tensor
    energies: Tensor
    forces: Tensor
    parameters: Sequence[Tensor]
    shares: Tensor


def batch_loss(
    shape: networks.Shape,
    parameters: Sequence[Tensor],
    inputs: Inputs,
    targets: Sequence[Tensor],
    terms: Terms,
    gradient: bool,
) -> Result:
    """The loss, predictions and, if asked for, the gradient.

    Args:
        shape: of the networks.
        parameters: as ``shape.parameters`` lists them.
        inputs: the batch.
        targets: energies [n_frames] and, with forces, forces [n_atoms, 3].
        terms: the loss.
        gradient: give it.
    """
    found = [each.shape for each in parameters]
    if found != shape.parameters:
        raise ValueError(
            f"parameters: expected shapes {shape.parameters}, got {[tuple(each) for each in found]}"
        )
    x, with_forces = inputs.fingerprints, inputs.jacobian is not None
    n_atoms, n_frames = x.shape[0], inputs.natoms.shape[0]
    with torch.no_grad():
        flat = _flatten_dense_tensors(parameters)
    energies, changes = x.new_empty(n_frames), x.new_zeros(flat.shape[0] if gradient else 0)
    forces = x.new_zeros((n_atoms if with_forces else 0, 3))
    trained = gradient and not shape.one_network
    shares = x.new_empty((n_atoms, shape.n_networks) if trained else (0, 0))
    arrays = (
        *_of_networks(shape, flat, inputs),
        *_of_forces(inputs),
        targets[0].contiguous(),
        targets[1].contiguous() if with_forces else forces,
        *(terms.energies, terms.divisors, terms.forces),
        *(energies, forces, shares, changes),
    )
    loss = _native.batch_loss(
        shape.activation.name,
        shape.one_network,
        terms.penalty,
        terms.delta,
        # Arrays of numpy: kernels take them in a fraction of the time of tensors.
        *(each.numpy() for each in arrays),
        torch.get_num_threads(),
    )
    return Result(
        x.new_tensor(loss),
        energies,
        forces if with_forces else forces.flatten(),
        _unflatten_dense_tensors(changes, parameters) if gradient else [],
        shares,
    )


def _of_networks(shape: networks.Shape, flat: Tensor, inputs: Inputs) -> tuple[Tensor, ...]:
    return (
        inputs.fingerprints.new_tensor(shape.activation.constants),
        flat,
        shape.sizes,
        inputs.fingerprints.contiguous(),
        inputs.shares.contiguous(),
        torch.cat([inputs.natoms.new_zeros(1), inputs.natoms.cumsum(0)]),
    )


def _of_forces(inputs: Inputs) -> tuple[Tensor, ...]:
    frames, factors = inputs.jacobian, inputs.factors.contiguous()
    if frames is None:
        return inputs.natoms.new_zeros((0, 6)), inputs.natoms.new_zeros((0, 0, 0)), factors
    return frames.addresses, frames.touch, factors
