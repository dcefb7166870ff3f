"""Potentials of the atomic cluster expansion for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from amptorch.descriptor import Ace
from amptorch.potentials.ace.family import FAMILY
from amptorch.potentials.ace.ladder import Powers
from amptorch.potentials.ace.settings import AceSettings
from amptorch.potentials.potential import Potential
from amptorch.potentials.registry import Inputs
from amptorch.preprocessing.scaling import Scalers
from amptorch.preprocessing.utils import FeatureScaler, TargetScaler

BONDS = {
    "plain": {},
    "inner": {"inner": 2.6, "inner_width": 0.8},
    "core": {"inner": 2.6, "inner_width": 0.8, "core_prefactor": 40.0, "core_exponent": 0.8},
    "zbl": {
        "inner_cutoff": "zbl",
        "inner": 2.4,
        "inner_width": 0.5,
        "width": 0.3,
        "core_prefactor": 1.0,
        "core_exponent": 1.0,
    },
}


def potential_of(
    bonds: Mapping[str, Any],
    name: str = "ace",
    elements: Sequence[str] = ("Cl", "Na"),
    functions: int = 60,
    dtype: torch.dtype = torch.float64,
    scalers: Scalers | None = None,
    powers: Powers | None = None,
) -> Potential:
    """With random coefficients; ``bonds`` are parameters of the descriptor."""
    parameters = {"cutoff": 4.1, "n_radial": 9, "l_max": 3, **bonds}
    descriptor = Ace(parameters, elements)
    settings = AceSettings(name=name, functions=functions, powers=powers)
    inputs = Inputs(elements, descriptor.n_features, descriptor)
    model = FAMILY.make(settings, inputs, dtype)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for each in model.parameters():
            each += 0.1 * torch.randn(each.shape, generator=generator).to(dtype)
    identity = FeatureScaler.identity(descriptor.element_indices.tolist(), descriptor.n_features)
    all_scalers = {"target": TargetScaler.of(0.0, 1.0), "feature": identity, **(scalers or {})}
    return Potential(model.eval(), descriptor, all_scalers)
