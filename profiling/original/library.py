"""The compiled loop: made by g++ at first use, kept under a hash of its source."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("triple_loop.cpp")
# What Python's build tools give an extension by default; no instructions of this machine alone.
FLAGS = ("-O2", "-std=c++14", "-shared", "-fPIC")


@functools.cache
def load() -> ctypes.CDLL:
    """The library.

    Raises:
        RuntimeError: there is no g++, or it fails.
    """
    path = _folder() / f"triple_loop-{_digest()}.so"
    if not path.is_file():
        _compile(path)
    library = ctypes.CDLL(str(path))
    library.find_neighbors.restype = ctypes.c_int64
    library.symmetry_functions.restype = None
    return library


def _folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "amptorch-profiling"


def _digest() -> str:
    return hashlib.sha256(SOURCE.read_bytes() + " ".join(FLAGS).encode()).hexdigest()[:16]


def _compile(path: Path) -> None:
    compiler = shutil.which("g++")
    if compiler is None:
        raise RuntimeError("profiling.original needs g++ to compile its kernel, found none")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two processes may compile at once: what is loaded is always whole.
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        command = [compiler, *FLAGS, "-o", str(made), str(SOURCE)]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            raise RuntimeError(f"g++ could not compile {SOURCE.name}:\n{result.stderr}")
        made.replace(path)
