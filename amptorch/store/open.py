"""Opening what a path names: a store, or a manifest of several."""

from __future__ import annotations

from pathlib import Path

from .manifest import is_manifest, shards_of
from .reader import FingerprintStore
from .shard import Shard


def open_store(path: str | Path) -> FingerprintStore:
    """The store or manifest at ``path``, read-only, as it is now.

    Raises:
        FileNotFoundError: no such file, or one that the manifest names is missing.
        StoreError: a file that is damaged, of another kind, or built by other kernels; files of a
            manifest that were built otherwise.
    """
    path = Path(path)
    files = shards_of(path) if is_manifest(path) else [path]
    return FingerprintStore(path, [Shard(file) for file in files])
