"""Networks of the elements, all of them evaluated on all atoms, and forces through the primes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from ase.data import atomic_numbers
from torch import Tensor, nn

from .collate import Batch, Targets

MASK_ROWS = 100  # atomic numbers that the mask has a row for


class ElementNetworks(nn.Module):
    """A perceptron for each element, and weights by which their outputs are mixed: one-hot at
    first, and trained with the rest.

    Args:
        elements: chemical symbols.
        n_features: length of a fingerprint.
        hidden_layers: widths.
        activation: between layers.
        dtype: in which weights are drawn.
    """

    def __init__(
        self,
        elements: Sequence[str],
        n_features: int,
        hidden_layers: Sequence[int],
        activation: type[nn.Module] = nn.Tanh,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__()
        widths = [n_features, *hidden_layers, 1]
        self.networks = nn.ModuleList(_perceptron(widths, activation, dtype) for _ in elements)
        self.mask = nn.Embedding(MASK_ROWS, len(elements), dtype=dtype)
        with torch.no_grad():
            self.mask.weight.zero_()
            for column, element in enumerate(elements):
                self.mask.weight[atomic_numbers[element], column] = 1.0

    def forward(self, batch: Batch) -> Targets:
        """Scaled energies [n_frames] and forces [n_atoms, 3]."""
        with torch.enable_grad():
            fingerprint = batch.fingerprint.detach().requires_grad_()
            outputs = torch.cat([network(fingerprint) for network in self.networks], 1)
            atomic = (outputs * self.mask(batch.numbers)).sum(1)
            energies = atomic.new_zeros(batch.n_frames).index_add(0, batch.frames, atomic)
            (slope,) = torch.autograd.grad(
                energies, fingerprint, torch.ones_like(energies), create_graph=True
            )
            moved = product(batch.primes.t(), slope.flatten())
        return energies, -moved.reshape(-1, 3)


def product(matrix: Tensor, vector: Tensor) -> Tensor:
    """The product of a sparse COO matrix and a vector.

    The ``torch.sparse.mm`` of today takes so long for a single column that a training step would
    be further from the original's, beside the other stages, than it is with this.
    """
    rows, columns = matrix._indices()
    terms = matrix._values() * vector.index_select(0, columns)
    return terms.new_zeros(matrix.shape[0]).index_add(0, rows, terms)


def _perceptron(
    widths: Sequence[int], activation: type[nn.Module], dtype: torch.dtype
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width, following in itertools.pairwise(widths):
        layers += [nn.Linear(width, following, dtype=dtype), activation()]
    network = nn.Sequential(*layers[:-1])
    for layer in network:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return network
