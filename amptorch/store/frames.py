"""The records of frames: their fingerprints and derivatives, computed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from ase import Atoms

from ..data.primes import primes_of
from ..kernels.environment import Environment
from .header import Header
from .record import Frame, pack_frame
from .sealed import Bytes


def frame_records(
    header: Header, keys: Sequence[bytes], images: Sequence[Atoms], names: Sequence[str]
) -> list[Bytes]:
    """Records of images; ``names`` stand in errors."""
    environments = header.descriptor.environments(images, names)
    return [
        pack_frame(key, compute_frame(header, image, environment))
        for key, image, environment in zip(keys, images, environments, strict=True)
    ]


def compute_frame(header: Header, image: Atoms, environment: Environment) -> Frame:
    """Fingerprints, and what the header's form of the derivatives needs, in its precision."""
    descriptor, dtype, form = header.descriptor, header.dtype, header.derivatives
    blocks, matrix = None, None
    if form in ("cached", "sparse"):
        fingerprint, blocks = descriptor.jacobian(environment)
    else:
        fingerprint = descriptor.fingerprints(environment)
    if form == "sparse":
        matrix = primes_of(descriptor, environment, fingerprint, blocks).to_sparse()
    return Frame(
        torch.tensor(image.numbers, dtype=torch.int64),
        environment.species,
        fingerprint.to(dtype),
        environment.to(dtype) if form in ("cached", "on_the_fly") else None,
        blocks.to(dtype) if blocks is not None and form == "cached" else None,
        None if matrix is None else matrix.to(dtype).coalesce(),
    )
