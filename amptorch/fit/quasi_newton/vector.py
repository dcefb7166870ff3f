"""The parameters of an expansion as one vector: constants, coefficients, radial coefficients."""

from __future__ import annotations

import torch
from torch import Tensor

from ...potentials.ace.model import Ace

ORDER = ("constants", "coefficients", "radial")


def vector_of(model: Ace) -> Tensor:
    """[n], float64, on the CPU."""
    parts = [getattr(model, name).detach().flatten() for name in ORDER]
    return torch.cat(parts).double().cpu()


def gradient_of(model: Ace) -> Tensor:
    """That in the vector, from ``grad`` of the parameters."""
    found = []
    for name in ORDER:
        value = getattr(model, name)
        found.append((torch.zeros_like(value) if value.grad is None else value.grad).flatten())
    return torch.cat(found).double().cpu()


def set_vector(model: Ace, values: Tensor) -> None:
    """Give the model the parameters of a vector."""
    with torch.no_grad():
        for name, places in indices(model).items():
            getattr(model, name).copy_(values[places])


def indices(model: Ace) -> dict[str, Tensor]:
    """Where each number of each parameter stands, in the parameter's shape."""
    found, first = {}, 0
    for name in ORDER:
        value = getattr(model, name)
        found[name] = first + torch.arange(value.numel()).view(value.shape)
        first += value.numel()
    return found


def elements_of_functions(model: Ace) -> Tensor:
    """[functions], the place of the element of each."""
    counts = torch.tensor([len(each) for each in model.expansion.functions])
    return torch.arange(len(counts)).repeat_interleave(counts)


def used_radial(model: Ace) -> Tensor:
    """Which of the radial coefficients [pairs, n, l, k] functions have."""
    used = torch.zeros(model.radial.shape, dtype=torch.bool)
    for element, functions in enumerate(model.expansion.functions):
        for each in functions:
            if len(each.ns) > 1:
                for mu, n, ell in zip(each.mus, each.ns, each.ls, strict=True):
                    used[model.pairs[element, mu], n - 1, ell] = True
    return used
