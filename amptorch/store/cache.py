"""Fingerprints that ``save_fps`` keeps: stores in ``<folder>/descriptors/<type>-<hash>-v<n>/``.

``cached.lmdb`` holds fingerprints with pair Jacobians, ``none.lmdb`` fingerprints alone.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from ase import Atoms
from torch import Tensor

from ..descriptor.base_descriptor import BaseDescriptor
from ..kernels.environment import Environment
from .errors import DamagedStore, StoreError
from .header import KERNEL_VERSION, Header
from .keys import content_key
from .record import Frame, pack_frame
from .sealed import Bytes
from .writer import StoreWriter


class FingerprintCache:
    """Reads and writes the fingerprints, and where asked for the pair Jacobians, of images.

    Several processes may use a folder at once. What is damaged is computed again. A disk that is
    full or read-only turns writing off with a warning: nothing but time is lost.
    """

    def __init__(self, descriptor: BaseDescriptor, folder: str | Path) -> None:
        name = f"{descriptor.descriptor_type}-{descriptor.descriptor_setup_hash}-v{KERNEL_VERSION}"
        self.folder = Path(folder) / "descriptors" / name
        self.writable = True
        self._setup = descriptor.setup
        self._stores: dict[str, StoreWriter] = {}
        self._waiting: dict[str, dict[bytes, Bytes]] = {"cached": {}, "none": {}}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_stores": {}}

    def read(self, image: Atoms, with_primes: bool) -> tuple[Tensor, Tensor | None] | None:
        """Fingerprints and Jacobian of an image, or None if they are not (all) there."""
        key = content_key(image)
        for derivatives in ("cached",) if with_primes else ("cached", "none"):
            store = self._open(derivatives)
            frame = None if store is None else store.frame(key)
            if frame is not None:
                return frame.fingerprint, frame.blocks
        return None

    def write(
        self, image: Atoms, environment: Environment, fingerprint: Tensor, blocks: Tensor | None
    ) -> None:
        """Keep fingerprints and Jacobian (if there is one) of an image, from :meth:`flush` on."""
        key, numbers = content_key(image), torch.tensor(image.numbers, dtype=torch.int64)
        pairs = None if blocks is None else environment
        frame = Frame(numbers, environment.species, fingerprint, pairs, blocks)
        self._waiting[frame.derivatives][key] = pack_frame(key, frame)

    def flush(self) -> None:
        """Write what was given to :meth:`write`."""
        for derivatives, records in self._waiting.items():
            if records and self.writable:
                self._write(derivatives, records)
            records.clear()

    def _write(self, derivatives: str, records: dict[bytes, Bytes]) -> None:
        try:
            self._open(derivatives, make=True).write(records, {})  # type: ignore[union-attr]
        except (OSError, StoreError) as error:
            self.writable = False
            warnings.warn(f"save_fps: fingerprints are not kept any more: {error}", stacklevel=2)

    def _open(self, derivatives: str, make: bool = False) -> StoreWriter | None:
        """A store of the folder; without ``make``, None if it is not there or cannot be opened."""
        path = self.folder / f"{derivatives}.lmdb"
        if derivatives in self._stores and path.exists():
            return self._stores[derivatives]
        if not make and not path.exists():
            return None
        header = Header(self._setup, torch.float64, derivatives)
        try:
            self._stores[derivatives] = _open_or_replace(path, header)
        except (OSError, StoreError):
            if make:
                raise
            return None
        return self._stores[derivatives]


def _open_or_replace(path: Path, header: Header) -> StoreWriter:
    try:
        return StoreWriter(path, header)
    except DamagedStore:
        path.unlink()
        return StoreWriter(path, header)
