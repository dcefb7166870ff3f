"""Batches: frames one after the other, primes joined block-diagonally."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .record import Record


@dataclass
class Batch:
    """Frames of a batch.

    Attributes:
        fingerprint, numbers: of all atoms.
        primes: sparse [n_atoms * n_features, 3 * n_atoms].
        frames: [n_atoms], the frame of each atom.
        n_frames: their number.
    """

    fingerprint: Tensor
    numbers: Tensor
    primes: Tensor
    frames: Tensor
    n_frames: int

    def __len__(self) -> int:
        return self.n_frames


Targets = tuple[Tensor, Tensor]


def collate(records: Sequence[Record]) -> tuple[Batch, Targets]:
    """A batch, and the energies [n_frames] and forces [n_atoms, 3] of its frames."""
    sizes = torch.tensor([len(record.numbers) for record in records])
    batch = Batch(
        torch.cat([record.fingerprint for record in records]),
        torch.cat([record.numbers for record in records]),
        block_diagonal([record.primes for record in records]),
        torch.repeat_interleave(torch.arange(len(records)), sizes),
        len(records),
    )
    energies = torch.stack([record.energy for record in records])
    return batch, (energies, torch.cat([record.forces for record in records]))


def block_diagonal(matrices: Sequence[Tensor]) -> Tensor:
    """Sparse matrices joined block-diagonally; indices are checked, as torch did at the time."""
    indices, values, rows, columns = [], [], 0, 0
    for matrix in matrices:
        indices.append(matrix._indices() + torch.tensor([[rows], [columns]]))
        values.append(matrix._values())
        rows += matrix.shape[0]
        columns += matrix.shape[1]
    return torch.sparse_coo_tensor(
        torch.cat(indices, 1), torch.cat(values), (rows, columns), check_invariants=True
    )
