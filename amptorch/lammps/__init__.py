"""Potentials in LAMMPS: files, the plugin ``pair_style amptorch``, checks, and any potential by
``fix external``."""

from .external import attach

__all__ = ["attach"]
