"""``machine``: what this machine computes with, and what chose it."""

from __future__ import annotations

import argparse
import os
from typing import Any

import torch

from ..kernels.capability import capability
from ..processes.threads import threads_summary
from ..report.machine import describe


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
        **threads_summary(),
        "GPUs": ", ".join(_gpus()) or "none that torch finds",
        "system": f"{found['system']}, Python {found['python']}",
        **found["packages"],
    }


def _said(variable: str) -> str:
    """A variable of the environment that is set, or that nobody said anything."""
    value = os.environ.get(variable)
    return f"{variable}={value}" if value else "torch's choice"


def _gpus() -> list[str]:
    return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
