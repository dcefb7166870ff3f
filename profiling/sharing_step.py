"""One run of ``profiling sharing``, in a process of its own."""

from __future__ import annotations

import argparse
import json
from importlib import import_module
from pathlib import Path


def epochs(first: str, file: Path, frames: int, count: int, threads: int) -> dict[str, list[float]]:
    """Seconds of the epochs after the first, and losses of all.

    Args:
        first: module that is imported before all others.
        file, frames: data.
        count: of epochs.
        threads: of torch.
    """
    import_module(first)
    # What a user's script would do next; nothing here has imported torch before.
    import torch
    from ase.io import read

    from .workload import trainer_of

    torch.set_num_threads(threads)
    trainer = trainer_of(read(file, f":{frames}"), epochs=count)
    trainer.train()
    history = trainer.net.history.to_list()
    seconds = [row["dur"] for row in history[1:]]
    return {"seconds": seconds, "losses": [row["train_loss"] for row in history]}


def main() -> None:
    """``FIRST FILE FRAMES EPOCHS THREADS``."""
    parser = argparse.ArgumentParser(prog="python -m profiling.sharing_step", description=__doc__)
    parser.add_argument("first", choices=["amptorch", "torch"])
    parser.add_argument("file", type=Path)
    for name in ("frames", "count", "threads"):
        parser.add_argument(name, type=int)
    print(json.dumps(epochs(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
