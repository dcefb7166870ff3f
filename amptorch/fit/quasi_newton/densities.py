"""Densities of atoms in the mean, and what embeddings do there."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from ...data.frame import AtomsBatch
from ...potentials.ace.model import Ace

# The least change of a slope over the spread of a density, beside the slope.
LEAST = 0.05


@dataclass
class Densities:
    """Of the elements [n_elements, densities].

    Attributes:
        slopes: a_p F_p' at the mean.
        curvatures: a_p F_p'' there.
        spreads: standard deviations of densities.
    """

    slopes: Tensor
    curvatures: Tensor
    spreads: Tensor

    @classmethod
    def of(cls, model: Ace, batch: AtomsBatch) -> Densities:
        """Those of the atoms of a batch; without atoms of an element, at density 0."""
        expansion = model.expansion
        shape = (len(expansion.elements), expansion.n_densities)
        found = cls(*(torch.zeros(shape, dtype=torch.float64) for _ in range(3)))
        species = model.species(batch.atomic_numbers)
        for element, (first, last) in enumerate(bounds(model)):
            with torch.no_grad():
                own = model.basis(batch.fingerprint[species == element], element)
                values = (own @ model.coefficients[first:last]).double().cpu()
            found._add(model, element, values)
        return found

    def _add(self, model: Ace, element: int, values: Tensor) -> None:
        mean = values.mean(0) if len(values) else values.new_zeros(values.shape[1])
        if len(values) > 1:
            self.spreads[element] = values.std(0)
        embedding = model.expansion.embeddings[element]
        with torch.enable_grad():
            at = mean[None].requires_grad_()
            (slopes,) = torch.autograd.grad(embedding.energies(at).sum(), at, create_graph=True)
            self.slopes[element] = slopes[0].detach()
            if slopes.requires_grad:
                (curvatures,) = torch.autograd.grad(slopes.sum(), at)
                self.curvatures[element] = curvatures[0]

    def bends(self, p: int) -> Tensor:
        """[n_elements], changes of slopes over the spread of density p."""
        found = self.curvatures[:, p].abs() * self.spreads[:, p]
        return torch.maximum(found, LEAST * self.slopes[:, p].abs())


def bounds(model: Ace) -> list[tuple[int, int]]:
    """Of the functions of each element."""
    ends = [0, *torch.tensor([len(each) for each in model.expansion.functions]).cumsum(0).tolist()]
    return list(pairwise(ends))


def fill(model: Ace, batch: AtomsBatch) -> None:
    """Give densities but the first, where all of their coefficients are 0, a mean of 1 by functions
    of the first radial function of a neighbour."""
    species, expansion = model.species(batch.atomic_numbers), model.expansion
    for element, (first, last) in enumerate(bounds(model)):
        places = [
            first + k
            for k, each in enumerate(expansion.functions[element])
            if len(each.ns) == 1 and each.ns[0] == 1
        ]
        count = len(expansion.embeddings[element].exponents)
        with torch.no_grad():
            values = model.basis(batch.fingerprint[species == element], element)
            mean = float(values[:, [k - first for k in places]].sum(1).mean()) if len(values) else 0
            for p in range(1, count):
                if mean and not bool(model.coefficients[first:last, p].any()):
                    model.coefficients[places, p] = 1 / mean
