"""Polynomials of first and second degree of the fingerprint, one for each element.

    Linear     E_i = c_z + sum_k c_zk G_ik                            P = 1 + K for an element
    Quadratic  the same + sum_k 1/2 c_zkk G_ik^2 + sum_{k<l} c_zkl G_ik G_il      + K (K + 1) / 2

On bispectrum components these are SNAP, A. P. Thompson et al., J. Comput. Phys. 285, 316 (2015),
and quadratic SNAP, M. A. Wood and A. P. Thompson, J. Chem. Phys. 148, 241721 (2018).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...data.frame import AtomsBatch
from ..elements import places_by_number
from ..model import LinearModel, Rows, voigt
from .pair_rows import Blocks, blocks_of, products


class Linear(LinearModel):
    """Coefficients by element, in the order of ``elements``: the constant, then one a feature.

    Args:
        elements: chemical symbols.
        n_features: K.
        get_forces, get_stress, dtype: see :class:`amptorch.potentials.model.LinearModel`.
        covariance: see :class:`amptorch.potentials.linear.settings.LinearSettings`.
    """

    quadratic = False

    def __init__(
        self,
        elements: Sequence[str],
        n_features: int,
        get_forces: bool = True,
        get_stress: bool = False,
        covariance: bool = True,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        pairs = torch.triu_indices(n_features, n_features) if self.quadratic else None
        n_terms = 1 + n_features + (0 if pairs is None else pairs.shape[1])
        super().__init__(len(elements) * n_terms, get_forces, get_stress, dtype, covariance)
        self.arguments = {"elements": list(elements), "n_features": n_features}
        self.n_terms, self._pairs = n_terms, pairs
        self._order = places_by_number(elements)

    def constants(self) -> Tensor:
        return torch.arange(0, self.num_params, self.n_terms)

    def elements_of(self, numbers: Tensor) -> Tensor:
        """Places [n_atoms] of atomic numbers among the elements."""
        return self._order.to(numbers.device)[numbers]

    def terms(self, fingerprint: Tensor) -> Tensor:
        """[n_atoms, P], what the coefficients of an atom's element multiply."""
        ones = torch.ones_like(fingerprint[:, :1])
        return torch.cat([ones, fingerprint, *self._squares(fingerprint)], 1)

    def _squares(self, fingerprint: Tensor) -> list[Tensor]:
        if self._pairs is None:
            return []
        k, m = self._pairs.to(fingerprint.device)
        return [fingerprint[:, k] * fingerprint[:, m] * self._halves(fingerprint)]

    def _halves(self, like: Tensor) -> Tensor:
        """1/2 for squares, 1 for products."""
        assert self._pairs is not None
        return torch.where(self._pairs[0] == self._pairs[1], 0.5, 1.0).to(like)

    def functions(self, fingerprint: Tensor, number: int) -> Tensor:
        return self.terms(fingerprint)

    def basis(self, fingerprint: Tensor, numbers: Tensor) -> Tensor:
        terms, own = self.terms(fingerprint), self.elements_of(numbers)
        n_elements = self.num_params // self.n_terms
        places = torch.nn.functional.one_hot(own, n_elements).to(terms)
        return (places[:, :, None] * terms[:, None, :]).flatten(1)

    def atomic_energies(self, fingerprint: Tensor, numbers: Tensor) -> Tensor:
        own = self.coefficients.view(-1, self.n_terms)[self.elements_of(numbers)]
        return (self.terms(fingerprint) * own).sum(1)

    def rows(self, batch: AtomsBatch, forces: bool = True, virials: bool = True) -> Rows:
        frames = blocks_of(batch) if forces else None
        if forces and frames is None:
            return super().rows(batch, forces, virials)
        with torch.no_grad():
            fingerprint, species = (
                batch.fingerprint.detach(),
                self.elements_of(batch.atomic_numbers),
            )
            energies = self._energies(fingerprint, species, batch)
            if frames is None:
                return Rows(energies)
            slopes = self._slopes(frames, fingerprint, species, batch)
            of_forces, of_virials = [], []
            for each, own, n_frames in slopes:
                of_forces.append(each.forces())
                if virials:
                    of_virials.append(each.virials(own, n_frames))
        return Rows(energies, torch.cat(of_forces), torch.cat(of_virials) if virials else None)

    def _energies(self, fingerprint: Tensor, species: Tensor, batch: AtomsBatch) -> Tensor:
        n_elements = self.num_params // self.n_terms
        terms, places = self.terms(fingerprint), batch.batch * n_elements + species
        sums = terms.new_zeros((batch.num_graphs * n_elements, self.n_terms))
        return sums.index_add(0, places, terms).view(batch.num_graphs, -1)

    def _slopes(
        self, frames: Iterable[Blocks], fingerprint: Tensor, species: Tensor, batch: AtomsBatch
    ) -> Iterator[tuple[_Slopes, Tensor, int]]:
        """Of each of the blocks what makes rows of them, the frame of each atom, and how many."""
        n_elements, first = self.num_params // self.n_terms, 0
        for blocks in frames:
            atoms = slice(first, first + blocks.n_atoms)
            own = batch.batch[atoms] - batch.batch[first]
            values = blocks.by_element(species[atoms], n_elements)
            slopes = _Slopes(self, blocks, *values, fingerprint[atoms], species[atoms])
            yield slopes, own, int(own[-1]) + 1
            first = atoms.stop

    def left(self, fingerprint: Tensor) -> Tensor | None:
        """[n_atoms, L], by what the slopes of an atom's features are multiplied in those of its
        terms: 1, and with products the features; None where it is 1 alone."""
        ones = torch.ones_like(fingerprint[:, :1])
        return torch.cat([ones, fingerprint], 1) if self.quadratic else None

    def slopes_of_terms(self, products: Tensor) -> Tensor:
        """[n, P, c], slopes of the terms, of sums [n, L, K, c] of ``left`` times slopes of
        features."""
        linear = products[:, 0]
        parts = [torch.zeros_like(linear[:, :1]), linear]
        if self._pairs is not None:
            (k, m), both = self._pairs.to(linear.device), products[:, 1:]
            parts.append((both[:, k, m] + both[:, m, k]) * self._halves(linear)[:, None])
        return torch.cat(parts, 1)


class Quadratic(Linear):
    """With products: behind those of the features, by k, the coefficients of 1/2 G_k^2 and of
    G_k G_l for l > k."""

    quadratic = True


@dataclass
class _Slopes:
    """From slopes of features to rows of forces and virials."""

    model: Linear
    blocks: Blocks
    values: Tensor
    factors: Tensor
    fingerprint: Tensor
    species: Tensor

    def forces(self) -> Tensor:
        """[3 n_atoms, p]"""
        left, n_atoms = self.model.left(self.fingerprint), len(self.species)
        values, centers, n_elements = self.values.flatten(1), self.blocks.centers, len(self.factors)
        moved = self.blocks.neighbors * n_elements + self.species[centers]
        of_pairs = None if left is None else left[centers]
        found = products(of_pairs, values, moved, n_atoms * n_elements).neg_()
        own = values.new_zeros((n_atoms, values.shape[1])).index_add(0, centers, values)
        places = torch.arange(n_atoms, device=moved.device) * n_elements + self.species
        found[places] += own[:, None, :] if left is None else left[:, :, None] * own[:, None, :]
        return self._laid_out(found, n_atoms, 3)

    def virials(self, frames: Tensor, n_frames: int) -> Tensor:
        """[6 n_frames, p]"""
        left = self.model.left(self.fingerprint)
        n_atoms, n_elements = len(self.species), len(self.factors)
        outer = products(self.blocks.vectors, self.values.flatten(1), self.blocks.centers, n_atoms)
        each = voigt(outer.view(n_atoms, 3, -1, 3).transpose(1, 2)).flatten(1)
        places = frames * n_elements + self.species
        return self._laid_out(products(left, each, places, n_frames * n_elements), n_frames, 6)

    def _laid_out(self, sums: Tensor, n: int, axes: int) -> Tensor:
        """[axes n, p] of [n n_elements, L, K axes]."""
        scaled = sums.unflatten(2, (-1, axes)) * self.factors.repeat(n, 1)[:, None, :, None]
        terms = self.model.slopes_of_terms(scaled)
        by_element = terms.view(n, len(self.factors), -1, axes)
        return by_element.permute(0, 3, 1, 2).reshape(n * axes, -1)
