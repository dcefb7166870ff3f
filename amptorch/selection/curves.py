"""Symmetry functions as curves: over the distance of one neighbour, and the angle between two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..descriptor.Gaussian import Gaussian
from ..kernels.environment import Environment
from .pool import Pool

Array = NDArray[np.float64]
POINTS = 61
NEAREST, WITHIN = 0.5, 0.4  # Å; distance of both neighbours in an angle, of the cutoff


@dataclass(frozen=True)
class Curves:
    """Values by function of the pool, over x; none are larger than 1 in magnitude.

    Attributes:
        distances: Å.
        radial: of G2.
        angles: degrees.
        angular: of G4 and G5.
    """

    distances: Array
    radial: dict[int, Array]
    angles: Array
    angular: dict[int, Array]


def curves(pool: Pool) -> Curves | None:
    """Those of a pool of symmetry functions; None of others."""
    descriptor = pool.descriptor
    if not isinstance(descriptor, Gaussian):
        return None
    distances = np.linspace(NEAREST, descriptor.cutoff, POINTS)
    angles = np.linspace(0.0, 180.0, POINTS)
    made = Curves(distances, {}, angles, {})
    for center in range(len(descriptor.elements)):
        _add(made, pool, descriptor, center)
    return made


def _add(made: Curves, pool: Pool, descriptor: Gaussian, center: int) -> None:
    """Functions of a centre element, each with neighbours that it sees."""
    table = descriptor.descriptor_setup[descriptor.elements[center]]
    index = {int(z): species for species, z in enumerate(descriptor.element_indices)}
    r = torch.from_numpy(made.distances)
    theta = torch.from_numpy(np.deg2rad(made.angles))
    along = torch.stack([r, 0 * r, 0 * r], 1)[:, None]
    leg = WITHIN * descriptor.cutoff
    first = torch.stack([leg + 0 * theta, 0 * theta, 0 * theta], 1)
    second = leg * torch.stack([theta.cos(), theta.sin(), 0 * theta], 1)
    around = torch.stack([first, second], 1)
    for place, row in enumerate(table):
        others = [index.get(int(z), center) for z in row[1:3] if z] or [center] * 2
        function = int(pool.places[center, place])
        vectors, into = (along, made.radial) if row[0] == 2 else (around, made.angular)
        if function not in into:
            values = _values(descriptor, center, others[: vectors.shape[1]], vectors)[:, place]
            into[function] = values / max(float(np.abs(values).max()), 1e-300)


def _values(descriptor: Gaussian, center: int, others: list[int], vectors: torch.Tensor) -> Array:
    """Fingerprints [n, n_features] of n atoms alone with neighbours at ``vectors``
    [n, n_neighbors, 3] of these species."""
    n, many = vectors.shape[:2]
    order = sorted(range(many), key=lambda k: others[k])
    environment = Environment(
        vectors[:, order].reshape(-1, 3).contiguous(),
        torch.tensor([*range(0, n * many + 1, many), *[n * many] * many]),
        torch.tensor([n + k for k in range(many)] * n),
        torch.tensor([center] * n + [others[k] for k in order]),
    )
    return descriptor.fingerprints(environment).numpy()[:n]
