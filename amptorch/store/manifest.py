"""Manifests: JSON files that join stores, one after the other, into one data set."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from .errors import StoreError
from .shard import Shard

KIND = "amptorch store manifest"


def is_manifest(path: Path) -> bool:
    """Whether a file is a manifest, by its first byte."""
    if not path.is_file():
        raise FileNotFoundError(f"path: file not found: {path}")
    with open(path, "rb") as file:
        return file.read(1) == b"{"


def write_manifest(path: str | Path, shards: Sequence[str | Path]) -> None:
    """Write a manifest of stores; their paths are kept relative to it.

    Raises:
        StoreError: stores with different headers.
    """
    path, opened = Path(path), [Shard(shard) for shard in shards]
    for other in opened[1:]:
        if other.header != opened[0].header:
            raise StoreError(
                f"shards: {opened[0].path} and {other.path} were built otherwise: "
                f"{opened[0].header} against {other.header}"
            )
    entries = [
        {"path": os.path.relpath(shard.path, path.parent), "images": len(shard)} for shard in opened
    ]
    values = {"kind": KIND, "header_hash": opened[0].header.hash, "shards": entries}
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def shards_of(path: Path) -> list[Path]:
    """The files that a manifest names, checked against what it says of them.

    Raises:
        FileNotFoundError: a file is not there.
        StoreError: not a manifest, or a file that is not as it says.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        named = [(path.parent / entry["path"], entry["images"]) for entry in values["shards"]]
        expected, kind = values["header_hash"], values["kind"]
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"path: {path} is not a manifest: {error!r}") from error
    if kind != KIND or not named:
        raise StoreError(f"path: {path} is not a manifest with shards")
    for file, images in named:
        shard = Shard(file)
        if len(shard) != images or shard.header.hash != expected:
            raise StoreError(
                f"path: {path} names {file} with {images} images and header {expected}, found "
                f"{len(shard)} images and header {shard.header.hash}"
            )
    return [file for file, _ in named]
