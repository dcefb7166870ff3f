"""Derivatives of any reference fingerprint, by autograd.

A reference is a function of an :class:`Environment` that returns ``G`` [n_atoms, n_features],
written in plain torch. What a kernel writes out by hand follows here from autograd alone, so one
file serves all descriptors. The results are themselves differentiable where their inputs
require gradients.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..environment import Environment

Forward = Callable[[Environment], Tensor]


def jacobian(forward: Forward, environment: Environment, touch: Tensor) -> Tensor:
    """``dG_i/dR_ij`` of every pair, only of the features that the neighbour can change.

    A pair belongs to one centre, so the gradient of ``sum_i G_if`` with respect to all vectors
    is column ``f`` of the Jacobian for all pairs at once.

    Args:
        forward: environment to G [n_atoms, n_features].
        environment: of one or many frames.
        touch: [n_species, n_species, n_touched], int64, features by species of centre and
            neighbour, padded with -1.

    Returns:
        [n_pairs, n_touched, 3]; zeros where ``touch`` is -1.
    """
    vectors, fingerprints = _evaluate(forward, environment)
    columns = [_gradient(column, vectors) for column in fingerprints.sum(0).unbind()]
    full = torch.stack(columns, 1) if columns else vectors.new_zeros(len(vectors), 1, 3)
    features = touch.to(vectors.device)[
        environment.species[environment.centers], environment.neighbor_species
    ]
    index = features.clamp(min=0).unsqueeze(-1).expand(-1, -1, 3)
    return full.gather(1, index) * (features >= 0).unsqueeze(-1)


def vjp(forward: Forward, environment: Environment, grad: Tensor) -> Tensor:
    """``dE/dR_ij`` [n_pairs, 3] from ``dE/dG`` [n_atoms, n_features]."""
    differentiable = _differentiable(environment.vectors, grad)
    vectors, fingerprints = _evaluate(forward, environment)
    return _gradient(fingerprints, vectors, grad, differentiable)


def jvp(forward: Forward, environment: Environment, dvectors: Tensor) -> Tensor:
    """``dG`` [n_atoms, n_features] from ``dR_ij`` [n_pairs, 3]: the transpose of :func:`vjp`.

    ``grad -> vjp`` is linear, so its own derivative with respect to ``grad`` is the transpose.
    """
    differentiable = _differentiable(environment.vectors, dvectors)
    vectors, fingerprints = _evaluate(forward, environment)
    grad = torch.zeros_like(fingerprints, requires_grad=True)
    pulled = _gradient(fingerprints, vectors, grad, True)
    return _gradient(pulled, grad, dvectors, differentiable)


def _differentiable(*inputs: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)


def _evaluate(forward: Forward, environment: Environment) -> tuple[Tensor, Tensor]:
    """Vectors that require gradients, and G as a function of them."""
    vectors = environment.vectors
    with torch.enable_grad():
        if not vectors.requires_grad:
            vectors = vectors.detach().requires_grad_()
        return vectors, forward(environment.with_vectors(vectors))


def _gradient(
    output: Tensor, inputs: Tensor, grad: Tensor | None = None, differentiable: bool = False
) -> Tensor:
    """``d<output, grad>/d inputs``, zeros where the output does not depend on the inputs."""
    if not output.requires_grad:
        return torch.zeros_like(inputs)
    with torch.enable_grad():
        (result,) = torch.autograd.grad(
            output,
            inputs,
            grad,
            create_graph=differentiable,
            retain_graph=True,
            materialize_grads=True,
        )
    return result
