"""Elements of atoms as places in a list."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from ase.data import atomic_numbers
from torch import Tensor


def places_by_number(elements: Sequence[str]) -> Tensor:
    """Of each atomic number the place of its element among ``elements``, or -1."""
    places = torch.full((len(atomic_numbers) + 1,), -1)
    for place, element in enumerate(elements):
        places[atomic_numbers[element]] = place
    return places
