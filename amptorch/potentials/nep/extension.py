"""Neuroevolution potentials for more elements, with the parameters that there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ...descriptor.nep import NepDensity
from .model import Nep
from .population import places_in


def with_elements(old: NepDensity, elements: Sequence[str]) -> dict[str, Any]:
    """``fp_params`` for more elements: new ones have the largest cutoffs that there are."""
    radial, angular = (max(each) for each in zip(*old.cutoffs, strict=True))
    known = dict(zip(old.elements, map(list, old.cutoffs), strict=True))
    cutoffs = [known.get(each, [radial, angular]) for each in elements]
    return {**old.fp_params, "cutoff": cutoffs}


def places(old: NepDensity, new: NepDensity) -> list[int]:
    """Where the features of ``old`` are among those of ``new``."""
    width = old.n_features // len(old.elements)
    starts = [width * new.elements.index(each) for each in old.elements]
    return [start + k for start in starts for k in range(width)]


def take_parameters(model: Nep, old: Nep) -> None:
    """Set the parameters of a model for more elements so that atoms which have none of the new ones
    near them have the energies that ``old`` gives them."""
    values = model.vector()
    where = torch.from_numpy(places_in(old.shape, model.shape))
    values[where] = old.vector().to(values)
    model.set_vector(values)
    model.q_scaler.copy_(old.q_scaler)
    model.most_neighbors.copy_(old.most_neighbors)
