"""A neuroevolution potential as a member of a population."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...kernels import nep_population
from . import invariants
from .model import Nep
from .shape import Shape


def population_shape(shape: Shape) -> nep_population.Shape:
    """As the kernel of populations takes it."""
    products: list[tuple[int, int, int, int, float]] = []
    for line, name in enumerate(shape.invariants, shape.l_max):
        if name == "1111":
            continue
        terms = invariants.terms(name)
        for places, factor in zip(terms.places.tolist(), terms.factors.tolist(), strict=True):
            products.append((line, places[0], places[1], places[2], factor))
    quartic = shape.invariants.index("1111") + shape.l_max if "1111" in shape.invariants else -1
    radial, angular = ((n + 1, k + 1) for n, k in zip(shape.n_max, shape.basis_size, strict=True))
    return nep_population.Shape(
        shape.n_elements,
        radial,
        angular,
        shape.l_max,
        shape.neurons,
        shared_net=shape.version == 3,
        species_bias=shape.version == 5,
        products=tuple(products),
        n_more=len(shape.invariants),
        quartic=quartic,
    )


def owners(shape: Shape) -> NDArray[np.int64]:
    """[n_variables]: the place of the element that each parameter belongs to, of c that of the
    centre; the number of elements for what belongs to all."""
    model = Nep(shape)
    with torch.no_grad():
        for place, network in enumerate(networks_of(model)):
            for each in network.in_order():
                each.fill_(place if shape.version != 3 else shape.n_elements)
        model.constant.fill_(shape.n_elements)
        own = torch.arange(shape.n_elements, dtype=torch.float64)
        for each in (model.radial, model.angular):
            each.copy_(own[:, None].expand(each.shape))
    return model.vector().numpy().astype(np.int64)


def networks_of(model: Nep) -> list[Any]:
    """Its networks; torch's list of modules forgets their type."""
    return list(model.networks)


def without_constant(shape: Shape) -> NDArray[np.bool_]:
    """[n_variables], False for the constant of all."""
    model = Nep(shape)
    with torch.no_grad():
        model.constant.fill_(1.0)
    return model.vector().numpy() == 0


def places_in(shape: Shape, larger: Shape) -> NDArray[np.int64]:
    """[n_variables]: where the parameters lie in a potential that differs in having more elements.

    Raises:
        ValueError: it differs in other things, or lacks an element.
    """
    if replace(larger, elements=shape.elements) != shape:
        raise ValueError(f"expected a potential like {shape}, got {larger}")
    missing = [each for each in shape.elements if each not in larger.elements]
    if missing:
        raise ValueError(
            f"expected a potential of {', '.join(shape.elements)}, it has no {missing[0]}"
        )
    own = [larger.elements.index(each) for each in shape.elements]
    of_larger, model = Nep(larger), Nep(shape)
    of_larger.set_vector(torch.arange(of_larger.num_params, dtype=torch.float64))
    with torch.no_grad():
        for place, network in zip(own, networks_of(model), strict=False):
            source = networks_of(of_larger)[place if shape.version != 3 else 0]
            for to, each in zip(network.in_order(), source.in_order(), strict=True):
                to.copy_(each)
        model.constant.copy_(of_larger.constant)
        for to, each in ((model.radial, of_larger.radial), (model.angular, of_larger.angular)):
            to.copy_(each[:, :, own][:, :, :, own])
    return model.vector().numpy().astype(np.int64)


def starting_scale(
    shape: Shape, fingerprints: list[torch.Tensor], numbers: list[torch.Tensor], width: float
) -> NDArray[np.float64]:
    """s [n_descriptors] as GPUMD takes it: one over the range of each descriptor over all atoms,
    where all parameters are ``width``; 1 for what does not vary.

    Args:
        shape: of the potential.
        fingerprints: of frames, of the descriptor "nep".
        numbers: of their atoms.
        width: of GPUMD, ``initial_para``.
    """
    model = Nep(shape)
    model.set_vector(torch.full((model.num_params,), float(width), dtype=torch.float64))
    with torch.no_grad():
        found = [model.descriptors(f, z) for f, z in zip(fingerprints, numbers, strict=True)]
    low = torch.stack([each.amin(0) for each in found]).amin(0)
    high = torch.stack([each.amax(0) for each in found]).amax(0)
    wide = high - low > 1e-12 * torch.maximum(high.abs(), low.abs())
    return torch.where(wide, 1 / torch.where(wide, high - low, 1.0), 1.0).numpy()
