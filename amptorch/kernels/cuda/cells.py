"""Where the pairs of each centre lie whose neighbours are of one species."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from ..environment import Environment

_kept: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
"""By ``first`` of an environment: its other indices, and for each number of species the starts. The
operations of one environment, which come one after the other, share them."""


def starts(environment: Environment, n_species: int) -> Tensor:
    """[n_atoms * n_species + 1]: the pairs of atom i with neighbours of species s are
    ``starts[i * n_species + s]`` to the next; on the device, without waiting for it."""
    others = (environment.neighbors, environment.species)
    known, found = _kept.get(environment.first, (None, {}))
    if known is None or any(a is not b for a, b in zip(known, others, strict=True)):
        found = {}
        _kept[environment.first] = others, found
    if n_species not in found:
        found[n_species] = _starts(environment, n_species)
    return found[n_species]


def _starts(environment: Environment, n_species: int) -> Tensor:
    cells = environment.centers * n_species + environment.neighbor_species
    every = torch.arange(environment.n_atoms * n_species + 1, device=cells.device)
    return torch.searchsorted(cells, every)
