"""What the numbers of a trained neuroevolution potential look like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .model import Nep
from .population import networks_of

NEAR_ZERO = 0.01


@dataclass(frozen=True)
class Block:
    """Parameters of one kind and element: how many, mean and deviation, quantiles 5, 50 and 95 %
    and the largest of their sizes, and the share smaller than ``NEAR_ZERO``."""

    name: str
    element: str
    count: int
    mean: float
    deviation: float
    quantiles: tuple[float, float, float]
    largest: float
    near_zero: float


def blocks(model: Nep) -> list[Block]:
    """Of weights, biases and radial coefficients, by element."""
    return [_block(name, element, values) for name, element, values in _parts(model)]


def _parts(model: Nep) -> Iterator[tuple[str, str, Tensor]]:
    elements = model.shape.elements
    shared = len(model.networks) == 1
    for network, element in zip(networks_of(model), ("all",) if shared else elements, strict=False):
        for layer, (weights, biases) in enumerate(
            zip(network.weights, network.biases, strict=True), 1
        ):
            yield f"weights of layer {layer}", element, weights
            yield f"biases of layer {layer}", element, biases
        yield "last weights", element, network.last
    for name, values in (("radial c", model.radial), ("angular c", model.angular)):
        for a, center in enumerate(elements):
            for b, neighbor in enumerate(elements):
                yield name, f"{center}-{neighbor}", values[:, :, a, b]


def _block(name: str, element: str, values: Tensor) -> Block:
    flat = values.detach().double().flatten()
    sizes = flat.abs()
    low, middle, high = torch.quantile(sizes, torch.tensor([0.05, 0.5, 0.95]).double()).tolist()
    return Block(
        name,
        element,
        len(flat),
        float(flat.mean()),
        float(flat.std(correction=0)),
        (low, middle, high),
        float(sizes.max()),
        float((sizes < NEAR_ZERO).double().mean()),
    )


@dataclass(frozen=True)
class Influence:
    """How far a descriptor moves the energy of an atom of an element, meV: the root mean square
    over atoms of dU/dq times the deviation of q."""

    descriptor: str
    element: str
    energy: float


def influences(
    model: Nep, fingerprints: Sequence[Tensor], numbers: Sequence[Tensor]
) -> list[Influence]:
    """Of all descriptors and elements, the largest first.

    Args:
        model: in float64.
        fingerprints: of frames, of the descriptor "nep".
        numbers: atomic numbers of their atoms.
    """
    names, found = descriptor_names(model), []
    species = model.elements_of(torch.cat(list(numbers)))
    with torch.no_grad():
        both = zip(fingerprints, numbers, strict=True)
        scaled = torch.cat([model.descriptors(f, z) for f, z in both]) * model.q_scaler
    for place, element in enumerate(model.shape.elements):
        own = scaled[species == place].requires_grad_()
        if not len(own):
            continue
        energies = model.networks[place % len(model.networks)](own)
        (slopes,) = torch.autograd.grad(energies.sum(), own)
        sizes = 1e3 * slopes.square().mean(0).sqrt() * own.detach().std(0, correction=0)
        found += [Influence(n, element, s) for n, s in zip(names, sizes.tolist(), strict=True)]
    return sorted(found, key=lambda each: -each.energy)


def descriptor_names(model: Nep) -> list[str]:
    """In the order of the vector."""
    shape = model.shape
    lines = [*(f"l {order}" for order in range(1, shape.l_max + 1)), *shape.invariants]
    radial = [f"radial, n {n}" for n in range(shape.n_max[0] + 1)]
    return radial + [f"{line}, n {n}" for line in lines for n in range(shape.n_max[1] + 1)]
