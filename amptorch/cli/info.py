"""``info``: what is in a store."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..store import open_store


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser("info", help="say what is in a store or manifest")
    parser.add_argument("store")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print header and counts."""
    store = open_store(arguments.store)
    images = [store.image(index) for index in range(len(store))]
    entries = {
        **store.header.summary(),
        "header hash": store.header.hash,
        "features": store.descriptor.n_features,
        "cutoff": f"{store.descriptor.cutoff} Å",
        "images": len(store),
        "geometries": store.n_frames,
        "atoms": sum(image.n_atoms for image in images),
        "pairs": sum(image.n_pairs for image in images),
        "size": f"{sum(shard.path.stat().st_size for shard in store.shards) / 1e9:.3f} GB",
    }
    for name, value in entries.items():
        print(f"{name.replace('_', ' '):16s} {value}")
    for shard in store.shards:
        state = "complete" if shard.complete else "interrupted: build it again to go on"
        scalers = ", with scalers" if shard.scalers else ""
        print(f"{'file':16s} {Path(shard.path)}: {len(shard)} images, {state}{scalers}")
