"""Leaving out symmetry functions that hardly vary over the data."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from . import Gaussian, GaussianDescriptorSet
from .tables import describe

# Images whose neighbours are looked for in one call.
CHUNK = 32


@dataclass(frozen=True)
class Dropped:
    """A symmetry function left out.

    Attributes:
        element: of the centre.
        function: as :func:`.tables.describe` puts it.
        range: largest less smallest value over the data.
    """

    element: str
    function: str
    range: float


def prune(
    descriptor: Gaussian, images: Iterable[Atoms], threshold: float, verbose: bool = False
) -> tuple[GaussianDescriptorSet, list[Dropped]]:
    """The set without the functions whose range over the atoms of their centre element is under
    ``threshold`` (as n2p2's ``nnp-prune range``), and what was left out.

    An element without atoms in the data keeps all of its functions.

    Raises:
        ValueError: nothing would be left.
    """
    tables, dropped = {}, []
    for element, span in feature_ranges(descriptor, images, verbose).items():
        table = descriptor.descriptor_setup[element]
        kept = span[: len(table)] >= threshold
        tables[element] = table[kept]
        dropped += [
            Dropped(element, describe(row), float(value))
            for row, value in zip(table[~kept], span[: len(table)][~kept], strict=True)
        ]
    if not any(len(table) for table in tables.values()):
        largest = max(each.range for each in dropped)
        raise ValueError(
            f"dataset: prune {threshold!r} leaves no symmetry function; the largest range over the "
            f"data is {largest:.3g}"
        )
    cutoff_params = descriptor.descriptor_set.cutoff_params
    return GaussianDescriptorSet.from_tables(tables, cutoff_params), dropped


def feature_ranges(
    descriptor: Gaussian, images: Iterable[Atoms], verbose: bool = False
) -> dict[str, NDArray[np.float64]]:
    """Largest less smallest value [n_features] over the atoms of each element; infinite where an
    element has no atoms."""
    shape = (len(descriptor.elements), descriptor.n_features)
    low = torch.full(shape, torch.inf, dtype=torch.float64)
    high = -low
    bar = tqdm(images, desc="feature ranges", unit=" images", disable=not verbose)
    for first, chunk in _chunks(bar):
        names = [f"image {first + index}" for index in range(len(chunk))]
        for environment in descriptor.environments(chunk, names):
            _widen(low, high, descriptor.fingerprints(environment), environment.species)
    span = torch.where(high >= low, high - low, torch.inf).numpy()
    return dict(zip(descriptor.elements, span, strict=True))


def _chunks(images: Iterable[Atoms]) -> Iterator[tuple[int, list[Atoms]]]:
    """Some images at a time, and the place of the first."""
    rest, first = iter(images), 0
    while chunk := list(itertools.islice(rest, CHUNK)):
        yield first, chunk
        first += len(chunk)


def _widen(low: Tensor, high: Tensor, fingerprint: Tensor, species: Tensor) -> None:
    for element in torch.unique(species).tolist():
        values = fingerprint[species == element]
        low[element] = torch.minimum(low[element], values.amin(0))
        high[element] = torch.maximum(high[element], values.amax(0))
