"""Coefficients of polynomials of unscaled features, and of those that are equal by symmetry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from ase.data import atomic_numbers
from torch import Tensor

from ...descriptor.bispectrum import Snap
from ...kernels.clebsch_gordan import triples
from ...preprocessing.utils import FeatureScaler
from .model import Linear


@dataclass
class Polynomial:
    """Energy of an atom of one element, eV: c + b G + G a G / 2.

    Attributes:
        constant: c, [].
        linear: b, [n_features].
        products: a, [n_features, n_features], symmetric, or None.
    """

    constant: Tensor
    linear: Tensor
    products: Tensor | None = None

    @classmethod
    def of_packed(cls, values: Tensor, n_features: int) -> Polynomial:
        """From the order of files and models: constant, features, products by rows."""
        linear = values[1 : 1 + n_features]
        if len(values) == 1 + n_features:
            return cls(values[0], linear)
        k, m = torch.triu_indices(n_features, n_features)
        products = values.new_zeros((n_features, n_features))
        products[k, m] = products[m, k] = values[1 + n_features :]
        return cls(values[0], linear, products)

    def packed(self) -> Tensor:
        """The reverse of :meth:`of_packed`."""
        parts = [self.constant[None], self.linear]
        if self.products is not None:
            k, m = torch.triu_indices(*self.products.shape)
            parts.append(self.products[k, m])
        return torch.cat(parts)

    def of_unscaled(self, factor: Tensor, shift: Tensor) -> Polynomial:
        """The same of G, where this is of factor G + shift."""
        constant = self.constant + self.linear @ shift
        linear = self.linear * factor
        if self.products is None:
            return Polynomial(constant, linear)
        slope = self.products @ shift
        products = factor[:, None] * self.products * factor
        return Polynomial(constant + shift @ slope / 2, linear + factor * slope, products)

    def times(self, unit: float, energy: float) -> Polynomial:
        """Times a unit, with an energy added."""
        products = None if self.products is None else unit * self.products
        return Polynomial(unit * self.constant + energy, unit * self.linear, products)

    def averaged(self, groups: Tensor) -> Polynomial:
        """With equal coefficients for features that are equal: the same energy."""
        mean = _means(groups, self.linear.dtype)
        products = None if self.products is None else mean @ self.products @ mean
        return Polynomial(self.constant, mean @ self.linear, products)


def polynomials_of(
    model: Linear, scaler: FeatureScaler, unit: float, energies: Mapping[str, float]
) -> dict[str, Polynomial]:
    """By element, in eV, of unscaled features.

    Args:
        model: of scaled ones.
        scaler: of the features.
        unit: of the model's energies, eV.
        energies: added to an atom of each element, eV.
    """
    found = {}
    for element, energy in energies.items():
        number = torch.tensor([atomic_numbers[element]])
        own = model.coefficients.detach().cpu().view(-1, model.n_terms)[model.elements_of(number)]
        factor, shift = (each[0].double() for each in scaler.affine(number))
        polynomial = Polynomial.of_packed(own[0].double(), len(factor))
        found[element] = polynomial.of_unscaled(factor, shift).times(unit, energy)
    return found


def equal_components(descriptor: Snap) -> Tensor:
    """[n_features], the same number for components that are equal for any neighbours.

    B^{e1 e2 e3}_{j1 j2 j} stays as it is where e1 and e3 change places and j1 = j, and where e1 and
    e2 do and j1 = j2.
    """
    orders = triples(descriptor.parameters.twojmax)
    if not descriptor.flags["chemflag"]:
        return torch.arange(len(orders))
    elements = range(len(descriptor.elements))
    names = [
        (k, _first((e1, e2, e3), j1 == j, j1 == j2))
        for e1 in elements
        for e2 in elements
        for e3 in elements
        for k, (j1, j2, j) in enumerate(orders)
    ]
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return torch.tensor([places[name] for name in names])


def _first(elements: Sequence[int], ends: bool, begins: bool) -> tuple[int, ...]:
    """The first of all orders of three elements that exchanges lead to."""
    e1, e2, e3 = elements
    if ends and begins:
        return tuple(sorted(elements))
    if ends:
        return min((e1, e2, e3), (e3, e2, e1))
    return min((e1, e2, e3), (e2, e1, e3)) if begins else (e1, e2, e3)


def _means(groups: Tensor, dtype: torch.dtype) -> Tensor:
    """[n, n], what averages over the members of each group."""
    same = (groups[:, None] == groups).to(dtype)
    return same / same.sum(1, keepdim=True)
