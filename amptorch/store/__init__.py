"""Fingerprints kept in LMDB files, for data sets of any size. See docs/store.md."""

from .build import build_store
from .errors import StoreError
from .header import KERNEL_VERSION, Header
from .image import Image
from .keys import content_key
from .manifest import write_manifest
from .merge import merge_stores
from .reader import FingerprintStore, open_store
from .record import Frame

__all__ = [
    "KERNEL_VERSION",
    "FingerprintStore",
    "Frame",
    "Header",
    "Image",
    "StoreError",
    "build_store",
    "content_key",
    "merge_stores",
    "open_store",
    "write_manifest",
]
