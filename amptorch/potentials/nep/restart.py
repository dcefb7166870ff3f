"""nep.restart, the file of GPUMD from which evolution goes on: mu and sigma of each parameter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...files.whole import write_whole

Array = NDArray[np.float64]


def write_restart(path: Path, mean: Array, sigma: Array) -> tuple[Array, Array]:
    """Write both; gives them as they stand in the file, with eight digits."""
    lines = [f"{m:15.7e} {s:15.7e}" for m, s in zip(mean, sigma, strict=True)]
    text = "\n".join(lines) + "\n"
    write_whole(path, lambda: text.encode(), "nep.restart: ")
    return _numbers(lines)


def read_restart(path: Path, n_variables: int) -> tuple[Array, Array]:
    """mu and sigma [n_variables].

    Raises:
        ValueError: another number of lines, or what is no number.
    """
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if len(lines) != n_variables:
        raise ValueError(
            f"{path}: expected {n_variables} lines, a parameter each, got {len(lines)}: it belongs "
            "to a potential of another shape"
        )
    try:
        return _numbers(lines)
    except ValueError as error:
        raise ValueError(f"{path}: expected mu and sigma in each line: {error}") from error


def _numbers(lines: list[str]) -> tuple[Array, Array]:
    rows = np.array([line.split() for line in lines], dtype=np.float64).reshape(-1, 2)
    return rows[:, 0].copy(), rows[:, 1].copy()
