"""Densities where a fit begins."""

from __future__ import annotations

import torch

from ...data.frame import AtomsBatch
from ...potentials.ace.model import Ace


def fill(model: Ace, batch: AtomsBatch) -> None:
    """Give densities but the first, where all of their coefficients are 0, a mean of 1 by functions
    of the first radial function of a neighbour."""
    species, expansion = model.species(batch.atomic_numbers), model.expansion
    for element, (first, last) in enumerate(expansion.spans):
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
