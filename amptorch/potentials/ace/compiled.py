"""The model as the kernel of cluster products reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...descriptor.base_descriptor import BaseDescriptor
from ...kernels import ace
from ...kernels.environment import Environment
from ...kernels.force_pass import Passed
from ...kernels.product_graph import Factors, ProductGraph
from .embeddings import SHIFTED
from .products import Layout, Products

if TYPE_CHECKING:
    from .model import Ace


@dataclass(frozen=True)
class Graph:
    """Products of the functions of an element as a graph; a product and its complex conjugate,
    whose real parts are equal, are one term.

    Attributes:
        nodes, terms: see :class:`amptorch.kernels.ace.Element`.
        places: [n_products], the term of each product of the functions.
    """

    nodes: NDArray[np.int32]
    terms: NDArray[np.int32]
    places: Tensor

    @classmethod
    def of(cls, products: Products, layout: Layout) -> Graph:
        """That of the products of an element."""
        keys = [_key(row, layout) for row in products.factors.tolist()]
        wanted = sorted({*keys}, key=lambda key: (len(key), key))
        graph = ProductGraph(1 + layout.size)
        graph.add_all(wanted)
        nodes, terms = (
            np.array(each, dtype=np.int32).reshape(-1, 2) for each in (graph.nodes, graph.terms)
        )
        # Terms of one second factor, of which there are most, lie together, and it is first: the
        # kernel reads and writes it once for them.
        order = np.lexsort((terms[:, 0], terms[:, 1]))
        places = {wanted[k]: place for place, k in enumerate(order.tolist())}
        own = torch.tensor([places[key] for key in keys], dtype=torch.int64)
        return cls(nodes, terms[order, ::-1].copy(), own)

    def functions(self, products: Products, terms: Tensor) -> Tensor:
        """B [n_atoms, functions] of the real parts [n_atoms, terms]."""
        values = torch.from_numpy(products.weights).to(terms) * terms[:, self.places]
        zeros = values.new_zeros(len(values), products.n_functions)
        return zeros.index_add(1, torch.from_numpy(products.functions), values)

    def coefficients(self, products: Products, own: Tensor) -> Tensor:
        """[terms, densities] from c_fp [functions, densities] of the element."""
        weights = torch.from_numpy(products.weights).to(own)[:, None]
        values = weights * own[torch.from_numpy(products.functions)]
        return own.new_zeros(len(self.terms), own.shape[1]).index_add(0, self.places, values)


def _key(row: list[int], layout: Layout) -> Factors:
    """Nodes of a product, or of its complex conjugate."""
    factors = [each for each in row if each < layout.size]
    conjugate = [layout.conjugate(each) for each in factors]
    return min(tuple(sorted(1 + each for each in some)) for some in (factors, conjugate))


class Compiled:
    """The kernel for a model as it is now.

    Args:
        model: on the CPU.
    """

    def __init__(self, model: Ace) -> None:
        zbl, harmonics = model.expansion.inner_cutoff == "zbl", (model.l_max + 1) ** 2
        self._elements = elements_of(model)
        dtype = model.coefficients.dtype
        self._kernel = ace.ClusterProducts(self._elements, harmonics, zbl, dtype)
        self.run = self._kernel.run
        self._graphs, self._products = model.graphs, model.products

    def functions(self, features: Tensor, element: int) -> Tensor:
        """B [n_atoms, functions] of atoms of an element."""
        terms = self._kernel.terms(features, element)
        return self._graphs[element].functions(self._products[element], terms)

    def differentiable(
        self, features: Tensor, species: Tensor, gradient: bool
    ) -> tuple[Tensor, Tensor]:
        """Energies and slopes, where gradients of the model's parameters are recorded."""
        return ace.energies_and_slopes(self._kernel, self._elements, features, species, gradient)


def elements_of(model: Ace) -> list[ace.Element]:
    """What the kernel reads of each element, differentiable in the model's parameters."""
    elements = []
    parts = zip(model.products, model.graphs, model.expansion.spans, strict=True)
    for index, (products, graph, (first, last)) in enumerate(parts):
        own = model.coefficients[first:last]
        embedding = model.expansion.embeddings[index]
        elements.append(
            ace.Element(
                radial=model.radial[model.pairs[index]].transpose(1, 2),
                nodes=graph.nodes,
                terms=graph.terms,
                coefficients=graph.coefficients(products, own[:, : len(embedding.exponents)]),
                prefactors=np.array(embedding.prefactors, dtype=np.float64),
                exponents=np.array(embedding.exponents, dtype=np.float64),
                shifted=embedding.kind == SHIFTED,
                core_cutoff=embedding.core_cutoff,
                core_width=embedding.core_width,
            )
        )
    return elements


class AcePass:
    """Energies and gradients of pairs; fingerprints are not scaled.

    Args:
        descriptor: of the fingerprints.
        compiled: the model.
        constants: [n_elements], of the energies of atoms; their precision is the pass's.
    """

    def __init__(self, descriptor: BaseDescriptor, compiled: Compiled, constants: Tensor) -> None:
        self._descriptor, self._compiled, self._constants = descriptor, compiled, constants
        self.dtype = constants.dtype

    def run(
        self, environment: Environment, with_gradients: bool, n_atoms: int | None = None
    ) -> Passed:
        """Fingerprints, energies and, if asked for, gradients; of the first ``n_atoms`` alone where
        that is given."""
        with torch.no_grad():
            environment = environment.to(self.dtype)
            features = self._descriptor.fingerprints(environment)
            energies, slopes = self._compiled.run(features, environment.species, with_gradients)
            energies += self._constants[environment.species]
            gradients = slopes[:, :3]
            if with_gradients:
                gradients = self._descriptor.vjp(environment, slopes)
            return Passed(0, features[:n_atoms], energies[:n_atoms], gradients)
