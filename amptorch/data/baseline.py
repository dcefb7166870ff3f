"""Baselines: energies that are known before anything is fitted.

A baseline is taken off the targets, so that a model fits the rest, and added to what the model
predicts: E = E_baseline + E_model, and so for forces and virials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import xxhash
from ase import Atoms
from torch import Tensor

from .arrays import Array

State = Mapping[str, Any]
"""Plain values and tensors, nested in lists and mappings."""


@dataclass
class Contribution:
    """What a baseline gives of images.

    Attributes:
        energy: [n_frames], eV.
        energies: arrays [n_atoms], eV, that add up to ``energy``; None where it cannot be told
            apart by atoms.
        forces: arrays [n_atoms, 3], eV/Å; None where no energy depends on positions.
        virials: arrays [3, 3], eV, W = sum over pairs of R x dE/dR, the stress times the volume,
            or None for an image of which it is not known; None with ``forces``.
    """

    energy: Array
    energies: list[Array] | None = None
    forces: list[Array] | None = None
    virials: list[Array | None] | None = None

    def energies_of_atoms(self, images: Sequence[Atoms]) -> list[Array]:
        """``energies``, or the energy of each frame shared evenly among its atoms."""
        if self.energies is not None:
            return self.energies
        return [
            np.full(len(image), energy / len(image))
            for energy, image in zip(self.energy, images, strict=True)
        ]


class Baseline(Protocol):
    """A kind of baseline, see ``amptorch.preprocessing.baselines``.

    Attributes:
        name: of the kind.
    """

    name: str

    def evaluate(self, images: Sequence[Atoms], forces: bool = True) -> Contribution:
        """Energies and, unless ``forces`` is False, forces and virials of images.

        Raises:
            ValueError: an image that it cannot give, such as one with an unknown element.
        """

    def state(self) -> State:
        """All that makes the same baseline again, and all that its numbers depend on."""

    @classmethod
    def from_state(cls, state: State) -> Baseline:
        """The baseline of :meth:`state`."""


def content_key(baseline: Baseline) -> str:
    """Sixteen digits that stand for the numbers of a baseline: stores hold targets without it."""
    digest = xxhash.xxh3_64()
    _feed(digest, [baseline.name, baseline.state()])
    return digest.hexdigest()


def _feed(digest: xxhash.xxh3_64, value: object) -> None:
    if isinstance(value, Mapping):
        value = [[key, value[key]] for key in sorted(value, key=str)]
    if isinstance(value, (list, tuple)):
        digest.update(f"[{len(value)}".encode())
        for entry in value:
            _feed(digest, entry)
    elif isinstance(value, Tensor):
        digest.update(f"{value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    else:
        digest.update(f"{type(value).__name__} {value!r};".encode())
