"""The plugin ``pair_style amptorch``, compiled for an installation of LAMMPS."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .installation import Installation

NAME = "amptorchplugin.so"
"""LAMMPS looks in the folders of ``LAMMPS_PLUGIN_PATH`` for names that end so."""

# Kernels that the plugin is made of; the largest first, as they are compiled side by side.
_SOURCES = (
    "symmetry_functions_*",
    "networks_*",
    "nep_pass_*",
    "bispectrum_*",
    "ace_[ab]*",  # not the rows of fits
    "spherical_expansion_*",
    "gmp_*",
)
_KERNELS = Path(__file__).parents[1] / "kernels" / "cpu"
_PLUGIN = Path(__file__).parent / "plugin"
# As in setup.py. Without OpenMP: the processes share the work.
_FLAGS = ("-std=c++17", "-O3", "-fno-math-errno", "-fno-strict-aliasing", "-g0", "-fPIC")
_PATHS = f"-fmacro-prefix-map={_PLUGIN.parent}/="  # in messages
_HIDDEN = (_PATHS, "-fvisibility=hidden", "-DNDEBUG", "-DAMPTORCH_FLOAT64_ONLY", f"-I{_KERNELS}")
NO_COMPILER = (
    "no C++ compiler {!r}: install one that knows C++17 (apt install g++, dnf install gcc-c++, "
    "conda install gxx), or name yours by the environment variable CXX"
)


@dataclass(frozen=True)
class _Unit:
    """One file to compile."""

    source: Path
    command: tuple[str, ...]
    digest: str

    def object(self, cache: Path) -> Path:
        return cache / f"{self.source.stem}-{self.digest}.o"


def cache_folder() -> Path:
    """Where plugins and what they are made of are kept."""
    given = os.environ.get("XDG_CACHE_HOME")
    return (Path(given) if given else Path.home() / ".cache") / "amptorch" / "lammps"


def build(installation: Installation, out: Path | None = None) -> Path:
    """Compile and link the plugin, side by side; what is compiled already is taken from the cache.

    Args:
        installation: of LAMMPS.
        out: folder of the plugin, that of the cache by default.

    Raises:
        OSError: no compiler, or what it says.
    """
    compiler = shlex.split(os.environ.get("CXX", "c++" if shutil.which("c++") else "g++"))
    if shutil.which(compiler[0]) is None:
        raise FileNotFoundError(NO_COMPILER.format(compiler[0]))
    out, cache = out or cache_folder(), cache_folder() / "objects"
    for folder in (out, cache):
        folder.mkdir(parents=True, exist_ok=True)
    units = _units(compiler, installation)
    with ThreadPoolExecutor(_processors()) as pool:
        objects = list(pool.map(lambda unit: _compiled(unit, cache), units))
    plugin = out / NAME
    made = plugin.with_name(f".{NAME}-{os.getpid()}")
    _run([*compiler, "-shared", *_linking(), "-o", str(made), *map(str, objects)])
    made.replace(plugin)
    return plugin


def _units(compiler: Sequence[str], installation: Installation) -> list[_Unit]:
    flags = [*compiler, *_FLAGS, *_HIDDEN, *shlex.split(os.environ.get("CXXFLAGS", ""))]
    lammps = [
        f"-I{installation.headers}",
        f"-I{installation.mpi}",
        f'-DAMPTORCH_LAMMPS_VERSION="{installation.version}"',
    ]
    kernels = [path for name in _SOURCES for path in sorted(_KERNELS.glob(f"{name}.cpp"))]
    return [
        *(_unit(path, flags) for path in [*kernels, _KERNELS / "dispatch.cpp"]),
        *(_unit(path, [*flags, *lammps]) for path in sorted(_PLUGIN.glob("*.cpp"))),
    ]


def _unit(source: Path, command: Sequence[str]) -> _Unit:
    digest = hashlib.sha256("\0".join(command).encode())
    for path in _included([source]):
        digest.update(path.read_bytes())
    return _Unit(source, tuple(command), digest.hexdigest()[:16])


def _included(paths: Sequence[Path]) -> list[Path]:
    """Files of ours that become one when the first is compiled."""
    found = list(paths)
    for path in found:
        names = re.findall(r'^#include "(.+)"', path.read_text(encoding="utf-8"), re.MULTILINE)
        places = [folder / name for name in names for folder in (_KERNELS, _PLUGIN)]
        found += [place for place in places if place.is_file() and place not in found]
    return found


def _compiled(unit: _Unit, cache: Path) -> Path:
    found = unit.object(cache)
    if not found.is_file():
        made = found.with_name(f".{os.getpid()}-{found.name}")
        _run([*unit.command, "-c", str(unit.source), "-o", str(made)])
        made.replace(found)
    return found


def _linking() -> list[str]:
    # What LAMMPS and MPI have is found when the plugin is loaded.
    return ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else ["-s"]


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{shlex.join(command)}\n{done.stderr.strip()}")


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
