"""Water molecules on iron slabs with ReaxFF energies and forces: the committed sample.

The sample holds 400 frames of 35 to 164 atoms; README.md next to this file
tells how it was made. ``python -m datasets.water_iron.generate`` makes more.
"""

from __future__ import annotations

import hashlib
import io
import lzma
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read

__all__ = ["SAMPLE", "load", "split"]

SAMPLE = Path(__file__).with_name("water_iron_400.extxyz.xz")
CHECKSUMS = Path(__file__).with_name("SHA256SUMS")


def load(n: int | None = None) -> list[Atoms]:
    """Return the first ``n`` frames of the committed sample, or all of them.

    Each frame carries its potential energy (eV) and forces (eV/Å, shape
    ``(n_atoms, 3)``) in a single-point calculator, and ``group`` and
    ``trajectory`` in ``info``.

    Raises:
        ValueError: ``n`` is below 1 or above the number of frames, or the
            file does not match its checksum.
    """
    if n is not None and n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    verify_checksum(SAMPLE, CHECKSUMS)
    with lzma.open(SAMPLE, "rt", encoding="utf-8") as handle:
        text = io.StringIO(handle.read())  # ase seeks, which is slow in a compressed file
    frames = read(text, index=":", format="extxyz")
    if n is not None and n > len(frames):
        raise ValueError(f"n = {n}, but the sample has {len(frames)} frames")
    return list(frames[:n])


def split(frames: Sequence[Atoms], n_test: int, seed: int = 0) -> tuple[list[Atoms], list[Atoms]]:
    """Return ``(train, test)``: ``n_test`` frames drawn at random by ``seed`` and the others.

    Raises:
        ValueError: either part would be empty.
    """
    if not 0 < n_test < len(frames):
        raise ValueError(f"n_test must be between 1 and {len(frames) - 1}, got {n_test}")
    order = np.random.default_rng(seed).permutation(len(frames))
    test, train = order[:n_test], order[n_test:]
    return [frames[i] for i in train], [frames[i] for i in test]


def verify_checksum(path: Path, checksums: Path) -> None:
    """Compare a file with its line in a ``sha256sum`` listing.

    Raises:
        ValueError: the file is not listed, or its content differs.
    """
    lines = (line.split() for line in checksums.read_text().splitlines())
    listed = {name: digest for digest, name in lines}
    if path.name not in listed:
        raise ValueError(f"{checksums} has no checksum of {path.name}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != listed[path.name]:
        raise ValueError(f"{path} does not match its checksum in {checksums}")
