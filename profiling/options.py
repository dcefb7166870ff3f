"""Options that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from ase import Atoms
from ase.io import read

from .report import Data, Report, typed


def add_options(parser: argparse.ArgumentParser, frames: int, threads: int = 1) -> None:
    """Add ``--data``, ``--frames``, ``--threads`` and ``--out``."""
    parser.add_argument("--data", type=Path, required=True, help="file that ASE reads")
    parser.add_argument("--frames", type=int, default=frames, help="use the first frames of it")
    parser.add_argument("--threads", type=int, default=threads)
    parser.add_argument("--out", type=Path, help="folder to write, default reports/<date>-<name>")


def start(arguments: argparse.Namespace, title: str) -> tuple[Report, list[Atoms]]:
    """A report with nothing in it yet, and the frames; torch is set to the threads.

    Args:
        arguments: of a command that has the options of :func:`add_options` and others of its own.
        title: of the report.
    """
    given: dict[str, Any] = {
        name: value
        for name, value in vars(arguments).items()
        if name not in ("command", "data", "out", "run")
    }
    torch.set_num_threads(arguments.threads)
    images = read(arguments.data, f":{arguments.frames}")
    given["frames"] = len(images)
    report = Report(
        arguments.command,
        title,
        typed(arguments.command, data=arguments.data, **given),
        data={"frames": Data.of(arguments.data, images)},
        settings=given,
    )
    return report, images
