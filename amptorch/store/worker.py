"""Processes that compute records, fed through their pipes.

They are started as programs, not forked (an LMDB environment does not survive that) and not by
``multiprocessing`` (which would run the caller's script again). A worker whose parent is gone reads
the end of its input and ends too.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import IO, Any

from ase import Atoms

from .errors import StoreError
from .header import Header
from .sealed import Bytes


class WorkerProcess:
    """One worker; computes one chunk at a time, on one thread."""

    def __init__(self, header: Header) -> None:
        # The child finds modules where this process does, whatever changed its path.
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from amptorch.store.worker import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pipesize=1 << 20,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )
        self._send(header)

    def compute(
        self, keys: Sequence[bytes], images: Sequence[Atoms], names: Sequence[str]
    ) -> list[Bytes]:
        """See :func:`amptorch.store.frames.frame_records`.

        Raises:
            StoreError: the worker ended.
        """
        bare = [
            Atoms(each.numbers, each.positions, cell=each.cell, pbc=each.pbc) for each in images
        ]
        try:
            self._send((list(keys), bare, list(names)))
            answer = pickle.load(self._process.stdout)  # type: ignore[arg-type]
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            raise StoreError(
                f"a worker process ended (exit status {self._process.wait()}) while it computed "
                f"{names[0]} to {names[-1]}; build again to go on"
            ) from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _send(self, value: object) -> None:
        pipe: IO[bytes] = self._process.stdin  # type: ignore[assignment]
        pickle.dump(value, pipe, protocol=5)
        pipe.flush()

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue


def main() -> None:
    """Compute chunks as they come, until there are no more."""
    import torch

    from .frames import frame_records

    # The parent decides what an interrupt means; what is printed must not get into its pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    torch.set_num_threads(1)
    tasks = sys.stdin.buffer
    try:
        header = pickle.load(tasks)
        while True:
            task = pickle.load(tasks)
            answer: Any
            try:
                answer = frame_records(header, *task)
            except Exception as error:
                answer = error
            pickle.dump(answer, answers, protocol=5)
            answers.flush()
    except (EOFError, BrokenPipeError):
        return
