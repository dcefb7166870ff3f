"""One measurement of ``profiling memory``, in a process of its own."""

from __future__ import annotations

import argparse
import gc
import json
from collections.abc import Callable
from pathlib import Path

from ase.io import read

from . import rss
from .workload import train, trainer_of, warm_up

STAGES = ("load", "epoch", "predict")


def megabytes(stage: str, file: Path, frames: int) -> dict[str, float]:
    """Resident memory before a stage, the most during it, and what it keeps."""
    images = read(file, f":{frames}")
    warm_up(images)
    result: list[object] = []  # what a stage returns is kept until it was measured
    call = _prepared(stage, images)
    gc.collect()
    before = rss.anonymous()
    resident = rss.resident()
    rss.reset_peak()
    result.append(call())
    peak = rss.peak()
    gc.collect()
    kept = rss.anonymous() - before
    return {"before": resident / 1e6, "peak": (peak - resident) / 1e6, "kept": kept / 1e6}


def _prepared(stage: str, images: list) -> Callable[[], object]:
    """The call of a stage, with what comes before it done."""
    if stage == "load":
        return lambda: trainer_of(images)
    trainer = trainer_of(images)
    if stage == "epoch":
        return lambda: train(trainer)
    train(trainer)
    return lambda: trainer.predict(images)


def main() -> None:
    """``STAGE FILE FRAMES``."""
    parser = argparse.ArgumentParser(prog="python -m profiling.memory_step", description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("file", type=Path)
    parser.add_argument("frames", type=int)
    print(json.dumps(megabytes(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
