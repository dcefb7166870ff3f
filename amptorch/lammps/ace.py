"""ACE in the file of ``pair_style amptorch``; plugin/ace.cpp reads it."""

from __future__ import annotations

from typing import Any, cast

import torch

from ..descriptor.ace import Ace as Descriptor
from ..kernels.ace import MOST_DENSITIES
from ..potentials.ace.compiled import elements_of
from ..potentials.ace.graded import Graded
from ..potentials.ace.linear import LinearAce
from ..potentials.ace.model import Ace
from ..potentials.potential import Potential


def entries(potential: Potential) -> dict[str, Any]:
    """What the file has of a potential beside its energies of elements.

    Raises:
        ValueError: more densities than the kernel has.
    """
    model = _general(potential)
    if model.expansion.n_densities > MOST_DENSITIES:
        raise ValueError(
            f"pair_style amptorch has ACE of up to {MOST_DENSITIES} densities, got "
            f"{model.expansion.n_densities}"
        )
    descriptor = cast("Descriptor", potential.descriptor)
    found: dict[str, Any] = {
        "potential": "ace",
        "ace.constants": model.constants.detach().double(),
        **_descriptor(descriptor),
        "ace.n_radial": model.n_radial,
        "ace.harmonics": (model.l_max + 1) ** 2,
        "ace.n_max": model.expansion.n_max,
        "ace.l_max": model.expansion.l_max,
    }
    active = cast("Graded", potential.model).active_sets()
    with torch.no_grad():
        elements = elements_of(model)
    graphs = zip(model.graphs, model.products, strict=True)
    for symbol, element, (graph, products) in zip(
        model.expansion.elements, elements, graphs, strict=True
    ):
        values = {name: getattr(element, name) for name in element.__dataclass_fields__}
        values["core"] = [values.pop("core_cutoff"), values.pop("core_width")]
        values["active"] = active.get(symbol, [])
        # Functions are sums of terms; nothing but grades asks for them.
        kept = slice(None) if active else slice(0)
        values["function_terms"] = graph.places[kept]
        values["function_owners"] = products.functions[kept]
        values["function_weights"] = products.weights[kept]
        found |= {f"ace.{symbol}.{name}": value for name, value in values.items()}
    return found


def _general(potential: Potential) -> Ace:
    model = potential.model
    if isinstance(model, LinearAce):
        return model.as_ace()
    assert isinstance(model, Ace)
    return model


def _descriptor(descriptor: Descriptor) -> dict[str, Any]:
    parameters = descriptor.parameters
    expansion, core = parameters.expansion, parameters.core
    return {
        "ace.n_features": parameters.n_features,
        "ace.parts": expansion.parts,
        "ace.kinds": expansion.kinds,
        "ace.values": expansion.values,
        "core.kind": core.kind,
        "core.charges": core.charges,
        "core.values": core.values,
    }
