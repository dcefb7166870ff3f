"""Repulsion of two nuclei through their screened charges.

    E(r) = k / r sum_i c_i exp(-d_i a r)

With c_i, d_i and a of Ziegler, Biersack and Littmark, "The Stopping and Range of Ions in Matter"
(Pergamon, 1985), this is ZBL's potential. It ends as ``pair_style zbl`` of LAMMPS has it, with
t_c = outer - inner and derivatives at the outer cutoff:

    E(r) + C                            r < inner
    E(r) + A t^3 / 3 + B t^4 / 4 + C    inner <= r < outer, t = r - inner
    0                                   beyond

    A = (-3 E' + t_c E'') / t_c^2,  B = (2 E' - t_c E'') / t_c^3,
    C = -E + t_c E' / 2 - t_c^2 E'' / 12

so that energy, force and the slope of the force are 0 at the outer cutoff; or as GPUMD has it,
E(r) times

    1 (r < inner),  (1 + cos(pi (r - inner) / (outer - inner))) / 2,  0 beyond

Å and eV.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

COULOMB = 14.399645
"""e^2 / (4 pi epsilon_0), eV Å, as LAMMPS has it."""
SHARES = (0.02817, 0.28022, 0.50986, 0.18175)
RATES = (0.20162, 0.40290, 0.94229, 3.19980)
"""c_i and d_i of ZBL."""


def strength(one: Tensor, other: Tensor) -> Tensor:
    """k of nuclei with these charges, eV Å."""
    return COULOMB * one * other


def inverse_length(one: Tensor, other: Tensor) -> Tensor:
    """a of nuclei with these charges, 1/Å."""
    return (one**0.23 + other**0.23) / 0.46850


def screened(
    r: Tensor,
    k: Tensor,
    a: Tensor,
    shares: Sequence[float | Tensor] = SHARES,
    rates: Sequence[float | Tensor] = RATES,
) -> tuple[Tensor, Tensor, Tensor]:
    """E(r), its slope and the slope of that, of what broadcasts; eV and Å."""
    sums = [torch.zeros_like(r) for _ in range(3)]
    for share, rate in zip(shares, rates, strict=True):
        part = share * torch.exp(-rate * a * r)
        for order, each in enumerate(sums):
            each += part * (rate * a) ** order
    value, first, second = (k / r * each for each in sums)
    return value, -(value / r + first), 2 * (value / r + first) / r + second


def ended(r: Tensor, k: Tensor, a: Tensor, inner: float, outer: float) -> tuple[Tensor, Tensor]:
    """The ZBL energy that ends between two cutoffs, and its slope; eV and eV/Å."""
    end = torch.full_like(r, outer)
    value, slope, curvature = screened(end, k, a)
    width = outer - inner
    third = (-3 * slope + width * curvature) / width**2
    fourth = (2 * slope - width * curvature) / width**3
    shift = -value + width * slope / 2 - width**2 * curvature / 12
    energy, force, _ = screened(r, k, a)
    t = (r - inner).clamp(min=0.0)
    energy = energy + third * t**3 / 3 + fourth * t**4 / 4 + shift
    within = r < outer
    slope = force + third * t**2 + fourth * t**3
    return torch.where(within, energy, 0.0), torch.where(within, slope, 0.0)


def faded(
    r: Tensor,
    k: Tensor,
    a: Tensor,
    ends: tuple[Tensor, Tensor, Tensor],
    terms: tuple[Sequence[Tensor], Sequence[Tensor]],
) -> tuple[Tensor, Tensor]:
    """The energy that is faded out by a cosine, and its slope; eV and eV/Å.

    Args:
        r, k, a: see :func:`screened`.
        ends: inner and outer cutoff, and from where on there is nothing, the outer one or less; Å.
        terms: c_i and d_i.
    """
    inner, outer, nothing = ends
    value, slope, _ = screened(r, k, a, *terms)
    phase = torch.pi * ((r - inner) / (outer - inner)).clamp(0, 1)
    factor = (1 + torch.cos(phase)) / 2
    change = -torch.pi * torch.sin(phase) / (2 * (outer - inner))
    within = r < nothing
    slope = slope * factor + value * change
    return torch.where(within, value * factor, 0.0), torch.where(within, slope, 0.0)
