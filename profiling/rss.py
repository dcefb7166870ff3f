"""Memory of this process, as Linux counts it; the peak is known elsewhere too."""

from __future__ import annotations

import ctypes
import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")
MAPS = Path("/proc/self/smaps_rollup")
REFERENCES = Path("/proc/self/clear_refs")


def missing() -> str:
    """What the functions of this module lack here, or nothing."""
    lacking = [str(path) for path in (STATUS, MAPS, REFERENCES) if not path.exists()]
    return f"needs Linux, with {', '.join(lacking)}" if lacking else ""


def anonymous() -> int:
    """Bytes that are resident and belong to no file, after the allocator gave back what it can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return _kilobytes(MAPS, "Anonymous") * 1024


def resident() -> int:
    """Bytes that are resident."""
    return _kilobytes(STATUS, "VmRSS") * 1024


def peak() -> int:
    """The largest number of resident bytes since the start, or since :func:`reset_peak`."""
    if STATUS.is_file():
        return _kilobytes(STATUS, "VmHWM") * 1024
    # Linux counts here what the parent held at its start too.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def reset_peak() -> None:
    """Let the peak begin at what is resident now."""
    REFERENCES.write_text("5")


def _kilobytes(file: Path, name: str) -> int:
    for line in file.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise ValueError(f"{file}: expected a line {name!r}, got none")
