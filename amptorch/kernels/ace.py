"""Energies of atoms from their neighbour densities by cluster products, and back, in C++.

The equations are those of :mod:`amptorch.potentials.ace.model`: contraction of radial functions,
products of contracted densities A, sums rho_p = sum c_p Re(product), embedding, core repulsion.
Products are a graph of nodes (:mod:`amptorch.kernels.product_graph`), each one complex
multiplication, and are walked for as many atoms of an element at a time as a vector has lanes;
backwards for slopes.

Derivatives in what is trained are those of sum_i (w_i E_i + h_i . dE_i/dG_i), w and h of a loss
in energies and forces: changes of nodes along h are worked out beside their values, and both are
walked backwards together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from .. import _native
from .registration import Context

MOST_DENSITIES = 4
"""Of an atom."""
_CLASSES = {torch.float64: _native.ClusterProducts64, torch.float32: _native.ClusterProducts32}


@dataclass(frozen=True)
class Element:
    """Of atoms of one element.

    Attributes:
        radial: c [n_elements, l_max + 1, n_max, n_radial] of neighbours of each element.
        nodes, terms: [., 2], int32, of a :class:`amptorch.kernels.product_graph.ProductGraph` whose
            leaves are 1 and then, for each element of neighbours, n_radial sums of radial functions
            and A by n, l, and m from -l to l.
        coefficients: [terms, densities].
        prefactors, exponents: [densities].
        shifted: whether the embedding is the shifted and scaled one.
        core_cutoff, core_width: of the core repulsion.
    """

    radial: Tensor
    nodes: NDArray[np.int32]
    terms: NDArray[np.int32]
    coefficients: Tensor
    prefactors: NDArray[np.float64]
    exponents: NDArray[np.float64]
    shifted: bool
    core_cutoff: float
    core_width: float


class ClusterProducts:
    """The kernel of all elements, which it copies.

    Args:
        elements: in their order.
        harmonics: of the features, for one radial function.
        zbl: whether the core repulsion is of this kind.
        dtype: of the numbers.
    """

    def __init__(
        self, elements: Sequence[Element], harmonics: int, zbl: bool, dtype: torch.dtype
    ) -> None:
        n, l_max, n_max, n_radial = elements[0].radial.shape
        self.dtype = dtype
        self._terms = [len(each.terms) for each in elements]
        self._shapes = [(each.radial.shape, each.coefficients.shape) for each in elements]
        self._native = _CLASSES[dtype](n, n_radial, harmonics, n_max, l_max - 1, zbl)
        for each in elements:
            self._native.add(
                each.radial.detach().to("cpu", dtype).contiguous(),
                each.nodes.reshape(-1, 2),
                each.terms.reshape(-1, 2),
                each.coefficients.detach().to("cpu", dtype).contiguous(),
                each.prefactors,
                each.exponents,
                each.shifted,
                each.core_cutoff,
                each.core_width,
            )

    def run(self, features: Tensor, species: Tensor, gradient: bool) -> tuple[Tensor, Tensor]:
        """Energies [n_atoms] and, if asked for, their slopes [n_atoms, n_features].

        Args:
            features: [n_atoms, n_features], on the CPU.
            species: [n_atoms], int64.
            gradient: whether slopes are wanted.
        """
        energies = features.new_empty(len(features))
        slopes = features.new_empty(features.shape if gradient else (0, features.shape[1]))
        values = features.detach().contiguous(), species.contiguous()
        self._native.run(*values, energies, slopes, torch.get_num_threads())
        return energies, slopes

    def terms(self, features: Tensor, element: int) -> Tensor:
        """Real parts [n_atoms, terms] of the terms of atoms of an element.

        Args:
            features: [n_atoms, n_features], on the CPU.
            element: its place.
        """
        rows = features.new_empty(len(features), self._terms[element])
        values = features.detach().contiguous()
        self._native.terms(element, values, rows, torch.get_num_threads())
        return rows

    def differentiate(
        self, features: Tensor, species: Tensor, weights: Tensor, changes: Tensor
    ) -> list[Tensor]:
        """Derivatives of sum_i (w_i E_i + h_i . dE_i/dG_i) in ``radial`` and ``coefficients`` of
        each element in turn.

        Args:
            features, species: as above.
            weights: w [n_atoms].
            changes: h [n_atoms, n_features].
        """
        values = features.contiguous(), species.contiguous(), weights.contiguous()
        found = []
        for element, shapes in enumerate(self._shapes):
            radial, coefficients = (features.new_zeros(each) for each in shapes)
            arrays = *values, changes.contiguous(), radial, coefficients
            self._native.differentiate(element, *arrays, torch.get_num_threads())
            found += [radial, coefficients]
        return found


class _Kept(Context):
    """What a backward needs of its forward."""

    products: ClusterProducts
    features: Tensor
    species: Tensor


def energies_and_slopes(
    products: ClusterProducts,
    elements: Sequence[Element],
    features: Tensor,
    species: Tensor,
    with_slopes: bool,
) -> tuple[Tensor, Tensor]:
    """Those of :meth:`ClusterProducts.run`, that can be differentiated once in ``radial`` and
    ``coefficients`` of the elements.

    Args:
        products: of the elements as they are.
        elements, features, species: as there.
        with_slopes: else these are empty.
    """
    numbers = [each for one in elements for each in (one.radial, one.coefficients)]
    found: tuple[Tensor, Tensor] = _Energies.apply(
        products, features, species, with_slopes, *numbers
    )
    return found


class _Energies(Function):
    @staticmethod
    def forward(
        ctx: _Kept,
        products: ClusterProducts,
        features: Tensor,
        species: Tensor,
        with_slopes: bool,
        *numbers: Tensor,
    ) -> tuple[Tensor, Tensor]:
        ctx.products, ctx.features, ctx.species = products, features, species
        return products.run(features, species, with_slopes)

    @staticmethod
    @once_differentiable
    def backward(ctx: _Kept, energies: Tensor, slopes: Tensor) -> tuple[Tensor | None, ...]:
        features = ctx.features
        if len(slopes) < len(features):
            slopes = torch.zeros_like(features)
        found = ctx.products.differentiate(features, ctx.species, energies, slopes)
        return None, None, None, None, *found
