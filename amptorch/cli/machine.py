"""``machine``: what this machine computes with, and what chose it."""

from __future__ import annotations

import argparse
import os
from typing import Any

import torch

from ..kernels.capability import capability
from ..report.machine import describe

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser("machine", help="instruction set, threads, GPUs and versions here")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print a line for each."""
    for name, value in rows().items():
        print(f"{name:<12} {value}")


def rows() -> dict[str, str]:
    """What is printed, by name.

    Raises:
        ValueError: the instruction set that the environment asks for is unknown or not there.
    """
    found = describe()
    instructions, why = capability()
    return {
        "processor": f"{found['processor']}, {found['cores']} cores",
        "kernels": f"{instructions} ({why})",
        "in torch": f"{torch.backends.cpu.get_cpu_capability()} ({_said('ATEN_CPU_CAPABILITY')})",
        "threads": f"{found['threads']} ({_said(*THREADS)})",
        "GPUs": ", ".join(_gpus()) or "none that torch finds",
        "system": f"{found['system']}, Python {found['python']}",
        **found["packages"],
    }


def _said(*variables: str) -> str:
    """The first variable of the environment that is set, or that nobody said anything."""
    said = (f"{name}={os.environ[name]}" for name in variables if os.environ.get(name))
    return next(said, "torch's choice")


def _gpus() -> list[str]:
    return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
