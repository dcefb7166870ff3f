"""Per-image data and batches of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from ..kernels.environment import Where, moved
from ..processes.stages import stage
from .primes import Primes, SparsePrimes, join

Data = TypeVar("Data", bound="AtomsData")


class AtomsData:
    """Fingerprints and targets of one image.

    Attributes:
        fingerprint: [n_atoms, n_features].
        atomic_numbers: [n_atoms], int64.
        num_nodes: number of atoms.
        energy: eV (or scaled); absent where not asked for.
        forces: [n_atoms, 3], eV/Å (or scaled); absent where not asked for.
        primes: derivatives of the fingerprints; absent where not asked for.
        stress: [6], eV/Å^3 (or scaled), Voigt order xx yy zz yz xz xy, NaN where the image has
            none; absent where not asked for, as are ``volume`` (Å^3, infinite without a cell) and
            ``weight``.
        group: ``info["group"]``; absent where the image has none.
        fprimes: the same as a sparse matrix [n_atoms * n_features, 3 * n_atoms].
    """

    fingerprint: Tensor
    atomic_numbers: Tensor
    num_nodes: int
    energy: Tensor
    forces: Tensor
    primes: Primes | None
    stress: Tensor
    volume: Tensor
    weight: Tensor
    group: str
    # Of the descriptor that computed it. Pickles are kept: those without it are of version 1.
    _descriptor_version: int = 1

    def __init__(self, **attributes: object) -> None:
        for name, value in attributes.items():
            setattr(self, name, value)

    @property
    def fprimes(self) -> Tensor:
        """Primes as a sparse COO matrix, see :meth:`amptorch.data.primes.Primes.to_sparse`."""
        if self.primes is None:
            raise AttributeError("fprimes: this image was converted without primes")
        return self.primes.to_sparse()

    @fprimes.setter
    def fprimes(self, matrix: Tensor) -> None:
        self.primes = SparsePrimes(matrix)

    @property
    def keys(self) -> list[str]:
        """Names of the attributes this object carries."""
        given = [name for name, value in self.held().items() if value is not None]
        names = [name for name in given if not name.startswith("_")]
        return [("fprimes" if name == "primes" else name) for name in names]

    def __contains__(self, name: str) -> bool:
        return getattr(self, "primes" if name == "fprimes" else name, None) is not None

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def __setitem__(self, name: str, value: object) -> None:
        setattr(self, name, value)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter((name, getattr(self, name)) for name in self.keys)

    def __repr__(self) -> str:
        parts = ", ".join(
            f"{name}={list(value.shape) if isinstance(value, Tensor) else value}"
            for name, value in self.held().items()
            if not (isinstance(value, Primes) or name.startswith("_"))
        )
        return f"{type(self).__name__}({parts})"

    def held(self) -> Mapping[str, Any]:
        """All attributes, also those that are not public."""
        return vars(self)

    def to(self: Data, *where: Where, **named: Where) -> Data:
        """Move to a device; a dtype applies to floating-point attributes only."""
        there = type(self)()
        for name, value in self.held().items():
            if isinstance(value, Primes):
                value = value.to(*where, **named)
            elif isinstance(value, Tensor) and value.is_floating_point():
                value = moved(value, *where, **named)
            elif isinstance(value, Tensor):
                value = value.to(_device(*where, *named.values()) or value.device)
            setattr(there, name, value)
        return there


class AtomsBatch(AtomsData):
    """Images laid one after the other; ``batch`` [n_atoms] is the image of every atom.

    ``energy``, ``volume`` and ``weight`` are [n_images], ``stress`` [n_images, 6], ``natoms``
    [n_images] their sizes, ``num_graphs`` their number. What is ``apart``, the fingerprints of the
    images, is joined when it is asked for: kernels of the CPU read it where it lies, and ask for no
    ``batch``.
    """

    natoms: Tensor
    num_graphs: int
    apart: Sequence[Tensor] = ()

    @cached_property
    def fingerprint(self) -> Tensor:  # type: ignore[override]
        """[n_atoms, n_features]."""
        if not self.apart:
            raise AttributeError("fingerprint: this batch has none")
        return torch.cat(list(self.apart))

    @cached_property
    def batch(self) -> Tensor:
        """[n_atoms]."""
        # Where other programs run, torch's threads take far longer over so few numbers.
        sizes = self.natoms.numpy(force=True)
        images = torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes))
        return images.to(self.natoms.device)

    @property
    def fingerprints(self) -> Sequence[Tensor]:
        """Those of each image."""
        if self._is_joined():
            return self.fingerprint.split(self.natoms.tolist())
        return self.apart

    @property
    def like(self) -> Tensor:
        """Of the precision and on the device of the fingerprints."""
        return self.fingerprint if self._is_joined() else self.apart[0]

    def _is_joined(self) -> bool:
        # Or somebody has put others in.
        return not self.apart or "fingerprint" in vars(self)

    def held(self) -> Mapping[str, Any]:
        joined = {"fingerprint": self.fingerprint} if self.apart else {}
        values = {"batch": self.batch, **joined, **vars(self)}
        return {name: value for name, value in values.items() if name != "apart"}

    def __len__(self) -> int:
        return self.num_graphs


Labelled = tuple[AtomsBatch, tuple[Tensor, ...]]
"""A batch, and its targets: energies and, where they are trained on, forces."""


def collate(images: Sequence[AtomsData]) -> AtomsBatch:
    """Lay images one after the other."""
    with stage("amptorch::collate"):
        return _collate(images)


def _collate(images: Sequence[AtomsData]) -> AtomsBatch:
    sizes = np.array([image.num_nodes for image in images])
    batch = AtomsBatch(
        apart=[image.fingerprint for image in images],
        atomic_numbers=torch.cat([image.atomic_numbers for image in images]),
        num_nodes=int(sum(sizes)),
        num_graphs=len(images),
        natoms=torch.from_numpy(sizes),
    )
    if _have(images, "energy"):
        # Of numbers, whether in a list of one or not, a list.
        batch.energy = torch.hstack([image.energy for image in images])
    for name in ("stress", "volume", "weight"):
        if _have(images, name):
            batch[name] = torch.stack([image[name] for image in images])
    if _have(images, "forces"):
        batch.forces = torch.cat([image.forces for image in images])
    if _have(images, "primes"):
        batch.primes = join([image.primes for image in images if image.primes is not None])
    return batch


def _have(images: Sequence[AtomsData], name: str) -> bool:
    return all(getattr(image, name, None) is not None for image in images)


def _device(*where: Where) -> torch.device | None:
    for value in where:
        if isinstance(value, (str, torch.device)):
            return torch.device(value)
    return None
