"""Fingerprints kept on disk, a file an image: ``<folder>/descriptors/<type>-<hash>/<md5>.npz``."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from .base_descriptor import BaseDescriptor
from .util import get_hash

# Part of the folder's name: raise it when a kernel's numbers or the layout change.
KERNEL_VERSION = 1


class FingerprintCache:
    """Reads and writes the fingerprints, and where asked for the pair Jacobians, of images.

    A file is written whole or not at all; one that cannot be read is computed again. A disk that
    is full or read-only turns writing off with a warning: nothing but time is lost.
    """

    def __init__(self, descriptor: BaseDescriptor, folder: str | Path) -> None:
        name = f"{descriptor.descriptor_type}-{descriptor.descriptor_setup_hash}-v{KERNEL_VERSION}"
        self.folder = Path(folder) / "descriptors" / name
        self.writable = True

    def read(self, image: Atoms, with_primes: bool) -> tuple[Tensor, Tensor] | None:
        """Fingerprints and Jacobian of an image, or None if they are not (all) there."""
        try:
            # np.load does not close a file that it cannot read.
            with open(self._path(image), "rb") as file:
                stored = np.load(file, allow_pickle=False)
                fingerprint, jacobian = stored["fingerprint"], stored["jacobian"]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None
        if with_primes and jacobian.ndim != 3:
            return None
        return torch.from_numpy(fingerprint), torch.from_numpy(jacobian)

    def write(self, image: Atoms, fingerprint: Tensor, jacobian: Tensor) -> None:
        """Keep fingerprints and Jacobian (empty if there is none) of an image."""
        if not self.writable:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write(self._path(image), fingerprint.numpy(), jacobian.numpy())
        except OSError as error:
            self.writable = False
            warnings.warn(f"save_fps: fingerprints are not kept any more: {error}", stacklevel=2)

    def _write(self, path: Path, fingerprint: np.ndarray, jacobian: np.ndarray) -> None:
        handle, temporary = tempfile.mkstemp(dir=self.folder, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, fingerprint=fingerprint, jacobian=jacobian)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise

    def _path(self, image: Atoms) -> Path:
        return self.folder / f"{get_hash(image)}.npz"
