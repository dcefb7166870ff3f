"""The activations h(z) of networks with their first and second derivatives, in plain torch.

Names and constants are those of ``kernels/networks.py``. Each derivative is written with what is
known by then, the value h and, for the second, the slope h'.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_ROOT_HALF = math.sqrt(0.5)
_NORMAL = 1.0 / math.sqrt(2.0 * math.pi)
# Beyond this normal distributions are 0, and what multiplies them need not overflow.
_FAR = {torch.float64: 40.0, torch.float32: 14.0}

Constants = Sequence[float]


@dataclass(frozen=True)
class Curve:
    """An activation, elementwise on tensors of any shape.

    Attributes:
        value: h(z).
        slope: h'(z) of z and h.
        curvature: h''(z) of z, h and h'.
    """

    value: Callable[[Tensor, Constants], Tensor]
    slope: Callable[[Tensor, Tensor, Constants], Tensor]
    curvature: Callable[[Tensor, Tensor, Tensor, Constants], Tensor]


def _silu_curvature(z: Tensor, h: Tensor, slope: Tensor, _: Constants) -> Tensor:
    s = torch.sigmoid(z)
    return (1 - s) * (2 * s + h * (1 - 2 * s))


def _silu_slope(z: Tensor, h: Tensor, _: Constants) -> Tensor:
    s = torch.sigmoid(z)
    return s + h * (1 - s)


def _softplus_slope(z: Tensor, h: Tensor, constants: Constants) -> Tensor:
    y = constants[0] * z
    return torch.where(y > constants[1], 1.0, torch.sigmoid(y))


def _bell(z: Tensor) -> tuple[Tensor, Tensor]:
    """z, where that counts, and the normal distribution of it."""
    x = z.clamp(-_FAR[z.dtype], _FAR[z.dtype])
    return x, _NORMAL * torch.exp(-0.5 * x * x)


def _gelu_slope(z: Tensor, h: Tensor, _: Constants) -> Tensor:
    x, density = _bell(z)
    return 0.5 * torch.erfc(-_ROOT_HALF * x) + x * density


def _gelu_curvature(z: Tensor, h: Tensor, slope: Tensor, _: Constants) -> Tensor:
    x, density = _bell(z)
    return density * (2 - x * x)


def _logistic_of_gelu(z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, s = 1 / (1 + exp(-u)), u' and u'' of u = sqrt(8 / pi) (x + 0.044715 x^3)."""
    a, b = math.sqrt(8.0 / math.pi), 0.044715
    x = z.clamp(-_FAR[z.dtype], _FAR[z.dtype])
    square = x * x
    s = torch.sigmoid(a * x * (1 + b * square))
    return x, s, a * (1 + 3 * b * square), 6 * a * b * x


def _gelu_tanh_slope(z: Tensor, h: Tensor, _: Constants) -> Tensor:
    x, s, first, _second = _logistic_of_gelu(z)
    return s + x * s * (1 - s) * first


def _gelu_tanh_curvature(z: Tensor, h: Tensor, slope: Tensor, _: Constants) -> Tensor:
    x, s, first, second = _logistic_of_gelu(z)
    return s * (1 - s) * (2 * first + x * second + x * first * first * (1 - 2 * s))


def _gaussian_slope(z: Tensor, h: Tensor, _: Constants) -> Tensor:
    return -z.clamp(-_FAR[z.dtype], _FAR[z.dtype]) * h


def _gaussian_curvature(z: Tensor, h: Tensor, slope: Tensor, _: Constants) -> Tensor:
    x = z.clamp(-_FAR[z.dtype], _FAR[z.dtype])
    return (x * x - 1) * h


CURVES = {
    "tanh": Curve(
        lambda z, _: torch.tanh(z),
        lambda z, h, _: torch.rsub(h * h, 1),
        lambda z, h, slope, _: -2 * h * slope,
    ),
    "softplus": Curve(
        lambda z, c: functional.softplus(z, c[0], c[1]),
        _softplus_slope,
        lambda z, h, slope, c: c[0] * slope * (1 - slope),
    ),
    "sigmoid": Curve(
        lambda z, _: torch.sigmoid(z),
        lambda z, h, _: h * (1 - h),
        lambda z, h, slope, _: slope * (1 - 2 * h),
    ),
    "silu": Curve(lambda z, _: functional.silu(z), _silu_slope, _silu_curvature),
    "gelu": Curve(lambda z, _: functional.gelu(z), _gelu_slope, _gelu_curvature),
    "gelu_tanh": Curve(
        lambda z, _: functional.gelu(z, approximate="tanh"),
        _gelu_tanh_slope,
        _gelu_tanh_curvature,
    ),
    "relu": Curve(
        lambda z, _: torch.relu(z),
        lambda z, h, _: (h > 0).to(h.dtype),
        lambda z, h, slope, _: torch.zeros_like(h),
    ),
    "gaussian": Curve(
        lambda z, _: torch.exp(-0.5 * z * z),
        _gaussian_slope,
        _gaussian_curvature,
    ),
    "cosine": Curve(
        lambda z, _: torch.cos(z),
        lambda z, h, _: -torch.sin(z),
        lambda z, h, slope, _: -h,
    ),
    "reversed_sigmoid": Curve(
        lambda z, _: torch.sigmoid(-z),
        lambda z, h, _: h * (h - 1),
        lambda z, h, slope, _: slope * (2 * h - 1),
    ),
    "exponential": Curve(
        lambda z, _: torch.exp(-z),
        lambda z, h, _: -h,
        lambda z, h, slope, _: h,
    ),
    "square": Curve(
        lambda z, _: z * z,
        lambda z, h, _: 2 * z,
        lambda z, h, slope, _: torch.full_like(z, 2.0),
    ),
    "identity": Curve(
        lambda z, _: z,
        lambda z, h, _: torch.ones_like(z),
        lambda z, h, slope, _: torch.zeros_like(z),
    ),
}
"""By the names that ``kernels/networks.py`` has for them."""
