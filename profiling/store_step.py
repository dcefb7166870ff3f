"""One measurement of ``profiling store``, in a process of its own."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from amptorch import AtomsTrainer
from amptorch.data.reading import elements_of
from amptorch.store import Frame, build_store
from amptorch.store.shard import Shard

from .fit import original_config
from .frames import Frames

# Frames of the store that is built before the one that counts.
WARM_UP = 8
# Epochs that count are as many as have so many frames together, if not more than so many epochs:
# short ones are over within a moment of whatever else the machine does.
FRAMES_OF_EPOCHS, EPOCHS = 4000, 16
# Passes over a store that is read.
READS = 5


def build(data: Path, frames: int, derivatives: str, path: Path) -> dict[str, Any]:
    """Build a store in float32; seconds, and bytes on disk.

    A small store is built first: what the first call of everything costs is no matter of size.
    """
    source = Frames(data, frames)
    dataset = original_config(1, path.parent)["dataset"]
    elements = elements_of(list(Frames(data, min(frames, 50))))
    setup = (dataset["fp_scheme"], dataset["fp_params"], {"cutoff_func": "Cosine"}, elements)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        few = Path(folder) / "few.lmdb"
        build_store(source[:WARM_UP], few, setup, torch.float32, derivatives, verbose=False).close()
    begun = time.perf_counter()
    store = build_store(source, path, setup, torch.float32, derivatives)
    seconds = time.perf_counter() - begun
    atoms = sum(store.image(index).n_atoms for index in range(len(store)))
    size = path.stat().st_blocks * 512
    return {"seconds": seconds, "bytes": size, "atoms": atoms, "from_file": source.from_file}


def epoch(frames: int, path: Path) -> dict[str, Any]:
    """Train on a store of so many frames: median seconds of an epoch, apart from the first, which
    may have to read the file from the disk; seconds of that, and until it starts (scalers,
    network)."""
    counted = min(EPOCHS, -(-FRAMES_OF_EPOCHS // frames))
    config = original_config(1 + counted, path.parent)
    for key in ("fp_scheme", "fp_params", "save_fps"):
        config["dataset"].pop(key)
    config["dataset"]["lmdb_path"] = [str(path)]
    config["cmd"].update(debug=True, verbose=False, dtype=torch.FloatTensor)
    trainer = AtomsTrainer(config)
    begun = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - begun
    first, *others = (float(row["dur"]) for row in trainer.net.history)
    load = seconds - first - sum(others)
    return {"seconds": median(others), "first_seconds": first, "load_seconds": load}


def read(path: Path) -> dict[str, Any]:
    """Milliseconds to read and check a frame's record, and to copy its primes; medians over the
    largest records, next to which what every call costs is small.

    Both go through the whole store again and again, so that a record is in no cache of the
    processor, as in training.
    """
    store = Shard(path)
    keys = list(store.frame_keys())
    sources = [_primes(store.frame(key)) for key in keys]
    sizes = np.array([len(source) for source in sources])
    target = torch.empty(int(sizes.max()), dtype=torch.uint8)
    frames, copies = np.empty((2, READS, len(keys)))
    for passed in range(READS):
        for index, key in enumerate(keys):
            begun = time.perf_counter()
            store.frame(key)
            frames[passed, index] = 1e3 * (time.perf_counter() - begun)
        for index, source in enumerate(sources):
            begun = time.perf_counter()
            target[: len(source)].copy_(source)
            copies[passed, index] = 1e3 * (time.perf_counter() - begun)
    large = sizes > 0.9 * sizes.max()
    return {
        "record_milliseconds": float(np.median(frames[:, large])),
        "copy_milliseconds": float(np.median(copies[:, large])),
        "copied_megabytes": float(np.median(sizes[large])) / 1e6,
    }


def _primes(frame: Frame) -> torch.Tensor:
    """Their bytes, where they are in the file."""
    assert frame.blocks is not None
    return frame.blocks.view(torch.uint8).flatten()


def main() -> None:
    """``build DATA FRAMES DERIVATIVES STORE``, ``epoch FRAMES STORE`` or ``read STORE``."""
    parser = argparse.ArgumentParser(prog="python -m profiling.store_step", description=__doc__)
    parser.add_argument("step", choices=["build", "epoch", "read"])
    parser.add_argument("arguments", nargs="+")
    parsed = parser.parse_args()
    begun = time.perf_counter()
    if parsed.step == "epoch":
        frames, path = parsed.arguments
        result = epoch(int(frames), Path(path))
    elif parsed.step == "read":
        result = read(Path(parsed.arguments[0]))
    else:
        data, frames, derivatives, path = parsed.arguments
        result = build(Path(data), int(frames), derivatives, Path(path))
    print("\n" + json.dumps({**result, "work_seconds": time.perf_counter() - begun}))


if __name__ == "__main__":
    main()
