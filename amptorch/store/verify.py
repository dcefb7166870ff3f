"""Checking a file from end to end."""

from __future__ import annotations

from collections.abc import Iterator

from tqdm import tqdm

from .errors import StoreError
from .keys import place_of
from .shard import Shard


def verify(shard: Shard, verbose: bool = True) -> Iterator[str]:
    """Everything that is wrong with a file: records with a wrong checksum, gaps in the data set,
    images whose frame is not there or of another size."""
    try:
        _ = shard.statistics
    except StoreError as error:
        yield str(error)
    sizes: dict[bytes, tuple[int, int]] = {}
    bar = tqdm(
        total=shard.n_frames + len(shard), desc="checking", unit=" records", disable=not verbose
    )
    with bar:
        for key in shard.frame_keys():
            bar.update()
            try:
                frame = shard.frame(key)
            except StoreError as error:
                yield str(error)
                sizes[key] = (-1, -1)
                continue
            sizes[key] = (len(frame.numbers), frame.n_pairs)
        for expected, key in enumerate(shard.image_keys()):
            bar.update()
            if place_of(key) != expected:
                yield f"{shard.path}: image {expected}: no such record"
                break
            yield from _verify_image(shard, expected, sizes)
    if shard.complete and shard.images_when_complete != len(shard):
        yield f"{shard.path}: {shard.images_when_complete} images were written, {len(shard)} found"


def _verify_image(shard: Shard, place: int, sizes: dict[bytes, tuple[int, int]]) -> Iterator[str]:
    try:
        image = shard.image(place)
    except StoreError as error:
        yield str(error)
        return
    found = sizes.get(image.key)
    if found is None:
        yield f"{shard.path}: image {place}: its frame {image.key.hex()} is not there"
    elif found[0] >= 0 and found != (image.n_atoms, image.n_pairs):
        yield (
            f"{shard.path}: image {place}: expected {image.n_atoms} atoms and {image.n_pairs} "
            f"pairs, its frame has {found[0]} and {found[1]}"
        )
