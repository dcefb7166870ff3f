"""Neighbours of many images as one batch, on the device where fingerprints are wanted."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from ase import Atoms

from ..kernels.environment import Environment
from ..kernels.neighbors import find_neighbors_of_batch
from ..processes.stages import stage
from .base_descriptor import BaseDescriptor, numbered
from .util import COINCIDENT


def environment_on(
    descriptor: BaseDescriptor,
    images: Sequence[Atoms],
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
    names: Sequence[str] | None = None,
) -> Environment:
    """Neighbours of the atoms of images one after the other, as far as a descriptor looks.

    It is what ``descriptor.environments`` gives, laid together, in the same order and of the same
    numbers; on a GPU it is made there, see
    :func:`amptorch.kernels.neighbors.find_neighbors_of_batch`.

    Args:
        descriptor: what the neighbours are for.
        images: list of ``Atoms``, of one at least.
        device: of the environment.
        dtype: of its vectors.
        names: of the images, in errors.

    Raises:
        ValueError: see :meth:`BaseDescriptor.environment`.
    """
    names = names or numbered(images)
    frames = descriptor.frames(images, names)
    with stage("amptorch::neighbours"):
        found = find_neighbors_of_batch(frames, descriptor.cutoff, device, dtype)
    if found.nearest < COINCIDENT:
        descriptor.environments(images, names)  # which says where
    return found.environment
