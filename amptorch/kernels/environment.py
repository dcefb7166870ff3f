"""The input of every kernel: the vectors from each atom to its neighbours.

A kernel never sees cells, periodic images or ASE. What it needs of a frame, or of a batch of
frames laid one after the other, is in an :class:`Environment`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

Where = torch.device | torch.dtype | str | int | bool
"""What ``Tensor.to`` takes: a device, a dtype, and whether to wait."""


def moved(tensor: Tensor, *where: Where, **named: Where) -> Tensor:
    """``tensor.to(...)``."""
    return tensor.to(*where, **named)  # type: ignore[call-overload]


@dataclass(frozen=True)
class Environment:
    """Neighbours of every atom of one or more frames, ``R_ij = r_j + image - r_i``.

    Attributes:
        vectors: [n_pairs, 3], Å, ordered by centre, then by species of the neighbour.
        first: [n_atoms + 1], int64; the pairs of atom ``i`` are ``first[i]`` to ``first[i + 1]``.
        neighbors: [n_pairs], int64, index of the atom ``j`` whose image the vector points at.
        species: [n_atoms], int64, index of each atom's element in the descriptor's elements.
    """

    vectors: Tensor
    first: Tensor
    neighbors: Tensor
    species: Tensor

    @property
    def n_atoms(self) -> int:
        """Number of atoms (centres)."""
        return self.species.shape[0]

    @property
    def n_pairs(self) -> int:
        """Number of (centre, neighbour image) pairs, each direction counted."""
        return self.vectors.shape[0]

    @cached_property
    def centers(self) -> Tensor:
        """[n_pairs], int64, index of the atom ``i`` that each pair starts from."""
        atoms = torch.arange(self.n_atoms, device=self.first.device)
        return torch.repeat_interleave(atoms, self.first.diff(), output_size=self.n_pairs)

    @cached_property
    def is_contiguous(self) -> bool:
        """Whether the numbers of each array lie one after the other, as kernels read them."""
        arrays = self.vectors, self.first, self.neighbors, self.species
        return all(each.is_contiguous() for each in arrays)

    @cached_property
    def neighbor_species(self) -> Tensor:
        """[n_pairs], int64, species of the neighbour of each pair."""
        return self.species[self.neighbors]

    def to(self, *where: Where, **named: Where) -> Environment:
        """Copy with indices on another device and vectors on another device or dtype."""
        vectors = moved(self.vectors, *where, **named)
        device = vectors.device
        return Environment(
            vectors,
            self.first.to(device),
            self.neighbors.to(device),
            self.species.to(device),
        )

    def with_vectors(self, vectors: Tensor) -> Environment:
        """The same neighbours with other vectors, to differentiate through them."""
        return Environment(vectors, self.first, self.neighbors, self.species)


@dataclass(frozen=True)
class Part:
    """Some atoms of one frame, or of frames one after the other, with all their neighbours.

    Attributes:
        environment: of these atoms; after them one of each species without neighbours, which
            stands for all neighbours of it: a kernel asks for no more of them.
        neighbors: [n_pairs], int64, index among all atoms of the one that the vector points at.
        begin: index among them of the first of these atoms.
        n_centers: how many there are.
    """

    environment: Environment
    neighbors: Tensor
    begin: int
    n_centers: int

    @classmethod
    def of(
        cls,
        vectors: Tensor,
        first: Tensor,
        neighbors: Tensor,
        species: Tensor,
        begin: int,
        n_species: int | None = None,
    ) -> Part:
        """The part of atoms ``species`` [n_atoms] whose pairs are given; told how many species
        there are, a GPU is not asked for it."""
        n = len(first) - 1
        n_species = int(species.max()) + 1 if n_species is None else n_species
        stands = torch.arange(n_species, device=species.device)
        environment = Environment(
            vectors,
            torch.cat([first, first[-1:].expand(len(stands))]),
            species[neighbors] + n,
            torch.cat([species[begin : begin + n], stands]),
        )
        return cls(environment, neighbors, begin, n)


def concatenate(environments: Sequence[Environment]) -> Environment:
    """Lay the environments of several frames one after the other."""
    atoms = accumulate((each.n_atoms for each in environments), initial=0)
    pairs = list(accumulate((each.n_pairs for each in environments), initial=0))
    heads = [environments[0].first[:1], *(each.first[1:] for each in environments)]
    return Environment(
        _laid_together([each.vectors for each in environments]),
        _laid_together(heads, [0, *pairs]),
        _laid_together([each.neighbors for each in environments], atoms),
        _laid_together([each.species for each in environments]),
    )


def _laid_together(parts: Sequence[Tensor], shifts: Iterable[int] | None = None) -> Tensor:
    """One tensor of all, integers with something added.

    On the CPU by numpy, which takes large memory in pages of 2 MB, while to get it in pages of 4 kB
    takes as long again as to fill it; and threads would wait for other programs."""
    if parts[0].device.type != "cpu" or parts[0].dtype == torch.bfloat16:
        if shifts is not None:
            parts = [part + shift for part, shift in zip(parts, shifts, strict=False)]
        return torch.cat(list(parts))
    arrays = [each.numpy() for each in parts]
    whole = np.empty((sum(map(len, arrays)), *arrays[0].shape[1:]), arrays[0].dtype)
    np.concatenate(arrays, out=whole)
    if shifts is not None:
        end = 0
        for array, shift in zip(arrays, shifts, strict=False):
            begin, end = end, end + len(array)
            whole[begin:end] += shift
    return torch.from_numpy(whole)


def split(environment: Environment, sizes: Sequence[int]) -> list[Environment]:
    """The environments of the frames, of so many atoms each, that one was concatenated of."""
    parts, atom = [], 0
    for size in sizes:
        first = environment.first[atom : atom + size + 1]
        pairs = slice(int(first[0]), int(first[-1]))
        parts.append(
            Environment(
                environment.vectors[pairs],
                first - first[0],
                environment.neighbors[pairs] - atom,
                environment.species[atom : atom + size],
            )
        )
        atom += size
    return parts
