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

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

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
        fingerprints: of each frame [its atoms, n_features].
        shares: [n_numbers, n_networks], those of an atom by its number.
        numbers: [n_atoms].
        natoms: [n_frames], atoms of the frames, which lie one after the other.
        jacobian: of the frames; None: no forces.
        factors: of each frame [its atoms, n_features], that the Jacobian's features are multiplied
            by.
    """

    fingerprints: Sequence[Tensor]
    shares: Tensor
    numbers: Tensor
    natoms: Tensor
    jacobian: pair_jacobian.Frames | None
    factors: Sequence[Tensor]


@dataclass
class Result:
    """What the batch gave.

    Attributes:
        loss: a number, [].
        energies: [n_frames].
        forces: [n_atoms, 3], or [0] without.
        parameters: dL/dparameters as they were given, or none without gradient.
        shares: dL/dshares [n_numbers, n_networks]; None without, and where they are constants.
    """

    loss: Tensor
    energies: Tensor
    forces: Tensor
    parameters: Sequence[Tensor]
    shares: Tensor | None


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
    x, with_forces = inputs.fingerprints[0], inputs.jacobian is not None
    if x.shape[1] != shape.widths[0]:
        raise ValueError(f"fingerprints: expected {shape.widths[0]} features, got {x.shape[1]}")
    # Torch's operations begin slowly after the kernel has filled the caches: no more than needed.
    loss, energies = x.new_empty(()), x.new_empty(inputs.natoms.shape[0])
    forces = x.new_empty((inputs.numbers.shape[0] if with_forces else 0, 3))
    lists = parameters, inputs.fingerprints, inputs.factors
    parameters, fingerprints, factors = ([each.contiguous() for each in some] for some in lists)
    shares = inputs.shares.detach().contiguous()
    trained = parameters if shape.one_network else [*parameters, shares]
    gradients = [torch.empty_like(each) for each in trained] if gradient else []
    _native.batch_loss(
        shape.activation.name,
        shape.one_network,
        terms.penalty,
        terms.delta,
        networks.constants(shape.activation, x.dtype).numpy(),
        _addresses(parameters, x.dtype),
        # Arrays of numpy: kernels take them in a fraction of the time of tensors.
        shape.sizes.numpy(),
        _addresses(fingerprints, x.dtype),
        *(each.numpy() for each in (shares, *_of_atoms(inputs))),
        _addresses(factors, x.dtype),
        targets[0].contiguous().numpy(),
        (targets[1].contiguous() if with_forces else forces).numpy(),
        *(each.numpy() for each in (terms.energies, terms.divisors, terms.forces)),
        *(each.numpy() for each in (energies, forces)),
        _addresses([loss, *gradients], x.dtype),
        torch.get_num_threads(),
    )
    return Result(
        loss,
        energies,
        forces if with_forces else forces.flatten(),
        gradients[: len(parameters)],
        gradients[-1] if len(gradients) > len(parameters) else None,
    )


def _of_atoms(inputs: Inputs) -> tuple[Tensor, ...]:
    frames, natoms = inputs.jacobian, inputs.natoms
    if frames is None:
        jacobian = natoms.new_zeros((0, 6)), natoms.new_zeros((0, 0, 0))
    else:
        jacobian = frames.addresses, frames.touch
    return inputs.numbers, natoms, *jacobian


def _addresses(tensors: Sequence[Tensor], dtype: torch.dtype) -> npt.NDArray[np.int64]:
    """Where tensors lie, which are contiguous."""
    if not all(each.dtype == dtype and each.is_cpu for each in tensors):
        found = [(each.dtype, each.device) for each in tensors]
        raise ValueError(f"batch loss: expected {dtype} on the CPU, got {found}")
    return np.array([each.data_ptr() for each in tensors], dtype=np.int64)
