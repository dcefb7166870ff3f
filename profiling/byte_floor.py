"""The least time of a kernel: bytes that must move, divided by what memory moves in a second."""

from __future__ import annotations

import time
from collections.abc import Mapping

import torch

from amptorch.kernels.environment import Environment

COPIED = 256 * 1024**2  # bytes: far more than any cache holds
REPEATS = 10


def bytes_moved(environment: Environment, n_features: int, n_touched: int) -> Mapping[str, int]:
    """Bytes that each operation of a kernel reads and writes if it does so once.

    Args:
        environment: what it works on.
        n_features: of a fingerprint.
        n_touched: of a pair's derivatives, see ``amptorch/kernels/pair_jacobian.py``.
    """
    number = environment.vectors.element_size()
    index = environment.neighbors.element_size()
    atoms, pairs = environment.n_atoms, environment.n_pairs
    vectors, features = 3 * pairs * number, atoms * n_features * number
    read = vectors + index * (pairs + (atoms + 1) + atoms)
    return {
        "forward": read + features,
        "forward + jacobian": read + features + vectors * n_touched,
        "vjp": read + features + vectors,
        "jvp": read + vectors + features,
    }


def bandwidth(device: torch.device, size: int = COPIED) -> float:
    """Bytes a second that a copy reads and writes, the best of some."""
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = []
    for _ in range(REPEATS):
        wait_for(device)
        begun = time.perf_counter()
        target.copy_(source)
        wait_for(device)
        seconds.append(time.perf_counter() - begun)
    return 2 * size / min(seconds)


def wait_for(device: torch.device) -> None:
    """Until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
