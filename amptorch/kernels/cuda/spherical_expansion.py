"""Spherical expansions on a GPU, in every precision compiled.

Equations and operations as in ``kernels/spherical_expansion.py``, for the radial functions of NEP.
Functions and harmonics of pairs, with their slopes, are made by torch, some hundred numbers a pair;
sums over pairs have a program for each atom and element of neighbours, the transpose one for each
pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..environment import Environment
from ..reference.spherical_expansion import norm, slope_of_legendre
from .operations import OPTIONS, Kernels, Launch
from .spherical_expansion_kernels import add_products, pull_pair
from .tables import power_of_two

if TYPE_CHECKING:
    from ..spherical_expansion import SphericalExpansion


@dataclass
class _Part:
    """Of one part: functions and slopes [n_pairs, K], harmonics [n_pairs, n] and their gradients in
    the unit vector [n_pairs, 3, n], and where its features begin."""

    functions: Tensor
    slopes: Tensor
    harmonics: Tensor
    gradients: Tensor
    offset: int

    @property
    def sizes(self) -> dict[str, Any]:
        n_functions, n_harmonics = self.functions.shape[1], self.harmonics.shape[1]
        return {
            "N_FUNCTIONS": n_functions,
            "N_HARMONICS": n_harmonics,
            "ROWS": power_of_two(n_functions),
            "COLUMNS": power_of_two(n_harmonics),
        }


class _Launch(Launch["SphericalExpansion"]):
    """What belongs to pairs, from which all operations go on."""

    def __init__(self, environment: Environment, expansion: SphericalExpansion) -> None:
        self.environment, self.expansion = environment, expansion
        vectors = environment.vectors.detach()
        self.r = vectors.norm(dim=1)
        self.units = vectors / self.r[:, None]
        n, species = expansion.n_species, environment.neighbor_species
        self.blocks = environment.centers * n + species
        self.n_blocks = environment.n_atoms * n
        counts = torch.bincount(self.blocks, minlength=self.n_blocks)
        self.first = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        self.stride = expansion.n_features // n
        self.parts = self._parts()
        self.options = {"STRIDE": self.stride, "num_warps": 4, **OPTIONS}

    @staticmethod
    def takes(expansion: SphericalExpansion) -> bool:
        return not bool(expansion.kinds.any()) and not expansion.has_inner

    def _parts(self) -> list[_Part]:
        parts, offset = [], 0
        environment = self.environment
        own, species = environment.species[environment.centers], environment.neighbor_species
        for part, (number, lowest, highest) in enumerate(self.expansion.parts.tolist()):
            cutoffs = self.expansion.values[part, ..., 0].to(self.r)[own, species]
            functions, slopes = _functions(self.r, cutoffs, number)
            rows, gradients = _harmonics(self.units, lowest, highest)
            parts.append(
                _Part(
                    functions.contiguous(),
                    slopes.contiguous(),
                    rows.contiguous(),
                    gradients.contiguous(),
                    offset,
                )
            )
            offset += number * rows.shape[1]
        return parts

    def features(self) -> Tensor:
        features = self._empty()
        for part in self.parts:
            self._add(part, part.functions, part.harmonics, features, more=False)
        return features

    def push(self, changes: Tensor) -> Tensor:
        features = self._empty()
        stretch = (changes * self.units).sum(1, keepdim=True)
        turn = (changes - stretch * self.units) / self.r[:, None]
        for part in self.parts:
            self._add(part, part.slopes * stretch, part.harmonics, features, more=False)
            moved = (part.gradients * turn[:, :, None]).sum(1)
            self._add(part, part.functions, moved, features, more=True)
        return features

    def pull(self, gradient: Tensor | None, output: Tensor) -> None:
        assert gradient is not None  # there is no Jacobian
        sums = output.new_zeros(len(output), 4)
        for part in self.parts:
            if len(output):
                pull_pair[(len(output),)](
                    part.functions,
                    part.slopes,
                    part.harmonics,
                    part.gradients,
                    self.blocks,
                    gradient,
                    part.offset,
                    sums,
                    **part.sizes,
                    **self.options,
                )
        along, turn = sums[:, :1], sums[:, 1:]
        across = turn - (turn * self.units).sum(1, keepdim=True) * self.units
        output.copy_(along * self.units + across / self.r[:, None])

    def _empty(self) -> Tensor:
        return self.r.new_empty(self.environment.n_atoms, self.expansion.n_features)

    def _add(
        self, part: _Part, functions: Tensor, rows: Tensor, features: Tensor, more: bool
    ) -> None:
        if self.n_blocks:
            add_products[(self.n_blocks,)](
                functions,
                rows,
                self.first,
                features,
                part.offset,
                MORE=more,
                **part.sizes,
                **self.options,
            )


def _functions(r: Tensor, cutoffs: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """f_k of NEP and their slopes [n_pairs, number]: no autograd within an operator."""
    s = r / cutoffs
    fade = (1 + torch.cos(torch.pi * s)) / 2
    fall = -torch.pi / 2 * torch.sin(torch.pi * s) / cutoffs
    x, dx = 2 * (s - 1) ** 2 - 1, 4 * (s - 1) / cutoffs
    values, slopes = [torch.ones_like(x), x], [torch.zeros_like(x), torch.ones_like(x)]
    while len(values) < number:
        slopes.append(2 * (values[-1] + x * slopes[-1]) - slopes[-2])
        values.append(2 * x * values[-1] - values[-2])
    t, dt = (torch.stack(each[:number], 1) for each in (values, slopes))
    fade, fall, dx = fade[:, None], fall[:, None], dx[:, None]
    near = (r < cutoffs)[:, None]
    found = (t + 1) / 2 * fade, dt * dx / 2 * fade + (t + 1) / 2 * fall
    functions, slope = (torch.where(near, each, 0.0) for each in found)
    return functions, slope


def _harmonics(units: Tensor, lowest: int, highest: int) -> tuple[Tensor, Tensor]:
    """Y_lm [n_pairs, n] and its gradient in free x, y, z [n_pairs, 3, n]."""
    x, y, z = units.unbind(1)
    zero = torch.zeros_like(x)
    turns = [(torch.ones_like(x), zero)]
    for _ in range(highest):
        c, s = turns[-1]
        turns.append((x * c - y * s, x * s + y * c))
    columns = []
    for order in range(lowest, highest + 1):
        for m in range(-order, order + 1):
            size = norm(order, abs(m))
            legendre = size * slope_of_legendre(order, abs(m), z)
            steeper = size * slope_of_legendre(order, abs(m) + 1, z)
            c, s = turns[abs(m)]
            # d(x + iy)^m = m (x + iy)^(m-1) (dx + i dy)
            dc, ds = (abs(m) * each for each in turns[max(abs(m) - 1, 0)])
            own, right, up = (c, dc, -ds) if m >= 0 else (s, ds, dc)
            columns.append(
                torch.stack([legendre * own, legendre * right, legendre * up, steeper * own], 1)
            )
    found = torch.stack(columns, 2)
    return found[:, 0], found[:, 1:]


KERNELS = Kernels(_Launch)
