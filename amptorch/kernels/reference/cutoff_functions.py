"""The cutoff functions of :mod:`amptorch.kernels.symmetry_functions` in plain torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ..symmetry_functions import SymmetryFunctions


def cutoff_function(r: Tensor, cutoff: Tensor, functions: SymmetryFunctions) -> Tensor:
    """fc of distances; zero from ``r = cutoff`` on."""
    if functions.gamma:
        inside = _polynomial(r / cutoff, functions.gamma)
    else:
        inner = cutoff * _alpha(functions)
        x = ((r - inner) / (cutoff - inner)).clamp(min=0.0)
        inside = _by_type(x, functions.cutoff_type)
    return torch.where(r < cutoff, inside, torch.zeros_like(inside))


def _alpha(functions: SymmetryFunctions) -> float:
    return 0.0 if functions.cutoff_type in (0, 2, 3) else functions.alpha


def _polynomial(x: Tensor, gamma: float) -> Tensor:
    return 1 + gamma * x ** (gamma + 1) - (gamma + 1) * x**gamma


def _by_type(x: Tensor, number: int) -> Tensor:
    if number == 0:
        return torch.ones_like(x)
    if number == 1:
        return (1 + torch.cos(math.pi * x)) / 2
    if number in (2, 3):
        return torch.tanh(1 - x) ** 3 / (math.tanh(1.0) ** 3 if number == 3 else 1.0)
    if number == 4:
        return _bump(x)
    return _smooth_step(x, number - 4)


def _bump(x: Tensor) -> Tensor:
    """exp(1 - 1 / (1 - x^2)), and zero where no number is small enough."""
    rest = 1 - x**2
    safe = rest > 1e-3
    inside = torch.exp(1 - 1 / torch.where(safe, rest, torch.ones_like(rest)))
    return torch.where(safe, inside, torch.zeros_like(inside))


def _smooth_step(x: Tensor, n: int) -> Tensor:
    terms = [math.comb(n + k, k) * x**k for k in range(n + 1)]
    return (1 - x) ** (n + 1) * torch.stack(terms).sum(0)
