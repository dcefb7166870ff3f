"""Neighbours of many images as one batch, on the device where fingerprints are wanted."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from ase import Atoms

from ..kernels import neighbors as kernels
from ..kernels.environment import Environment
from ..kernels.neighbors import NeighborList, PartedNeighbors
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
        found = kernels.find_neighbors_of_batch(frames, descriptor.cutoff, device, dtype)
    check_nearest(found.nearest, descriptor, images, names)
    return found.environment


def parted_on(
    descriptor: BaseDescriptor,
    images: Sequence[Atoms],
    device: torch.device,
    names: Sequence[str],
    neighbors: NeighborList | None = None,
) -> PartedNeighbors:
    """Neighbours of the atoms of images one after the other on a GPU, some atoms at a time.

    Their shortest vector is yet to be checked, by :func:`check_nearest`.

    Args:
        descriptor: what the neighbours are for.
        images: list of ``Atoms``; with ``neighbors`` one.
        device: the GPU.
        names: of the images, in errors.
        neighbors: of a system that moves, whose state the image is.

    Raises:
        ValueError: see :meth:`BaseDescriptor.environment`.
    """
    frames = descriptor.frames(images, names)
    with stage("amptorch::neighbours"):
        if neighbors is None:
            return kernels.parted_on(frames, descriptor.cutoff, device)
        (frame,) = frames
        return neighbors.parted_on(frame, descriptor.cutoff, device)


def check_nearest(
    nearest: float, descriptor: BaseDescriptor, images: Sequence[Atoms], names: Sequence[str]
) -> None:
    """Raise a ``ValueError`` that names two atoms on one spot, where the shortest vector of images
    says that there are such."""
    if nearest < COINCIDENT:
        descriptor.environments(images, names)
