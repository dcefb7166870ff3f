"""One side of ``profiling compare``, in a process of its own, so that its memory is its own."""

from __future__ import annotations

import json
import pickle
import sys
import time
import tracemalloc
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from ase import Atoms
from ase.io import read
from numpy.typing import NDArray

from amptorch.preprocessing.utils import ExtrapolationWarning

from .compare_job import Job, Run
from .frames import Frames
from .optimized import Optimized
from .original.pipeline import Original
from .stages import Side, measure, tensor_megabytes
from .streaming import peak_megabytes

SIDES: dict[str, type[Side]] = {side.name: side for side in (Original, Optimized)}


def run(job: Job) -> Run:
    """Read, load, train, predict; then measure the stages one by one."""
    torch.set_num_threads(job.threads)
    side = _side(job)
    begun = time.perf_counter()
    images = Frames(job.source, job.frames)
    # A store is built from frames that are read as they are needed.
    held = images if job.store else list(images)
    read_seconds = time.perf_counter() - begun
    before = peak_megabytes()
    begun = time.perf_counter()
    side.load(held, job.work / f"{job.side}.lmdb" if job.store else None)
    load_seconds = time.perf_counter() - begun
    history = side.train()
    megabytes = {"before": before, "peak": peak_megabytes()}
    sample = read(job.sample, ":")
    with warnings.catch_warnings():
        # A store in single precision rounds fingerprints, and so the range they were seen in.
        warnings.simplefilter("ignore", ExtrapolationWarning)
        energies, forces = side.predict(sample)
    numbers = _unscaled(side, sample[:1])
    found = Run(load_seconds, history, energies, forces, read_seconds, *numbers)
    if job.repeats:
        found.stages = measure(side, job.sample, job.repeats, job.work)
        megabytes.update(_memory(side, sample))
    found.megabytes = megabytes
    return found


def _side(job: Job) -> Side:
    if job.side == "optimized" and job.store:
        return Optimized(job.config, job.elements, job.store)
    return SIDES[job.side](job.config, job.elements)


def _unscaled(side: Side, images: Sequence[Atoms]) -> tuple[NDArray, tuple[NDArray, ...]]:
    fingerprint, primes = side.sparse(side.convert(images)[0])
    rows, columns = primes._indices().numpy()
    return fingerprint.numpy(), (rows, columns, primes._values().numpy())


def _memory(side: Side, images: Sequence[Atoms]) -> dict[str, float]:
    """What is "kept" of all frames to train on, and what Python and NumPy "allocated" at most while
    the first was made ready (torch's tensors and C++ are not seen)."""
    kept = sum(map(tensor_megabytes, side.scaled(side.convert(images))))
    tracemalloc.start()
    side.scaled(side.convert(images[:1]))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"kept": kept, "allocated": most / 1e6}


def main() -> None:
    """``JOB RESULT``: pickles that ``profiling compare`` writes and reads."""
    job, result = map(Path, sys.argv[1:])
    found = run(pickle.loads(job.read_bytes()))
    result.write_bytes(pickle.dumps(found))
    print("\n" + json.dumps({"epochs": len(found.history)}))


if __name__ == "__main__":
    main()
