"""Energy to forces to a loss to weights, by autograd through the operations of a backend."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from amptorch.kernels.environment import Environment


def gradients(backend: Any, environment: Environment, parameters: Any) -> tuple[Tensor, ...]:
    """Gradients of a loss over forces in weights and vectors. The energy is no linear function of
    the features, so that dE/dG changes with the vectors too."""
    generator = torch.Generator().manual_seed(6)
    shape = environment.n_atoms, parameters.n_features
    weights = torch.rand(shape, generator=generator, dtype=torch.float64)
    weights = weights.to(environment.vectors.device).requires_grad_()
    vectors = environment.vectors.clone().requires_grad_()
    features = backend.forward(environment.with_vectors(vectors), parameters)
    energy = (weights * features**2).sum()
    (pulled,) = torch.autograd.grad(energy, vectors, create_graph=True)
    return torch.autograd.grad((pulled**2).sum(), (weights, vectors))


def assert_close(actual: tuple[Tensor, ...], wanted: tuple[Tensor, ...]) -> None:
    """Equal to 1e-10 of the largest value."""
    for one, other in zip(actual, wanted, strict=True):
        scale = float(other.abs().max())
        assert scale > 0
        torch.testing.assert_close(one.cpu(), other, rtol=0, atol=1e-10 * scale)
