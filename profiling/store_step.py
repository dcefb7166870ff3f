"""One measurement of ``profiling store``, in a process of its own."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from amptorch import AtomsTrainer
from amptorch.preprocessing.validation import elements_of
from amptorch.store import build_store, open_store

from .fit import original_config
from .frames import Frames
from .timing import milliseconds

# Frames of the store that is built before the one that counts.
WARM_UP = 8


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


def epoch(path: Path) -> dict[str, Any]:
    """Train two epochs on a store: seconds of the second, of the first, which may have to read the
    file from the disk, and until that starts (scalers, network)."""
    config = original_config(2, path.parent)
    for key in ("fp_scheme", "fp_params", "save_fps"):
        config["dataset"].pop(key)
    config["dataset"]["lmdb_path"] = [str(path)]
    config["cmd"].update(debug=True, verbose=False, dtype=torch.FloatTensor)
    trainer = AtomsTrainer(config)
    begun = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - begun
    first, second = (float(row["dur"]) for row in trainer.net.history)
    load = seconds - first - second
    return {"seconds": second, "first_seconds": first, "load_seconds": load}


def read(path: Path) -> dict[str, Any]:
    """Milliseconds to read and check a record, and to copy as many bytes; medians over records."""
    store = open_store(path)
    frames, copies, sizes = [], [], []
    for index in range(len(store)):
        _, frame = store.record(index)
        source = frame.blocks if frame.blocks is not None else frame.environment.vectors
        target = torch.empty_like(source)
        frames.append(np.median(milliseconds(lambda i=index: store.record(i), 5)))
        copies.append(np.median(milliseconds(lambda a=source, b=target: b.copy_(a), 5)))
        sizes.append(source.numel() * source.element_size())
    return {
        "record_milliseconds": float(np.median(frames)),
        "copy_milliseconds": float(np.median(copies)),
        "copied_megabytes": float(np.median(sizes)) / 1e6,
    }


def main() -> None:
    """``build DATA FRAMES DERIVATIVES STORE``, ``epoch STORE`` or ``read STORE``."""
    parser = argparse.ArgumentParser(prog="python -m profiling.store_step", description=__doc__)
    parser.add_argument("step", choices=["build", "epoch", "read"])
    parser.add_argument("arguments", nargs="+")
    parsed = parser.parse_args()
    begun = time.perf_counter()
    if parsed.step == "epoch":
        result = epoch(Path(parsed.arguments[0]))
    elif parsed.step == "read":
        result = read(Path(parsed.arguments[0]))
    else:
        data, frames, derivatives, path = parsed.arguments
        result = build(Path(data), int(frames), derivatives, Path(path))
    print("\n" + json.dumps({**result, "work_seconds": time.perf_counter() - begun}))


if __name__ == "__main__":
    main()
