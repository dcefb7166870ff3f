"""From images to records of their frames, in this process or in others."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue

import torch
from ase import Atoms

from .frames import frame_records
from .header import Header
from .sealed import Bytes
from .worker import WorkerProcess


def batches_at_once(processes: int) -> int:
    """Batches that are computed at the same time: one alone computes in torch's threads."""
    return processes if processes > 1 else torch.get_num_threads()


class Computer:
    """Computes batches of images while others are written.

    Args:
        header: what to compute.
        processes: 1 computes in this process, in as many threads as torch is set to, a batch in
            each: threads within a frame would wait for each other. More computes in so many other
            processes.

    Attributes:
        at_once: batches that are computed at the same time.
    """

    def __init__(self, header: Header, processes: int) -> None:
        self._header = header
        self._threads = torch.get_num_threads()
        self.at_once = batches_at_once(processes)
        # Threads that compute, or that wait for a process that does.
        start = partial(torch.set_num_threads, 1) if processes == 1 else None
        self._executor = ThreadPoolExecutor(self.at_once, initializer=start)
        self._workers = [WorkerProcess(header) for _ in range(processes)] if processes > 1 else []
        self._idle: SimpleQueue[WorkerProcess] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def __enter__(self) -> Computer:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.stop()
        self._executor.shutdown()
        # What one thread sets is what threads started later begin with.
        torch.set_num_threads(self._threads)

    def submit(
        self, keys: Sequence[bytes], images: Sequence[Atoms], names: Sequence[str]
    ) -> Future[list[Bytes]]:
        """Records of images, at some time; errors name them by ``names``."""
        return self._executor.submit(self._compute, keys, images, names)

    def _compute(
        self, keys: Sequence[bytes], images: Sequence[Atoms], names: Sequence[str]
    ) -> list[Bytes]:
        if not keys:
            return []
        if not self._workers:
            return frame_records(self._header, keys, images, names)
        worker = self._idle.get()
        try:
            return worker.compute(keys, images, names)
        finally:
            self._idle.put(worker)
