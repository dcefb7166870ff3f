"""From images to records of their frames, in this process or in others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

import torch
from ase import Atoms

from ..descriptor.base_descriptor import BaseDescriptor
from ..kernels.environment import Environment
from .header import Header
from .record import Bytes, Frame, pack_frame


def frame_records(
    header: Header, keys: Sequence[bytes], images: Sequence[Atoms], names: Sequence[str]
) -> list[Bytes]:
    """Records of images; ``names`` stand in errors."""
    if not images:
        return []
    environments = header.descriptor.environments(images, names)
    return [
        pack_frame(key, compute_frame(header, image, environment))
        for key, image, environment in zip(keys, images, environments, strict=True)
    ]


def compute_frame(header: Header, image: Atoms, environment: Environment) -> Frame:
    """Fingerprints, and what the header's form of the derivatives needs, in its precision."""
    fingerprint, blocks = _numbers(header.descriptor, environment, header.derivatives)
    kept = None if header.derivatives == "none" else environment.to(header.dtype)
    return Frame(
        torch.tensor(image.numbers, dtype=torch.int64),
        environment.species,
        fingerprint.to(header.dtype),
        kept,
        None if blocks is None else blocks.to(header.dtype),
    )


def _numbers(
    descriptor: BaseDescriptor, environment: Environment, derivatives: str
) -> tuple[torch.Tensor, torch.Tensor | None]:
    if derivatives == "cached":
        return descriptor.jacobian(environment)
    return descriptor.fingerprints(environment), None


class Computer:
    """Computes in this process, with threads.

    Attributes:
        ahead: how many chunks may be underway beside the one that is waited for.
    """

    ahead = 0

    def __init__(self, header: Header) -> None:
        self.header = header

    def submit(
        self, keys: Sequence[bytes], images: Sequence[Atoms], names: Sequence[str]
    ) -> Future[list[Bytes]]:
        """Records of images, at some time; errors name them by ``names``."""
        future: Future[list[Bytes]] = Future()
        future.set_result(frame_records(self.header, keys, images, names))
        return future


@contextmanager
def computer(header: Header, processes: int | None) -> Iterator[Computer]:
    """What computes: this process alone."""
    yield Computer(header)
