"""One measurement of ``profiling store``, in a process of its own."""

from __future__ import annotations

import argparse
import json
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


def build(data: Path, frames: int, derivatives: str, path: Path) -> dict[str, Any]:
    """Build a store in float32; seconds, and bytes on disk."""
    source = Frames(data, frames)
    dataset = original_config(1, path.parent)["dataset"]
    elements = elements_of(list(Frames(data, min(frames, 50))))
    setup = (dataset["fp_scheme"], dataset["fp_params"], {"cutoff_func": "Cosine"}, elements)
    begun = time.perf_counter()
    store = build_store(source, path, setup, torch.float32, derivatives)
    seconds = time.perf_counter() - begun
    atoms = sum(store.image(index).n_atoms for index in range(len(store)))
    size = path.stat().st_blocks * 512
    return {"seconds": seconds, "bytes": size, "atoms": atoms, "from_file": source.from_file}


def epoch(path: Path) -> dict[str, Any]:
    """Train an epoch on a store: seconds until it starts (scalers), and of the epoch."""
    config = original_config(1, path.parent)
    for key in ("fp_scheme", "fp_params", "save_fps"):
        config["dataset"].pop(key)
    config["dataset"]["lmdb_path"] = [str(path)]
    config["cmd"].update(debug=True, verbose=False, dtype=torch.FloatTensor)
    trainer = AtomsTrainer(config)
    begun = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - begun
    duration = float(trainer.net.history[-1, "dur"])
    return {"seconds": duration, "load_seconds": seconds - duration}


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
    if parsed.step == "epoch":
        result = epoch(Path(parsed.arguments[0]))
    elif parsed.step == "read":
        result = read(Path(parsed.arguments[0]))
    else:
        data, frames, derivatives, path = parsed.arguments
        result = build(Path(data), int(frames), derivatives, Path(path))
    print("\n" + json.dumps(result))


if __name__ == "__main__":
    main()
