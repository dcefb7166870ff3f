"""Activations: torch's, those of n2p2 that torch lacks, and which of them the kernel knows."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ...kernels.networks import Activation


class Gaussian(nn.Module):
    """exp(-x^2 / 2), "g" in n2p2."""

    def forward(self, x: Tensor) -> Tensor:
        """Of any shape, as of the other activations."""
        return torch.exp(-0.5 * x * x)


class Cosine(nn.Module):
    """cos x, "c" in n2p2."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cos(x)


class ReversedSigmoid(nn.Module):
    """1 - 1 / (1 + exp(-x)), "S" in n2p2."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(-x)


class Exponential(nn.Module):
    """exp(-x), "e" in n2p2."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(-x)


class Square(nn.Module):
    """x^2, "h" (harmonic) in n2p2."""

    def forward(self, x: Tensor) -> Tensor:
        return x * x


def _of_torch() -> dict[str, type[nn.Module]]:
    members = vars(nn.modules.activation).items()
    return {k: v for k, v in members if inspect.isclass(v) and issubclass(v, nn.Module)}


ACTIVATIONS: dict[str, type[nn.Module]] = {
    **_of_torch(),
    "Identity": nn.Identity,
    **{each.__name__: each for each in (Gaussian, Cosine, ReversedSigmoid, Exponential, Square)},
}
"""By the names of the classes: those that files may name."""


def _softplus(layer: nn.Module) -> Activation:
    assert isinstance(layer, nn.Softplus)
    return Activation("softplus", (float(layer.beta), float(layer.threshold)))


def _gelu(layer: nn.Module) -> Activation:
    assert isinstance(layer, nn.GELU)
    return Activation("gelu" if layer.approximate == "none" else "gelu_tanh")


OF_KERNEL: dict[type[nn.Module], Activation | Callable[[nn.Module], Activation]] = {
    nn.Tanh: Activation("tanh"),
    nn.Softplus: _softplus,
    nn.Sigmoid: Activation("sigmoid"),
    nn.SiLU: Activation("silu"),
    nn.GELU: _gelu,
    nn.ReLU: Activation("relu"),
    Gaussian: Activation("gaussian"),
    Cosine: Activation("cosine"),
    ReversedSigmoid: Activation("reversed_sigmoid"),
    Exponential: Activation("exponential"),
    Square: Activation("square"),
    nn.Identity: Activation("identity"),
}
"""What the kernel calls an activation, or how that follows from its layer."""


def of_kernel(layer: nn.Module) -> Activation | None:
    """What the kernel calls an activation; None of those that it does not have. A subclass may do
    anything, and is not taken for what it is derived from."""
    found = OF_KERNEL.get(type(layer))
    return found(layer) if callable(found) else found
