"""The atomic cluster expansion on neighbour densities.

With A0 the densities of an atom in radial functions and harmonics (:mod:`spherical_expansion
<amptorch.kernels.spherical_expansion>`) and c_nlk trained for each pair of elements,

    A_(mu n l m) = sum_k c_nlk A0_(mu k l m),    B_f = Re sum_m C_f(m) prod_t A_(mu_t n_t l_t m_t),
    rho_p = sum_f c_fp B_f,            E = f sum_p a_p F(rho_p; m_p) + (core repulsion) + E0_mu

with complex harmonics in the phase of Condon and Shortley times sqrt(4 pi); functions of one factor
are A0_(mu k 0 0) themselves. R. Drautz, Phys. Rev. B 99, 014104 (2019); Y. Lysogorskiy et al., npj
Comput. Mater. 7, 97 (2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from math import pi
from typing import Any

import torch
from torch import Tensor, nn

from ...data.frame import AtomsBatch
from ...descriptor.base_descriptor import BaseDescriptor
from ...kernels.ace import MOST_DENSITIES
from ...kernels.capability import in_cpp
from ...kernels.force_pass import Pass, Scaling
from ...kernels.reference.spherical_expansion import step
from ..elements import places_by_number
from .compiled import AcePass, Compiled, Graph
from .functions import Expansion
from .graded import Graded
from .products import Layout, Products

CORE = -2
"""Place of the core repulsion among the features; the share of the functions is the last one."""


class Terms(nn.Module):
    """Products of the functions of an element, from A to B."""

    factors: Tensor
    functions: Tensor
    weights: Tensor

    def __init__(self, products: Products, dtype: torch.dtype) -> None:
        super().__init__()
        self.n_functions = products.n_functions
        for name in ("factors", "functions"):
            values = torch.from_numpy(getattr(products, name))
            self.register_buffer(name, values, persistent=False)
        weights = torch.from_numpy(products.weights).to(dtype)
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, densities: Tensor) -> Tensor:
        """B [n_atoms, n_functions] of A [n_atoms, n], complex."""
        padded = torch.cat([densities, torch.ones_like(densities[:, :1])], 1)
        product = padded[:, self.factors[:, 0]]
        for column in self.factors.T[1:]:
            product = product * padded[:, column]
        values = product.real * self.weights
        zeros = values.new_zeros(len(values), self.n_functions)
        return zeros.index_add(1, self.functions, values)


class Ace(Graded):
    """Args:
        expansion: functions and embeddings.
        n_radial, l_max: of the descriptor.
        get_forces, get_stress: see :class:`amptorch.potentials.model.Model`.
        dtype: of all numbers.

    Attributes:
        coefficients: c_fp [functions of all elements, densities]; where an element has fewer
            densities than another the rest counts for nothing.
        radial: c_nlk [pairs of elements, n, l, k], at first 1 where n = k.
        constants: E0 [n_elements].
    """

    pairs: Tensor

    def __init__(
        self,
        expansion: Expansion,
        n_radial: int,
        l_max: int,
        get_forces: bool = True,
        get_stress: bool = False,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__(get_forces, get_stress)
        self.expansion, self.n_radial, self.l_max = expansion, n_radial, l_max
        self.layout = Layout.of(expansion, n_radial)
        n = len(expansion.elements)
        size = (expansion.n_functions, expansion.n_densities)
        self.coefficients = nn.Parameter(torch.zeros(size, dtype=dtype))
        identity = torch.eye(expansion.n_max, n_radial, dtype=dtype)
        shape = (n * (n + 1) // 2, -1, expansion.l_max + 1, -1)
        blocks = identity[None, :, None, :].expand(shape).clone()
        self.radial = nn.Parameter(blocks)
        self.constants = nn.Parameter(torch.zeros(n, dtype=dtype))
        self.products = [Products.of(each, self.layout) for each in expansion.functions]
        self.terms = nn.ModuleList(Terms(each, dtype) for each in self.products)
        self._compiled: tuple[object, Compiled] | None = None
        self._places = places_by_number(expansion.elements)
        self.register_buffer("pairs", pair_places(n), persistent=False)

    @cached_property
    def graphs(self) -> list[Graph]:
        """Of the products of each element."""
        return [Graph.of(each, self.layout) for each in self.products]

    def atomic_energies_and_gradient(
        self, batch: AtomsBatch, gradient: bool
    ) -> tuple[Tensor, Tensor]:
        features = batch.fingerprint.detach()
        if features.dtype != self.coefficients.dtype or not self._is_compiled(features):
            return super().atomic_energies_and_gradient(batch, gradient)
        species = self.species(batch.atomic_numbers)
        if not torch.is_grad_enabled():
            energies, slopes = self.compiled().run(features, species, gradient)
        else:
            energies, slopes = Compiled(self).differentiable(features, species, gradient)
        return energies + self.constants[species], slopes

    def force_pass(
        self, descriptor: BaseDescriptor, scaling: Scaling, numbers: Tensor
    ) -> Pass | None:
        plain = not bool((scaling.factors != 1).any() or scaling.shifts.any())
        if not (plain and self._is_compiled(self.coefficients)):
            return None
        return AcePass(descriptor, self.compiled(), self.constants.detach())

    def _is_compiled(self, features: Tensor) -> bool:
        return in_cpp(features) and self.expansion.n_densities <= MOST_DENSITIES

    def compiled(self) -> Compiled:
        """The kernel, made again where parameters changed."""
        state = [(each.data_ptr(), each._version) for each in (self.coefficients, self.radial)]
        if self._compiled is None or self._compiled[0] != state:
            with torch.no_grad():
                self._compiled = state, Compiled(self)
        return self._compiled[1]

    def part(self, chosen: Sequence[Sequence[int]]) -> Ace:
        """A model of some of the functions, with their numbers; itself where that is all.

        Args:
            chosen: places of functions of each element, ascending.
        """
        own = self.expansion
        if all(len(a) == len(b) for a, b in zip(chosen, own.functions, strict=True)):
            return self
        functions = [
            [every[k] for k in places] for every, places in zip(own.functions, chosen, strict=True)
        ]
        expansion = replace(own, functions=functions)
        made = Ace(expansion, self.n_radial, self.l_max, self.get_forces, self.get_stress)
        made.to(self.coefficients)
        with torch.no_grad():
            made.coefficients.copy_(self.coefficients[self._rows(chosen)])
            made.radial.copy_(self.radial)
            made.constants.copy_(self.constants)
        return made

    def take(self, part: Ace, chosen: Sequence[Sequence[int]]) -> None:
        """Take up the numbers of a model of :meth:`part`."""
        if part is not self:
            with torch.no_grad():
                self.coefficients[self._rows(chosen)] = part.coefficients
                self.radial.copy_(part.radial)
                self.constants.copy_(part.constants)

    def _rows(self, chosen: Sequence[Sequence[int]]) -> list[int]:
        """Of the coefficients."""
        both = zip(self.expansion.spans, chosen, strict=True)
        return [first + place for (first, _), places in both for place in places]

    def species(self, numbers: Tensor) -> Tensor:
        """Places of atomic numbers among the elements."""
        return self._places.to(numbers.device)[numbers]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_compiled": None}

    def atomic_energies(self, fingerprint: Tensor, numbers: Tensor) -> Tensor:
        species, energies = self.species(numbers), fingerprint.new_zeros(len(fingerprint))
        for element, (first, last) in enumerate(self.expansion.spans):
            chosen = (species == element).nonzero()[:, 0]
            own = self.coefficients[first:last]
            if len(chosen):
                part = fingerprint[chosen]
                densities = self.basis(part, element) @ own
                found = self._combined(densities, part[:, CORE:], element)
                energies = energies.index_add(0, chosen, found)
        return energies + self.constants[species]

    def _combined(self, densities: Tensor, core: Tensor, element: int) -> Tensor:
        """Energies with the repulsion of :mod:`amptorch.kernels.core_repulsion`."""
        embedding = self.expansion.embeddings[element]
        energies, (repulsion, share) = embedding.energies(densities), core.unbind(1)
        if self.expansion.inner_cutoff == "zbl":
            return share * energies + (1 - share) * repulsion
        ends = repulsion.new_tensor([embedding.core_cutoff, embedding.core_width])
        return step(repulsion, ends[0], ends[1]) * energies + repulsion

    def functions(self, fingerprint: Tensor, number: int) -> Tensor:
        element = int(self._places[number])
        if self._is_compiled(fingerprint) and not torch.is_grad_enabled():
            return self.compiled().functions(fingerprint, element)
        return self.basis(fingerprint, element)

    def basis(self, fingerprint: Tensor, element: int) -> Tensor:
        """B [n_atoms, functions of the element] of atoms of an element."""
        return self.terms[element](self.densities(fingerprint, element))

    def densities(self, fingerprint: Tensor, element: int) -> Tensor:
        """A [n_atoms, ``layout.size``] of atoms of an element, complex."""
        n, l_max = len(fingerprint), self.expansion.l_max
        shape = (n, self.layout.n_elements, self.n_radial, (self.l_max + 1) ** 2)
        sums = complex_harmonics(fingerprint[:, :-2].view(shape), l_max)
        c = self.radial[self.pairs[element]]
        blocks = []
        for ell in range(l_max + 1):
            part = sums[:, :, :, ell * ell : (ell + 1) ** 2]
            blocks.append(torch.einsum("ank,iakm->ianm", c[:, :, ell].to(part), part))
        contracted = torch.cat(blocks, 3).flatten(2)
        return torch.cat([sums[:, :, :, 0], contracted], 2).flatten(1)


def pair_places(n: int) -> Tensor:
    """[n, n], which of the pairs a <= b, in order, two elements are."""
    first, second = torch.triu_indices(n, n)
    places = torch.zeros(n, n, dtype=torch.int64)
    places[first, second] = places[second, first] = torch.arange(len(first))
    return places


def complex_harmonics(real: Tensor, l_max: int) -> Tensor:
    """Sums [..., (l_max + 1)^2] of sqrt(4 pi) Y_lm in the phase of Condon and Shortley from those
    [..., at least as many] of real ones."""
    columns = []
    for ell in range(l_max + 1):
        for m in range(-ell, ell + 1):
            size, center = (2 * pi) ** 0.5, ell * (ell + 1)
            if m == 0:
                value = torch.complex(real[..., center], torch.zeros_like(real[..., center]))
                columns.append(2**0.5 * size * value)
                continue
            cosine, sine = real[..., center + abs(m)], real[..., center - abs(m)]
            factor = size * ((-1) ** m if m > 0 else 1)
            columns.append(factor * torch.complex(cosine, sine if m > 0 else -sine))
    return torch.stack(columns, -1)
