"""Gaussian multipoles on a GPU: order norms with solid harmonics, in every precision compiled.

Equations and operations as in ``kernels/gmp.py``. Surface harmonics and single groups of components
are left to the reference, which runs on the GPU as well. All frames of an environment go in one
launch of each kernel; nothing is read back, so the host does not wait.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from math import factorial, pi, prod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..environment import Environment
from .gmp_kernels import pull, push, sum_multipoles
from .operations import OPTIONS, Kernels, Launch
from .tables import TableCache, Tables, power_of_two

if TYPE_CHECKING:
    from ..gmp import GaussianMultipoles

TILE = 128
"""Components times neighbours that a warp holds at a time. A program is one warp, whose sums need
no shared memory, unless there are so many components that 16 neighbours fill more."""


@dataclass(frozen=True)
class Plan(Tables):
    """Tables of integers (int32) and reals (dtype of the vectors), and their sizes.

    Attributes:
        gaussians: [n_species, n_sigmas, n_gaussians, 3]: w at r = 0, -(ln w)'/(2r), lambda.
        columns: [n_sigmas, n_orders], feature of a sigma and an order, -1 where there is none.
        norms: [n_rows], N_m of the rows m = 0, 1, -1, 2, -2, ...
        recurrences: [n_orders, 4, n_rows], see ``load_recurrence``.
        factors: [n_orders], (2l-1)!! l!.
        highest: order.
    """

    gaussians: Tensor
    columns: Tensor
    norms: Tensor
    recurrences: Tensor
    factors: Tensor
    highest: int

    @property
    def sizes(self) -> dict[str, int]:
        """What all kernels are compiled for and with."""
        rows = len(self.norms)
        block = max(TILE // rows, 16)
        return {
            "HIGHEST": self.highest,
            "ORDERS": self.columns.shape[1],
            "ROWS": rows,
            "GAUSSIANS": self.gaussians.shape[2],
            "BITS": max(self.highest - 1, 0).bit_length(),
            "BLOCK": block,
            "num_warps": max(rows * block // TILE, 1),
        }


def build(multipoles: GaussianMultipoles) -> Plan:
    """Tables on the CPU in float64."""
    highest = int(multipoles.orders.max())
    n_orders, n_rows = power_of_two(highest + 1), power_of_two(2 * highest + 1)
    probes, columns = _columns(multipoles, n_orders)
    return Plan(
        gaussians=_gaussians(
            multipoles.densities.double(), torch.tensor(probes, dtype=torch.float64)
        ),
        columns=torch.tensor(columns),
        norms=_reals(_norm((row + 1) // 2) for row in range(n_rows)),
        recurrences=_recurrences(n_orders, n_rows),
        factors=_reals(_factor(order) for order in range(n_orders)),
        highest=highest,
    )


def _columns(
    multipoles: GaussianMultipoles, n_orders: int
) -> tuple[list[tuple[float, float]], list[list[int]]]:
    """Probes (sigma, prefactor) with the features of their orders; a probe stands there again for
    every further feature of the same order."""
    rows: dict[tuple[float, float, int], list[int]] = defaultdict(lambda: [-1] * n_orders)
    seen: dict[tuple[float, float, int], int] = defaultdict(int)
    sigmas, prefactors = multipoles.sigmas.tolist(), multipoles.prefactors.tolist()
    for feature, order in enumerate(multipoles.orders.tolist()):
        sigma, prefactor = sigmas[feature], prefactors[feature]
        copy = seen[sigma, prefactor, order]
        rows[sigma, prefactor, copy][order] = feature
        seen[sigma, prefactor, order] += 1
    return [(sigma, prefactor) for sigma, prefactor, _ in rows], list(rows.values())


def _gaussians(densities: Tensor, probes: Tensor) -> Tensor:
    missing = power_of_two(densities.shape[1]) - densities.shape[1]
    filling = _reals([0.0, 1.0]).expand(len(densities), missing, 2)
    height, beta = torch.cat([densities, filling], 1)[:, None].unbind(-1)
    sigma, prefactor = probes[None, :, None].unbind(-1)
    alpha = 1 / (2 * sigma**2)
    gamma = alpha + beta
    heights = prefactor * height * (pi / gamma) ** 1.5
    return torch.stack([heights, alpha * beta / gamma, beta / gamma], -1)


def _reals(values: Iterable[float]) -> Tensor:
    return torch.tensor(list(values), dtype=torch.float64)


def _norm(m: int) -> float:
    return prod(((2 * k + 1) / (2 * k + 2)) ** 0.5 for k in range(1, m))


def _recurrences(n_orders: int, n_rows: int) -> Tensor:
    order = torch.arange(n_orders, dtype=torch.float64)[:, None]
    m = torch.arange(1, n_rows + 1).div(2, rounding_mode="floor")
    leg, leg_below = (
        each.clamp(min=0).sqrt() for each in (order**2 - m**2, (order - 1) ** 2 - m**2)
    )
    climbs = m < order
    whole = torch.where(climbs, leg, 1.0)
    up, down = (2 * order - 1) / whole, leg_below / whole
    return torch.stack([up * climbs, down * climbs, (m == order).double(), leg], 1)


def _factor(order: int) -> float:
    return float(prod(range(2 * order - 1, 1, -2)) * factorial(order))


plan = TableCache(build)


class _Launch(Launch["GaussianMultipoles"]):
    """G and the multipoles, from which the other operations go on."""

    def __init__(self, environment: Environment, multipoles: GaussianMultipoles) -> None:
        self.environment = environment
        self.vectors = environment.vectors.detach()
        self.plan = plan(multipoles, self.vectors)
        self.sizes: dict[str, Any] = {**self.plan.sizes, **OPTIONS}
        n_atoms, n_sigmas = environment.n_atoms, len(self.plan.columns)
        self.grid = n_atoms, n_sigmas
        self.n_features = multipoles.n_features
        shape = (n_atoms, n_sigmas, self.sizes["ORDERS"], self.sizes["ROWS"])
        self.multipoles = self.vectors.new_empty(shape)
        self.values = self.vectors.new_empty(n_atoms, self.n_features)
        with torch.cuda.device_of(self.vectors):
            sum_multipoles[self.grid](
                self.vectors, environment.first, environment.neighbors, environment.species,
                self.plan.gaussians, self.plan.columns, self.plan.norms, self.plan.recurrences,
                self.plan.factors, self.values, self.multipoles, n_sigmas, self.n_features,
                **self.sizes,
                SQUARE=multipoles.square, EPSILON=torch.finfo(self.vectors.dtype).eps,
            )  # fmt: skip

    @staticmethod
    def takes(multipoles: GaussianMultipoles) -> bool:
        return multipoles.solid and not bool(multipoles.groups.any())

    def features(self) -> Tensor:
        return self.values

    def pull(self, gradient: Tensor | None, output: Tensor) -> None:
        environment, plan = self.environment, self.plan
        weights_of_g = self.vectors if gradient is None else gradient.detach()
        with torch.cuda.device_of(self.vectors):
            pull[(-(-environment.n_pairs // self.sizes["BLOCK"]),)](
                self.vectors, environment.centers, environment.neighbors, environment.species,
                plan.gaussians, plan.columns, plan.norms, plan.recurrences, self.multipoles,
                weights_of_g, output, environment.n_pairs, len(plan.columns), self.n_features,
                **self.sizes, JACOBIAN=gradient is None,
            )  # fmt: skip

    def push(self, changes: Tensor) -> Tensor:
        environment, plan = self.environment, self.plan
        change = torch.empty_like(self.values)
        with torch.cuda.device_of(self.vectors):
            push[self.grid](
                self.vectors, changes.detach(), environment.first, environment.neighbors,
                environment.species, plan.gaussians, plan.columns, plan.norms, plan.recurrences,
                self.multipoles, change, len(plan.columns), self.n_features, **self.sizes,
            )  # fmt: skip
        return change


KERNELS = Kernels(_Launch)
