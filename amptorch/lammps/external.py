"""Any potential in LAMMPS from Python, by ``fix external``."""

from __future__ import annotations


def attach():
    pass
