"""``nep``: what GPUMD's ``nep`` does in a folder, and the study of its parameters."""

from .command import add_command

__all__ = ["add_command"]
