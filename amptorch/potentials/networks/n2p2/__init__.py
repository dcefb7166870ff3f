"""Potentials in n2p2's folders: ``input.nn``, ``scaling.data``, ``weights.ZZZ.data``."""

from .read import is_folder, read_folder
from .write import write_folder

__all__ = ["is_folder", "read_folder", "write_folder"]
