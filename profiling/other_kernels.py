"""The kernels of a force call in another checkout of this package, in a process of its own.

Its process runs the text of this file with the package of that checkout, so this file imports
nothing of ``profiling``.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray

KERNELS = ("neighbours", "forward", "vjp")


class OtherKernels:
    """Neighbours, forward and vjp of symmetry functions in float64; a context manager.

    Args:
        folder: the checkout, with its extension built.
        image: of those elements.
        elements: chemical symbols.
        functions: ``fp_params`` of symmetry functions.
        gradient: [n_atoms, n_features], dE/dG for the vjp.

    Attributes:
        results: fingerprints [n_atoms, n_features] and dE/dR [n_pairs, 3].
    """

    def __init__(
        self,
        folder: Path,
        image: Atoms,
        elements: Sequence[str],
        functions: Mapping[str, Any],
        gradient: NDArray[np.float64],
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", Path(__file__).read_text()],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder.resolve())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._send((image, elements, functions, gradient, torch.get_num_threads()))
        self.results: tuple[NDArray[np.float64], NDArray[np.float64]] = self._receive()

    def milliseconds(self) -> list[float]:
        """Of each kernel, in the order of ``KERNELS``, after a turn that is not counted."""
        self._send(True)
        times: list[float] = self._receive()
        return times

    def _send(self, message: object) -> None:
        assert self._process.stdin is not None
        pickle.dump(message, self._process.stdin)
        self._process.stdin.flush()

    def _receive(self) -> Any:
        assert self._process.stdout is not None
        return pickle.load(self._process.stdout)

    def __enter__(self) -> OtherKernels:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._send(False)
        self._process.communicate()


def _calls(
    image: Atoms, elements: Sequence[str], functions: Any, gradient: NDArray[np.float64]
) -> list[Callable[[], Any]]:
    from amptorch.descriptor.Gaussian import Gaussian

    descriptor = Gaussian(functions, elements)
    environment = descriptor.environment(image)
    slope = torch.from_numpy(gradient)
    return [
        lambda: descriptor.environment(image),
        lambda: descriptor.fingerprints(environment),
        lambda: descriptor.vjp(environment, slope),
    ]


def _serve() -> None:
    *what, threads = pickle.load(sys.stdin.buffer)
    torch.set_num_threads(threads)
    calls = _calls(*what)
    _, *results = [call() for call in calls]
    _answer([each.numpy() for each in results])
    while pickle.load(sys.stdin.buffer):
        times = []
        for call in calls:
            call()
            begun = time.perf_counter()
            call()
            times.append(1e3 * (time.perf_counter() - begun))
        _answer(times)


def _answer(message: object) -> None:
    pickle.dump(message, sys.stdout.buffer)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve()
