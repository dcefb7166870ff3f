"""What every method chooses with: the same frames, the same networks on the whole pool."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .networks import Weights, losses, made, trained
from .samples import Samples

Order = list[int]
"""Functions by their places in the pool, those to keep first."""


@dataclass
class Material:
    """Frames and networks.

    Attributes:
        training, validation: scaled samples of the whole pool; no other frames choose.
        spans: [n_functions], largest less smallest value of each function, unscaled.
        n_species: number of elements.
        seeds: of networks.
        epochs: of a training.
        hidden: nodes of both layers of networks.
        least, most: functions of the smallest and of the largest set that is asked for.
    """

    training: Samples
    validation: Samples
    spans: Tensor
    n_species: int = 1
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    epochs: int = 80
    hidden: int = 16
    least: int = 1
    most: int = 50

    @property
    def n_functions(self) -> int:
        """Of the pool."""
        return self.training.n_functions

    @property
    def seed(self) -> int:
        """The first one."""
        return self.seeds[0]

    def start(self, n_functions: int, skip: bool = False) -> Weights:
        """Networks that know nothing."""
        return made(n_functions, self.n_species, self.hidden, self.seeds, skip)

    @cached_property
    def networks(self) -> Weights:
        """Trained on the whole pool, one a seed."""
        return self.on(list(range(self.n_functions)))

    def on(self, kept: Order, seeds: tuple[int, ...] | None = None) -> Weights:
        """Networks trained on some of the functions."""
        samples = self.training.of_functions(torch.tensor(kept))
        start = made(len(kept), self.n_species, self.hidden, seeds or self.seeds)
        return trained(start, samples, self.epochs, self.seed)


@torch.no_grad()
def harms(weights: Weights, samples: Samples) -> Tensor:
    """[n_networks, n_functions]: how much larger losses are where a function is seen at its mean
    only. Negative where the networks are better off without it."""
    whole = losses(weights, samples)
    found = []
    for function in range(samples.n_functions):
        mask = torch.ones(len(whole), samples.n_functions, dtype=samples.features.dtype)
        mask[:, function] = 0.0
        found.append(losses({**weights, "mask": mask}, samples) - whole)
    return torch.stack(found, 1)


def by(scores: Tensor) -> Order:
    """Places by falling scores."""
    return scores.argsort(descending=True, stable=True).tolist()
