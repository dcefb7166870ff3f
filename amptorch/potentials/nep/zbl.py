"""The repulsion of nuclei at short distances as GPUMD has it in NEP: J. F. Ziegler, J. P. Biersack,
U. Littmark (1985), switched off.

    E = 1/2 sum_(i, j) K Z_i Z_j/r phi(alpha r) w(r),    alpha = A (Z_i^0.23 + Z_j^0.23),
    phi(x) = sum_k a_k exp(-b_k x),    w = 1 (r < r_in), 0 (r >= r_out), between
    (1 + cos(pi (r - r_in)/(r_out - r_in)))/2

over pairs within the angular cutoff. r_in and r_out are those of all pairs; or with ``share`` 0 and
the smaller of r_out and the share of the sum of the covalent radii; or with ``pairs`` of each pair
of elements, with its own a and b.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.data import atomic_numbers
from torch import Tensor

from ...data.baseline import Contribution, State
from ...kernels import pair_jacobian
from ...kernels.environment import Environment
from ...kernels.neighbors import find_neighbors
from ..elements import places_by_number
from .radii import RADII

COULOMB = 14.399645  # eV Å
SCREENING = 2.134563  # 1/Å
FACTORS = (0.18175, 0.50986, 0.28022, 0.02817)
EXPONENTS = (3.1998, 0.94229, 0.4029, 0.20162)


class NepZbl:
    """A baseline, see :class:`amptorch.data.baseline.Baseline`.

    Args:
        elements: chemical symbols.
        inner, outer: r_in and r_out, Å.
        cutoffs: the angular cutoff of each element, Å, of which two take the mean.
        share: of the sum of covalent radii; None without.
        pairs: [n_pairs, 10], r_in, r_out, then a and b four times, of pairs 1-1, 1-2, .. 2-2, ..;
            None without.
    """

    name = "nep_zbl"

    def __init__(
        self,
        elements: Sequence[str],
        inner: float,
        outer: float,
        cutoffs: Sequence[float],
        share: float | None = None,
        pairs: Sequence[Sequence[float]] | None = None,
    ) -> None:
        self.elements, self.inner, self.outer = list(elements), inner, outer
        self.cutoffs, self.share = list(cutoffs), share
        self.pairs = None if pairs is None else [list(map(float, each)) for each in pairs]
        self._places = places_by_number(self.elements)
        self._table = self._make_table()

    @classmethod
    def from_settings(cls, **options: Any) -> NepZbl:
        """Of a configuration: the arguments by name."""
        try:
            return cls(**options)
        except TypeError as error:
            raise ValueError(f"baseline: {cls.name}: {error}") from error

    def state(self) -> State:
        """The arguments."""
        names = ("elements", "inner", "outer", "cutoffs", "share", "pairs")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> NepZbl:
        """The baseline of :meth:`state`."""
        return cls(**state)

    def evaluate(self, images: Sequence[Atoms], forces: bool = True) -> Contribution:
        """See :class:`amptorch.data.baseline.Baseline`."""
        found = [self._evaluate(image, forces) for image in images]
        energies, forces_, virials = (list(each) for each in zip(*found, strict=True))
        total = np.array([each.sum() for each in energies])
        return Contribution(total, energies, *((forces_, virials) if forces else ()))

    def _evaluate(self, image: Atoms, forces: bool) -> tuple[np.ndarray, ...]:
        species = self._places[torch.from_numpy(image.numbers)]
        if (species < 0).any():
            raise ValueError(f"{self.name}: expected {self.elements}, got {image.symbols}")
        reach = float(self._table[..., 2].max())
        environment = find_neighbors(
            image.positions, image.cell.array, image.pbc, species.numpy(), reach
        )
        with torch.enable_grad():
            vectors = environment.vectors.requires_grad_(forces)
            energies = self._energies(environment.with_vectors(vectors))
            if not forces:
                return energies.numpy(), np.empty(0), np.empty(0)
            (pulled,) = torch.autograd.grad(energies.sum(), vectors)
        environment = environment.with_vectors(vectors.detach())
        moved = pair_jacobian.forces(environment, pulled)
        virial = pair_jacobian.virials(environment, pulled).sum(0)
        return energies.detach().numpy(), moved.numpy(), virial.numpy()

    def _energies(self, environment: Environment) -> Tensor:
        """[n_atoms]"""
        r = environment.vectors.norm(dim=1)
        centers = environment.centers
        rows = self._table[environment.species[centers], environment.neighbor_species]
        cutoff, inner, outer, size, screening = rows[:, :5].unbind(1)
        phi = (rows[:, 5::2] * torch.exp(-rows[:, 6::2] * (screening * r)[:, None])).sum(1)
        phase = ((r - inner) / (outer - inner)).clamp(0, 1)
        pairs = size / (2 * r) * phi * (1 + torch.cos(torch.pi * phase)) / 2
        zeros = r.new_zeros(environment.n_atoms)
        return zeros.index_add(
            0, centers, torch.where(r < torch.minimum(outer, cutoff), pairs, 0.0)
        )

    def _make_table(self) -> Tensor:
        """[n_elements, n_elements, 13]: cutoff, r_in, r_out, K Z Z, alpha, four times a and b."""
        n = len(self.elements)
        table = torch.zeros(n, n, 13, dtype=torch.float64)
        for i in range(n):
            for j in range(i, n):
                table[i, j] = table[j, i] = torch.tensor(self._row(i, j), dtype=torch.float64)
        return table

    def _row(self, i: int, j: int) -> list[float]:
        z = [atomic_numbers[self.elements[each]] for each in (i, j)]
        size, screening = COULOMB * z[0] * z[1], SCREENING * (z[0] ** 0.23 + z[1] ** 0.23)
        inner, outer = self.inner, self.outer
        terms = [each for pair in zip(FACTORS, EXPONENTS, strict=True) for each in pair]
        if self.share is not None:
            inner = 0.0
            outer = min(outer, self.share * (RADII[z[0] - 1] + RADII[z[1] - 1]))
        if self.pairs is not None:
            n = len(self.elements)
            inner, outer, *terms = self.pairs[i * n - i * (i - 1) // 2 + j - i]
        cutoff = (self.cutoffs[i] + self.cutoffs[j]) / 2
        return [cutoff, inner, outer, size, screening, *terms]
