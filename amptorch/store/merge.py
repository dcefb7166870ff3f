"""Joining stores into one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from ..data.statistics import RunningStatistics, Statistics
from .errors import StoreError
from .image import pack_image
from .reader import FingerprintStore, open_store
from .record import pack_frame
from .sealed import Bytes
from .statistics import image_statistics
from .writer import StoreWriter

# Bytes of frames that are copied in a transaction.
_TRANSACTION = 1 << 27


def merge_stores(
    stores: Sequence[str | Path], path: str | Path, verbose: bool = True
) -> FingerprintStore:
    """One store with the images of several, one after the other; goes on where it ended.

    Args:
        stores: stores or manifests with the same header.
        path: file to write.
        verbose: show a progress bar.

    Raises:
        StoreError: stores that were built otherwise, a damaged record, or a ``path`` that holds
            other images.
    """
    sources = [open_store(store) for store in stores]
    shards = [shard for source in sources for shard in source.shards]
    joined = FingerprintStore(path, shards)
    writer = StoreWriter(path, joined.header)
    try:
        writer.finish(_copy(joined, writer, verbose))
    finally:
        writer.close()
    return open_store(path)


def _copy(source: FingerprintStore, writer: StoreWriter, verbose: bool) -> Statistics:
    running = RunningStatistics()
    frames: dict[bytes, Bytes] = {}
    images: dict[int, Bytes] = {}
    for place in tqdm(range(len(source)), desc="merging", unit=" images", disable=not verbose):
        image, frame = source.record(place)
        running.add(image_statistics(frame, image))
        known = writer.image(place)
        if known is not None and known.key != image.key:
            raise StoreError(f"path: {writer.path} holds other images; give another path")
        if known is not None and writer.has_frame(image.key):
            continue
        images[place] = pack_image(image)
        if image.key not in frames and not writer.has_frame(image.key):
            frames[image.key] = pack_frame(image.key, frame)
        if sum(map(len, frames.values())) > _TRANSACTION:
            writer.write(frames, images)
            frames.clear()
            images.clear()
    if images:
        writer.write(frames, images)
    if len(writer) > len(source):
        raise StoreError(f"path: {writer.path} holds other images; give another path")
    return running.result()
