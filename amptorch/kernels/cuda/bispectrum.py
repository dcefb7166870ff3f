"""Bispectrum components on a GPU, in every precision compiled.

Equations and operations as in ``kernels/bispectrum.py``. Densities are summed by a program for each
atom; products Z are made for many atoms at a time, as many as ``MOST_HELD`` allows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..environment import Environment
from .bispectrum_kernels import adjoin, multiply, overlap, pull, sum_densities
from .bispectrum_plan import plan
from .operations import OPTIONS, Kernels, Launch

if TYPE_CHECKING:
    from ..bispectrum import Bispectrum

MOST_HELD = 2**27
"""Numbers of Z that lie in memory at a time."""
TILE = 1024
"""Pairs (K, L) times neighbours that a program holds at a time."""
ATOMS = 64
"""That a program makes products for."""


class _Launch(Launch):
    """The densities, from which all operations go on."""

    def __init__(self, environment: Environment, bispectrum: Bispectrum) -> None:
        self.environment, self.bispectrum = environment, bispectrum
        self.vectors = environment.vectors.detach()
        self.plan = plan(bispectrum, self.vectors)
        n_rows = self.plan.rows.shape[1]
        self.options = {"num_warps": 4, **OPTIONS}
        self.sizes: dict[str, Any] = {
            "ROWS": n_rows,
            "BITS": max(bispectrum.twojmax - 1, 0).bit_length(),
            "BLOCK": max(1, min(16, TILE // n_rows)),
            "CHEMICAL": bispectrum.chemical,
            "OUTER": bispectrum.switch,
            "INNER": bool(bispectrum.pairs[:, :, 1:].any()),
            **self.options,
        }
        self.n_full = sum((j + 1) ** 2 for j in range(bispectrum.twojmax + 1))
        self.n_half = len(self.plan.halves)
        self.densities, _ = self._sum(None)

    @staticmethod
    def takes(bispectrum: Bispectrum) -> bool:
        return True

    def _sum(self, changes: Tensor | None) -> tuple[Tensor, Tensor]:
        """Densities [n_densities, n_full, 2, n_atoms], and their changes."""
        plan, environment = self.plan, self.environment
        shape = (plan.n_densities, self.n_full, 2, environment.n_atoms)
        densities, moved = self.vectors.new_empty(shape), self.vectors.new_empty(shape)
        with torch.cuda.device_of(self.vectors):
            sum_densities[environment.n_atoms, len(plan.recurrences) * plan.n_densities](
                self.vectors, self.vectors if changes is None else changes.detach(),
                environment.first, environment.neighbors, environment.species, plan.kinds,
                plan.rows, plan.recurrences, plan.places, densities, moved, environment.n_atoms,
                self.bispectrum.n_species, self.n_full, plan.n_densities, **self.sizes,
                CHANGES=changes is not None, SELF_ALL=self.bispectrum.self_all,
            )  # fmt: skip
        return densities, moved

    def _products(self) -> Iterator[tuple[Tensor, int, int]]:
        """Z [n_held, 2, count] of some atoms, the first of them and how many they are."""
        n_held, n_atoms = len(self.plan.elements), self.environment.n_atoms
        most = max(ATOMS, MOST_HELD // (2 * n_held))
        for begin in range(0, n_atoms, most):
            count = min(most, n_atoms - begin)
            z = self.vectors.new_empty(n_held, 2, count)
            with torch.cuda.device_of(self.vectors):
                multiply[n_held, -(-count // ATOMS)](
                    self.densities, self.plan.couplings, self.plan.elements, z, n_atoms, begin,
                    count, BLOCK=ATOMS, **self.options,
                )  # fmt: skip
            yield z, begin, count

    def features(self) -> Tensor:
        return self._overlap(self.densities, first=2, zero=self.bispectrum.zero)

    def push(self, changes: Tensor) -> Tensor:
        return self._overlap(self._sum(changes)[1], first=0, zero=False)

    def _overlap(self, densities: Tensor, first: int, zero: bool) -> Tensor:
        plan, n_features = self.plan, self.bispectrum.n_features
        features = self.vectors.new_empty(self.environment.n_atoms, n_features)
        for z, begin, count in self._products():
            with torch.cuda.device_of(self.vectors):
                overlap[n_features, -(-count // ATOMS)](
                    z, densities, plan.terms, plan.factors, plan.levels, plan.halves, plan.lonely,
                    self.environment.species, features, self.environment.n_atoms, begin, count,
                    n_features, len(plan.lonely), self.n_full, plan.n_densities, FIRST=first,
                    ZERO=zero, SELF_ALL=self.bispectrum.self_all, BLOCK=ATOMS, **self.options,
                )  # fmt: skip
        return features

    def pull(self, gradient: Tensor | None, output: Tensor) -> None:
        if gradient is not None:
            self._pull(self._adjoint(gradient), 0, self.environment.n_atoms, False, output)
            return
        for z, begin, count in self._products():
            self._pull(z, begin, count, True, output)

    def _adjoint(self, gradient: Tensor) -> Tensor:
        """Y* [n_densities, n_half, 2, n_atoms]."""
        plan, n_atoms = self.plan, self.environment.n_atoms
        adjoint = self.vectors.new_empty(plan.n_densities, self.n_half, 2, n_atoms)
        for z, begin, count in self._products():
            with torch.cuda.device_of(self.vectors):
                adjoin[plan.n_densities * self.n_half, -(-count // ATOMS)](
                    z, gradient.detach(), plan.first_term, plan.adjoint_terms,
                    plan.adjoint_factors, plan.half_levels, plan.halves, adjoint, n_atoms, begin,
                    count, self.bispectrum.n_features, self.n_half, len(plan.levels), BLOCK=ATOMS,
                    **self.options,
                )  # fmt: skip
        return adjoint

    def _pull(self, source: Tensor, begin: int, count: int, jacobian: bool, output: Tensor) -> None:
        environment, plan = self.environment, self.plan
        n_touched = plan.columns.shape[1]
        blocks = -(-environment.n_pairs // self.sizes["BLOCK"])
        with torch.cuda.device_of(self.vectors):
            pull[blocks, n_touched if jacobian else 1](
                self.vectors, environment.centers, environment.neighbors, environment.species,
                plan.kinds, plan.rows, plan.recurrences, plan.places, source, plan.terms,
                plan.factors, plan.levels, plan.halves, plan.columns, output, environment.n_pairs,
                environment.n_atoms, begin, count, self.bispectrum.n_species, self.n_half,
                n_touched, **self.sizes, JACOBIAN=jacobian, STEPS=len(plan.recurrences),
            )  # fmt: skip


KERNELS = Kernels(_Launch)
