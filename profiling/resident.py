"""Memory of a command and the processes it starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

INTERVAL = 0.25  # seconds between samples


def run(module: str, arguments: Sequence[str], threads: int) -> dict[str, Any]:
    """Run ``python -m module`` on its own and return what it prints last, a JSON object.

    Added to it are ``peak_megabytes``, the largest sum over its processes of proportional resident
    memory (PSS: a page that n processes share counts 1/n for each), mapped files included,
    ``peak_private_megabytes``, the same without mapped files, and ``wall_seconds``, from its start
    to its end.

    Raises:
        RuntimeError: the command failed.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", module, *arguments]
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    watch = _Watch(process.pid)
    output, _ = process.communicate()
    seconds = time.perf_counter() - begun
    watch.stop()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}")
    result = json.loads(output.strip().splitlines()[-1])
    return {**result, **watch.peaks, "wall_seconds": seconds}


class _Watch(threading.Thread):
    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.peaks = {"peak_megabytes": 0.0, "peak_private_megabytes": 0.0}
        self._done = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._done.wait(INTERVAL):
            totals = [_megabytes(pid) for pid in _tree(self.pid)]
            for index, name in enumerate(self.peaks):
                self.peaks[name] = max(self.peaks[name], sum(total[index] for total in totals))

    def stop(self) -> None:
        self._done.set()
        self.join()


def _tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            parents.setdefault(parent, []).append(int(folder.name))
    found = [root]
    for pid in found:
        found.extend(parents.get(pid, []))
    return found


def _megabytes(pid: int) -> tuple[float, float]:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    values = {line.split(":")[0]: line.split()[1] for line in lines[1:]}
    return int(values["Pss"]) / 1024, int(values.get("Pss_Anon", values["Pss"])) / 1024
