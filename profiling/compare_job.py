"""What ``profiling compare`` and the processes it starts hand to each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass
class Job:
    """What a process is to do.

    Attributes:
        side: "original" or "optimized".
        config: of the trainer.
        elements: chemical symbols.
        source: file of the frames to train on.
        frames: how many; see ``profiling.frames``.
        sample: file of the frames to predict, whose stages are measured.
        threads: of torch.
        repeats: passes over the sample for each stage; 0 measures none.
        work: folder for files, among them the result.
        store: "cached" or "on_the_fly" keeps the data set in a file; None in memory.
    """

    side: str
    config: dict[str, Any]
    elements: list[str]
    source: Path
    frames: int
    sample: Path
    threads: int
    repeats: int
    work: Path
    store: str | None = None


@dataclass
class Run:
    """What a process found.

    Attributes:
        load: seconds from the frames to the first epoch.
        history: losses and errors of every epoch; its seconds as "dur".
        energies, forces: of the sample, after training.
        read: seconds until the frames were there.
        fingerprints: of the first frame of the sample, not scaled.
        primes: likewise, sparse: rows, columns, values.
        stages: costs of the stages, see ``profiling.stages``.
        megabytes: by name, memory: see ``profiling.compare_step``.
    """

    load: float
    history: list[dict[str, float]]
    energies: list[float]
    forces: list[NDArray]
    read: float = 0.0
    fingerprints: NDArray = field(default_factory=lambda: np.empty(0))
    primes: tuple[NDArray, ...] = ()
    stages: dict[str, list[float]] = field(default_factory=dict)
    megabytes: dict[str, float] = field(default_factory=dict)

    @property
    def epochs(self) -> list[float]:
        """Seconds of each."""
        return [row["dur"] for row in self.history]
