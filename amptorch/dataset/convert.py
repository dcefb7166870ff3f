"""LMDB files of the original's scripts, written as stores."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ..data.frame import AtomsData
from ..data.statistics import RunningStatistics
from ..preprocessing.scaling import scalers_to_json, unscaled
from ..store.errors import StoreError
from ..store.header import Header
from ..store.image import Image, pack_image
from ..store.keys import KEY_BYTES
from ..store.reader import FingerprintStore, open_store
from ..store.record import Frame, pack_frame
from ..store.sealed import Bytes
from ..store.statistics import image_statistics
from ..store.writer import StoreWriter
from .pickled_images import PickledImages

_IMAGES_OF_A_TRANSACTION = 64


def convert_lmdb(original: str | Path, path: str | Path, verbose: bool = True) -> FingerprintStore:
    """A store with what is in a file of the original; goes on where it ended.

    Such a file holds scaled fingerprints, primes as sparse matrices, and scaled targets. Scaling is
    undone, and the scalers are kept in the header. Neither positions nor pairs are in the file, so
    that the store has derivatives "sparse": forces, but no stress, and no frame is found by its
    geometry.

    Args:
        original: file to read, with the allow-list of ``amptorch.files.safe_pickle``.
        path: file to write.
        verbose: show a progress bar.

    Raises:
        ValueError: a file of another kind, or a damaged one.
        StoreError: ``path`` holds other images.
    """
    source = PickledImages([original])
    (total,) = source.length_list
    derivatives = "sparse" if total and "fprimes" in source.read(0, 0) else "none"
    header = Header(source.descriptor.setup, torch.float64, derivatives)
    writer = StoreWriter(path, header)
    running = RunningStatistics()
    frames: dict[bytes, Bytes] = {}
    images: dict[int, Bytes] = {}
    try:
        for place in tqdm(range(total), desc="converting", unit=" images", disable=not verbose):
            frame, image = _records(unscaled(source.read(0, place), source.scalers, True), header)
            running.add(image_statistics(frame, image))
            known = writer.image(place)
            if known is not None and known.key != image.key:
                raise StoreError(f"path: {path} holds other images; give another path")
            frames[image.key] = pack_frame(image.key, frame)
            images[place] = pack_image(image)
            if len(images) == _IMAGES_OF_A_TRANSACTION or place + 1 == total:
                writer.write(frames, images)
                frames.clear()
                images.clear()
        writer.finish(running.result(), scalers_to_json(source.scalers))
    finally:
        writer.close()
    return open_store(path)


def _records(data: AtomsData, header: Header) -> tuple[Frame, Image]:
    species = {int(z): k for k, z in enumerate(header.descriptor.element_indices)}
    numbers = data.atomic_numbers.to(torch.int64)
    matrix: Any = None if data.primes is None else data.primes.to_sparse().coalesce()
    frame = Frame(
        numbers,
        torch.tensor([species[number] for number in numbers.tolist()]),
        data.fingerprint.contiguous(),
        matrix=matrix,
    )
    digest = hashlib.blake2b(digest_size=KEY_BYTES)
    for array in frame.arrays().values():
        digest.update(array.numpy().tobytes())
    forces = data.forces if "forces" in data else None
    return frame, Image(digest.digest(), len(numbers), frame.n_pairs, float(data.energy), forces)
