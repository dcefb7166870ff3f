"""Functions of cluster products of an environment, and what forces and virials each alone makes, in
C++.

With A the sums of radial functions and harmonics of an atom, contracted where they are factors of
several, and B_f = Re sum_m C_f(m) prod_t A_t (``amptorch.potentials.ace.model``), a frame has

    E_f = sum_i B_f(i),   F_f(k) = sum_ij (delta_ik - delta_jk) dB_f(i)/dR_ij,
    W_f = sum_ij R_ij (x) dB_f(i)/dR_ij.

Where energies depend on a density rho_i = sum_f c_f B_f(i) by some E(rho_i), rows are those of
dE/dc_f: E' B_f in place of B_f, and E' dB_f/dR + E'' B_f drho/dR in place of dB_f/dR.

An atom's slopes of A are summed by the atom that moves first, then multiplied by the few slopes of
each B_f in A, which are products of all factors but one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from numpy.typing import NDArray
from torch import Tensor

from .. import _native
from .environment import Environment
from .spherical_expansion import SphericalExpansion

MOST_FACTORS = 8
"""Of a product."""
_CLASSES = {torch.float64: _native.ClusterRows64, torch.float32: _native.ClusterRows32}


@dataclass(frozen=True)
class Element:
    """Functions of atoms of one element.

    Attributes:
        radial: c [n_elements, l_max + 1, n_max, n_radial] of neighbours of each element.
        groups: [n_groups, 9], int32, of functions of the same products: number of factors, of sums
            that they hold; first and number of products; first and number of functions; then where
            their sums, weights and slopes begin.
        places: [n_products, MOST_FACTORS, 4], int32: of the cosine and sine sums of a factor, -1
            without a sine, among all and among those of the group.
        factors: [n_products, MOST_FACTORS, 2], what they are multiplied by.
        slots: the sums of each group, one group after the other, int32.
        weights: of each group [n_functions, n_products], one after the other.
        order: [n_functions], int64, which function of the element each is.
    """

    radial: Tensor
    groups: NDArray
    places: NDArray
    factors: NDArray
    slots: NDArray
    weights: NDArray
    order: NDArray


@dataclass(frozen=True)
class Density:
    """Of atoms, that energies depend on in another way than linearly.

    Attributes:
        slopes, bends: [n_atoms], E' and E'' of each atom.
        coefficients: c [n_functions of all elements].
    """

    slopes: Tensor
    bends: Tensor
    coefficients: Tensor


class ClusterRows:
    """The kernel for functions of all elements, which it copies.

    Args:
        expansion: of the sums.
        elements: in their order.
        dtype: of the rows.
    """

    def __init__(
        self, expansion: SphericalExpansion, elements: Sequence[Element], dtype: torch.dtype
    ) -> None:
        _, n_l, n_max, _ = elements[0].radial.shape
        self.dtype = dtype
        tables = expansion.parts, expansion.kinds, expansion.values
        self._native = _CLASSES[dtype](*tables, expansion.n_species, n_max, n_l - 1)
        orders, self.n_functions = [], 0
        for each in elements:
            self._native.add(
                each.radial.detach().to("cpu", dtype).contiguous(),
                each.groups,
                each.places,
                torch.from_numpy(each.factors).to(dtype).contiguous(),
                each.slots,
                torch.from_numpy(each.weights).to(dtype).contiguous(),
                len(each.order),
                self.n_functions,
            )
            orders.append(torch.from_numpy(each.order) + self.n_functions)
            self.n_functions += len(each.order)
        self._places = torch.cat(orders)
        self._order = torch.argsort(self._places)

    def run(
        self,
        environment: Environment,
        first_atoms: Tensor,
        forces: bool,
        virials: bool,
        density: Density | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """E [p, n_frames], F [p, 3 n_atoms] and W [p, 6 n_frames] (xx yy zz yz xz xy), the last two
        without rows where not asked for.

        Args:
            environment: of frames one after the other, on the CPU.
            first_atoms: [n_frames + 1], int64, where the frames begin, and the number of atoms.
            forces: whether F is wanted.
            virials: whether W is, beside F.
            density: where rows are of its coefficients.
        """
        n_frames, p = len(first_atoms) - 1, self.n_functions
        rows = p if forces else 0
        more = p if forces and virials else 0
        energies = torch.zeros(p, n_frames, dtype=self.dtype)
        found = torch.zeros(rows, 3 * environment.n_atoms, dtype=self.dtype)
        stresses = torch.zeros(more, 6 * n_frames, dtype=self.dtype)
        none = found.new_empty(0)
        by = Density(none, none, none) if density is None else density
        coefficients = none if density is None else by.coefficients[self._places]
        self._native.run(
            environment.vectors.detach().to(self.dtype).contiguous(),
            environment.first,
            environment.neighbors,
            environment.species,
            first_atoms,
            *(each.to(self.dtype).contiguous() for each in (by.slopes, by.bends, coefficients)),
            energies,
            found,
            stresses,
            torch.get_num_threads(),
        )
        order = self._order
        return (
            energies[order],
            found[order] if rows else found,
            stresses[order] if more else stresses,
        )
